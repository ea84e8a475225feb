"""What becomes of a query whose client has hung up? It is cancelled, and with it its statement in the database.

A mutation is never cancelled for that: whether it was done must be known to the events, if not to the client.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from starlette.requests import ClientDisconnect
from starlette.types import Receive

_PATIENCE_SECONDS = 0.1
"""How long a query runs before anybody looks: most have ended by then, and looking costs a task."""


class WhileConnected:
    """Cancels the block when its client hangs up, which raises `ClientDisconnect`; the request's body has been read."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._watching: asyncio.Task[None] | None = None
        self._has_hung_up = False

    async def __aenter__(self) -> Self:
        task = asyncio.current_task()
        assert task is not None, "a request is answered by a task"
        self._task = task
        self._start = asyncio.get_running_loop().call_later(_PATIENCE_SECONDS, self._watch)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._start.cancel()
        if self._watching is not None:
            self._watching.cancel()
        if self._has_hung_up and self._task.uncancel() == 0 and kind is asyncio.CancelledError:
            raise ClientDisconnect from error

    def _watch(self) -> None:
        self._watching = asyncio.ensure_future(self._until_hung_up())

    async def _until_hung_up(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._has_hung_up = True
        self._task.cancel()
