"""Do the compiled predicates say in PostgreSQL what stock Casbin says of the scopes that hold for a row?"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import ColumnElement, Uuid, any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from db.change_tables import HOLDING_CHANGE
from db.tables import OrderRow
from domain.identifiers import OrganizationId, UserId
from loaders.selects import HIDDEN_FIELDS, masked_select
from policies.bindings import Column, GlobalKey, ToAny, ToOne, TypeBinding, catalog
from policies.compiler import Policies
from policies.readers import default_rulebook
from policies.roles import Role
from policies.rules import DEEDS
from policies.viewer import Grant, Viewer
from schema.build import build_schema
from tests.fuzz.plain_scopes import TABLES, Judge, PlainRow, World, read_world

VIEWERS = 300
ROWS_PER_QUESTION = 20
TYPES_PER_VIEWER = 8
SEED = 20_260


@dataclass
class Question:
    """What one viewer sees of some rows of one type."""

    viewer: Viewer
    binding: TypeBinding
    rows: Sequence[PlainRow]

    @property
    def parameters(self) -> dict[str, Any]:
        return {**self.viewer.parameters, "ids": [row["id"] for row in self.rows]}


def random_viewer(chance: random.Random, world: World) -> Viewer:
    """Somebody of the demo company with up to four roles, each held anywhere or in some of the projects."""
    user = chance.choice(world.rows["User"])
    organization = chance.choice([user["organization_id"], chance.choice(world.rows["Organization"])["id"]])
    projects = [None, *(row["id"] for row in world.rows["Project"])]
    roles = chance.sample(list(Role), chance.choice([0, 1, 1, 1, 2, 2, 3, 4]))
    grants = {
        Grant(role, project)
        for role in roles
        for project in chance.sample(projects, chance.choice([1, 1, 2, 3]))
    }
    return Viewer(UserId(user["id"]), OrganizationId(organization), None, frozenset(grants))


def questions(chance: random.Random, world: World) -> Iterator[Question]:
    for _ in range(VIEWERS):
        viewer = random_viewer(chance, world)
        for name in chance.sample(list(TABLES), TYPES_PER_VIEWER):
            rows = world.rows[name]
            some = chance.sample(rows, min(len(rows), ROWS_PER_QUESTION))
            yield Question(viewer, catalog.types[name], some)


def ids() -> ColumnElement[Any]:
    return any_(bindparam("ids", type_=ARRAY(Uuid())))


async def answers(
    connection: AsyncConnection, policies: Policies, question: Question
) -> dict[UUID, dict[str, Any]]:
    """The readable rows among those asked for, as loaders read them."""
    binding = question.binding
    statement = masked_select(policies.of(question.viewer.shape), binding).where(
        binding.column("id") == ids()
    )
    result = await connection.execute(statement, question.parameters)
    return {row["id"]: dict(row) for row in result.mappings()}


def stored(world: World, row: PlainRow, source: Column | GlobalKey | ToOne | ToAny) -> Any:
    column = source.key if isinstance(source, ToOne | ToAny) else source.column
    if column is HOLDING_CHANGE:
        return world.holders.get(row["id"])
    return row[str(getattr(column, "name"))]  # noqa: B009  # only columns of tables have names


def check_row(judge: Judge, question: Question, row: PlainRow, seen: dict[str, Any] | None) -> int:
    """Compare one row with the judge's verdicts; return how many fields were hidden."""
    binding, viewer = question.binding, question.viewer
    case = (viewer, binding.name, row["id"])
    assert (seen is not None) == judge.may(viewer, binding.name, row, binding.thing), case
    if seen is None:
        return 0
    hidden: list[str] = []
    for field in binding.stored_fields:
        assert isinstance(field.source, Column | GlobalKey | ToOne | ToAny)
        if judge.may(viewer, binding.name, row, field.thing):
            assert str(seen[field.name]) == str(stored(judge.world, row, field.source)), (case, field.thing)
        else:
            hidden.append(field.api_name)
            assert seen[field.name] is None, (case, field.thing)
    assert seen[HIDDEN_FIELDS] == hidden, case
    return len(hidden)


@pytest.mark.slow
async def test_rows_and_masks_equal_casbin(demo_database_url: str) -> None:
    build_schema()
    engine = create_async_engine(demo_database_url, poolclass=NullPool)
    policies = Policies(default_rulebook())
    chance = random.Random(SEED)
    world = await read_world(engine)
    judge = Judge(world)
    readable = unreadable = hidden = 0
    async with engine.connect() as connection:
        for question in questions(chance, world):
            found = await answers(connection, policies, question)
            for row in question.rows:
                hidden += check_row(judge, question, row, found.get(row["id"]))
            readable += len(found)
            unreadable += len(question.rows) - len(found)
    await engine.dispose()
    # What is compared would prove nothing if all viewers saw the same.
    assert min(readable, unreadable) > 5_000, (readable, unreadable)
    assert hidden > 1_000, hidden


@pytest.mark.slow
async def test_deeds_on_orders_equal_casbin(demo_database_url: str) -> None:
    build_schema()
    engine = create_async_engine(demo_database_url, poolclass=NullPool)
    policies = Policies(default_rulebook())
    chance = random.Random(SEED)
    world = await read_world(engine)
    judge = Judge(world)
    deeds = sorted(DEEDS)
    granted = 0
    async with engine.connect() as connection:
        for _ in range(VIEWERS):
            viewer = random_viewer(chance, world)
            rows = chance.sample(world.rows["Order"], ROWS_PER_QUESTION)
            may = policies.of(viewer.shape).may("order", OrderRow, tuple(deeds))
            statement = select(OrderRow.id, *(may[deed].label(deed) for deed in deeds)).where(
                OrderRow.id == ids()
            )
            parameters = {**viewer.parameters, "ids": [row["id"] for row in rows]}
            found = {row["id"]: row for row in (await connection.execute(statement, parameters)).mappings()}
            for row in rows:
                expected = {
                    deed
                    for deed in deeds
                    if judge.may(viewer, "Order", row, "order")
                    and judge.may(viewer, "Order", row, "order", deed)
                }
                assert {deed for deed in deeds if found[row["id"]][deed]} == expected, (viewer, row["id"])
                granted += len(expected)
    await engine.dispose()
    assert granted > 5_000, granted
