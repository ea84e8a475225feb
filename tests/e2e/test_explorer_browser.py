"""Does the explorer work in a real browser, on a real server, and does nothing leave the host?"""

from __future__ import annotations

import asyncio
import json
import os
import struct
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from commands.accounts import GrantRole, grant_role, user_id_of
from commands.transactions import transaction
from db.events import Origin
from server.explorer import BUILT
from tests.e2e.chromium import Browser, browser_command, browsing
from tests.e2e.personas import PASSWORD, Personas
from tests.e2e.server import Server, demo_data, serving, stores_of
from tests.golden_files import ROOT
from tests.node import missing
from tests.protocol.explorer_examples import examples

SCREENSHOT = "docs/explorer-pm.png"
EDITOR = ".graphiql-query-editor .view-line"
RUN = "button.graphiql-execute-button"
RESPONSE = "__MONACO.editor.getModels().filter((model) => model.uri.path.endsWith('-response.json')).at(-1).getValue()"
MY_ORDERS, MY_ORDERS_LIVE = "foreman/1-my-orders.graphql", "foreman/3-live.graphql"
REPORT = """
mutation ($id: ID!, $percent: Decimal!) {
  orderReportProgress(input: { id: $id, percent: $percent }) { order { number } errors { code } }
}
"""
UNDER_WAY = "{ orders(first: 1, filter: { states: [IN_PROGRESS] }) { nodes { id number } } }"


class Explored(NamedTuple):
    """A server, everybody's voice outside of the browser, and a browser."""

    server: Server
    personas: Personas
    browser: Browser

    def open(self) -> None:
        """Open the explorer."""
        assert self.browser.do("goto", url=f"{self.server.url}/explorer") == 200
        self.browser.do("appears", selector="[data-persona=customer]")

    def become(self, username: str) -> None:
        """Become a persona with one click."""
        self.browser.do("click", selector=f"[data-persona={username}]")
        self.is_signed_in(username)

    def is_signed_in(self, username: str) -> None:
        """Wait until the page says that he is, and the editor is there."""
        self.browser.do("appears", selector=f"[data-signed-in={username}]")
        self.browser.do("appears", selector=EDITOR)

    def choose(self, example: str) -> None:
        """Put an example into the editor."""
        self.browser.do("click", selector=f"[data-example='{example}']")
        self.browser.do("appears", selector=f"[data-example='{example}'].active")

    def run(self) -> Any:
        """Run what is in the editor and return the answer."""
        self.browser.do("click", selector=RUN)
        assert self.until("{response}.trim() !== ''")
        return json.loads(self.browser.do("evaluate", expression=RESPONSE))

    def until(self, condition: str, seconds: float = 20) -> bool:
        """Return whether the condition came to hold; `{response}` in it is the text of the answer."""
        expression = condition.replace("{response}", RESPONSE)
        return self.browser.do("until", expression=expression, seconds=seconds)

    def sent(self, kind: str) -> list[dict[str, Any]]:
        """Return the messages of one type that the page has sent over its sockets."""
        frames = [json.loads(frame) for frame in self.browser.do("told")["frames"]]
        return [frame for frame in frames if frame["type"] == kind]

    def follow(self) -> None:
        """Start the subscription and wait until the page has asked the server for it."""
        self.choose(MY_ORDERS_LIVE)
        before = len(self.sent("subscribe"))
        self.browser.do("click", selector=RUN)
        self.wait_for_frames("subscribe", before + 1)

    def wait_for_frames(self, kind: str, count: int) -> None:
        """Wait until the page has sent so many messages of this type."""
        for _ in range(200):
            if len(self.sent(kind)) == count:
                return
            self.until("false", seconds=0.1)
        raise AssertionError(f"{len(self.sent(kind))} × {kind}, not {count}")

    def change_until_heard(self, percents: tuple[str, ...]) -> tuple[Any, str]:
        """Report progress from outside until the page tells of it; return what it tells and the order's number.

        Nothing says when a subscription that was asked for listens, so the first report may come too early.
        """
        order = self.personas.ask("foreman", UNDER_WAY).data["orders"]["nodes"][0]
        for percent in percents:
            done = self.personas.ask("foreman", REPORT, id=order["id"], percent=percent)
            assert done.data["orderReportProgress"]["errors"] == [], done.text
            if self.until(f"{{response}}.includes('\"{percent}.00\"')", seconds=8):
                told = json.loads(self.browser.do("evaluate", expression=RESPONSE))["data"]["orderChanged"]
                assert told["order"]["percentComplete"] == f"{percent}.00"
                return told, order["number"]
        raise AssertionError("no change arrived in the page")


@pytest.fixture(scope="module")
def served() -> Generator[tuple[Server, Path]]:
    """A server on the demo company with the explorer built, where there is a browser to look at it."""
    browser_command(Path())
    if not (BUILT / "index.html").exists():
        missing("the explorer's build (make explorer)")
    with demo_data() as data_dir, serving(data_dir) as server:
        yield server, data_dir


@contextmanager
def explored(served: tuple[Server, Path], folder: Path) -> Generator[Explored]:
    """A new browser; whatever it was used for, nothing went wrong in it and nothing left the host."""
    server, _ = served
    personas = Personas(server.url)
    personas.sign_in("foreman", "engineer", "customer", "pm")
    try:
        with browsing(folder) as browser:
            yield Explored(server, personas, browser)
            told = browser.do("told")
    finally:
        personas.close()
    own = (f"{server.url}/", f"{server.url.replace('http', 'ws', 1)}/", "data:")
    assert [url for url in told["requests"] if not url.startswith(own)] == []
    assert told["complaints"] == []
    assert browser.reached() == {server.url.removeprefix("http://")}


