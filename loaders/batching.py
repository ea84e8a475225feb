"""How are single questions gathered into one statement? aiodataloader, made safe against cancellation."""

from __future__ import annotations

from asyncio import CancelledError, Future
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from aiodataloader import DataLoader

KeyT = TypeVar("KeyT")
ValueT = TypeVar("ValueT")

Batch = Callable[[Sequence[KeyT]], Awaitable[Sequence[ValueT]]]


class Batcher(DataLoader[KeyT, ValueT]):
    """A DataLoader that forgets cancelled futures and lets nobody wait for a cancelled batch.

    The library keeps a cancelled future in its cache for ever, and leaves waiters pending when the batch function itself
    is cancelled. `batch` returns one value per key, in the same order; what it raises, all who wait for it get.
    """

    def __init__(self, batch: Batch[KeyT, ValueT], max_batch_size: int = 1_000) -> None:
        super().__init__(self._batched, max_batch_size=max_batch_size)
        self._ask = batch
        self._pending: dict[KeyT, Future[ValueT]] = {}

    def load(self, key: KeyT) -> Future[ValueT]:
        """Return the value of `key`, fetched together with all others that are asked for in this turn of the loop."""
        known = self._pending.get(key)
        if known is not None and known.cancelled():
            self.clear(key)
        future = self._pending[key] = super().load(key)
        return future

    async def _batched(self, keys: list[KeyT]) -> list[ValueT]:
        try:
            return list(await self._ask(keys))
        except CancelledError:
            for key in keys:
                self.clear(key)
                waiting = self._pending.pop(key, None)
                if waiting is not None and not waiting.done():
                    waiting.cancel()
            raise
