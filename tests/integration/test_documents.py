"""What do publishing and retiring documents change, and what do they leave alone?"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from uuid import UUID

import pytest
import pytest_asyncio

from commands.documents import Published, publish, retire, retire_others
from commands.transactions import transaction
from domain.errors import InvalidInput, NotFound
from domain.identifiers import ClientId
from server.verify import verify_events
from tests.integration.document_world import (
    client,
    digest,
    document,
    documents,
    live,
    published,
    registered,
    retired,
    state,
)
from tests.integration.identity_world import ADDRESS, World, opened_world, origin

NOBODY = ClientId(UUID("0198c5f2-0000-7000-8000-000000000001"))
NOW = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)


@pytest_asyncio.fixture
async def world(database_url: str) -> AsyncGenerator[World]:
    async with opened_world(database_url) as opened:
        yield opened


async def events(world: World, client_id: ClientId) -> list[tuple[int, str, object, object]]:
    """The events after the one that added the client."""
    rows = await world.rows(
        "SELECT version, type, changes, details FROM event WHERE aggregate_id = :id AND version > 1 ORDER BY version",
        id=client_id,
    )
    return [(version, kind, changes, details) for version, kind, changes, details in rows]


async def test_published_documents_are_stored_as_given(world: World) -> None:
    web = await client(world)
    async with transaction(world.engine) as session:
        done = await publish(session, origin(now=NOW), web, documents("B", "A"))
    assert done == Published(new=registered("B", "A"), revived=(), unchanged=())
    assert await world.rows("SELECT * FROM document ORDER BY text") == [
        (digest(name), document(name).text, NOW, 0, None) for name in ("A", "B")
    ]
    assert await world.rows("SELECT * FROM client_document ORDER BY name") == [
        (web, digest(name), name, NOW, None, 0, None) for name in ("A", "B")
    ]


async def test_publishing_is_one_event_with_names_and_hashes(world: World) -> None:
    web = await client(world)
    await published(world, web, "A", "B")
    details = {
        "new": 2,
        "revived": 0,
        f"documents.{digest('A').hex()}": "A",
        f"documents.{digest('B').hex()}": "B",
    }
    assert await events(world, web) == [(2, "DocumentsPublished", {}, details)]
    assert await world.rows("SELECT version FROM api_client") == [(2,)]
    told = await world.rows(
        "SELECT address, request_id, actor_id FROM event WHERE version = 2 AND type LIKE 'D%'"
    )
    assert told == [(ADDRESS, "r-1", None)]


async def test_publishing_again_changes_nothing(world: World) -> None:
    web = await client(world)
    await published(world, web, "A", "B")
    before = await state(world)
    assert await published(world, web, "B") == Published(new=(), revived=(), unchanged=registered("B"))
    assert await state(world) == before


async def test_publishing_adds_to_what_is_there(world: World) -> None:
    web = await client(world)
    await published(world, web, "A")
    done = await published(world, web, "A", "B")
    assert done == Published(new=registered("B"), revived=(), unchanged=registered("A"))
    assert await live(world, web) == ["A", "B"]


async def test_document_given_twice_is_registered_once(world: World) -> None:
    web = await client(world)
    assert (await published(world, web, "A", "A")).new == registered("A")
    assert await world.rows("SELECT count(*) FROM client_document") == [(1,)]


async def test_retired_document_is_revived_with_its_counts(world: World) -> None:
    web = await client(world)
    await published(world, web, "A")
    await world.rows("UPDATE client_document SET calls = 7")
    await retired(world, web, "A")
    async with transaction(world.engine) as session:
        done = await publish(session, origin(now=NOW), web, documents("A"))
    assert done == Published(new=(), revived=registered("A"), unchanged=())
    rows = await world.rows("SELECT published_at, retired_at, calls FROM client_document")
    assert rows == [(NOW, None, 7)]
    details = {"new": 0, "revived": 1, f"documents.{digest('A').hex()}": "A"}
    assert (await events(world, web))[-1] == (4, "DocumentsPublished", {}, details)


async def test_same_text_of_two_clients_is_stored_once(world: World) -> None:
    web, partner = await client(world), await client(world, "partner")
    await published(world, web, "A")
    assert (await published(world, partner, "A")).new == registered("A")
    await retired(world, web, "A")
    assert await world.rows("SELECT hash FROM document") == [(digest("A"),)]
    assert (await live(world, web), await live(world, partner)) == ([], ["A"])


async def test_retired_document_keeps_its_row_and_is_one_event(world: World) -> None:
    web = await client(world)
    await published(world, web, "A", "B", "C")
    async with transaction(world.engine) as session:
        done = await retire(session, origin(now=NOW), web, [digest("C"), digest("A"), digest("C")])
    assert done == registered("C", "A")
    rows = await world.rows("SELECT name, retired_at FROM client_document ORDER BY name")
    assert rows == [("A", NOW), ("B", None), ("C", NOW)]
    details = {
        "retired": 2,
        f"documents.{digest('A').hex()}": "A",
        f"documents.{digest('C').hex()}": "C",
    }
    assert (await events(world, web))[-1] == (3, "DocumentsRetired", {}, details)


@pytest.mark.parametrize("wrong", ["Never", "Theirs"])
async def test_what_the_client_never_registered_is_not_retired_and_nothing_else_is(
    world: World, wrong: str
) -> None:
    web, partner = await client(world), await client(world, "partner")
    await published(world, web, "A")
    await published(world, partner, "Theirs")
    before = await state(world)
    with pytest.raises(NotFound) as refused:
        await retired(world, web, "A", wrong)
    assert refused.value.path == (f"sha256:{digest(wrong).hex()}",)
    assert await state(world) == before


async def test_retired_document_is_not_retired_again(world: World) -> None:
    web = await client(world)
    await published(world, web, "A", "B")
    await retired(world, web, "A")
    before = await state(world)
    with pytest.raises(InvalidInput) as refused:
        await retired(world, web, "B", "A")
    assert (refused.value.code, refused.value.path) == ("ALREADY_RETIRED", (f"sha256:{digest('A').hex()}",))
    assert await state(world) == before


async def test_others_than_those_kept_are_retired(world: World) -> None:
    web, partner = await client(world), await client(world, "partner")
    await published(world, web, "D", "C", "B", "A")
    await published(world, partner, "C")
    await retired(world, web, "D")
    kept = [digest("A"), digest("Never")]
    async with transaction(world.engine) as session:
        assert await retire_others(session, origin(), web, kept) == registered("B", "C")
    assert (await live(world, web), await live(world, partner)) == (["A"], ["C"])
    before = await state(world)
    async with transaction(world.engine) as session:
        assert await retire_others(session, origin(), web, kept) == ()
    assert await state(world) == before


async def test_client_that_is_not_there_is_not_found(world: World) -> None:
    before = await state(world)
    async with transaction(world.engine) as session:
        for act in (
            lambda: publish(session, origin(), NOBODY, documents("A")),
            lambda: retire(session, origin(), NOBODY, [digest("A")]),
            lambda: retire_others(session, origin(), NOBODY, []),
        ):
            with pytest.raises(NotFound) as refused:
                await act()
            assert refused.value.path == ("clientId",)
    assert await state(world) == before


async def test_what_fails_behind_it_leaves_nothing_published(world: World) -> None:
    web = await client(world)
    before = await state(world)

    async def failing() -> None:
        async with transaction(world.engine) as session:
            await publish(session, origin(), web, documents("A"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await failing()
    assert await state(world) == before


async def test_event_of_100_documents_names_them_and_one_of_more_has_their_digest(world: World) -> None:
    web = await client(world)
    names = [f"D{nth}" for nth in range(1_201)]
    await published(world, web, *names[:100])
    await published(world, web, *names)
    await retired(world, web, *names[:101])
    first, second, third = [details for _, _, _, details in await events(world, web)]
    named = {f"documents.{digest(name).hex()}": name for name in names[:100]}
    assert first == {"new": 100, "revived": 0} | named
    later = hashlib.sha256(b"".join(sorted(digest(name) for name in names[100:]))).hexdigest()
    assert second == {"new": 1_101, "revived": 0, "digest": later}
    gone = hashlib.sha256(b"".join(sorted(digest(name) for name in names[:101]))).hexdigest()
    assert third == {"retired": 101, "digest": gone}
    assert len(await live(world, web)) == 1_100


async def test_eight_operators_publish_for_one_client_at_once_and_nothing_is_lost(world: World) -> None:
    web = await client(world)
    given = [[f"D{nth}" for nth in range(each * 10, each * 10 + 15)] for each in range(8)]
    done = await asyncio.gather(*(published(world, web, *names) for names in given))
    assert await live(world, web) == sorted(f"D{nth}" for nth in range(85))
    assert sorted(each.name for one in done for each in one.new) == sorted(f"D{nth}" for nth in range(85))
    assert [version for version, *_ in await events(world, web)] == list(range(2, 10))


async def test_eight_clients_get_the_same_documents_at_once_in_any_order(world: World) -> None:
    clients = [await client(world, f"web-{nth}") for nth in range(8)]
    names = [f"D{nth}" for nth in range(600)]
    orders = [names, names[::-1]] * 4
    done = await asyncio.gather(
        *(published(world, web, *order) for web, order in zip(clients, orders, strict=True))
    )
    assert [len(each.new) for each in done] == [600] * 8
    assert await world.rows("SELECT count(*) FROM document") == [(600,)]
    for web in clients:
        assert await live(world, web) == sorted(names)


async def test_publishing_and_pruning_at_once_leaves_what_the_last_one_said(world: World) -> None:
    web = await client(world)
    await published(world, web, *[f"D{nth}" for nth in range(50)])

    async def replaced(names: list[str]) -> None:
        async with transaction(world.engine) as session:
            await publish(session, origin(), web, documents(*names))
            await retire_others(session, origin(), web, {digest(name) for name in names})

    wishes = [[f"D{nth}" for nth in range(start, start + 25)] for start in (0, 20, 40)]
    await asyncio.gather(*(replaced(names) for names in wishes))
    assert await live(world, web) in [sorted(names) for names in wishes]


async def test_log_proves_a_client_with_documents(world: World, database_url: str) -> None:
    web = await client(world)
    await published(world, web, "A", "B")
    await retired(world, web, "A")
    await published(world, web, "A")
    result = await verify_events(database_url, lambda _: None)
    assert result.findings == ()
