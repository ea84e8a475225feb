"""How are signing in, refreshing and signing out resolved?"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from commands.sessions import SignedIn
from domain.errors import InvalidInput, Refusal
from domain.identifiers import SessionId
from policies.viewer import Viewer
from resolvers.context import Context

# Longer texts are refused before any work is done for them; which bound was crossed is nobody's business.
_TEXT_LIMIT = 1_000


async def sign_in(context: Context, username: str, password: str) -> tuple[dict[str, Any], Refusal | None]:
    """Return the tokens of a new session, or why there are none."""
    await context.settle()
    return await _tokens(
        context.runtime.sessions.sign_in(username[:_TEXT_LIMIT], password[:_TEXT_LIMIT], context.origin())
    )


async def refresh(context: Context, refresh_token: str) -> tuple[dict[str, Any], Refusal | None]:
    """Return the next tokens of a session, or why there are none."""
    await context.settle()
    return await _tokens(context.runtime.sessions.refresh(refresh_token[:_TEXT_LIMIT], context.origin()))


async def revoke(context: Context, refresh_token: str | None) -> Refusal | None:
    """End the session of a refresh token, or the one that asks; return why not where it can't be ended."""
    await context.settle()
    sessions = context.runtime.sessions
    try:
        if refresh_token is not None:
            await sessions.sign_out(refresh_token[:_TEXT_LIMIT], context.origin())
        else:
            await sessions.end(_session_id(context.signed_in), context.origin())
    except Refusal as refusal:
        return refusal
    return None


def _session_id(viewer: Viewer) -> SessionId:
    if viewer.session_id is None:
        # A client's token ends with its secret, which is its operator's to revoke.
        raise InvalidInput("NO_SESSION", "An API client has no session that could be ended.", ())
    return viewer.session_id


async def _tokens(signing: Awaitable[SignedIn]) -> tuple[dict[str, Any], Refusal | None]:
    try:
        signed = await signing
    except Refusal as refusal:
        return {"access_token": None, "refresh_token": None, "expires_at": None}, refusal
    return {
        "access_token": signed.access.token,
        "refresh_token": signed.refresh_token,
        "expires_at": signed.access.expires_at,
    }, None
