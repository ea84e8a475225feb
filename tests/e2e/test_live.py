"""Do two servers on the same stores tell each other's changes at once, to those who may see them and as long as they may?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from commands.accounts import DisableUser, RevokeRole, disable_user, revoke_role, user_id_of
from commands.session_records import open_session
from commands.transactions import transaction
from db.events import Origin
from db.sessions import WriteSession
from db.tables import ProjectRow
from domain.identifiers import ProjectId
from loaders.places import position_of
from policies.tokens import TokenMint
from server.settings import Settings, token_secret
from server.store_files import is_held
from tests.e2e.personas import Personas
from tests.e2e.server import Server, demo_data, serving, stores_of
from tests.e2e.sockets import following, opened

FORBIDDEN, GOING_AWAY = 4403, 1001
AT_ONCE_SECONDS = 3
PRICE, AMOUNT = "1234.56", "12345.60"

# Any: GraphQL's variables and answers.
Json = dict[str, Any]

_STEP = """
mutation ($input: OrderActionInput!) {{
  {0}(input: $input) {{ order {{ id version }} errors {{ code message }} }}
}}
"""
_CREATE = _STEP.replace("OrderActionInput", "OrderCreateInput").format("orderCreate")
_ASSIGN = _STEP.replace("OrderActionInput", "OrderAssignInput").format("orderAssign")


class Pair(NamedTuple):
    """Two servers on one data folder, and everybody's voice through the second."""

    first: Server
    second: Server
    data_dir: Path
    personas: Personas

    def done(self, who: str, document: str, **given: Any) -> str:
        """Give a command through the second server; return the order's id."""
        reply = self.personas.ask(who, document, input=given)
        assert not reply.errors, reply.text
        (payload,) = reply.data.values()
        assert payload["errors"] == [], reply.text
        return payload["order"]["id"]

    def created(self, contractor: str) -> str:
        """Let the buyer create an order for that contractor."""
        found = self.personas.ask(
            "buyer", '{ project(code: "P-001") { id } organizations(first: 100) { nodes { id code } } }'
        ).data
        ids = {each["code"]: each["id"] for each in found["organizations"]["nodes"]}
        lines = [{"description": "Pump", "quantity": "10", "uom": "pcs", "unitPrice": PRICE}]
        given = {"projectId": found["project"]["id"], "title": "Pumps", "lines": lines}
        return self.done("buyer", _CREATE, **given, contractorId=ids[contractor])


@pytest.fixture(scope="module")
def pair() -> Generator[Pair]:
    with (
        demo_data() as data_dir,
        serving(data_dir) as first,
        serving(data_dir) as second,
    ):
        personas = Personas(second.url)
        personas.sign_in(
            "director", "pm", "engineer", "buyer", "foreman", "contractor", "contractor2", "auditor"
        )
        yield Pair(first, second, data_dir, personas)
        personas.close()


async def test_change_through_one_server_is_seen_through_the_other_in_order_and_masked(pair: Pair) -> None:
    async with AsyncExitStack() as stack:
        director, engineer, foreman, contractor, contractor2 = [
            await stack.enter_async_context(following(pair.first.url, pair.personas.token(who)))
            for who in ("director", "engineer", "foreman", "contractor", "contractor2")
        ]
        order_id = await asyncio.to_thread(_walked, pair)
        heard = await director.changes(order_id, 6)
        assert [change["event"]["type"] for change in heard] == [
            "OrderCreated",
            "OrderSubmitted",
            "OrderApproved",
            "OrderAssigned",
            "OrderReleased",
            "OrderStarted",
        ]
        assert [change["event"]["version"] for change in heard] == [1, 2, 3, 4, 5, 6]
        positions = [position_of(change["cursor"]) for change in heard]
        assert positions == sorted(set(positions))
        assert not any(change["resyncRequired"] for change in heard)
        assert {change["order"]["amount"] for change in heard} == {AMOUNT}

        theirs = await contractor.changes(order_id, 6)
        assert [change["cursor"] for change in theirs] == [change["cursor"] for change in heard]
        assert {change["order"]["amount"] for change in theirs} == {AMOUNT}
        assert {change["order"]["amount"] for change in await engineer.changes(order_id, 6)} == {None}
        assigned = await foreman.changes_until(order_id, heard[-1]["cursor"])
        # Told of what is his when he is told: an event before that may reach him after his assignment.
        assert [change["event"]["version"] for change in assigned][-3:] == [4, 5, 6]
        for follower in (engineer, foreman):
            assert PRICE not in follower.heard
            assert AMOUNT not in follower.heard

        other_id = await asyncio.to_thread(pair.created, "K-002")
        assert (await contractor2.change())["order"]["id"] == other_id
        assert order_id not in contractor2.heard


@pytest.mark.parametrize("token", ["", "not.a.token", "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0."])
async def test_socket_with_a_wrong_token_is_closed(pair: Pair, token: str) -> None:
    async with opened(pair.first.url, token) as follower:
        assert await follower.closed() == FORBIDDEN


async def test_socket_is_closed_when_its_token_runs_out(pair: Pair) -> None:
    async with _engine(pair.data_dir) as engine:
        lifetime = timedelta(seconds=4)
        mint = TokenMint(token_secret(Settings(data_dir=pair.data_dir)), lifetime)
        origin = _origin()
        async with transaction(engine) as session:
            user_id = await user_id_of(session, "director")
            session_of_his = await open_session(session, origin, user_id, timedelta(hours=1))
        access = mint.issue(user_id, session_of_his.session_id, origin.now)
    async with following(pair.first.url, access.token) as follower:
        assert datetime.now(UTC) < access.expires_at
        assert await follower.closed() == FORBIDDEN
    late = datetime.now(UTC) - access.expires_at
    assert timedelta() <= late < timedelta(seconds=AT_ONCE_SECONDS)


