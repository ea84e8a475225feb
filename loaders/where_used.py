"""Where are items used? Read in one statement for all that are asked with the same day and states.

Whoever asks must be able to read all that BOMs say, as `loaders.explosions` has it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import RowMapping

from db.bom_uses import ALL_USES, DIRECT_USES, parameters, uses
from domain.bom import RevisionState
from domain.errors import InvalidInput
from domain.where_used import MOST_USES, UsedAt, Uses
from loaders.batching import Batcher
from loaders.explosions import as_asked, demand_whole
from loaders.reads import Reads

_READ_WHOLE = ("BomRevision", "BomLine", "BomSubstitute", "Item")


@dataclass(frozen=True, slots=True)
class UseQuestion:
    """Directly or on all levels, by the lines of which day, in revisions of which states that hold on it."""

    is_direct: bool
    as_of: date
    states: tuple[RevisionState, ...]


async def uses_of(reads: Reads, item_id: UUID, question: UseQuestion) -> Sequence[UsedAt]:
    """Return where a readable item is used; raise `Forbidden`, or `MalformedRequest` TOO_DEEP or TOO_LARGE."""
    demand_whole(reads, _READ_WHOLE)

    async def batch(keys: Sequence[UUID]) -> Sequence[Sequence[UsedAt] | InvalidInput]:
        statement = DIRECT_USES if question.is_direct else ALL_USES
        rows = await reads.fetch(statement, parameters(keys, question.as_of, question.states))
        # All together: what is asked of them next is then asked in one statement, too.
        return await asyncio.to_thread(_told, rows, keys, question)

    with as_asked():
        found = await reads.loader(("uses", question), lambda: Batcher(batch)).load(item_id)
        if isinstance(found, InvalidInput):
            raise found
        return found


def _told(
    rows: Sequence[RowMapping], keys: Sequence[UUID], question: UseQuestion
) -> Sequence[Sequence[UsedAt] | InvalidInput]:
    """Return the uses of each item, or why they can't be told."""
    known = Uses(uses(rows))
    found: list[Sequence[UsedAt] | InvalidInput] = []
    count = 0
    for key in keys:
        if count > MOST_USES:
            # What many have in common above them is read once, but told of each.
            found.append(InvalidInput("TOO_LARGE", f"They have more than {MOST_USES} uses together.", ()))
            continue
        try:
            each = known.of(key, direct=question.is_direct)
        except InvalidInput as error:
            found.append(error)
        else:
            found.append(each)
            count += len(each)
    return found
