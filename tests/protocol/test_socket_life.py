"""How does a socket begin, and with which code does it end?"""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from structlog.testing import capture_logs
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from server.direct_sending import DirectSocketProtocol
from tests.protocol.socket_world import (
    PROTOCOL,
    WAIT_SECONDS,
    Gate,
    Served,
    ask,
    hear,
    hear_end,
    say,
    served,
    until,
)


@pytest.mark.parametrize(
    "message",
    [
        "no JSON",
        b"\x00binary",
        "[]",
        "null",
        "[" * 1990,
        {},
        {"type": None},
        {"type": "start"},
        {"type": "connection_init", "payload": "text"},
        {"type": "connection_init", "payload": [1]},
        {"type": "ping", "payload": 7},
        {"type": "complete"},
        {"type": "complete", "id": 7},
        {"type": "subscribe", "payload": {"query": "{ hello }"}},
        {"type": "subscribe", "id": "", "payload": {"query": "{ hello }"}},
        {"type": "subscribe", "id": ["1"], "payload": {"query": "{ hello }"}},
        {"type": "subscribe", "id": "1"},
        {"type": "subscribe", "id": "1", "payload": "{ hello }"},
        {"type": "subscribe", "id": "1", "payload": {}},
        {"type": "subscribe", "id": "1", "payload": {"query": 1}},
        {"type": "subscribe", "id": "1", "payload": {"query": "{ hello }", "variables": []}},
        {"type": "subscribe", "id": "1", "payload": {"query": "{ hello }", "operationName": {}}},
        {"type": "subscribe", "id": "1", "payload": {"query": "{ hello }", "extensions": "none"}},
    ],
    ids=lambda message: repr(message)[:60],
)
async def test_a_malformed_message_ends_the_socket_with_4400(message: object) -> None:
    async with served() as server, server.signed_in() as client:
        await say(client, message)
        assert (await hear_end(client))[0] == 4400


async def test_a_message_that_is_too_big_ends_the_socket_with_1009() -> None:
    async with served() as server, server.signed_in() as client:
        await ask(client, "1", "{ hello }" + " " * 2000)
        assert await hear_end(client) == (1009, "Message too big")


async def test_subscribing_before_the_handshake_ends_the_socket_with_4401() -> None:
    async with served() as server, server.connected() as client:
        await ask(client, "1", "{ hello }")
        assert await hear_end(client) == (4401, "Unauthorized")
        assert server.gate.operations == []


async def test_a_client_that_may_not_come_in_is_sent_away_with_4403() -> None:
    async with served() as server, server.connected() as client:
        await say(client, {"type": "connection_init"})
        assert await hear_end(client) == (4403, "Forbidden")


async def test_a_store_that_is_away_at_the_handshake_asks_to_come_back_with_1013() -> None:
    async with served() as server, server.connected() as client:
        await say(client, {"type": "connection_init", "payload": {"who": "store away"}})
        assert await hear_end(client) == (1013, "Try again later")


async def test_a_mistake_at_the_handshake_ends_the_socket_with_4500() -> None:
    async with served() as server, server.connected() as client:
        with capture_logs() as logs:
            await say(client, {"type": "connection_init", "payload": {"who": "mistake"}})
            assert await hear_end(client) == (4500, "Internal server error")
        assert [log["event"] for log in logs] == ["socket_authentication_failed"]


@pytest.mark.parametrize("protocols", [["graphql-ws"], ["chat", "graphql-ws"]])
async def test_any_other_subprotocol_is_refused_with_4406(protocols: list[str]) -> None:
    async with served() as server:
        offered = [Subprotocol(protocol) for protocol in protocols]
        async with server.connected(offered) as client:
            assert client.subprotocol is None
            assert await hear_end(client) == (4406, "Subprotocol not acceptable")


async def test_a_client_that_says_nothing_is_sent_away_with_4408() -> None:
    async with served(init_seconds=0.1) as server, server.connected() as client:
        await say(client, {"type": "ping"})
        assert await hear(client) == {"type": "pong"}
        assert (await hear_end(client))[0] == 4408


async def test_an_id_in_use_ends_the_socket_with_4409() -> None:
    async with served() as server, server.signed_in() as client:
        long_id = "长" * 100
        await ask(client, long_id, "subscription { silent }")
        await ask(client, long_id, "{ hello }")
        code, reason = await hear_end(client)
        assert code == 4409
        assert reason.startswith("Subscriber for 长长")