async def test_disabled_user_loses_his_socket_at_once_and_gets_no_other(pair: Pair) -> None:
    async def disable(session: WriteSession) -> None:
        await disable_user(session, _origin(), DisableUser(await user_id_of(session, "auditor")))

    token = pair.personas.token("auditor")
    async with (
        following(pair.first.url, pair.personas.token("director")) as bystander,
        following(pair.first.url, token) as follower,
    ):
        await _assert_closed_at_once(pair, follower.closed, disable)
        assert await bystander.is_open()
    async with opened(pair.first.url, token) as follower:
        assert await follower.closed() == FORBIDDEN
    reply = pair.personas.ask("auditor", "{ viewer { user { id } } }")
    assert (reply.data, reply.codes) == (None, ["UNAUTHENTICATED"])


async def test_revoked_role_closes_the_socket_at_once_and_the_next_one_sees_less(pair: Pair) -> None:
    async def revoke(session: WriteSession) -> None:
        project_id = await session.orm.scalar(select(ProjectRow.id).where(ProjectRow.code == "P-002"))
        assert project_id is not None
        user_id = await user_id_of(session, "buyer2")
        await revoke_role(session, _origin(), RevokeRole(user_id, "buyer", ProjectId(project_id)))

    pair.personas.sign_in("buyer2")
    token = pair.personas.token("buyer2")
    asked = '{ two: project(code: "P-002") { code } three: project(code: "P-003") { code } }'
    assert pair.personas.ask("buyer2", asked).data == {"two": {"code": "P-002"}, "three": {"code": "P-003"}}
    async with following(pair.first.url, token) as follower:
        await _assert_closed_at_once(pair, follower.closed, revoke)
    async with following(pair.first.url, token) as follower:
        assert await follower.is_open()
    assert pair.personas.ask("buyer2", asked).data == {"two": None, "three": {"code": "P-003"}}


async def test_stopped_server_closes_sockets_and_finishes_the_request_under_way(pair: Pair) -> None:
    order_id = pair.created("K-001")
    pair.done("pm", _STEP.format("orderSubmit"), id=order_id)
    asked = {"query": _STEP.format("orderApprove"), "variables": {"input": {"id": order_id}}}
    headers = {"Authorization": f"Bearer {pair.personas.token('director')}"}
    server = Server(pair.data_dir)
    await asyncio.to_thread(server.start)
    async with (
        _engine(pair.data_dir) as engine,
        httpx.AsyncClient(base_url=server.url, headers=headers, timeout=30) as http,
        following(server.url, pair.personas.token("pm")) as follower,
    ):
        async with engine.begin() as connection:
            lock = text("SELECT 1 FROM engineering_order WHERE id = :id FOR UPDATE")
            await connection.execute(lock, {"id": order_id.partition(":")[2]})
            request = asyncio.create_task(http.post("/graphql", json=asked))
            await _waiting_for_a_lock(engine)
            stopping = asyncio.create_task(asyncio.to_thread(server.stop))
            assert await follower.closed() == GOING_AWAY
            assert not stopping.done()
            assert not request.done()
        answer = (await request).json()["data"]["orderApprove"]
    assert answer == {"order": {"id": order_id, "version": 3}, "errors": []}
    assert await stopping == 0
    assert pair.first.is_ready()


def test_last_server_that_stops_takes_the_stores_with_it() -> None:
    with demo_data() as data_dir, serving(data_dir) as first, serving(data_dir) as second:
        assert first.stop() == 0
        assert second.is_ready()
        assert second.stop() == 0
        assert not is_held(data_dir / "postgres.lock")
        assert not is_held(data_dir / "valkey.lock")


def _walked(pair: Pair) -> str:
    """Take an order from creation to its start, through the second server."""
    order_id = pair.created("K-001")
    pair.done("pm", _STEP.format("orderSubmit"), id=order_id)
    pair.done("director", _STEP.format("orderApprove"), id=order_id)
    found = pair.personas.ask("pm", '{ users(first: 10, search: "foreman") { nodes { id username } } }').data
    (foreman_id,) = [each["id"] for each in found["users"]["nodes"] if each["username"] == "foreman"]
    pair.done("pm", _ASSIGN, id=order_id, assignments=[{"userId": foreman_id}])
    pair.done("pm", _STEP.format("orderRelease"), id=order_id)
    return pair.done("foreman", _STEP.format("orderStart"), id=order_id)


async def _assert_closed_at_once(
    pair: Pair, closed: Callable[[], Awaitable[int]], act: Callable[[WriteSession], Awaitable[None]]
) -> None:
    async with _engine(pair.data_dir) as engine:
        async with transaction(engine) as session:
            await act(session)
        committed_at = time.monotonic()
        assert await closed() == FORBIDDEN
        assert time.monotonic() - committed_at < AT_ONCE_SECONDS


async def _waiting_for_a_lock(engine: AsyncEngine) -> None:
    waiting = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    async with asyncio.timeout(AT_ONCE_SECONDS):
        while True:
            async with engine.connect() as connection:
                if await connection.scalar(waiting):
                    return
            await asyncio.sleep(0.02)


@asynccontextmanager
async def _engine(data_dir: Path) -> AsyncGenerator[AsyncEngine]:
    with stores_of(data_dir) as urls:
        engine = create_async_engine(urls.database_url, poolclass=NullPool)
        yield engine
        await engine.dispose()


def _origin() -> Origin:
    return Origin(actor_id=None, request_id=None, address=None, now=datetime.now(UTC))
