"""What does this process count for Prometheus, and who may read it?

Whoever holds the token of `EOMS_METRICS_TOKEN`; without one there is nothing at `/metrics`. Numbers say how much is asked
and how it ends, by kinds and codes that are few and known; never who, never what.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
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
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """The numbers of one process, and `/metrics` that tells them."""

    def __init__(self, token: str | None) -> None:
        self._token = token
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._operations = Counter(
            "eoms_operations",
            "Operations by kind and outcome: ok, or the code of the first error.",
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

        # prometheus_client takes longer to find a line by its labels than to count in it; both are few.
        self._counted = cache(self._operations.labels)
        self._timed = cache(self._seconds.labels)

    def ended(self, kind: str, outcome: str, seconds: float) -> None:
        """Count an operation that was executed."""
        self._counted(kind, outcome).inc()
        self._timed(kind).observe(seconds)

    def followed(self) -> None:
        """Count a subscription that was opened."""
        self._counted("subscription", "ok").inc()

    def refused(self, outcome: str) -> None:
        """Count an operation that was not executed, by the code of its first error."""
        self._counted("refused", outcome).inc()

    def watch(self, name: str, meaning: str, measure: Callable[[], float]) -> None:
        """Tell from now on what `measure` gives at the moment of asking."""
        Gauge(name, meaning, registry=self._registry).set_function(measure)

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
