"""Whose token is this?

An access token is a JWT (RFC 7519) that carries identity only: which person by which session, or which API client by
which secret. What the owner may do is looked up (`policies.grants`), so that a change of grants needs no new token.
A token says which of the two kinds it is, and is never read as the other. One that was read lately is read from memory
(`policies.known_tokens`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import jwt

from db.identifiers import new_id
from domain.errors import Unauthenticated
from domain.identifiers import SecretId, SessionId, UserId
from policies.known_tokens import KnownTokens
from policies.viewer import OperationScope

ISSUER = "eoms"
AUDIENCE = "eoms-api"
TOKEN_LENGTH = 8 * 1024
"""Longest token that is looked at; ours have about 400 characters."""

KNOWN_TOKENS = 10_000
"""How many tokens are read from memory; each takes about a kilobyte."""

SECRET_BYTES = 32
"""HS256 wants a key at least as long as its hash (RFC 7518, section 3.2)."""

_ALGORITHM = "HS256"
_REQUIRED_CLAIMS = ["iss", "aud", "sub", "sid", "iat", "exp", "jti"]
_CLIENT_CLAIM = "client"
_SCOPE_CLAIM = "scope"
"""The two claims of a client's token that a person's has not (`scope` as in RFC 8693, section 4.2)."""

_CLOCK_DIFFERENCE = timedelta(seconds=5)
"""How far the clock of the server that issued a token may be ahead of ours."""

_NOT_VALID = "The access token is not valid."
_EXPIRED = "The access token has expired."


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A signed token and the moment (UTC) from which it is refused."""

    token: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class SessionClaims:
    """What a person's valid token says: who, the session it came from, and until when."""

    user_id: UserId
    session_id: SessionId
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class ClientClaims:
    """What an API client's valid token says: its account, the secret it was got with, and for which scopes until when."""

    user_id: UserId
    secret_id: SecretId
    scopes: frozenset[OperationScope]
    expires_at: datetime


Claims = SessionClaims | ClientClaims


class TokenMint:
    """Issues and reads access tokens with one secret and one algorithm."""

    def __init__(self, secret: bytes, lifetime: timedelta) -> None:
        assert len(secret) >= SECRET_BYTES, "settings give a secret of at least 32 bytes"
        self._secret = secret
        self._lifetime = lifetime
        self._known = KnownTokens[Claims](KNOWN_TOKENS)

    def issue(self, user_id: UserId, session_id: SessionId, now: datetime) -> AccessToken:
        """Return a person's token that is valid from `now` for the mint's lifetime."""
        return self._issued(user_id, session_id, now, now + self._lifetime, {})

    def issue_to_client(
        self,
        user_id: UserId,
        secret_id: SecretId,
        scopes: frozenset[OperationScope],
        now: datetime,
        until: datetime | None,
    ) -> AccessToken:
        """Return an API client's token, valid from `now` for the mint's lifetime but not past `until`."""
        assert scopes, "a token without a scope would be good for nothing"
        end = now + self._lifetime
        return self._issued(
            user_id,
            secret_id,
            now,
            end if until is None else min(end, until),
            {_CLIENT_CLAIM: True, _SCOPE_CLAIM: scope_text(scopes)},
        )

    def read(self, token: str) -> Claims:
        """Return what the token says; raise `Unauthenticated` unless we issued it and it is valid now.

        The error says whether a genuine token has expired, and nothing else about what is wrong.
        """
        if len(token) > TOKEN_LENGTH or not token.isascii():
            raise Unauthenticated(_NOT_VALID)
        known = self._known.get(token)
        if known is not None:
            return known
        try:
            claims = _claims(self._verified(token))
        except jwt.ExpiredSignatureError as error:
            raise Unauthenticated(_EXPIRED) from error
        # Ids and times that we would not have written are refused too, though the secret be right.
        except (jwt.PyJWTError, ValueError, OverflowError) as error:
            raise Unauthenticated(_NOT_VALID) from error
        self._known.put(token, claims, claims.expires_at.timestamp())
        return claims

    def _issued(
        self,
        user_id: UserId,
        source_id: SessionId | SecretId,
        now: datetime,
        end: datetime,
        more: dict[str, str | bool],
    ) -> AccessToken:
        # A JWT's times are whole seconds; what we say about the token has to agree with what is in it.
        issued_at, expires_at = int(now.timestamp()), int(end.timestamp())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(user_id),
            "sid": str(source_id),
            "iat": issued_at,
            "exp": expires_at,
            "jti": str(new_id()),
            **more,
        }
        token = jwt.encode(claims, self._secret, algorithm=_ALGORITHM)
        return AccessToken(token, datetime.fromtimestamp(expires_at, UTC))

    # Any: PyJWT gives claims as whatever JSON held.
    def _verified(self, token: str) -> dict[str, Any]:
        return jwt.decode(
            token,
            self._secret,
            algorithms=[_ALGORITHM],
            issuer=ISSUER,
            audience=AUDIENCE,
            # `_claims` looks at `iat`: PyJWT's one leeway would also lengthen the token's life.
            options={"require": _REQUIRED_CLAIMS, "verify_iat": False},
        )


def scope_text(scopes: frozenset[OperationScope]) -> str:
    """Return scopes as OAuth writes them: separated by blanks (RFC 6749, section 3.3), in one order."""
    return " ".join(scope for scope in OperationScope if scope in scopes)


def _claims(content: dict[str, Any]) -> Claims:
    issued_at = datetime.fromtimestamp(int(content["iat"]), UTC)
    if issued_at > datetime.now(UTC) + _CLOCK_DIFFERENCE:
        raise jwt.ImmatureSignatureError
    user_id, source_id = UserId(UUID(content["sub"])), UUID(str(content["sid"]))
    expires_at = datetime.fromtimestamp(int(content["exp"]), UTC)
    if _CLIENT_CLAIM not in content and _SCOPE_CLAIM not in content:
        return SessionClaims(user_id, SessionId(source_id), expires_at)
    if content.get(_CLIENT_CLAIM) is not True:
        raise jwt.InvalidTokenError
    return ClientClaims(user_id, SecretId(source_id), _scopes(content.get(_SCOPE_CLAIM)), expires_at)


def _scopes(claim: object) -> frozenset[OperationScope]:
    if not isinstance(claim, str):
        raise jwt.InvalidTokenError
    # What we didn't write is refused: the empty text, a scope of another program, one named twice.
    scopes = frozenset(OperationScope(name) for name in claim.split(" "))
    if claim != scope_text(scopes):
        raise jwt.InvalidTokenError
    return scopes