async def test_a_second_handshake_ends_the_socket_with_4429() -> None:
    async with served() as server, server.signed_in() as client:
        await say(client, {"type": "connection_init", "payload": {"who": "li"}})
        assert await hear_end(client) == (4429, "Too many initialisation requests")


async def test_the_socket_ends_with_4403_when_the_token_runs_out() -> None:
    async with served(Gate(lifetime=timedelta(seconds=0.3))) as server, server.signed_in() as client:
        await ask(client, "1", "subscription { endless }")
        assert await hear_end(client) == (4403, "The token has expired")


async def test_revoking_closes_all_sockets_of_that_person_and_of_nobody_else() -> None:
    person = str(uuid4())
    async with (
        served() as server,
        server.signed_in(userId=person) as phone,
        server.signed_in(userId=person) as desk,
        server.signed_in() as somebody_else,
    ):
        await ask(phone, "1", "subscription { endless }")
        await hear(phone)
        assert UUID(person) in server.sockets.user_ids
        assert server.sockets.revoke(UUID(person)) == 2
        assert await hear_end(phone) == (4403, "Your rights have changed")
        assert await hear_end(desk) == (4403, "Your rights have changed")
        await ask(somebody_else, "1", "{ hello }")
        assert (await hear(somebody_else))["payload"] == {"data": {"hello": "你好"}}
        assert server.sockets.count == 1
        assert server.sockets.revoke(UUID(person)) == 0


async def test_whoever_is_revoked_during_the_handshake_does_not_come_in() -> None:
    person = str(uuid4())
    async with served() as server, server.connected() as client:
        server.gate.let_in.clear()
        await say(client, {"type": "connection_init", "payload": {"who": "li", "userId": person}})
        await asyncio.sleep(0.05)
        assert server.sockets.revoke(UUID(person)) == 0
        server.gate.let_in.set()
        assert await hear_end(client) == (4403, "Forbidden")


async def test_a_handshake_that_takes_too_long_asks_to_come_back() -> None:
    async with served(init_seconds=0.1) as server, server.connected() as client:
        server.gate.let_in.clear()
        await say(client, {"type": "connection_init", "payload": {"who": "li"}})
        assert await hear_end(client) == (1013, "Try again later")


async def test_a_client_that_answers_pings_stays_and_one_that_does_not_is_sent_away() -> None:
    async with served(ping_seconds=0.2) as server, server.signed_in() as living, server.signed_in() as dead:
        dead_end = asyncio.create_task(hear_end(dead))
        for _ in range(5):
            await say(living, {"type": "pong"})
            assert await hear(living) == {"type": "ping"}
        assert await dead_end == (1001, "No answer to a ping")
        assert server.sockets.count == 1


@pytest.mark.parametrize("talks", [False, True])
async def test_a_client_that_reads_nothing_keeps_neither_socket_nor_connection(
    monkeypatch: pytest.MonkeyPatch, *, talks: bool
) -> None:
    monkeypatch.setattr(DirectSocketProtocol, "linger_seconds", 0.3)
    async with served(ping_seconds=0.3) as server, unread(server) as (_, writer):
        flood = {"id": "1", "type": "subscribe", "payload": {"documentId": "flood"}}
        writer.write(client_frame(flood))
        await until(lambda: server.gate.running == 1)
        async with asyncio.timeout(WAIT_SECONDS):
            while server.connections:
                if talks and server.sockets.count:
                    writer.write(client_frame({"type": "pong"}))
                await asyncio.sleep(0.05)
        assert server.sockets.count == 0


async def test_pings_of_a_client_that_does_not_read_the_answers_take_no_memory() -> None:
    async with served() as server, unread(server) as (reader, writer):
        ping = bytes([0x89, 0x80 | 125]) + bytes(4) + b"." * 125
        for _ in range(60):
            writer.write(ping * 2_000)
            await writer.drain()
        writer.write(bytes([0x89, 0x80 | 4]) + bytes(4) + b"last")
        await writer.drain()
        await asyncio.sleep(0.2)
        (connection,) = server.connections
        # Of 15 MB, what one reading brought before it was noticed.
        assert 0 < connection.transport.get_write_buffer_size() < 400_000
        async with asyncio.timeout(WAIT_SECONDS):
            while b"last" not in (heard := await reader.read(100_000)):
                assert heard


