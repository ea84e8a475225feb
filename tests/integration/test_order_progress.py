"""What does a report of progress change, and which reports are refused?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.order import OrderAction, OrderState
from server.settings import Settings
from server.verify import verify_events
from tests.api import Api
from tests.integration.order_world import (
    Json,
    denied,
    done,
    give,
    line,
    new_draft,
    order_in,
    refused,
    take,
    unchanged,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOWHERE = "0198c5f2-7a10-7000-8000-0123456789ab"


async def under_way(company: Api) -> tuple[Json, str, str]:
    """Return an order at work with the ids of its two lines: 10 m³ worth 1,000 and 5 m² worth 100."""
    order = await order_in(company, OrderState.IN_PROGRESS)
    first, second = (each["id"] for each in order["lines"]["nodes"])
    return order, first, second


# Any: JSON.
async def report(company: Api, order: Json, **values: Any) -> Json:
    return await done(company, "pm", "orderReportProgress", id=order["id"], **values)


def quantities(order: Json) -> list[str]:
    return [each["doneQuantity"] for each in order["lines"]["nodes"]]


def moment(order_age_seconds: float = 0) -> str:
    return (datetime.now(UTC) + timedelta(seconds=order_age_seconds)).isoformat()


async def set_back(company: Api, order: Json, hours: int) -> None:
    """Make the order older than it is; its own chain no longer verifies."""
    await company.rows(
        "UPDATE engineering_order SET created_at = created_at - make_interval(hours => :hours) WHERE number = :number",
        hours=hours,
        number=order["number"],
    )


async def test_percentage_sets_the_done_quantity_of_every_line(company: Api) -> None:
    order, _, _ = await under_way(company)
    reported = await report(company, order, percent="33.33")
    assert quantities(reported) == ["3.3330", "1.6665"]
    assert reported["percentComplete"] == "33.33"
    (event,) = reported["events"]["nodes"]
    changed = {each["field"]: (each["before"], each["after"]) for each in event["changes"]}
    assert changed["lines.1.doneQuantity"] == ("0.0000", "3.3330")
    assert changed["percentComplete"] == ("0.00", "33.33")


async def test_quantities_set_only_the_lines_they_name(company: Api) -> None:
    order, first, _ = await under_way(company)
    reported = await report(company, order, lines=[{"lineId": first, "doneQuantity": "5"}])
    assert quantities(reported) == ["5.0000", "0.0000"]
    assert reported["percentComplete"] == "45.45"
    assert reported["lines"]["nodes"][1]["progressAt"] is None


async def test_report_is_the_total_so_far_and_may_correct_downwards(company: Api) -> None:
    order, first, _ = await under_way(company)
    await report(company, order, lines=[{"lineId": first, "doneQuantity": "8"}])
    corrected = await report(company, order, lines=[{"lineId": first, "doneQuantity": "-0"}])
    assert quantities(corrected) == ["0.0000", "0.0000"]
    assert corrected["percentComplete"] == "0.00"


async def test_over_delivery_is_kept_and_does_not_hide_a_missing_line(company: Api) -> None:
    order, first, _ = await under_way(company)
    reported = await report(company, order, lines=[{"lineId": first, "doneQuantity": "999999"}])
    assert quantities(reported) == ["999999.0000", "0.0000"]
    assert reported["percentComplete"] == "90.91"


async def test_older_report_is_recorded_and_changes_nothing(company: Api) -> None:
    order, first, second = await under_way(company)
    await set_back(company, order, hours=3)
    latest, between, oldest = moment(-60), moment(-1_800), moment(-3_600)
    await report(company, order, lines=[{"lineId": first, "doneQuantity": "8"}], occurredAt=latest)
    late = await report(
        company,
        order,
        lines=[{"lineId": first, "doneQuantity": "2"}, {"lineId": second, "doneQuantity": "1"}],
        occurredAt=between,
    )
    assert quantities(late) == ["8.0000", "1.0000"]
    oldest_of_all = await report(company, order, percent="1", occurredAt=oldest, note="from a phone")
    (event,) = oldest_of_all["events"]["nodes"]
    assert quantities(oldest_of_all) == ["8.0000", "1.0000"]
    assert (event["changes"], event["note"]) == ([], "from a phone")
    assert datetime.fromisoformat(event["occurredAt"]) == datetime.fromisoformat(oldest)
    assert oldest_of_all["version"] == order["version"] + 3


async def test_reports_in_any_order_lead_to_the_same_quantities(company: Api) -> None:
    reports = [
        {"percent": percent, "occurredAt": moment(-age)}
        for percent, age in (("10", 30), ("60", 20), ("40", 10))
    ]
    for turn in (reports, reports[::-1], [reports[2], reports[0], reports[1]]):
        order, _, _ = await under_way(company)
        await set_back(company, order, hours=1)
        for each in turn:
            order = await report(company, order, **each)
        assert quantities(order) == ["4.0000", "2.0000"]


async def test_later_report_of_the_same_moment_counts(company: Api) -> None:
    order, _, _ = await under_way(company)
    same = moment()
    await report(company, order, percent="10", occurredAt=same)
    assert quantities(await report(company, order, percent="20", occurredAt=same)) == ["2.0000", "1.0000"]


async def test_report_from_the_future_or_before_the_order_is_refused(company: Api) -> None:
    order, _, _ = await under_way(company)
    for occurred_at in (moment(330), moment(-3_600), "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"):
        error = await refused(
            company, "pm", "orderReportProgress", id=order["id"], percent="1", occurredAt=occurred_at
        )
        assert (error["code"], error["path"]) == ("OUT_OF_RANGE", ["occurredAt"])
    # Phones' clocks may be ahead by five minutes.
    ahead = await report(company, order, percent="1", occurredAt=moment(290))
    assert ahead["percentComplete"] == "1.00"


async def test_every_refused_report_says_which_value_and_why(company: Api) -> None:
    order, first, second = await under_way(company)
    other = (await new_draft(company))["lines"]["nodes"][0]["id"]
    refusals: list[tuple[Json, str, list[str]]] = [
        ({}, "REQUIRED", ["percent"]),
        ({"percent": "1", "lines": []}, "REQUIRED", ["percent"]),
        ({"lines": []}, "REQUIRED", ["lines"]),
        ({"percent": "-0.01"}, "OUT_OF_RANGE", ["percent"]),
        ({"percent": "100.01"}, "OUT_OF_RANGE", ["percent"]),
        ({"percent": "0.001"}, "TOO_PRECISE", ["percent"]),
        (lines((first, "-1")), "OUT_OF_RANGE", ["lines", "0", "doneQuantity"]),
        (lines((first, "0.00001")), "TOO_PRECISE", ["lines", "0", "doneQuantity"]),
        (lines((first, "1000000000000")), "OUT_OF_RANGE", ["lines", "0", "doneQuantity"]),
        (lines((first, "1"), (first, "1")), "DUPLICATE", ["lines", "1", "lineId"]),
        (lines((second, "1"), (other, "1")), "NOT_FOUND", ["lines", "1", "lineId"]),
        (lines((f"OrderLine:{NOWHERE}", "1")), "NOT_FOUND", ["lines", "0", "lineId"]),
        ({"percent": "1", "note": "\x00"}, "CONTROL_CHARACTER", ["note"]),
        ({"percent": "1", "note": "x" * 2_001}, "TOO_LONG", ["note"]),
        ({"percent": "1", **place("90.000001", "0")}, "OUT_OF_RANGE", ["position"]),
        ({"percent": "1", **place("0", "-180.1")}, "OUT_OF_RANGE", ["position"]),
        ({"percent": "1", **place("0", "0", "-1")}, "OUT_OF_RANGE", ["position", "accuracyMeters"]),
    ]
    async with unchanged(company, "pm"):
        for values, code, path in refusals:
            payload = await give(company, "pm", "orderReportProgress", id=order["id"], **values)
            assert [(each["code"], each["path"]) for each in payload.errors] == [(code, path)], values


def lines(*reported: tuple[str, str]) -> Json:
    return {"lines": [{"lineId": line_id, "doneQuantity": quantity} for line_id, quantity in reported]}


def place(latitude: str, longitude: str, accuracy: str | None = None) -> Json:
    return {"position": {"latitude": latitude, "longitude": longitude, "accuracyMeters": accuracy}}


async def test_place_is_kept_with_the_event(company: Api) -> None:
    order, _, _ = await under_way(company)
    await report(company, order, percent="1", **place("31.23041234567", "-121.5", "12.34"))
    details = await company.rows(
        "SELECT details FROM event WHERE aggregate_id = :id ORDER BY version DESC LIMIT 1",
        id=order["id"].partition(":")[2],
    )
    assert details == [({"latitude": "31.230412", "longitude": "-121.500000", "accuracyMeters": "12.3"},)]


async def test_report_carries_a_line_id_of_the_right_type(company: Api) -> None:
    order, _, _ = await under_way(company)
    code = await denied(company, "pm", "orderReportProgress", id=order["id"], **lines((order["id"], "1")))
    assert code == "MALFORMED_ID"


async def test_report_with_a_stale_version_is_refused(company: Api) -> None:
    order, _, _ = await under_way(company)
    error = await refused(
        company,
        "pm",
        "orderReportProgress",
        id=order["id"],
        percent="1",
        expectedVersion=order["version"] - 1,
    )
    assert (error["code"], error["currentVersion"]) == ("VERSION_CONFLICT", order["version"])


async def test_engineer_reports_progress_and_sees_no_price_in_the_answer(company: Api) -> None:
    order, _, _ = await under_way(company)
    fields = "percentComplete hiddenFields lines(first: 1) { nodes { doneQuantity hiddenFields } }"
    values = {"id": order["id"], "percent": "50"}
    assert await done(company, "engineer", "orderReportProgress", fields, **values) == {
        "percentComplete": "50.00",
        "hiddenFields": ["amount"],
        "lines": {"nodes": [{"doneQuantity": "5.0000", "hiddenFields": ["unitPrice", "amount"]}]},
    }


async def test_unpriced_and_free_lines_weigh_the_same(company: Api) -> None:
    order = await order_in(company, OrderState.IN_PROGRESS, lines=[line("1", "0"), line("1000", "0")])
    first = order["lines"]["nodes"][0]["id"]
    reported = await report(company, order, **lines((first, "1")))
    assert reported["percentComplete"] == "50.00"


async def test_reports_of_awkward_numbers_leave_a_log_that_proves_itself(
    company: Api, company_settings: Settings
) -> None:
    before = await verify_events(company_settings.database_url or "", lambda _: None)
    order = await order_in(company, OrderState.IN_PROGRESS, lines=[line("0.0003", "-0"), line("1", "0.0001")])
    for percent in ("33.33", "-0", "99.99", "100"):
        order = await report(company, order, percent=percent)
    order = await take(company, order, OrderAction.COMPLETE)
    after = await verify_events(company_settings.database_url or "", lambda _: None)
    assert after.findings == before.findings
    assert all(order["number"] not in finding for finding in after.findings)
