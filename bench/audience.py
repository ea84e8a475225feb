"""Who listens, and how fast do all of them hear? The process that holds every socket to one server and has orders changed.

It is told what to do by a line of JSON each and answers with one (`bench.following` is at the other end). One process
holds the sockets and commits, so that one clock times both. It reads a message only where it hears it first.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any
from uuid import UUID

from bench.commits import Commit, Told, committing
from bench.following import CLOSED
from bench.processes import BenchError
from bench.tally import Count, Tally, order_of
from domain.identifiers import global_id

PROTOCOL = "graphql-transport-ws"
JOINING_AT_ONCE = 50
JOIN_SECONDS = 60
HEAR_SECONDS = 120
SETTLE_TRIES = 20
STILL_SECONDS = 10.0
"""How long nobody hears anything before an event counts as heard by all who will: a slow server has long pauses."""

# Any, and imported by their names: only `make bench` installs picows, and the checks run without it.
_picows: Any = import_module("picows")
_uvloop: Any = import_module("uvloop")
_TEXT: Any = _picows.WSMsgType.TEXT


class Audience:
    """Everybody who follows one project on one server."""

    def __init__(self, job: Mapping[str, Any], commit: Commit) -> None:
        self.tally = Tally()
        self.init = _message(type="connection_init", payload=job["init"])
        self.subscribe = _message(id="1", type="subscribe", payload=job["subscribe"])
        self._orders = [UUID(order) for order in job["orders"]]
        self._url: str = job["socket_url"]
        self._commit = commit
        self._failure: BenchError | None = None
        self.sample: list[str] = []
        """The last message of each kind that settled: held and resumed."""

    async def join(self, count: int) -> None:
        """Open so many sockets more, and have them subscribed; raise `BenchError` where a server refuses one."""
        turns = asyncio.Semaphore(JOINING_AT_ONCE)
        async with asyncio.TaskGroup() as tasks:
            for _ in range(count):
                tasks.create_task(self._join_one(turns))
        await self._settle()

    async def push(self, seconds: float) -> dict[str, Any]:
        """Have each order changed as soon as everybody has heard of its last change; return what came of it."""
        loop = asyncio.get_running_loop()
        before, began = _cpu_seconds(), loop.time()
        latencies: list[float] = []

        async def go_on(order: UUID) -> None:
            while loop.time() < began + seconds:
                latencies.append(await self._change(order, is_held=True))
                latencies.append(await self._change(order, is_held=False))

        running = asyncio.gather(*map(go_on, self._orders))
        await asyncio.wait([running], timeout=seconds)
        found = {
            "messages": self.tally.messages,
            "seconds": loop.time() - began,
            "cpu_seconds": _cpu_seconds() - before,
        }
        await running
        self._check()
        return {**found, "latencies_ms": latencies}

    async def pace(self, seconds: float, events_a_second: float) -> dict[str, Any]:
        """Have so many changes made in a second, fewer where no order is free; return in what time all heard of each."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        free: asyncio.Queue[tuple[UUID, bool]] = asyncio.Queue()
        for order in self._orders:
            free.put_nowait((order, False))
        latencies: list[float] = []

        async def change(order: UUID, *, is_held: bool) -> None:
            latencies.append(await self._change(order, is_held=is_held))
            free.put_nowait((order, is_held))

        async with asyncio.TaskGroup() as tasks:
            for nth in range(round(seconds * events_a_second)):
                await asyncio.sleep(began + nth / events_a_second - loop.time())
                if loop.time() > began + seconds:
                    break
                order, is_held = await free.get()
                tasks.create_task(change(order, is_held=not is_held))
        await asyncio.sleep(began + seconds - loop.time())
        took = loop.time() - began
        for order, is_held in [free.get_nowait() for _ in self._orders]:
            if is_held:
                await self._change(order, is_held=False)
        self._check()
        return {
            "messages": len(latencies) * len(self.tally.counts),
            "seconds": took,
            "latencies_ms": latencies,
        }

    def fail(self, error: BenchError) -> None:
        """End whatever is under way, and refuse what comes."""
        self._failure = self._failure or error
        self.tally.fail(error)

    async def _join_one(self, turns: asyncio.Semaphore) -> None:
        async with turns, asyncio.timeout(JOIN_SECONDS):
            listener = _Listener(self)
            await _picows.ws_connect(
                lambda: listener,
                self._url,
                extra_headers={"Sec-WebSocket-Protocol": PROTOCOL},
                websocket_handshake_timeout=JOIN_SECONDS,
            )
            await listener.is_in
        self.tally.counts.append(listener.count)

    async def _settle(self) -> None:
        """Have an order changed until everybody hears of it, since nothing says when a subscription has begun."""
        order, is_held = self._orders[0], False
        for _ in range(SETTLE_TRIES):
            is_held = not is_held
            told = self.tally.expect(global_id("Order", order))
            await self._commit(order, is_held=is_held)
            left = None
            while left != told.left and not told.heard.done():
                left = told.left
                await asyncio.wait([told.heard], timeout=STILL_SECONDS)
            is_heard = told.heard.done()
            self._raise_failure()
            self.tally.forget()
            self.sample = [*self.sample[-1:], told.text.decode()]
            if is_heard and not is_held:
                return
        raise BenchError(f"Not all of {len(self.tally.counts)} heard of what was done.")

    async def _change(self, order: UUID, *, is_held: bool) -> float:
        """Have an order changed; return in how many milliseconds, from asking for it, the last one has heard."""
        self._raise_failure()
        loop = asyncio.get_running_loop()
        began = loop.time()
        told = self.tally.expect(global_id("Order", order))
        await self._commit(order, is_held=is_held)
        async with asyncio.timeout(HEAR_SECONDS):
            return (await told.heard - began) * 1_000

    def _check(self) -> None:
        self._raise_failure()
        self.tally.check()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure


