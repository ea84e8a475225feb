"""Whose token is this?

An access token is a JWT (RFC 7519) that carries identity only: who, and by which session. What the person may
do is looked up (`policies.grants`), so that a change of grants needs no new token.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import jwt

from db.identifiers import new_id
from domain.errors import Unauthenticated
from domain.identifiers import SessionId, UserId

ISSUER = "eoms"
AUDIENCE = "eoms-api"
TOKEN_LENGTH = 8 * 1024
"""Longest token that is looked at; ours have about 400 characters."""

SECRET_BYTES = 32
"""HS256 wants a key at least as long as its hash (RFC 7518, section 3.2)."""

_ALGORITHM = "HS256"
_REQUIRED_CLAIMS = ["iss", "aud", "sub", "sid", "iat", "exp", "jti"]

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
class Claims:
    """What a valid token says: the person, the session it came from, and until when."""

    user_id: UserId
    session_id: SessionId
    expires_at: datetime


class TokenMint:
    """Issues and reads access tokens with one secret and one algorithm."""

    def __init__(self, secret: bytes, lifetime: timedelta) -> None:
        assert len(secret) >= SECRET_BYTES, "settings give a secret of at least 32 bytes"
        self._secret = secret
        self._lifetime = lifetime

    def issue(self, user_id: UserId, session_id: SessionId, now: datetime) -> AccessToken:
        """Return a token that is valid from `now` for the mint's lifetime."""
        # A JWT's times are whole seconds; what we say about the token has to agree with what is in it.
        issued_at = int(now.timestamp())
        expires_at = int((now + self._lifetime).timestamp())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(user_id),
            "sid": str(session_id),
            "iat": issued_at,
            "exp": expires_at,
            "jti": str(new_id()),
        }
        token = jwt.encode(claims, self._secret, algorithm=_ALGORITHM)
        return AccessToken(token, datetime.fromtimestamp(expires_at, UTC))

    def read(self, token: str) -> Claims:
        """Return what the token says; raise `Unauthenticated` unless we issued it and it is valid now.

        The error says whether a genuine token has expired, and nothing else about what is wrong.
        """
        if len(token) > TOKEN_LENGTH or not token.isascii():
            raise Unauthenticated(_NOT_VALID)
        try:
            return _claims(self._verified(token))
        except jwt.ExpiredSignatureError as error:
            raise Unauthenticated(_EXPIRED) from error
        # Ids and times that we would not have written are refused too, though the secret be right.
        except (jwt.PyJWTError, ValueError, OverflowError) as error:
            raise Unauthenticated(_NOT_VALID) from error

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


def _claims(content: dict[str, Any]) -> Claims:
    issued_at = datetime.fromtimestamp(int(content["iat"]), UTC)
    if issued_at > datetime.now(UTC) + _CLOCK_DIFFERENCE:
        raise jwt.ImmatureSignatureError
    return Claims(
        user_id=UserId(UUID(content["sub"])),
        session_id=SessionId(UUID(str(content["sid"]))),
        expires_at=datetime.fromtimestamp(int(content["exp"]), UTC),
    )
