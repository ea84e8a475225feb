"""What becomes of a request when a plan fails for a reason that nobody foresaw? It is logged, and answered without the plan."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import structlog

from domain.errors import EomsError
from planner.arguments import Unplannable

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@contextmanager
def logged_mistakes(request_id: str) -> Generator[None]:
    """Raise `Unplannable` for what is neither that nor an error that a caller is told of."""
    try:
        yield
    except (EomsError, Unplannable):
        raise
    except Exception as mistake:
        _log.exception("planner_failed", request_id=request_id)
        raise Unplannable("the planner failed") from mistake
