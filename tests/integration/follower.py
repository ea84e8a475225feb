"""How do tests follow what happens? As a socket does, by the gate, without one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from typing import Any

from server.asking import asked_of
from server.live import Gate
from server.websocket_protocol import Answer, SocketOperation
from subscriptions.outbox import Outbox
from tests.api import ADDRESS, Api

ORDERS = """subscription ($projectId: ID, $orderIds: [ID!], $states: [OrderState!], $after: String) {
  orderChanged(projectId: $projectId, orderIds: $orderIds, states: $states, after: $after) {
    cursor resyncRequired orderId event { type } order { id number state amount contractor { name } }
  }
}"""
SECONDS = 20


class Heard:
    """What one subscriber hears."""

    def __init__(self) -> None:
        self.answers: list[Any] = []
        self.task: asyncio.Task[None] | None = None

    @property
    def news(self) -> list[Any]:
        return [next(iter(each["data"].values())) for each in self.answers]

    def of(self, order: dict[str, Any]) -> list[Any]:
        return [each for each in self.news if each["orderId"] == order["id"]]

    async def count(self, number: int) -> list[Any]:
        """Return the first so many, when they have come."""
        async with asyncio.timeout(SECONDS):
            while len(self.answers) < number:
                await asyncio.sleep(0.01)
        return self.news[:number]

    async def told_of(self, order: dict[str, Any]) -> None:
        """Wait until it has been told of an order."""
        async with asyncio.timeout(SECONDS):
            while order["id"] not in {each["orderId"] for each in self.news}:
                await asyncio.sleep(0.01)


async def texts(answers: AsyncGenerator[Answer | Outbox]) -> AsyncGenerator[bytes]:
    """Yield the answers to an operation as a socket sends them."""
    async with aclosing(answers):
        async for answer in answers:
            if isinstance(answer, Outbox):
                async for text in answer:
                    yield text
            else:
                yield answer if isinstance(answer, bytes) else json.dumps(answer).encode()


@asynccontextmanager
async def following(api: Api, who: str, document: str = ORDERS, **variables: Any) -> AsyncGenerator[Heard]:
    gate: Gate = api.app.state.gate
    passport = await gate.authenticate({"authorization": f"Bearer {await api.token(who)}"})
    body = {"query": document, "variables": variables}
    answers = gate.answers(passport.holder, SocketOperation(asked_of(body), "test", ADDRESS))
    heard = Heard()
    before = gate.listener_count

    async def listen() -> None:
        async for text in texts(answers):
            heard.answers.append(json.loads(text))

    heard.task = asyncio.create_task(listen())
    async with asyncio.timeout(SECONDS):
        while gate.listener_count == before and not heard.task.done():
            await asyncio.sleep(0.005)
    try:
        yield heard
    finally:
        heard.task.cancel()
        await asyncio.gather(heard.task, return_exceptions=True)
        await answers.aclose()
