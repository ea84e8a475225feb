"""Does a price reach a subscriber who may not read it?"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable
from typing import cast

from server.asking import asked_of
from server.live import Gate
from server.websocket_protocol import SocketOperation
from tests.api import ADDRESS, Api
from tests.integration.follower import texts
from tests.integration.order_world import done, draft, line, organization, project

FOLLOW = """
subscription {
  orderChanged {
    cursor
    order {
      number amount hiddenFields project { code approvalLimit } contractor { bankAccount }
      lines(first: 5) { nodes { unitPrice amount hiddenFields } } events(first: 5) { nodes { changes { before after } } }
    }
    event { type changes { field before after } actor { phone } aggregate { ... on Order { amount } } }
  }
}
"""
STEEL, CONCRETE = "93179999901.50", "93179999902.50"

# To whom which price is told; who isn't named hears of neither order, a dash is an order without its price.
TOLD = {
    "director": [STEEL, CONCRETE],
    "auditor": [STEEL, CONCRETE],
    "pm2": [STEEL],
    "engineer2": ["-"],
    "pm": ["-", CONCRETE],
    "engineer": ["-"],
    "buyer": [CONCRETE],
    "contractor": [STEEL],
    "contractor2": [CONCRETE],
}
SILENT = ("admin", "foreman", "worker", "customer")


async def listen(api: Api, who: str, heard: dict[str, list[str]]) -> None:
    gate = cast(Gate, api.app.state.gate)
    passport = await gate.authenticate({"authorization": f"Bearer {await api.token(who)}"})
    operation = SocketOperation(asked_of({"query": FOLLOW}), "test", ADDRESS)
    async for text in texts(gate.answers(passport.holder, operation)):
        heard[who].append(json.dumps(json.loads(text)))


def price_in(message: str) -> str:
    """The price in a message, with everything else that would be one of ours."""
    found = [price for price in (STEEL, CONCRETE) if price in message]
    assert len(found) < 2, message
    assert found or "931799999" not in message, message
    return found[0] if found else "-"


async def until(holds: Callable[[], bool]) -> None:
    """Wait until a condition holds of which nobody tells."""
    while not holds():
        await asyncio.sleep(0.01)


async def test_subscribers_are_told_prices_as_they_may_read_them(api: Api) -> None:
    everybody = (*TOLD, *SILENT)
    heard: dict[str, list[str]] = defaultdict(list)
    for who in everybody:
        await api.token(who)
    listening = [asyncio.create_task(listen(api, who, heard)) for who in everybody]
    async with asyncio.timeout(20):
        gate = cast(Gate, api.app.state.gate)
        await until(lambda: gate.listener_count == len(everybody))
        steel = draft(
            projectId=project("P-002"), contractorId=organization("K-001"), lines=[line("1", STEEL)]
        )
        await done(api, "pm2", "orderCreate", **steel)
        concrete = draft(contractorId=organization("K-002"), lines=[line("1", CONCRETE)])
        await done(api, "buyer", "orderCreate", **concrete)
        await until(lambda: sum(map(len, heard.values())) >= sum(map(len, TOLD.values())))
        # Whoever should hear nothing is given the time to hear it.
        await asyncio.sleep(0.3)
    for task in listening:
        task.cancel()
    await asyncio.gather(*listening, return_exceptions=True)
    assert {who: [price_in(each) for each in messages] for who, messages in heard.items()} == TOLD
