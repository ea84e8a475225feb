"""What does this process count for Prometheus, and who may read it?

Whoever holds the token of `EOMS_METRICS_TOKEN`; without one there is nothing at `/metrics`. Numbers say how much is asked
and how it ends, by kinds and codes that are few and known; never who, never what.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.metrics_core import CounterMetricFamily
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from resolvers.context import Trace

REASONS = frozenset(
    {
        "a directive can't be taken",
        "a field is worked out in Python",
        "a variable can't be taken",
        "an argument can't be taken",
        "introspection",
        "its statement failed",
        "more than 2000 fields",
        "nested too deeply",
        "nobody is signed in",
        "nothing to read",
        "null stands where the schema has none",
        "the planner failed",
        "the planner is off",
    }
)
"""Why an operation is interpreted: all that the planner says, so that a label can never have more values."""

_OTHER = "other"

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """The numbers of one process, and `/metrics` that tells them."""

    def __init__(self, token: str | None) -> None:
        self._token = token
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._operations = Counter(
            "eoms_operations",
            "Operations by kind and outcome: ok, the code of the first error, or CANCELLED.",
            ("kind", "outcome"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "eoms_operation_seconds",
            "Time from an operation's admission to its answer.",
            ("kind",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._paths = Counter(
            "eoms_operations_by_path",
            "Queries and mutations by how they were answered, and why they were interpreted (empty for planned ones).",
            ("path", "reason"),
            registry=self._registry,
        )
        self._statement_seconds = Histogram(
            "eoms_planned_statement_seconds",
            "Time that the planned statements of an operation took, with the wait for a connection.",
            buckets=_SECONDS,
            registry=self._registry,
        )

        # prometheus_client takes longer to find a line by its labels than to count in it; both are few.
        self._counted = cache(self._operations.labels)
        self._timed = cache(self._seconds.labels)
        self._taken = cache(self._paths.labels)

    def ended(self, kind: str, outcome: str, seconds: float) -> None:
        """Count an operation that was executed."""
        self._counted(kind, outcome).inc()
        self._timed(kind).observe(seconds)

    def answered(self, trace: Trace) -> None:
        """Count how a query or mutation was answered, and the time of its statement."""
        reason = trace.reason or ""
        self._taken(trace.path, reason if not reason or reason in REASONS else _OTHER).inc()
        seconds = trace.seconds.get("statement")
        if seconds is not None:
            self._statement_seconds.observe(seconds)

    def followed(self) -> None:
        """Count a subscription that was opened."""
        self._counted("subscription", "ok").inc()

    def refused(self, outcome: str) -> None:
        """Count an operation that was not executed, by the code of its first error."""
        self._counted("refused", outcome).inc()

    def watch(self, name: str, meaning: str, measure: Callable[[], float]) -> None:
        """Tell from now on what `measure` gives at the moment of asking."""
        Gauge(name, meaning, registry=self._registry).set_function(measure)

    def watch_growing(self, name: str, meaning: str, measure: Callable[[], float]) -> None:
        """Do the same with what only grows: Prometheus calls it a counter."""
        self._registry.register(_Growing(name, meaning, measure))

    async def endpoint(self, request: Request) -> Response:
        """Answer `/metrics`: 404 where no token is set, 401 without it."""
        if self._token is None:
            return PlainTextResponse("Not Found", 404)
        given = request.headers.get("authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {self._token}".encode()):
            return PlainTextResponse(
                "Unauthorized", 401, headers={"WWW-Authenticate": 'Bearer realm="metrics"'}
            )
        headers = {"Content-Type": CONTENT_TYPE_LATEST, "Cache-Control": "no-store"}
        return Response(generate_latest(self._registry), headers=headers)


@dataclass(frozen=True)
class _Growing(Collector):
    """A counter that somebody else counts."""

    name: str
    meaning: str
    measure: Callable[[], float]

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Yield what it has come to."""
        yield CounterMetricFamily(self.name, self.meaning, value=self.measure())
