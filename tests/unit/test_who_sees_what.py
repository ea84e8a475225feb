"""Does the table in the documentation say what the rules say?"""

from __future__ import annotations

import re

from policies.readers import default_rulebook
from policies.roles import Role
from policies.table import render
from tests.golden_files import assert_golden

GUARDS = re.compile(r"^(?:Everything else of it|`[\w.]+` is): (.+)\.$", re.MULTILINE)
ORDER_PRICE = (
    "| `order.price` | amount; order line: unit price, amount "
    "| director, finance, auditor: all; project_manager, buyer: of his projects; "
    "contractor, customer: of his organization |"
)


def test_who_sees_what_is_the_golden_table() -> None:
    assert_golden("docs/who-sees-what.md", render())


def test_who_sees_order_prices_stands_in_one_line() -> None:
    assert ORDER_PRICE in render().splitlines()


def test_every_role_has_a_row_for_every_type() -> None:
    lines = render().splitlines()
    headings = [line for line in lines if line.startswith("## ")][1:]
    for role in Role:
        rows = [line for line in lines if line.startswith(f"| {role.value} |")]
        assert len(rows) == len(headings), role


def test_every_field_stands_under_exactly_one_guard() -> None:
    rules = default_rulebook().rules
    groups = set[str]().union(*rules.belongs.values())
    fields = [thing for thing in rules.things - groups if "." in thing]
    told = [name for line in GUARDS.findall(render()) for name in line.replace("; ", ", ").split(", ")]
    assert len(told) == len(fields)


def test_every_deed_that_is_granted_has_a_line() -> None:
    text = render()
    for rule in default_rulebook().rules.rules:
        if rule.deed != "read":
            assert f"| **{rule.deed.replace('_', ' ')}** | `{rule.thing}` |" in text
