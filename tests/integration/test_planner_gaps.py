"""What becomes of an answer in which null would stand where the schema has none?

Rules that nobody would write make one: whoever reads an order may not read which project it belongs to. Then the
interpreter says how far the null goes, and the answer must be the one that it gives alone.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from policies.rules import Rule, Rulebook, load_rules
from server.settings import Settings
from tests.integration.order_world import new_draft
from tests.integration.plan_world import Both, asked, both_paths, paths_of, points, written

pytestmark = pytest.mark.asyncio(loop_scope="module")

GAP = "interpreted: null stands where the schema has none"
HIDDEN = "project_manager"
"""Who reads orders, but no longer their project; everybody else does."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def both(company_settings: Settings) -> AsyncGenerator[Both]:
    known = load_rules()
    hiding = Rule(HIDDEN, "order.project", "read", "project", "deny")
    rulebook = Rulebook(replace(known, rules=(*known.rules, hiding)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("server.app.default_rulebook", lambda: rulebook)
        async with both_paths(company_settings) as both:
            yield both


async def left_to_the_interpreter(both: Both, document: str) -> str:
    """Return what both answer, as text; fail unless the planner found a gap."""
    before = paths_of(both.planned).get(GAP, 0)
    with capture_logs() as logs:
        answer, _ = await both.pair(document, "pm")
    assert {each["event"] for each in logs} == {"resolver_failed"}
    assert paths_of(both.planned)[GAP] == before + 1
    return written(answer)


async def test_object_with_a_gap_is_null_and_its_error_told(both: Both) -> None:
    told = await left_to_the_interpreter(
        both,
        '{ a: order(number: "EO-2025-000001") { number project { code } } viewer { user { username } } }',
    )
    assert '"a": null' in told
    assert '"username": "pm"' in told
    assert '"path": ["a", "project"], "extensions": {"code": "INTERNAL"' in told


async def test_list_whose_rows_have_gaps_is_null_up_to_where_null_may_stand(both: Both) -> None:
    told = await left_to_the_interpreter(both, "{ orders(first: 2) { nodes { number project { code } } } }")
    assert told.startswith('{"data": null, "errors": ')


async def test_gap_far_below_goes_as_far_as_the_interpreter_says(both: Both) -> None:
    document = (
        "{ projects(first: 2) { nodes { code orders(first: 1) { edges { node { project { id } } } } } } }"
    )
    assert (await left_to_the_interpreter(both, document)).startswith('{"data": null, "errors": ')


async def test_gap_in_one_of_several_nodes_leaves_the_others(both: Both) -> None:
    ids = [f"{kind}:{key}" for kind, key in await keys(both)]
    listed = ", ".join(f'"{each}"' for each in ids)
    told = await left_to_the_interpreter(
        both, f"{{ nodes(ids: [{listed}]) {{ id ... on Order {{ project {{ id }} }} }} }}"
    )
    assert told.startswith(f'{{"data": {{"nodes": [{{"id": "{ids[0]}"}}, null]}}, "errors": ')


async def test_objects_without_a_gap_stay_planned(both: Both) -> None:
    answer = await both.same("{ orders(first: 2) { nodes { number hiddenFields } } }", "pm")
    assert [node["hiddenFields"] for node in answer.data["orders"]["nodes"]] == [["amount"], ["project"]]
    seen = await both.same('{ order(number: "EO-2025-000001") { project { code } } }', "director")
    assert seen.data == {"order": {"project": {"code": "P-001"}}}


async def test_answer_with_a_gap_is_paid_once(both: Both) -> None:
    document = """{
      order(number: "EO-2025-000001") { project { code } }
      orders(first: 90, filter: {search: "EO-2025-00000"}) { nodes { number } }
    }"""
    await left_to_the_interpreter(both, document)


@pytest.mark.parametrize("is_tried", [True, False])
async def test_command_is_kept_and_its_payload_tells_the_gap_the_same_way(both: Both, is_tried: bool) -> None:
    document = """mutation ($input: OrderActionInput!) {
      orderCancel(input: $input) { order { number state project { code } } errors { code } }
    }"""
    told: list[str] = []
    for api in (both.planned, both.interpreted):
        order = await new_draft(api)
        given = {"id": order["id"], "note": "gone", "dryRun": is_tried}
        with capture_logs():
            answer = await asked(api, document, "pm", input=given)
        state = await api.rows("SELECT state FROM engineering_order WHERE number = :it", it=order["number"])
        assert state == [("DRAFT" if is_tried else "CANCELLED",)]
        assert answer.partial == {"orderCancel": {"order": None, "errors": []}}
        assert answer.codes == ["INTERNAL"]
        told.append(f"{written(answer)} {points(answer)}")
    assert told[0] == told[1]


async def keys(both: Both) -> list[tuple[str, str]]:
    """Return the type and id of a project and of an order in it that the project's manager reads."""
    found = await both.planned.rows(
        "SELECT p.id, o.id FROM project p JOIN engineering_order o ON o.project_id = p.id"
        " WHERE p.code = 'P-001' LIMIT 1"
    )
    return [("Project", str(found[0][0])), ("Order", str(found[0][1]))]
