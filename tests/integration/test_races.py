"""What is left when many do the same thing at once?"""

from __future__ import annotations

from asyncio import CancelledError, Task, create_task, gather, sleep
from collections import Counter
from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio

from domain.order import OrderAction, OrderState
from server.settings import Settings
from server.verify import verify_events
from tests.api import Api, running_api
from tests.integration.order_world import (
    Payload,
    done,
    draft,
    give,
    line,
    new_draft,
    order_in,
    user,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLIENTS = 20


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def servers(company: Api, company_settings: Settings) -> AsyncGenerator[list[Api]]:
    """Two servers on the same stores, as clients meet them in turn."""
    async with running_api(company_settings) as other:
        yield [company, other] * 25


async def findings(settings: Settings) -> tuple[str, ...]:
    assert settings.database_url is not None
    return (await verify_events(settings.database_url, lambda _: None)).findings


def outcomes(payloads: list[Payload]) -> Counter[str]:
    return Counter(each.errors[0]["code"] if each.errors else "done" for each in payloads)


async def test_of_20_clients_with_the_version_they_read_one_wins(
    servers: list[Api], company_settings: Settings
) -> None:
    order = await order_in(servers[0], OrderState.SUBMITTED)
    payloads = await gather(
        *(
            give(server, "director", "orderApprove", "version", id=order["id"], expectedVersion=2)
            for server in servers[:CLIENTS]
        )
    )
    assert outcomes(payloads) == {"done": 1, "VERSION_CONFLICT": CLIENTS - 1}
    assert {each.errors[0]["currentVersion"] for each in payloads if each.errors} == {3}
    assert await findings(company_settings) == ()


async def test_of_20_clients_without_a_version_one_wins(
    servers: list[Api], company_settings: Settings
) -> None:
    order = await order_in(servers[0], OrderState.RELEASED)
    payloads = await gather(
        *(give(server, "pm", "orderStart", "version", id=order["id"]) for server in servers[:CLIENTS])
    )
    assert outcomes(payloads) == {"done": 1, "INVALID_TRANSITION": CLIENTS - 1}
    assert await findings(company_settings) == ()


async def test_approving_rejecting_and_cancelling_at_once_leaves_one_of_them(
    servers: list[Api], company_settings: Settings
) -> None:
    order = await order_in(servers[0], OrderState.SUBMITTED)
    steps = ("orderApprove", "orderReject", "orderReject", "orderApprove")
    payloads = await gather(
        *(
            give(server, "director", step, "state", id=order["id"], note="at once", expectedVersion=2)
            for server, step in zip(servers, steps * 5, strict=False)
        )
    )
    assert outcomes(payloads) == {"done": 1, "VERSION_CONFLICT": CLIENTS - 1}
    assert await findings(company_settings) == ()


async def test_of_20_edits_of_one_version_one_is_kept(servers: list[Api], company_settings: Settings) -> None:
    order = await new_draft(servers[0])
    payloads = await gather(
        *(
            give(
                server,
                "buyer",
                "orderUpdate",
                "title lines(first: 9) { nodes { description } }",
                id=order["id"],
                expectedVersion=1,
                title=f"Edit {index}",
                lines=[line(description=f"Edit {index}")],
            )
            for index, server in enumerate(servers[:CLIENTS])
        )
    )
    assert outcomes(payloads) == {"done": 1, "VERSION_CONFLICT": CLIENTS - 1}
    (kept,) = [each.order for each in payloads if each.order]
    assert kept["lines"]["nodes"] == [{"description": kept["title"]}]
    assert await findings(company_settings) == ()


async def test_20_reports_and_assignments_at_once_are_all_recorded(
    servers: list[Api], company_settings: Settings
) -> None:
    order = await order_in(servers[0], OrderState.IN_PROGRESS)
    people = [user(name) for name in ("foreman", "worker", "engineer", "buyer")]
    reports = [
        give(server, "pm", "orderReportProgress", "version", id=order["id"], percent=str(index))
        for index, server in enumerate(servers[:CLIENTS])
    ]
    assignments = [
        give(
            server,
            "pm",
            "orderAssign",
            "version",
            id=order["id"],
            assignments=[{"userId": each, "task": str(index)} for each in people],
        )
        for index, server in enumerate(servers[:CLIENTS])
    ]
    payloads = await gather(*reports, *assignments)
    assert outcomes(payloads) == {"done": 2 * CLIENTS}
    versions = sorted(each.order["version"] for each in payloads if each.order)
    assert versions == list(range(order["version"] + 1, order["version"] + 2 * CLIENTS + 1))
    assert await findings(company_settings) == ()


async def test_50_creations_at_once_are_numbered_without_gap_or_double(
    servers: list[Api], company_settings: Settings
) -> None:
    before = await new_draft(servers[0])
    attempts = [
        draft(dryRun=index % 5 == 1, title="" if index % 5 == 3 else f"Creation {index}")
        for index in range(50)
    ]
    payloads = await gather(
        *(
            give(server, "buyer", "orderCreate", "number", **attempt)
            for server, attempt in zip(servers, attempts, strict=True)
        )
    )
    assert outcomes(payloads) == {"done": 40, "REQUIRED": 10}
    kept = sorted(
        each.order["number"]
        for each, attempt in zip(payloads, attempts, strict=True)
        if each.order and not attempt["dryRun"]
    )
    year, first = before["number"][:8], int(before["number"][-6:]) + 1
    assert kept == [f"{year}{number:06d}" for number in range(first, first + 30)]
    assert await findings(company_settings) == ()


async def test_clients_that_hang_up_leave_no_gap_and_nothing_half_done(
    servers: list[Api], company_settings: Settings
) -> None:
    clients: list[Task[Payload]] = []
    for index, server in enumerate(servers[:40]):
        attempt = draft(title=f"Hung up {index}", idempotencyKey=f"hung-up-{index}")
        clients.append(create_task(give(server, "buyer", "orderCreate", "number", **attempt)))
        await sleep(0.002)
        if index % 2:
            clients[index // 2].cancel()
    answers = await gather(*clients, return_exceptions=True)
    told = [each for each in answers if isinstance(each, Payload)]
    assert all(isinstance(each, Payload | CancelledError) for each in answers)
    assert 20 <= len(told) < 40
    kept = await servers[0].rows("SELECT number FROM engineering_order WHERE title LIKE 'Hung up %'")
    assert {each.order["number"] for each in told if each.order} <= {number for (number,) in kept}
    assert await findings(company_settings) == ()


async def test_same_person_assigned_by_20_at_once_is_assigned_once(
    servers: list[Api], company_settings: Settings
) -> None:
    order = await new_draft(servers[0])
    await gather(
        *(
            done(server, "pm", "orderAssign", id=order["id"], assignments=[{"userId": user("worker")}])
            for server in servers[:CLIENTS]
        )
    )
    seen = await servers[0].ask(
        "query ($id: ID!) { order(id: $id) { version assignments { user { username } } } }",
        "pm",
        id=order["id"],
    )
    assert seen.data["order"] == {"version": 2, "assignments": [{"user": {"username": "worker"}}]}
    assert await findings(company_settings) == ()


async def test_every_action_has_left_a_log_that_proves_itself_under_load(
    servers: list[Api], company_settings: Settings
) -> None:
    await gather(*(order_in(server, state) for server, state in zip(servers, OrderState, strict=False)))
    types = await servers[0].rows("SELECT DISTINCT type FROM event WHERE aggregate_type = 'Order'")
    # Orders are created, too, and their BOM is rebased by the action that freezes it; the demo's were.
    assert len(types) == len(OrderAction) + 2
    assert await findings(company_settings) == ()
