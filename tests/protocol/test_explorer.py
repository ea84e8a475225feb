"""Does `/explorer` serve the page and nothing else, under a strict policy, and do its examples work?"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from graphql import OperationType, get_operation_ast, parse, validate
from starlette.applications import Starlette

from commands.accounts import DisableUser, SetPassword, disable_user, set_password
from commands.transactions import transaction
from db.events import Origin
from domain.identifiers import UserId
from policies.passwords import CHEAP_COST, Passwords
from schema.build import build_schema, graphql_schema
from server.asking import asked_of
from server.demo import PASSWORD, PERSONAS
from server.demo.company import PERSON_BY_USERNAME
from server.explorer import NOT_BUILT, Explorer
from server.live import Gate
from server.settings import Settings
from server.websocket_protocol import SocketOperation
from tests.api import ADDRESS, Api, running_api
from tests.golden_files import ROOT
from tests.integration.follower import texts
from tests.node import installed, node
from tests.protocol.explorer_examples import EVERYBODY, Example, examples, leaves

pytestmark = pytest.mark.asyncio(loop_scope="module")

HTML = '<link rel="stylesheet" href="/explorer/assets/page-ABC.css" nonce="{{nonce}}" />'
SCRIPT = "console.log('你好')"
POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; script-src 'self'; "
    "worker-src 'self'; connect-src 'self'; font-src 'self'; img-src 'self' data:; "
    "style-src-elem 'self' 'nonce-{nonce}'; style-src-attr 'unsafe-inline'"
)
EVERY_ANSWER = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=(), clipboard-write=(self)",
}
EXAMPLES = examples()
QUERIES, MUTATIONS, SUBSCRIPTIONS = (
    [
        example
        for example in EXAMPLES
        if (found := get_operation_ast(parse(example.document))) is not None and found.operation is kind
    ]
    for kind in (OperationType.QUERY, OperationType.MUTATION, OperationType.SUBSCRIPTION)
)
HELD = {
    person.username: {role.value for role, _project in person.roles} for person in PERSON_BY_USERNAME.values()
}


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A folder as the build leaves it, with a secret beside it."""
    folder = tmp_path / "dist"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text(HTML, "utf-8")
    (folder / "assets" / "page-ABC.js").write_text(SCRIPT, "utf-8")
    (folder / "assets" / ".hidden").write_text("secret", "utf-8")
    (tmp_path / "secret.js").write_text("secret", "utf-8")
    return folder


@asynccontextmanager
async def explorer(api: Api, built: Path, *, is_demo: bool = True) -> AsyncGenerator[httpx.AsyncClient]:
    app = Starlette(routes=Explorer(api.database, is_demo=is_demo, built=built).routes)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://eoms.test"
    ) as client:
        yield client


async def test_page_comes_with_its_policy_and_another_nonce_each_time(company: Api, built: Path) -> None:
    nonces: set[str] = set()
    async with explorer(company, built) as client:
        for address in ("/explorer", "/explorer/"):
            response = await client.get(address)
            assert (response.status_code, response.headers["content-type"]) == (
                200,
                "text/html; charset=utf-8",
            )
            nonce = re.search(r'nonce="([A-Za-z0-9_-]{22})"', response.text)
            assert nonce is not None
            assert response.headers["content-security-policy"] == POLICY.format(nonce=nonce[1])
            assert response.headers["cache-control"] == "no-cache"
            assert response.headers.items() >= EVERY_ANSWER.items()
            nonces.add(nonce[1])
    assert len(nonces) == 2


async def test_asset_may_be_kept_for_ever(company: Api, built: Path) -> None:
    async with explorer(company, built) as client:
        response = await client.get("/explorer/assets/page-ABC.js")
    assert (response.status_code, response.text) == (200, SCRIPT)
    assert response.headers["content-type"] == "text/javascript; charset=utf-8"
    assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert response.headers["content-security-policy"] == (
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; script-src 'self'"
    )
    assert response.headers.items() >= EVERY_ANSWER.items()


