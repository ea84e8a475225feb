"""How does a test get an API client? Added by the command, with a token as `POST /oauth/token` gives it.

robot = await added_client(api.database.write, "robot", roles=("engineer@P-001",))
answer = await api.send(body, await client_headers(api, "robot", robot.secret))
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncEngine

from commands.clients import AddClient, NewSecret, add_client
from commands.transactions import transaction
from db.events import Origin
from server.operator_acts import organization_id_of, role_of
from tests.api import ADDRESS, Api

TOKEN_PATH = "/oauth/token"
ALL_SCOPES = ("read", "write", "subscribe")


async def added_client(
    engine: AsyncEngine,
    username: str,
    *,
    organization: str = "HC",
    roles: tuple[str, ...] = (),
    scopes: tuple[str, ...] = ALL_SCOPES,
    may_send_text: bool = True,
) -> NewSecret:
    """Return the first secret of a new client, which may do all that its roles let it."""
    async with transaction(engine) as session:
        command = AddClient(
            username=username,
            name=f"Program {username}",
            organization_id=await organization_id_of(session, organization),
            scopes=scopes,
            may_send_text=may_send_text,
            roles=tuple([await role_of(session, role) for role in roles]),
        )
        return await add_client(session, Origin(None, None, ADDRESS, datetime.now(UTC)), command)


async def client_headers(api: Api, username: str, secret: str, scope: str | None = None) -> dict[str, str]:
    """Return the header that carries a new token of the client, narrowed to `scope`."""
    form = {"grant_type": "client_credentials", **({"scope": scope} if scope else {})}
    response = await api.client.post(TOKEN_PATH, data=form, auth=(username, secret))
    assert response.status_code == 200, response.text
    return {"Authorization": f"Bearer {response.json()['access_token']}"}