def document(example: str) -> str:
    return next(each.document for each in examples() if each.name == example)


def test_foreman_sees_his_orders_and_a_change_from_outside_and_nothing_leaves_the_host(
    served: tuple[Server, Path], tmp_path: Path
) -> None:
    with explored(served, tmp_path) as page:
        page.open()
        page.browser.do("fill", selector="input[name=username]", text="foreman")
        page.browser.do("fill", selector="input[name=password]", text=PASSWORD)
        page.browser.do("click", selector="button[type=submit]")
        page.is_signed_in("foreman")
        page.choose(MY_ORDERS)
        assert page.run()["data"] == page.personas.ask("foreman", document(MY_ORDERS)).data
        page.follow()
        told, number = page.change_until_heard(("61", "62", "63"))
        assert (told["order"]["number"], told["order"]["state"]) == (number, "IN_PROGRESS")
        assert (told["event"]["type"], told["resyncRequired"]) == ("OrderProgressReported", False)
        # The history is in this browser, and no token is in what it keeps.
        kept = page.browser.do(
            "evaluate", expression="JSON.stringify([{ ...localStorage }, { ...sessionStorage }])"
        )
        assert "eoms:foreman:graphiql:queries" in kept
        for message in page.sent("connection_init"):
            token = message["payload"]["authorization"].removeprefix("Bearer ")
            assert token not in kept
        assert "eyJ" not in kept


def test_subscription_comes_back_with_a_new_token_when_the_server_closes_its_socket(
    served: tuple[Server, Path], tmp_path: Path
) -> None:
    with explored(served, tmp_path) as page:
        page.open()
        page.become("foreman")
        page.follow()
        page.wait_for_frames("connection_init", 1)
        # Whoever is given another role loses his sockets, and comes back to be asked again.
        asyncio.run(_grant(served[1], "foreman", "worker"))
        page.wait_for_frames("subscribe", 2)
        first, second = (message["payload"]["authorization"] for message in page.sent("connection_init"))
        assert first != second
        told, number = page.change_until_heard(("71", "72", "73"))
        assert told["order"]["number"] == number


def test_reload_keeps_the_session_and_signing_out_ends_it(
    served: tuple[Server, Path], tmp_path: Path
) -> None:
    with explored(served, tmp_path) as page:
        page.open()
        page.become("engineer")
        assert page.browser.do("reload") == 200
        page.is_signed_in("engineer")
        assert page.browser.do("evaluate", expression="sessionStorage.length") == 0
        page.choose("engineer/3-wbs.graphql")
        assert page.run()["data"] == page.personas.ask("engineer", document("engineer/3-wbs.graphql")).data
        page.browser.do("choose", selector="select", value="buyer")
        page.is_signed_in("buyer")
        page.choose("buyer/4-live.graphql")
        page.browser.do("click", selector=RUN)
        page.wait_for_frames("subscribe", 1)
        (opened,) = page.sent("connection_init")
        page.browser.do("click", selector="text=Sign out")
        page.browser.do("appears", selector="input[name=username]")
        # The server knows it too.
        page.until("false", seconds=1)
        answer = httpx.post(
            f"{page.server.url}/graphql",
            json={"query": "{ viewer { user { username } } }"},
            headers={"Authorization": opened["payload"]["authorization"]},
        )
        assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (
            401,
            "UNAUTHENTICATED",
        )


def test_wrong_password_is_told_and_an_outsider_works_without_the_schema(
    served: tuple[Server, Path], tmp_path: Path
) -> None:
    with explored(served, tmp_path) as page:
        page.open()
        page.browser.do("fill", selector="input[name=username]", text="customer")
        page.browser.do("fill", selector="input[name=password]", text="guessed")
        page.browser.do("click", selector="button[type=submit]")
        page.browser.do("appears", selector=".eoms-refusal:not(:empty)")
        assert page.browser.do("text", selector=".eoms-refusal") == "The credentials are not valid."
        page.become("customer")
        notice = page.browser.do("text", selector=".eoms-notice")
        assert notice == "The schema's documentation is for staff; the editor works without it."
        assert (
            page.run()["data"] == page.personas.ask("customer", document("customer/1-my-orders.graphql")).data
        )


def test_golden_screenshot_of_the_explorer_shows_pm_with_his_board(
    served: tuple[Server, Path], tmp_path: Path
) -> None:
    place = ROOT / SCREENSHOT if os.environ.get("GOLDEN") == "update" else tmp_path / "explorer-pm.png"
    with explored(served, tmp_path) as page:
        page.open()
        page.become("pm")
        answer = page.run()
        assert answer["data"] == page.personas.ask("pm", document("project_manager/1-board.graphql")).data
        page.until("false", seconds=0.5)
        page.browser.do("screenshot", path=str(place))
    for picture in (place, ROOT / SCREENSHOT):
        # PNG, third edition, section 11.2.1: the first chunk says how large it is.
        header = picture.read_bytes()[:24]
        assert (header[:8], struct.unpack(">II", header[16:])) == (b"\x89PNG\r\n\x1a\n", (1440, 900))


async def _grant(data_dir: Path, username: str, role: str) -> None:
    with stores_of(data_dir) as urls:
        engine = create_async_engine(urls.database_url, poolclass=NullPool)
        try:
            async with transaction(engine) as session:
                user_id = await user_id_of(session, username)
                origin = Origin(None, None, None, datetime.now(UTC))
                await grant_role(session, origin, GrantRole(user_id, role))
        finally:
            await engine.dispose()
