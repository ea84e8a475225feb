"""Do followers hear everything once and in order, whatever breaks? Two servers, both stores, phones that come and go.

`make faults` runs it with 200 phones, and long (FAULT_PHONES, FAULT_SECONDS, FAULT_SEED).
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from typing import Any

import httpx
import pytest

from server.store_files import open_folder
from server.store_postgres import EmbeddedPostgres
from server.store_valkey import EmbeddedValkey
from tests.e2e.faults import SEEN, Phone, Stores, Story, check, write
from tests.e2e.personas import Personas
from tests.e2e.rows import fetched
from tests.e2e.server import Server, new_folder, serving

# Without plans each phone's messages are made by themselves, by some statements each: with fewer phones all is over as soon.
IS_PLANNED = os.environ.get("PLANNER") != "off"
PHONES = int(os.environ.get("FAULT_PHONES", "36" if IS_PLANNED else "12"))
QUIET_SECONDS = float(os.environ.get("FAULT_SECONDS", "1.5"))
SEED = int(os.environ.get("FAULT_SEED", "1"))
# It waits eight times, and for what all the rest takes.
pytestmark = pytest.mark.timeout(300 + 10 * QUIET_SECONDS)

WRITERS = 4 if IS_PLANNED else 1
FROZEN_SECONDS = 10
TAKEN_OVER_SECONDS = 10

_KNOWN = """{
  feedCursor
  projects(first: 100) { nodes { id code } }
  organizations(first: 100) { nodes { id code } }
}"""


@asynccontextmanager
async def everything() -> AsyncGenerator[tuple[Story, Stores, dict[str, Any]]]:
    """Two servers on stores of their own, everybody signed in for longer than the story takes."""
    parent = new_folder()
    folder = open_folder(parent / "stores", _silence)
    postgres, valkey = EmbeddedPostgres(folder, {}), EmbeddedValkey(folder)
    try:
        await asyncio.to_thread(postgres.start, _silence)
        await asyncio.to_thread(valkey.start, _silence)
        given = {
            "DATABASE_URL": postgres.url,
            "REDIS_URL": valkey.url,
            "EOMS_ACCESS_TOKEN_MINUTES": "60",
            "EOMS_RATE_POINTS": "10000000",
            "EOMS_RATE_POINTS_PER_SECOND": "1000000",
            "EOMS_MAX_SOCKETS_PER_VIEWER": "1000",
            "EOMS_TOKEN_SECRET": "f" * 64,
        }
        with ExitStack() as stack:
            servers: list[Server] = []
            for name in ("one", "two"):
                variables = {**given, "EOMS_DEMO": "true"}
                servers.append(
                    await asyncio.to_thread(stack.enter_context, serving(parent / name, **variables))
                )
            personas = Personas(servers[0].url)
            personas.sign_in(*SEEN, "buyer")
            known = personas.ask("director", _KNOWN).data
            tokens = {who: personas.token(who) for who in SEEN} | {"writer": personas.token("buyer")}
            personas.close()
            yield Story(servers, tokens, SEED), Stores(parent / "stores", postgres, valkey), known
    finally:
        await asyncio.to_thread(valkey.stop)
        await asyncio.to_thread(postgres.stop)
        await asyncio.to_thread(shutil.rmtree, parent)


async def test_everybody_hears_all_that_is_his_once_and_in_order_whatever_breaks() -> None:
    async with everything() as (story, stores, known):
        ((after,),) = await fetched(stores.postgres.url, "SELECT coalesce(max(position), 0) FROM event_feed")
        everybody = [*SEEN]
        phones = [
            Phone(story, number, everybody[number % len(everybody)], known["feedCursor"])
            for number in range(PHONES)
        ]
        codes = {each["code"]: each["id"] for each in known["organizations"]["nodes"]}
        projects = [each["id"] for each in known["projects"]["nodes"] if each["code"] == "P-001"]
        contractors = [codes["K-001"], codes["K-002"]]
        story.writing.set()
        async with asyncio.TaskGroup() as group:
            for phone in phones:
                group.create_task(phone.live())
            async with asyncio.TaskGroup() as writers:
                for number in range(WRITERS):
                    writers.create_task(write(story, number, projects, contractors))
                for fault in faults(story, stores):
                    await asyncio.sleep(QUIET_SECONDS)
                    await fault()
                await asyncio.sleep(QUIET_SECONDS)
                story.writing.clear()
            await settled(story.servers)
            await check(story, phones, stores.postgres.url, after)
        assert story.commands > WRITERS
        assert story.drops > PHONES


def faults(story: Story, stores: Stores) -> list[Callable[[], Awaitable[None]]]:
    """Return what breaks, one after the other.

    After the first server was killed the second one relays, whichever did before: so killing that one kills the relay.
    """
    first, second = story.servers

    async def killed(server: Server) -> None:
        await asyncio.to_thread(server.kill9)
        await asyncio.sleep(QUIET_SECONDS)
        await asyncio.to_thread(server.start)

    return [
        lambda: killed(first),
        lambda: killed(second),
        lambda: asyncio.to_thread(stores.lose_valkey),
        lambda: asyncio.to_thread(stores.restart_postgres),
        lambda: stores.freeze_valkey(FROZEN_SECONDS),
    ]


async def settled(servers: list[Server] | Any) -> None:
    """Wait until every server finds its stores again."""
    async with asyncio.timeout(60), httpx.AsyncClient(timeout=5) as client:
        for server in servers:
            while True:
                try:
                    if (await client.get(f"{server.url}/readyz")).is_success:
                        break
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.2)


def _silence(_message: str) -> None:
    pass