# Any, twice: picows is imported by its name.
class _Listener(_picows.WSListener):  # pyright: ignore[reportUntypedBaseClass]
    """The client's end of one socket, as picows calls it; `is_in` ends when it has subscribed."""

    def __init__(self, audience: Audience) -> None:
        self.count = Count()
        self.is_in: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._audience = audience
        self._tally = audience.tally
        self._known = audience.tally.by_text

    def on_ws_connected(self, transport: Any) -> None:
        transport.send(_TEXT, self._audience.init)

    def on_ws_frame(self, transport: Any, frame: Any) -> None:
        text: bytes = frame.get_payload_as_bytes()
        told = self._known.get(text)
        if told is not None:
            self._tally.hear(told, self.count)
        elif frame.msg_type == _TEXT:
            try:
                self._read(transport, text)
            except BenchError as error:
                self._audience.fail(error)

    def on_ws_disconnected(self, transport: Any) -> None:
        received = transport.close_handshake and transport.close_handshake.recv
        why = f": {received.code} {received.reason}" if received else ""
        error = BenchError(f"{CLOSED}{why}")
        if not self.is_in.done():
            self.is_in.set_exception(error)
        self._audience.fail(error)

    def _read(self, transport: Any, text: bytes) -> None:
        match json.loads(text)["type"]:
            case "connection_ack":
                transport.send(_TEXT, self._audience.subscribe)
                self.is_in.set_result(None)
            case "ping":
                transport.send(_TEXT, b'{"type":"pong"}')
            case "next":
                self._tally.hear(self._tally.first_heard(text, order_of(text)), self.count)
            case _:
                raise BenchError(f"A subscriber was told {text[:300]!r}")


def _message(**fields: object) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode()


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def _serve() -> None:
    loop = asyncio.get_running_loop()

    async def line() -> str:
        return await loop.run_in_executor(None, sys.stdin.readline)

    job = json.loads(await line())
    async with committing(Told(job["told"]), job) as commit:
        audience = Audience(job, commit)
        while command := await line():
            answer = await _obey(audience, json.loads(command))
            print(json.dumps(answer), flush=True)


async def _obey(audience: Audience, command: Mapping[str, Any]) -> Mapping[str, Any]:
    match command["do"]:
        case "join":
            await audience.join(command["count"])
            return {"sample": audience.sample}
        case "push":
            return await audience.push(command["seconds"])
        case "pace":
            return await audience.pace(command["seconds"], command["events_a_second"])
        case unknown:
            raise BenchError(f"Nobody can do {unknown}.")


def main() -> None:
    """Do as the lines say until they end."""
    _uvloop.run(_serve())


if __name__ == "__main__":
    main()