@pytest.mark.parametrize(
    "name",
    [
        "missing.js",
        ".hidden",
        "%2e%2e",
        "..%2findex.html",
        "..%2f..%2fsecret.js",
        "%2e%2e/%2e%2e/secret.js",
        "..%5c..%5csecret.js",
        "%2fetc%2fpasswd",
        "page-ABC.js%00",
        "%0apage-ABC.js",
        "page-ABC.js%0a",
    ],
)
async def test_nothing_but_assets_is_served(company: Api, built: Path, name: str) -> None:
    async with explorer(company, built) as client:
        # As raw bytes: a client of good manners would encode them once more.
        url = httpx.URL("http://eoms.test").copy_with(raw_path=b"/explorer/assets/" + name.encode())
        response = await client.get(url)
    assert (response.status_code, response.text) == (404, "Not Found")


async def test_only_reading_is_answered(company: Api, built: Path) -> None:
    async with explorer(company, built) as client:
        for method in ("POST", "PUT", "DELETE"):
            for address in ("/explorer", "/explorer/session.json", "/explorer/assets/page-ABC.js"):
                assert (await client.request(method, address)).status_code == 405


async def test_page_that_is_not_built_says_how_to_build_it(company: Api, tmp_path: Path) -> None:
    async with explorer(company, tmp_path / "nowhere") as client:
        response = await client.get("/explorer")
    assert (response.status_code, response.text) == (503, NOT_BUILT)
    assert "make explorer" in response.text
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers.items() >= EVERY_ANSWER.items()


async def test_application_serves_the_explorer(company: Api) -> None:
    # Whether it is built or not.
    assert (await company.client.get("/explorer")).status_code in {200, 503}
    assert (await company.client.get("/explorer/session.json")).status_code == 200


async def test_demo_offers_its_personas(company: Api, built: Path) -> None:
    async with explorer(company, built) as client:
        response = await client.get("/explorer/session.json")
    assert response.headers["cache-control"] == "no-store"
    demo = response.json()["demo"]
    assert demo["password"] == PASSWORD
    assert [persona["username"] for persona in demo["personas"]] == [each.username for each in PERSONAS]
    assert demo["personas"][4] == {
        "username": "pm",
        "name": "李建国 Li Jianguo",
        "role": "project_manager in P-001, engineer in P-002",
        "organization": "衡川工程有限公司 Hengchuan Engineering",
    }


async def test_nobody_is_offered_where_demo_mode_is_off(company: Api, built: Path) -> None:
    async with explorer(company, built, is_demo=False) as client:
        response = await client.get("/explorer/session.json")
    assert response.json() == {"demo": None}


@pytest.mark.asyncio(loop_scope="function")
async def test_persona_with_a_password_of_his_own_is_not_offered(api: Api, built: Path) -> None:
    usernames = [persona.username for persona in PERSONAS]
    passwords = Passwords(CHEAP_COST)
    for username in ("director", "finance"):
        person = UserId(PERSON_BY_USERNAME[username].id)
        async with transaction(api.database.write) as session:
            origin = Origin(None, None, None, datetime.now(UTC))
            if username == "director":
                await set_password(session, origin, SetPassword(person, "a word of his own"), passwords)
            else:
                await disable_user(session, origin, DisableUser(person))
    async with explorer(api, built) as client:
        demo = (await client.get("/explorer/session.json")).json()["demo"]
    offered = [persona["username"] for persona in demo["personas"]]
    assert offered == [each for each in usernames if each not in {"director", "finance"}]


async def test_every_example_is_one_operation_with_a_title_and_a_sentence() -> None:
    schema = graphql_schema(build_schema())
    assert len(QUERIES) + len(MUTATIONS) + len(SUBSCRIPTIONS) == len(EXAMPLES)
    for example in EXAMPLES:
        assert validate(schema, parse(example.document)) == [], example.name
        assert example.title, example.name
        assert example.sentence.endswith("."), example.name
        if example.find is not None:
            assert validate(schema, parse(example.find)) == [], example.name