@asynccontextmanager
async def unread(server: Served) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A client that has signed in, and reads nothing that it is told."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.setblocking(False)
    address = ("127.0.0.1", int(server.url.split(":")[2].split("/")[0]))
    await asyncio.get_running_loop().sock_connect(client, address)
    reader, writer = await asyncio.open_connection(sock=client, limit=1024)
    writer.write(
        b"GET /graphql HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
    )
    await reader.readuntil(b"\r\n\r\n")
    writer.write(client_frame({"type": "connection_init", "payload": {"who": "li"}}))
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def test_a_ping_with_a_token_renews_the_authorization_in_place() -> None:
    me = str(uuid4())
    async with served(Gate(lifetime=timedelta(seconds=1))) as server, server.signed_in(userId=me) as client:
        await ask(client, "1", "subscription { silent }")
        server.gate.lifetime = timedelta(seconds=30)
        renewal = {"authorization": "Bearer new", "who": "li", "userId": me}
        await say(client, {"type": "ping", "payload": renewal})
        pong = await hear(client)
        assert (pong["type"], set(pong["payload"])) == ("pong", {"expiresAt"})
        await asyncio.sleep(1.5)
        await say(client, {"type": "ping"})
        assert await hear(client) == {"type": "pong"}
        assert server.gate.running == 0
        assert server.sockets.count == 1


@pytest.mark.parametrize(
    ("renewal", "code"),
    [({}, "UNAUTHENTICATED"), ({"who": "store away"}, "UNAVAILABLE"), ({"who": "li"}, "UNAUTHENTICATED")],
    ids=["wrong token", "store away", "somebody else"],
)
async def test_a_renewal_that_is_refused_leaves_everything_as_it_was(
    renewal: dict[str, str], code: str
) -> None:
    async with served(Gate(lifetime=timedelta(seconds=1))) as server, server.signed_in() as client:
        server.gate.lifetime = timedelta(seconds=30)
        await say(client, {"type": "ping", "payload": {"Authorization": "Bearer new", **renewal}})
        assert (await hear(client))["payload"]["code"] == code
        assert await hear_end(client) == (4403, "The token has expired")


async def test_a_client_that_falls_behind_is_let_go_to_come_back() -> None:
    async with served() as server, server.signed_in() as client:
        await say(client, {"id": "1", "type": "subscribe", "payload": {"documentId": "slow"}})
        assert (await hear(client))["payload"] == {"data": {"cursor": "seven"}}
        assert await hear_end(client) == (1013, "Too slow: resume after the last cursor")


async def test_a_client_that_vanishes_leaves_nothing_behind() -> None:
    async with served() as server:
        async with server.signed_in() as client:
            await ask(client, "1", "subscription { endless }")
            await hear(client)
            client.transport.abort()
        await until(lambda: not server.sockets.count and not server.gate.running)


async def test_draining_says_1001_to_everybody_also_to_those_who_still_come() -> None:
    async with served() as server, server.signed_in() as client, server.connected() as waiting:
        await ask(client, "1", "subscription { endless }")
        await hear(client)
        await server.sockets.drain(grace_seconds=2)
        assert server.sockets.count == 0
        assert server.gate.running == 0
        async with server.connected() as late:
            ends = [await hear_end(each) for each in (client, waiting, late)]
    for code, reason in ends:
        told = re.fullmatch(r"Going away; retry in (\d+) ms", reason)
        assert (code, told is not None) == (1001, True)
        assert told is not None
        assert int(told[1]) <= 504


async def test_a_page_of_another_origin_may_not_open_a_socket() -> None:
    async with served(allowed_origins=("https://board.example",)) as server:
        with pytest.raises(InvalidStatus) as refused:
            async with server.connected(origin="https://evil.example"):
                pass
        assert refused.value.response.status_code == 403
        for origin in (
            "https://board.example",
            server.url.replace("ws://", "http://").removesuffix("/graphql"),
        ):
            async with server.connected(origin=origin) as client:
                assert client.subprotocol == PROTOCOL


async def test_one_viewer_has_so_many_sockets_and_no_more() -> None:
    me = str(uuid4())
    async with served(max_per_viewer=2) as server:
        async with server.signed_in(userId=me), server.signed_in(userId=me), server.connected() as third:
            await say(third, {"type": "connection_init", "payload": {"who": "li", "userId": me}})
            assert await hear_end(third) == (1013, "Try again later")
            async with server.signed_in(userId=str(uuid4())):
                assert server.sockets.count == 3
        await until(lambda: server.sockets.count == 0)
        async with server.signed_in(userId=me):
            assert server.sockets.count == 1


def client_frame(message: object) -> bytes:
    """Return a short message as a client frames it, masked with zeros."""
    raw = json.dumps(message).encode()
    return bytes([0x81, 0x80 | len(raw)]) + bytes(4) + raw
