"""What does an answer tell of how it was made? In debug mode (`EOMS_DEBUG`) the path, the statement and the times.

SQL only, never a value: those are parameters. Strangers are told nothing (`server.front_door`); what is counted for
everybody is left to `server.metrics`.
"""

from __future__ import annotations

from typing import Any

from resolvers.context import Trace

STEPS = ("plan", "statement", "finish")
"""What a planned query goes through, in this order."""

TOTAL = "total"


def plan_extension(trace: Trace) -> dict[str, Any]:
    """Return `extensions.plan`: path, why it was interpreted, the SQL, and the milliseconds of each step, null for one not taken.

    Of a mutation, `sql` is the statement of its last payload, and the steps are those of all its payloads.
    """
    return {
        "path": trace.path,
        "reason": trace.reason,
        "sql": trace.sql,
        "milliseconds": {step: _milliseconds(trace, step) for step in STEPS},
    }


def server_timing(trace: Trace) -> dict[str, str]:
    """Return the header that browsers show beside a request (https://www.w3.org/TR/server-timing/): the steps taken, and the total."""
    taken = {step: _milliseconds(trace, step) for step in (*STEPS, TOTAL)}
    return {
        "Server-Timing": ", ".join(f"{step};dur={each}" for step, each in taken.items() if each is not None)
    }


def _milliseconds(trace: Trace, step: str) -> float | None:
    seconds = trace.seconds.get(step)
    return None if seconds is None else round(seconds * 1000, 3)
