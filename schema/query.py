"""What can be asked? The root of queries: each field with its type and the question that its arguments make."""

from __future__ import annotations

import strawberry

from schema import questions
from schema.binding import asked
from schema.boms import BomRevision, Item, Unit
from schema.comparisons import BomComparison
from schema.costs import RecostRun
from schema.engineering_changes import EngineeringChange
from schema.events import Event
from schema.node import Connection, Node
from schema.notifications import Notification
from schema.orders import Order
from schema.parties import CostCode, Organization, Project, User
from schema.totals import OrderStatistics, Viewer


@strawberry.type(
    description="What can be asked. Whoever isn't signed in gets null for `viewer` and UNAUTHENTICATED for the rest."
)
class Query:
    """The root of queries."""

    viewer: Viewer | None = asked(questions.viewer, "Who is signed in, null for nobody.", of_anybody=True)
    node: Node | None = asked(
        questions.node, "The object of a global id; null where it doesn't exist or may not be read."
    )
    nodes: list[Node | None] = asked(
        questions.nodes, "The objects of up to 100 global ids, in the same order."
    )
    projects: Connection[Project] = asked(questions.projects, "Projects, by code.")
    project: Project | None = asked(questions.project, "One project, by exactly one of id and code.")
    organizations: Connection[Organization] = asked(
        questions.organizations, "Organizations, by code; `search` looks in code and name."
    )
    users: Connection[User] = asked(
        questions.users, "People who can sign in, by username; `search` looks in username and name."
    )
    cost_codes: Connection[CostCode] = asked(
        questions.cost_codes, "Cost codes 费用科目, by code; `search` looks in code and name."
    )
    units: Connection[Unit] = asked(questions.units, "Units of measure 计量单位, by code.")
    items: Connection[Item] = asked(questions.items, "Items 物料, by code; `search` looks in code and name.")
    item: Item | None = asked(questions.item, "One item, by exactly one of id and code.")
    recost_runs: Connection[RecostRun] = asked(
        questions.recost_runs, "Runs that computed costs again 成本重算, newest first, with their progress."
    )
    bom_revision: BomRevision | None = asked(questions.bom_revision, "One revision of a BOM 物料清单.")
    bom_comparison: BomComparison | None = asked(
        questions.bom_comparison,
        "In what two revisions differ 版本对比, of one BOM or of two; null where one doesn't exist or may not be read.",
    )
    engineering_changes: Connection[EngineeringChange] = asked(
        questions.engineering_changes, "Engineering changes 工程变更, newest first."
    )
    engineering_change: EngineeringChange | None = asked(
        questions.engineering_change, "One engineering change, by exactly one of id and number."
    )
    orders: Connection[Order] = asked(questions.orders, "Orders, newest first where nothing else is said.")
    order: Order | None = asked(questions.order, "One order, by exactly one of id and number.")
    order_statistics: OrderStatistics = asked(
        questions.order_statistics, "Totals of orders, and of groups of them."
    )
    feed_cursor: str = asked(
        questions.feed_cursor,
        "Where the feed of events stands for what else is read in this operation: a subscription `after` it misses nothing.",
    )
    notifications: Connection[Notification] = asked(
        questions.notifications, "What the viewer was told because it concerns him, newest first."
    )
    events: Connection[Event] = asked(questions.events, "The event log, newest first.")
