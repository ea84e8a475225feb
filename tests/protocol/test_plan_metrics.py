"""Do the metrics say how operations were answered, and what is done for plans?"""

from __future__ import annotations

import ast
import asyncio
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from pydantic import SecretStr
from sqlalchemy import text
from starlette.requests import Request

from resolvers.context import Trace
from server.execution import NOTHING_READ, PLANNER_OFF
from server.metrics import REASONS, Metrics
from server.settings import Settings
from tests.api import Api, running_api

ROOT = Path(__file__).parent.parent.parent
TOKEN = "prometheus-may-read-this-and-nobody-else"
REFRESH = 'mutation { sessionRefresh(input: {refreshToken: "x"}) { errors { code } } }'
BY_SIZE = "query ($first: Int!) { orders(first: $first) { nodes { number } } }"


def watched(settings: Settings, *, planner: bool = True) -> Settings:
    return settings.model_copy(update={"metrics_token": SecretStr(TOKEN), "planner": planner})


async def lines(api: Api, beginning: str) -> dict[str, float]:
    """Return the metrics whose names begin so, without what tells when they were made."""
    response = await api.client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    found = [line.rsplit(" ", 1) for line in response.text.splitlines() if line.startswith(beginning)]
    return {name: float(value) for name, value in found if "_created" not in name}


async def test_operations_are_counted_by_path_and_reason(demo_settings: Settings) -> None:
    async with running_api(watched(demo_settings)) as api:
        for document, who in (
            ("{ viewer { user { id } } }", "pm"),
            ("{ viewer { user { username } } }", "director"),
            ("{ viewer { user { id } } }", None),
            ("{ __schema { queryType { name } } }", "pm"),
            ("{ __typename }", "pm"),
            ('{ orders(first: 1, after: "nonsense") { nodes { id } } }', "pm"),
            (REFRESH, "pm"),
            ("{ nothing }", "pm"),
        ):
            await api.ask(document, who)
        assert await lines(api, "eoms_operations_by_path_total") == {
            'eoms_operations_by_path_total{path="planned",reason=""}': 2,
            'eoms_operations_by_path_total{path="interpreted",reason="nobody is signed in"}': 1,
            'eoms_operations_by_path_total{path="interpreted",reason="introspection"}': 1,
            'eoms_operations_by_path_total{path="interpreted",reason="an argument can\'t be taken"}': 1,
            'eoms_operations_by_path_total{path="interpreted",reason="nothing to read"}': 2,
        }
        assert (await lines(api, "eoms_planned_statement_seconds_count")) == {
            "eoms_planned_statement_seconds_count": 2
        }


async def test_query_that_nobody_waits_for_is_counted(demo_settings: Settings) -> None:
    async with running_api(watched(demo_settings)) as api:
        await api.token("pm")
        async with api.database.write.begin() as other:
            await other.execute(text("LOCK TABLE engineering_order IN ACCESS EXCLUSIVE MODE"))
            asking = asyncio.create_task(api.ask(BY_SIZE, "pm", first=1))
            await asyncio.sleep(0.3)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
        assert await lines(api, "eoms_operations_total") == {
            'eoms_operations_total{kind="query",outcome="CANCELLED"}': 1
        }


async def test_planner_that_is_off_plans_nothing(demo_settings: Settings) -> None:
    async with running_api(watched(demo_settings, planner=False)) as api:
        assert (await api.ask("{ viewer { user { username } } }", "pm")).data == {
            "viewer": {"user": {"username": "pm"}}
        }
        assert await lines(api, "eoms_operations_by_path_total") == {
            'eoms_operations_by_path_total{path="interpreted",reason="the planner is off"}': 1
        }
        found = await lines(api, "eoms_plan")
        assert {name: each for name, each in found.items() if "statement" not in name} == {
            "eoms_plans": 0,
            "eoms_plans_found_total": 0,
            "eoms_plans_made_total": 0,
            "eoms_plan_making_seconds_total": 0,
        }
        assert found["eoms_planned_statement_seconds_count"] == 0


