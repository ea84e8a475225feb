"""What bounds a pool of connections and the statements in it?"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """Bounds of one pool and of each statement in it; times in seconds."""

    size: int = 10
    wait_seconds: float = 5
    connect_seconds: float = 3
    statement_seconds: float = 10
    lock_seconds: float = 5


def server_settings(limits: PoolLimits) -> dict[str, str]:
    """Return what every connection tells the server at its start."""
    return {
        "application_name": "eoms",
        "timezone": "UTC",
        # A big JSON statement looks expensive to the planner, and compiling it takes longer than running it.
        "jit": "off",
        "statement_timeout": f"{limits.statement_seconds}s",
        "lock_timeout": f"{limits.lock_seconds}s",
        "idle_in_transaction_session_timeout": f"{limits.statement_seconds * 2}s",
    }
