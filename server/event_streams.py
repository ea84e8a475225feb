"""Which event streams are open in this process, who may open one more, and who ends them all?

The life of one stream is left to `server.event_stream`, which also says what its endings mean; whose it is and what it
answers is settled before a stream is asked for.

    streams = EventStreams(StreamLimits(max_per_viewer=50))
    return await streams.response(request, answers, passport, headers)

uvicorn waits for open responses when it stops, so whoever stops the server calls `drain` first.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import Generic
from uuid import UUID

import structlog
from starlette.requests import Request
from starlette.responses import Response

from domain.errors import TooManyStreams, Unauthenticated, Unavailable
from server.event_stream import EventStream, StreamLimits
from server.requests import REQUEST_ID_HEADER, facts_of
from server.websocket_protocol import Answer, Holder, Passport

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class EventStreams(Generic[Holder]):
    """The open streams, counted by viewer; the anonymous share one count."""

    def __init__(self, limits: StreamLimits) -> None:
        self._limits = limits
        self._open: dict[EventStream, UUID | None] = {}
        # Those that are over by themselves after one answer.
        self._single: set[EventStream] = set()
        self._has_none_open = asyncio.Event()
        self._is_draining = False

    @property
    def count(self) -> int:
        """Return how many streams are open."""
        return len(self._open)

    @property
    def user_ids(self) -> frozenset[UUID]:
        """Return the people who have a stream open, for instance to look whether they still may."""
        return frozenset(user_id for user_id in self._open.values() if user_id is not None)

    async def response(
        self,
        request: Request,
        answers: AsyncGenerator[Answer],
        holder: Passport[Holder] | None,
        headers: Mapping[str, str],
        *,
        is_single: bool = False,
    ) -> Response:
        """Return the response that carries the answers, and closes them however it ends; it counts from now on.

        `is_single` says that the answers are one, to a query or mutation: as over plain HTTP, what has begun is told,
        though the server is to stop or the viewer's rights change, perhaps by this very mutation.

        Raises `TooManyStreams`, and `Unavailable` when the server stops; the answers are closed then too.
        """
        user_id = holder.user_id if holder else None
        try:
            self._check_room(user_id)
        except (TooManyStreams, Unavailable):
            await answers.aclose()
            raise
        request_id = headers.get(REQUEST_ID_HEADER) or facts_of(request).request_id
        stream = EventStream(
            answers,
            self._limits,
            request_id,
            {**headers, REQUEST_ID_HEADER: request_id},
            holder.expires_at if holder and not is_single else None,
            self._forget,
        )
        if is_single:
            self._single.add(stream)
        self._open[stream] = user_id
        self._has_none_open.clear()
        return stream

    def revoke(self, user_id: UUID) -> int:
        """End every subscription of a person at once (UNAUTHENTICATED) and return how many those were."""
        ended = [stream for stream in self._endless() if self._open[stream] == user_id]
        for stream in ended:
            stream.refuse(Unauthenticated("Your rights have changed."))
        return len(ended)

    async def drain(self, grace_seconds: float) -> None:
        """Cut every subscription off and refuse new streams; wait until all are gone or time is up."""
        self._is_draining = True
        for stream in self._endless():
            stream.cut_off()
        if self._open:
            try:
                async with asyncio.timeout(grace_seconds):
                    await self._has_none_open.wait()
            except TimeoutError:
                _log.warning("event_streams_left_open", count=self.count)

    def _check_room(self, user_id: UUID | None) -> None:
        if self._is_draining:
            raise Unavailable
        if sum(each == user_id for each in self._open.values()) >= self._limits.max_per_viewer:
            raise TooManyStreams(self._limits.max_per_viewer)

    def _endless(self) -> list[EventStream]:
        return [stream for stream in self._open if stream not in self._single]

    def _forget(self, stream: EventStream) -> None:
        del self._open[stream]
        self._single.discard(stream)
        if not self._open:
            self._has_none_open.set()
