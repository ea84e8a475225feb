"""What do those who wait for a batch get when it fails?"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from uuid import UUID

import pytest
from sqlalchemy import select, true

from db.sessions import ReadSession
from domain.errors import Unavailable
from domain.identifiers import OrganizationId, UserId
from loaders.batching import Batcher
from loaders.reads import Reads
from policies.compiler import Policies
from policies.readers import default_rulebook
from policies.viewer import Viewer


async def test_questions_of_one_turn_are_asked_together() -> None:
    asked: list[Sequence[int]] = []

    async def double(keys: Sequence[int]) -> list[int]:
        asked.append(keys)
        return [key * 2 for key in keys]

    batcher = Batcher(double)
    assert await asyncio.gather(batcher.load(1), batcher.load(2), batcher.load(1)) == [2, 4, 2]
    assert asked == [[1, 2]]


async def test_failure_is_told_to_all_who_wait() -> None:
    async def fail(_keys: Sequence[int]) -> list[int]:
        raise Unavailable

    batcher = Batcher(fail)
    told = await asyncio.gather(batcher.load(1), batcher.load(2), return_exceptions=True)
    assert [type(each) for each in told] == [Unavailable, Unavailable]


async def test_question_that_failed_can_be_asked_again() -> None:
    answers = iter([Unavailable(), None])

    async def fail_once(keys: Sequence[int]) -> list[int]:
        failure = next(answers)
        if failure:
            raise failure
        return list(keys)

    batcher = Batcher(fail_once)
    with pytest.raises(Unavailable):
        await batcher.load(1)
    assert await batcher.load(1) == 1


async def test_nobody_waits_for_a_cancelled_batch() -> None:
    async def cancelled(_keys: Sequence[int]) -> list[int]:
        raise asyncio.CancelledError

    batcher = Batcher(cancelled)
    waiting = batcher.load(1)
    async with asyncio.timeout(5):
        await asyncio.wait([waiting])
    assert waiting.cancelled()


async def test_reads_that_are_closed_open_no_connection() -> None:
    viewer = Viewer(UserId(UUID(int=1)), OrganizationId(UUID(int=2)), None)
    # Without an engine: a session that was asked for a connection would fail.
    reads = Reads(viewer, Policies(default_rulebook()).of(viewer.shape), ReadSession())
    await reads.close()
    with pytest.raises(asyncio.CancelledError):
        await reads.fetch(select(true()))
    assert reads.session.statement_count == 0