async def test_plans_are_counted_as_they_are_made_and_found(demo_settings: Settings) -> None:
    async with running_api(watched(demo_settings)) as api:
        seconds: list[float] = []
        for first, who, counts in (
            (1, "pm", (1, 0, 1)),
            # Another page size and another person are no reason for another plan, another shape is.
            (2, "pm", (1, 1, 1)),
            (2, "director", (2, 1, 2)),
            (2, "auditor", (3, 1, 3)),
            (3, "auditor", (3, 2, 3)),
        ):
            assert len((await api.ask(BY_SIZE, who, first=first)).data["orders"]["nodes"]) == first
            found = await lines(api, "eoms_plan")
            assert (
                found["eoms_plans_made_total"],
                found["eoms_plans_found_total"],
                found["eoms_plans"],
            ) == counts
            seconds.append(found["eoms_plan_making_seconds_total"])
        assert 0 < seconds[0] == seconds[1] < seconds[2] < seconds[3] == seconds[4]


async def test_label_of_reasons_has_a_bound() -> None:
    metrics = Metrics(TOKEN)
    for reason in ("introspection", "something new", "something newer"):
        metrics.answered(Trace(reason=reason))
    headers = [(b"authorization", f"Bearer {TOKEN}".encode())]
    told = bytes((await metrics.endpoint(Request({"type": "http", "headers": headers}))).body).decode()
    assert [line for line in told.splitlines() if line.startswith("eoms_operations_by_path_total{")] == [
        'eoms_operations_by_path_total{path="interpreted",reason="introspection"} 1.0',
        'eoms_operations_by_path_total{path="interpreted",reason="other"} 2.0',
    ]


def test_every_reason_of_the_planner_is_known_to_the_metrics() -> None:
    said = {reason for name in module_names() for reason in reasons_in(importlib.import_module(name))}
    assert said | {PLANNER_OFF, NOTHING_READ} == REASONS


async def test_every_metric_and_reason_is_documented(demo_settings: Settings) -> None:
    async with running_api(watched(demo_settings)) as api:
        response = await api.client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    told = {line.split()[2] for line in response.text.splitlines() if line.startswith("# TYPE eoms_")}
    operation = (ROOT / "docs" / "operation.md").read_text("utf-8")
    named = set(re.findall(r"`(eoms_[a-z_]+)`", operation))
    assert named == {name for name in told if not name.endswith("_created")}
    explained = re.findall(
        r"^\| ((?:`[^`]+`(?:, )?)+) \|", operation.partition("| `reason` |")[2], re.MULTILINE
    )
    assert set(re.findall(r"`([^`]+)`", " ".join(explained))) == REASONS | {"other"}


def module_names() -> Iterator[str]:
    for folder in ("planner", "resolvers", "server"):
        for path in sorted((ROOT / folder).glob("*.py")):
            if "raise Unplannable(" in path.read_text("utf-8"):
                yield f"{folder}.{path.stem}"


def reasons_in(module: ModuleType) -> Iterator[str]:
    """Yield what a module says is a reason."""
    assert module.__file__ is not None
    for node in ast.walk(ast.parse(Path(module.__file__).read_text("utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Unplannable":
            (said,) = node.args
            # The one is for a caller's mistake, `server.execution` gives it queries only; the other was said before.
            if ast.unparse(said) not in {"operation.operation.value", "self.reason"}:
                yield text_of(said, module)


def text_of(node: ast.expr, module: ModuleType) -> str:
    match node:
        case ast.Constant(value=value):
            return str(value)
        case ast.Name(id=name):
            return str(getattr(module, name))
        case ast.JoinedStr(values=parts):
            return "".join(text_of(part, module) for part in parts)
        case ast.FormattedValue(value=value):
            return text_of(value, module)
        case _:
            raise AssertionError(ast.unparse(node))
