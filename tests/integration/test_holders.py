"""Does the list of those who may take a deed on an order agree with what each of them may do?"""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import replace
from uuid import UUID

import pytest
from sqlalchemy import NullPool, select
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from db.tables import MembershipRow, OrderRow, UserRow
from domain.identifiers import OrganizationId, UserId
from domain.order import OrderAction
from policies.compiler import Policy
from policies.holders import holders
from policies.readers import default_rulebook
from policies.roles import Role
from policies.rules import Rulebook, load_rules
from policies.viewer import Grant, Viewer

ORDERS = 30


def moved(seed: int) -> Rulebook:
    """Return a rulebook in which deeds on orders are granted elsewhere, and some denied."""
    chance, known = random.Random(f"holders {seed}"), load_rules()
    deeds = {action.value for action in OrderAction}
    rules = [
        replace(
            rule,
            where=chance.choice(("any", "project", "own_org", "assigned")),
            effect=chance.choice(("allow", "allow", "deny")),
        )
        if rule.thing == "order" and rule.deed in deeds
        else rule
        for rule in known.rules
    ]
    return Rulebook(replace(known, rules=tuple(dict.fromkeys(rules))))


@pytest.mark.parametrize(("seed", "count"), [(None, 1018), (1, 494), (2, 690), (3, 713)])
async def test_holders_of_a_deed_are_those_whose_own_predicate_holds(
    demo_database_url: str, seed: int | None, count: int
) -> None:
    rulebook = default_rulebook() if seed is None else moved(seed)
    engine = create_async_engine(demo_database_url, poolclass=NullPool)
    async with engine.connect() as connection:
        viewers = await everybody(connection)
        orders = list(await connection.scalars(select(OrderRow.id).order_by(OrderRow.number).limit(ORDERS)))
        found = 0
        for action in OrderAction:
            expected: dict[UUID, set[UUID]] = {order_id: set() for order_id in orders}
            for viewer in viewers:
                may = Policy(rulebook, viewer.shape).rows("order", OrderRow, action.value)
                granted = select(OrderRow.id).where(OrderRow.id.in_(orders), may)
                for order_id in await connection.scalars(granted, viewer.parameters):
                    expected[order_id].add(viewer.user_id)
            for order_id in orders:
                rows = await connection.execute(holders(rulebook, action.value), {"order_id": order_id})
                assert {each.user_id for each in rows} == expected[order_id], (action, order_id)
                found += len(expected[order_id])
    assert found == count


async def everybody(connection: AsyncConnection) -> list[Viewer]:
    """Return all people as viewers, with the grants that they hold."""
    people = select(UserRow.id, UserRow.organization_id).where(UserRow.disabled_at.is_(None))
    held = select(MembershipRow.user_id, MembershipRow.role, MembershipRow.project_id)
    grants: defaultdict[UUID, set[Grant]] = defaultdict(set)
    for user_id, role, project_id in await connection.execute(held):
        grants[user_id].add(Grant(Role(role), project_id))
    return [
        Viewer(UserId(user_id), OrganizationId(organization_id), None, frozenset(grants[user_id]))
        for user_id, organization_id in await connection.execute(people)
    ]
