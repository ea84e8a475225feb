"""Does verification find what was done to an API client behind its events?"""

from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio

from commands.clients import (
    AddClient,
    DisableClient,
    NewSecret,
    RevokeSecret,
    RotateSecret,
    SetMode,
    SetScopes,
    add_client,
    disable_client,
    revoke_secret,
    rotate_secret,
    set_mode,
    set_scopes,
)
from commands.transactions import transaction
from server.verify import verify_events
from tests.integration.identity_world import World, opened_world, origin

FORGED = "00000000-0000-7000-8000-000000000001"
DIFFERS = "ApiClient {client}: the row differs from its events in "

_SECRET_SLIPPED_IN = f"""
    INSERT INTO api_client_secret (id, client_id, secret_hash, created_at)
    SELECT '{FORGED}', id, 'x', created_at FROM api_client
"""
_CLIENT_SLIPPED_IN = f"""
    INSERT INTO api_client (id, user_id, scopes, may_send_text, version, created_at)
    SELECT '{FORGED}', id, '{{write}}', true, 1, now() FROM app_user WHERE username = 'li.wei'
"""


@pytest_asyncio.fixture
async def world(database_url: str) -> AsyncGenerator[World]:
    async with opened_world(database_url) as opened:
        yield opened


async def added(world: World) -> NewSecret:
    async with transaction(world.engine) as session:
        return await add_client(
            session, origin(), AddClient("robot", "Robot", world.organization_id, ("read",))
        )


async def test_whole_life_of_a_client_is_proved_by_its_events(world: World, database_url: str) -> None:
    new = await added(world)
    client_id = new.client_id
    async with transaction(world.engine) as session:
        await rotate_secret(session, origin(), RotateSecret(client_id))
        await revoke_secret(session, origin(), RevokeSecret(client_id, new.secret_id))
        await set_scopes(session, origin(), SetScopes(client_id, ("write",)))
        await set_mode(session, origin(), SetMode(client_id, may_send_text=True))
        await disable_client(session, origin(), DisableClient(client_id))
    result = await verify_events(database_url, lambda _: None)
    assert result.findings == ()
    assert result.aggregate_counts == {"ApiClient": 1, "User": 2}


@pytest.mark.parametrize(
    ("statements", "finding"),
    [
        (("UPDATE api_client SET scopes = '{read,write}'",), DIFFERS + "scopes.write."),
        (("UPDATE api_client SET may_send_text = true",), DIFFERS + "maySendText."),
        (("UPDATE api_client SET version = 2",), DIFFERS + "version."),
        (("UPDATE api_client SET created_at = 'yesterday'",), DIFFERS + "createdAt."),
        (("UPDATE api_client_secret SET revoked_at = now()",), DIFFERS + "secrets.{secret}.revokedAt."),
        ((_SECRET_SLIPPED_IN,), DIFFERS + f"secrets.{FORGED}.createdAt."),
        ((_CLIENT_SLIPPED_IN,), f"ApiClient {FORGED} has a row but no events."),
        (
            ("DELETE FROM api_client_secret", "DELETE FROM api_client"),
            "ApiClient {client} has events but no row.",
        ),
    ],
    ids=["scope", "mode", "version", "moment", "revocation", "secret", "client", "removal"],
)
async def test_forged_row_of_a_client_is_found(
    world: World, database_url: str, statements: tuple[str, ...], finding: str
) -> None:
    new = await added(world)
    for statement in statements:
        await world.rows(statement)
    result = await verify_events(database_url, lambda _: None)
    assert result.findings == (finding.format(client=new.client_id, secret=new.secret_id),)


async def test_noted_use_of_a_secret_is_no_finding(world: World, database_url: str) -> None:
    await added(world)
    await world.rows("UPDATE api_client_secret SET last_used_at = now()")
    assert (await verify_events(database_url, lambda _: None)).findings == ()
