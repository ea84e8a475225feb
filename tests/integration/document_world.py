"""Which clients and documents do the tests of the registry work with?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from commands.clients import AddClient, add_client
from commands.documents import ManifestDocument, Published, Registered, publish, retire
from commands.transactions import transaction
from domain.identifiers import ClientId
from tests.integration.identity_world import World, origin

# Any: rows hold what the statement asked for.
Rows = Sequence[tuple[Any, ...]]


def document(name: str) -> ManifestDocument:
    """A document with a text of its own."""
    return ManifestDocument(name, f"query {name} {{ __typename }}")


def documents(*names: str) -> list[ManifestDocument]:
    return [document(name) for name in names]


def digest(name: str) -> bytes:
    return document(name).hash


def registered(*names: str) -> tuple[Registered, ...]:
    return tuple(Registered(name, digest(name)) for name in names)


async def client(world: World, username: str = "web") -> ClientId:
    async with transaction(world.engine) as session:
        command = AddClient(username, username, world.organization_id, ("read",))
        return (await add_client(session, origin(), command)).client_id


async def published(world: World, client_id: ClientId, *names: str) -> Published:
    async with transaction(world.engine) as session:
        return await publish(session, origin(), client_id, documents(*names))


async def retired(world: World, client_id: ClientId, *names: str) -> tuple[Registered, ...]:
    async with transaction(world.engine) as session:
        return await retire(session, origin(), client_id, [digest(name) for name in names])


async def live(world: World, client_id: ClientId) -> list[str]:
    """The names of the documents that a client may send."""
    statement = 'SELECT name FROM client_document WHERE client_id = :id AND retired_at IS NULL ORDER BY name COLLATE "C"'
    return [name for (name,) in await world.rows(statement, id=client_id)]


async def state(world: World) -> dict[str, Rows]:
    """Everything that publishing and retiring change, to show that nothing did."""
    tables = ("api_client", "document", "client_document", "event", "event_outbox")
    return {table: sorted(await world.rows(f"SELECT t::text FROM {table} t")) for table in tables}


async def calls(world: World) -> dict[str, int]:
    """How often each document was used by anybody, by its text's name."""
    rows = await world.rows("SELECT split_part(text, ' ', 2), calls FROM document")
    return {name: count for name, count in rows if count}


async def own_calls(world: World) -> dict[tuple[str, str], int]:
    """How often each client used each document."""
    rows = await world.rows(
        "SELECT u.username, d.name, d.calls FROM client_document d"
        " JOIN api_client c ON c.id = d.client_id JOIN app_user u ON u.id = c.user_id"
    )
    return {(username, name): count for username, name, count in rows if count}
