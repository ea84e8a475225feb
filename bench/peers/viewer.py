"""Whom do the Python peers answer? Their surroundings, and the viewer of a bearer token with his projects.

The same for peers as for EOMS: a token is signed with the same secret and says who, the projects in which he is
project manager are looked up and kept for a minute. Only the limit trusts whoever asks.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID

import jwt

PROJECTS_OF_MANAGER = """
SELECT project_id FROM membership
 WHERE user_id = $1 AND role = 'project_manager' AND project_id IS NOT NULL ORDER BY project_id
"""
GRANTS_SECONDS = 60
"""As long as EOMS keeps them by default."""

# Any: uvicorn takes each as a word of its own.
SOCKET_SETTINGS: Mapping[str, Any] = {
    "loop": "uvloop",
    "http": "httptools",
    "ws": "websockets-sansio",
    "ws_per_message_deflate": False,
    "ws_ping_interval": None,
}
"""How EOMS has uvicorn carry sockets; for the peers that it carries, too."""


@dataclass(frozen=True)
class Environment:
    """What a peer is told when it starts; where the database is stands in libpq's own variables."""

    port: int
    pool_size: int
    secret: str
    user_id: str

    @classmethod
    def of(cls, variables: Mapping[str, str]) -> Self:
        """Return what the variables say."""
        return cls(
            int(variables["BENCH_PORT"]),
            int(variables["BENCH_POOL_SIZE"]),
            variables["BENCH_SECRET"],
            variables["BENCH_USER_ID"],
        )


def user_of(authorization: str | None, secret: str) -> UUID:
    """Return whose token it is; raise `jwt.PyJWTError` for one that is not good."""
    token = (authorization or "").removeprefix("Bearer ")
    claims = jwt.decode(token, secret, algorithms=["HS256"], issuer="eoms", audience="eoms-api")
    return UUID(claims["sub"])


class GrantsCache:
    """The projects of each viewer, looked up at most once a minute."""

    def __init__(self, look_up: Callable[[UUID], Awaitable[Sequence[UUID]]]) -> None:
        self._look_up = look_up
        self._known: dict[UUID, tuple[float, Sequence[UUID]]] = {}

    async def projects(self, user_id: UUID) -> Sequence[UUID]:
        """Return the projects in which he is project manager."""
        now = time.monotonic()
        until, projects = self._known.get(user_id, (0.0, ()))
        if until < now:
            projects = await self._look_up(user_id)
            self._known[user_id] = (now + GRANTS_SECONDS, projects)
        return projects
