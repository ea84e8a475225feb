"""What does an API client prove itself with?

A secret of 256 random bits: there is nothing in it to guess, so of it only the SHA-256 is kept, and whether one is right
is a look-up by that hash, which tells by its time nothing about any secret. Who holds which is left to
`commands.clients`, what is got for one to `commands.client_tokens`.
"""

from __future__ import annotations

import hashlib
import re
import secrets

from sqlalchemy import ColumnElement, func, or_

from db.tables import ApiClientSecretRow

SECRET_PREFIX = "eoms_"  # noqa: S105  (how every secret begins)
"""Lets a scanner of source code recognize a secret that somebody has committed by mistake."""

_RANDOM_BYTES = 32
_SECRET = re.compile(rf"{SECRET_PREFIX}[A-Za-z0-9_-]{{43}}")


def new_secret() -> str:
    """Return a secret that nobody has had before."""
    return SECRET_PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)


def could_be_secret(text: str) -> bool:
    """Return whether the text has the form of our secrets; another one is nobody's."""
    return _SECRET.fullmatch(text) is not None


def secret_hash(secret: str) -> bytes:
    """Return what is kept of a secret."""
    return hashlib.sha256(secret.encode()).digest()


def is_good() -> ColumnElement[bool]:
    """Return the predicate of the secrets that are good now, by the database's clock."""
    row = ApiClientSecretRow
    return row.revoked_at.is_(None) & or_(row.expires_at.is_(None), row.expires_at > func.now())
