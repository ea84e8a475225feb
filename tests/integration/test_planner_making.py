"""Is a plan made as seldom as can be, and is what can't be planned found out before the work is done?"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from planner.building import FIELDS_LIMIT, Builder
from server.settings import Settings
from tests.integration.plan_world import Both, both_paths, paths_of, plans_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def both(company_settings: Settings) -> AsyncGenerator[Both]:
    async with both_paths(company_settings, max_aliases=10_000, max_document_tokens=20_000) as both:
        yield both


def builders(monkeypatch: pytest.MonkeyPatch) -> list[Builder]:
    """Return a list of the builders that are made from now on."""
    made: list[Builder] = []

    class Seen(Builder):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            made.append(self)

    monkeypatch.setattr("planner.plans.Builder", Seen)
    return made


async def test_variables_of_another_operation_decide_nothing(both: Both) -> None:
    """A fragment that only the other operation spreads looks at a variable of the same name and of another type."""
    plans = plans_of(both.planned)
    before = plans.counts.made, len(plans._outlines)  # pyright: ignore[reportPrivateUsage]  # nobody else needs it
    document = """query A($x: OrderFilter) { orders(first: 1, filter: $x) { nodes { number } } }
      query B($x: Boolean!) { ...Projects }
      fragment Projects on Query { projects(first: 1) @include(if: $x) { nodes { code } } }"""
    headers = {"Authorization": f"Bearer {await both.planned.token('director')}"}
    with capture_logs() as logs:
        for search in ("EO", "2025", "EO-2025"):
            body: dict[str, Any] = {
                "query": document,
                "operationName": "A",
                "variables": {"x": {"search": search}},
            }
            answer = await both.planned.send(body, headers)
            assert len(answer.data["orders"]["nodes"]) == 1
    assert [each["event"] for each in logs if each["log_level"] == "error"] == []
    assert plans.counts.made == before[0] + 1
    assert len(plans._outlines) == before[1] + 1  # pyright: ignore[reportPrivateUsage]


@pytest.mark.parametrize("is_beyond", [False, True])
async def test_fields_are_counted_before_a_statement_is_made(
    both: Both, is_beyond: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = builders(monkeypatch)
    # Each of 20 roots is a field, has `nodes`, and so many in fragments of nine.
    each = FIELDS_LIMIT // 20 - 2
    parts = [range(at, min(each, at + 9)) for at in range(0, each, 9)]
    fragments = [
        f"fragment Codes{nth} on Project {{ {' '.join(f'a{at}: code' for at in part)} }}"
        for nth, part in enumerate(parts)
    ]
    fragments.append(
        f"fragment Codes on Project {{ {' '.join(f'...Codes{nth}' for nth in range(len(parts)))} }}"
    )
    roots = [f"r{nth}: projects(first: 1) {{ nodes {{ ...Codes }} }}" for nth in range(19)]
    roots.append(f"projects(first: 1) {{ nodes {{ ...Codes }} {'totalCount' if is_beyond else ''} }}")
    document = f"{{ {' '.join(roots)} }} {' '.join(fragments)}"
    reason = f"interpreted: more than {FIELDS_LIMIT} fields"
    before = paths_of(both.planned)
    for _ in range(2):
        await both.pair(document, "director")
    told = paths_of(both.planned)
    assert told.get(reason, 0) - before.get(reason, 0) == (2 if is_beyond else 0)
    assert told["planned"] - before["planned"] == (0 if is_beyond else 2)
    assert len(built) == (0 if is_beyond else 1)


async def test_that_there_is_no_plan_is_found_out_once(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    built = builders(monkeypatch)
    before = paths_of(both.planned).get("interpreted: introspection", 0)
    for _ in range(3):
        await both.pair(
            '{ __type(name: "Order") { name } projects(first: 1) { nodes { code } } }', "director"
        )
    assert paths_of(both.planned)["interpreted: introspection"] == before + 3
    assert len(built) == 1
