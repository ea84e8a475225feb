"""What are the costs of what is made to a client, and the runs that keep them right 成本重算?"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import strawberry

from db.recost_tables import ItemCostRow, RecostRequestRow, RecostRunRow
from resolvers.costs import IS_STALE
from schema.binding import bound_type, column, computed, hidden_fields, key, to_many, to_one
from schema.boms import BomRevision, Item
from schema.enums import RecostCause, RecostState
from schema.node import Connection, Node
from schema.parties import User


@bound_type(
    ItemCostRow,
    thing="item_cost",
    description="What one base unit of an item costs that is made: its rolled-up cost, as it was last computed.",
    aggregate="ItemCost",
)
class ItemCost(Node):
    """A kept cost."""

    id: strawberry.ID = key(ItemCostRow.id)
    item: Item | None = to_one(ItemCostRow.item_id, "Item", "Whose cost it is.")
    revision: BomRevision | None = to_one(
        ItemCostRow.revision_id,
        "BomRevision",
        "By which revision it was reckoned; null where none was in force, and it cost what is paid for it.",
    )
    material: Decimal | None = column(ItemCostRow.material, "What is bought for it, 4 places.")
    operation: Decimal | None = column(
        ItemCostRow.operation, "The work on it and on all that is below, 4 places."
    )
    co_product_credit: Decimal | None = column(
        ItemCostRow.co_product_credit, "What co-products 联产品 bear of that, 4 places."
    )
    total: Decimal | None = column(
        ItemCostRow.total, "Material and operation less the credit, 4 places: rounded half-up by itself."
    )
    currency: str = column(ItemCostRow.currency, "Currency of all figures, ISO 4217: that of the item.")
    is_partial: bool = column(
        ItemCostRow.is_partial, "Whether something is left out because its cost is not known."
    )
    has_mixed_currencies: bool = column(
        ItemCostRow.has_mixed_currencies,
        "Whether something in it is priced in another currency than the item: then there are no figures.",
    )
    is_stale: bool = computed(
        IS_STALE,
        "Whether it may be another one by now: something has changed that a run has not come to yet.",
    )
    computed_at: datetime = column(ItemCostRow.computed_at, "When it was last computed.")
    version: int = column(ItemCostRow.version, "Goes up by one whenever its figures change.")
    hidden_fields: list[str] = hidden_fields()


@bound_type(
    RecostRequestRow,
    thing="recost_request",
    description="That an item's price or structure has changed, and its costs with it.",
)
class RecostRequest(Node):
    """A request."""

    id: strawberry.ID = key(RecostRequestRow.id)
    item: Item | None = to_one(RecostRequestRow.item_id, "Item", "What has changed.")
    cause: RecostCause = column(RecostRequestRow.cause, "In what way.")
    revision: BomRevision | None = to_one(
        RecostRequestRow.revision_id,
        "BomRevision",
        "The revision that was released or superseded, else null.",
    )
    requested_at: datetime = column(RecostRequestRow.requested_at, "When it changed.")
    requested_by: User | None = to_one(
        RecostRequestRow.actor_id, "User", "Who has changed it, null where nobody did."
    )


@bound_type(
    RecostRunRow,
    thing="recost_run",
    description="A run that computes the costs of everything that some changes concern, each once.",
)
class RecostRun(Node):
    """A run."""

    id: strawberry.ID = key(RecostRunRow.id)
    state: RecostState = column(RecostRunRow.state, "Where it stands.")
    day: date = column(RecostRunRow.day, "By the lines and revisions of which day.")
    request_count: int = column(RecostRunRow.request_count, "For how many requests it is done.")
    total_count: int = column(
        RecostRunRow.total_count, "How many items it concerns; 0 while it collects them."
    )
    done_count: int = column(RecostRunRow.done_count, "How many of them are computed.")
    changed_count: int = column(
        RecostRunRow.changed_count, "How many of these cost something else than before."
    )
    fault: str | None = column(
        RecostRunRow.fault, "What went wrong at its latest attempt, null where nothing did."
    )
    started_at: datetime = column(RecostRunRow.started_at, "When it began.")
    ended_at: datetime | None = column(RecostRunRow.ended_at, "When it ended.")
    requests: Connection[RecostRequest] = to_many(
        "RecostRequest", RecostRequestRow.run_id, RecostRequestRow.id, "What it was asked for, oldest first."
    )