async def test_every_persona_has_examples_of_his_roles_that_need_no_variables_first() -> None:
    for persona in PERSONAS:
        own = [example for example in EXAMPLES if example.role in HELD[persona.username]]
        assert len(own) >= 2, persona.username
        assert own[0].find is None, own[0].name
    assert {example.role for example in EXAMPLES} <= {
        EVERYBODY,
        *(role for held in HELD.values() for role in held),
    }


@pytest.mark.asyncio(loop_scope="function")
async def test_nobody_is_offered_on_another_companys_data(settings: Settings, built: Path) -> None:
    async with running_api(settings) as api, explorer(api, built) as client:
        response = await client.get("/explorer/session.json")
    assert (response.status_code, response.json()) == (200, {"demo": None})


@pytest.mark.parametrize("folder", ["explorer", "tests/e2e/browser", "tests/clients"])
async def test_lock_says_which_packages_and_not_where_from(folder: str) -> None:
    packages = json.loads((ROOT / folder / "package-lock.json").read_text("utf-8"))["packages"]
    assert {name for name, package in packages.items() if name and "integrity" not in package} == set()
    assert {name for name, package in packages.items() if "resolved" in package} == set()


async def test_page_has_one_graphql_and_one_react() -> None:
    packages = json.loads((ROOT / "explorer" / "package-lock.json").read_text("utf-8"))["packages"]
    for name in ("graphql", "react", "react-dom", "monaco-editor", "@graphiql/react"):
        assert [path for path in packages if path.endswith(f"node_modules/{name}")] == [
            f"node_modules/{name}"
        ]


async def test_sources_have_no_type_errors() -> None:
    folder = installed(ROOT / "explorer")
    command = [node(), "node_modules/typescript/bin/tsc", "--noEmit"]
    checked = subprocess.run(  # noqa: ASYNC221  (nothing else runs meanwhile)
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )
    assert (checked.stdout, checked.returncode) == ("", 0)


@pytest.mark.parametrize("example", QUERIES, ids=str)
async def test_example_query_answers_everybody_whom_it_is_for(company: Api, example: Example) -> None:
    for who in readers(example):
        answer = await company.ask(example.document, who, **await variables(company, example, who))
        assert answer.data, who


@pytest.mark.parametrize("example", MUTATIONS, ids=str)
async def test_example_mutation_succeeds_and_keeps_nothing(company: Api, example: Example) -> None:
    before = await company.order_state()
    for who in readers(example):
        given = await variables(company, example, who)
        (payload,) = (await company.ask(example.document, who, **given)).data.values()
        assert payload["errors"] == [], who
        assert payload["order"] is not None, who
    assert await company.order_state() == before


@pytest.mark.parametrize("example", SUBSCRIPTIONS, ids=str)
async def test_example_subscription_opens(company: Api, example: Example) -> None:
    gate = cast("Gate", company.app.state.gate)
    for who in readers(example):
        passport = await gate.authenticate({"authorization": f"Bearer {await company.token(who)}"})
        operation = SocketOperation(asked_of({"query": example.document}), "test", ADDRESS)
        before = gate.listener_count
        answers = texts(gate.answers(passport.holder, operation))
        first = asyncio.ensure_future(anext(answers))
        async with asyncio.timeout(10):
            while gate.listener_count == before and not first.done():
                await asyncio.sleep(0.01)
        assert not first.done(), first.result()
        first.cancel()
        with suppress(asyncio.CancelledError):
            await first
        await answers.aclose()


def readers(example: Example) -> list[str]:
    """Return the personas who are offered the example."""
    return [
        persona.username
        for persona in PERSONAS
        if example.role == EVERYBODY or example.role in HELD[persona.username]
    ]


async def variables(company: Api, example: Example, who: str) -> dict[str, Any]:
    """Return the example's variables as the page looks them up; fail where one is missing."""
    found = {} if example.find is None else leaves((await company.ask(example.find, who)).data)
    operation = get_operation_ast(parse(example.document))
    assert operation is not None
    assert {each.variable.name.value for each in operation.variable_definitions or ()} == set(found)
    return found
