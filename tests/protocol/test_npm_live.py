"""Do followers with the real `graphql-ws` live through what happens to them? Each suite of tests/clients/live, with servers of its own.

Servers are stopped and killed, roles taken away, tokens run out, clients misbehave: what a suite can't do itself, it has
done by a control (see `tests.protocol.npm_world`).
"""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import pytest

from commands.accounts import GrantRole, RevokeRole, grant_role, revoke_role, user_id_of
from commands.session_records import open_session
from db.events import Origin
from db.sessions import WriteSession
from policies.tokens import TokenMint
from server.operator_acts import done, role_of
from server.settings import Settings, token_secret
from tests.e2e.personas import Personas
from tests.e2e.server import Server, demo_data, serving, stores_of
from tests.golden_files import ROOT
from tests.node import installed, node_environment
from tests.protocol.npm_world import CLIENTS, Action, controlled, run_node

WHO = ("pm", "pm2", "buyer", "buyer2")
BOUNDS = {
    "EOMS_CONNECTION_INIT_SECONDS": "2",
    "EOMS_MAX_BODY_BYTES": "32768",
    "EOMS_MAX_SOCKETS_PER_VIEWER": "3",
    "EOMS_SUBSCRIBER_QUEUE_SIZE": "1",
}
BOARD = CLIENTS / "board" / "follow.ts"
SUITE_SECONDS = 120
REPORT = ("--test-reporter=spec", "--test-force-exit")
"""A suite that fails leaves sockets open, which would keep Node from ending."""

Done = TypeVar("Done")


@contextmanager
def world(data_dir: Path, server: Server) -> Generator[Mapping[str, str]]:
    """The environment of a suite on that server, which the suite controls."""
    installed(CLIENTS)
    personas = Personas(server.url)
    personas.sign_in(*WHO)
    tokens = {who: personas.token(who) for who in WHO}
    personas.close()
    with controlled(actions(data_dir, server)) as control_url:
        yield {
            **node_environment(),
            "NO_COLOR": "1",
            "SERVER_URL": server.url,
            "CONTROL_URL": control_url,
            "TOKENS": json.dumps(tokens),
        }


@pytest.fixture(scope="module")
def variables() -> Generator[Mapping[str, str]]:
    with demo_data() as data_dir, serving(data_dir) as server, world(data_dir, server) as variables:
        yield variables


@pytest.mark.slow
@pytest.mark.parametrize("suite", ["rights", "resume", "close-codes", "board"])
def test_suite_of_followers_passes(suite: str, variables: Mapping[str, str]) -> None:
    run_node(variables, *REPORT, f"live/{suite}.test.mjs", seconds=SUITE_SECONDS)


@pytest.mark.slow
def test_suite_of_followers_that_reach_a_bound_passes() -> None:
    with (
        demo_data() as data_dir,
        serving(data_dir, **BOUNDS) as server,
        world(data_dir, server) as variables,
    ):
        run_node(variables, *REPORT, "live/bounds.test.mjs", seconds=SUITE_SECONDS)


def test_every_suite_of_followers_is_run() -> None:
    found = {path.name for path in (CLIENTS / "live").glob("*.test.mjs")}
    assert found == {f"{suite}.test.mjs" for suite in ("rights", "resume", "close-codes", "board", "bounds")}


def test_example_of_the_documentation_is_what_a_suite_compiles_and_runs() -> None:
    text = (ROOT / "docs" / "live.md").read_text("utf-8")
    place = BOARD.relative_to(ROOT).as_posix()
    assert re.findall(r"<!-- from (\S+) -->\n```ts\n(.*?)```", text, re.DOTALL) == [
        (place, BOARD.read_text("utf-8"))
    ]
    assert text.count("```ts") == 1


def actions(data_dir: Path, server: Server) -> Mapping[str, Action]:
    """What a suite may ask for, by name."""

    def grant(who: str, role: str) -> None:
        async def act(session: WriteSession, origin: Origin) -> None:
            user_id = await user_id_of(session, who)
            await grant_role(session, origin, GrantRole(user_id, *await role_of(session, role)))

        _acted(data_dir, act)

    def revoke(who: str, role: str) -> None:
        async def act(session: WriteSession, origin: Origin) -> None:
            user_id = await user_id_of(session, who)
            await revoke_role(session, origin, RevokeRole(user_id, *await role_of(session, role)))

        _acted(data_dir, act)

    def token(who: str, seconds: float) -> str:
        lifetime = timedelta(seconds=seconds)
        mint = TokenMint(token_secret(Settings(data_dir=data_dir)), lifetime)

        async def act(session: WriteSession, origin: Origin) -> str:
            user_id = await user_id_of(session, who)
            opened = await open_session(session, origin, user_id, timedelta(hours=1))
            return mint.issue(user_id, opened.session_id, origin.now).token

        return _acted(data_dir, act)

    return {
        "start": server.start,
        "stop": server.stop,
        "kill": server.kill9,
        "freeze": lambda: server.signal(signal.SIGSTOP),
        "thaw": lambda: server.signal(signal.SIGCONT),
        "grant": grant,
        "revoke": revoke,
        "token": token,
    }


def _acted(data_dir: Path, act: Callable[[WriteSession, Origin], Awaitable[Done]]) -> Done:
    """Carry out an operator's act on the stores of a running server."""
    with stores_of(data_dir) as urls:
        return done(urls.database_url, act)
