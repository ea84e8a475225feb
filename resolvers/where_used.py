"""How does an item get to know where it is used?"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

import strawberry

from domain.bom import RevisionState
from domain.where_used import UsedAt
from loaders.where_used import UseQuestion, uses_of
from loaders.worked_lists import WorkedList
from resolvers.arguments import After, Before, First, Last
from resolvers.context import Info
from resolvers.relations import given, paging

_IN_FORCE = (RevisionState.RELEASED, RevisionState.SUPERSEDED)

_Direct = Annotated[
    bool,
    strawberry.argument(
        description="Whether only what takes the item itself is told, or all that is above that as well."
    ),
]
_AsOf = Annotated[
    date | None,
    strawberry.argument(description="By the lines and revisions that hold on this day; today by default."),
]
_States = Annotated[
    list[RevisionState] | None,
    strawberry.argument(
        description="By revisions of these states; by default those in force on the day: RELEASED, or SUPERSEDED later."
    ),
]


# Any: the root of a bound type is a Record, but Strawberry would take its annotation for a type of the schema.
async def where_used(
    root: Any,
    info: Info,
    first: First = strawberry.UNSET,
    after: After = strawberry.UNSET,
    last: Last = strawberry.UNSET,
    before: Before = strawberry.UNSET,
    direct: _Direct = True,
    as_of: _AsOf = strawberry.UNSET,
    states: _States = strawberry.UNSET,
) -> WorkedList[UsedAt]:
    """Return where an item is used."""
    arguments = paging(first, after, last, before)
    arguments.check(info.context.reads.largest_page)
    question = UseQuestion(direct, given(as_of) or info.context.today, _meant(given(states)))
    found = await uses_of(info.context.reads, root.key, question)
    return WorkedList(found, arguments, shown_use)


def shown_use(_place: int, used: UsedAt) -> dict[str, Any]:
    """Return a use as the API shows it."""
    use = used.use
    return {
        "level": used.level,
        "item_id": use.made_id,
        "revision_id": use.revision_id,
        "line_id": use.line_id,
        "component_id": use.component_id,
        "as_substitute": use.is_substitute,
    }


def _meant(states: list[RevisionState] | None) -> tuple[RevisionState, ...]:
    return _IN_FORCE if states is None else tuple(sorted(set(states)))
