"""Are the rules read strictly, and does stock Casbin understand them as we do?"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, cast

import casbin  # pyright: ignore[reportMissingTypeStubs]
import pytest

from loaders.selects import masked_select
from policies.bindings import catalog
from policies.compiler import Policies
from policies.roles import Role
from policies.rules import (
    BASE_ROLES,
    DEEDS,
    EVERYBODY,
    MODEL_FILE,
    RULES_FILE,
    WHERES,
    Enforcer,
    Rulebook,
    RulesError,
    load_rules,
)
from policies.viewer import HeldRole
from schema.build import build_schema

SOUND = """\
# a comment
p, staff, order, read, project, allow
p, staff, order.price, read, project, deny

g, engineer, staff
g2, order.price, order
g2, order.amount, order.price
"""


class StockEnforcer(Enforcer, Protocol):
    """What these tests ask of Casbin beside what we use of it."""

    def get_policy(self) -> list[list[str]]: ...

    def get_named_grouping_policy(self, kind: str) -> list[list[str]]: ...


READERS = (EVERYBODY, *(role.value for role in Role))


def mistakes_in(folder: Path, text: str) -> list[str]:
    file = folder / "rules.csv"
    file.write_text(text, "utf-8")
    with pytest.raises(RulesError) as caught:
        load_rules(file)
    return str(caught.value).splitlines()


@pytest.fixture(scope="module")
def rulebook() -> Rulebook:
    return Rulebook(load_rules())


@pytest.fixture(scope="module")
def stock() -> StockEnforcer:
    """Casbin as it comes, from the two files alone."""
    return cast(StockEnforcer, casbin.Enforcer(str(MODEL_FILE), str(RULES_FILE)))


def test_sound_rules_are_read(tmp_path: Path) -> None:
    file = tmp_path / "rules.csv"
    file.write_text(SOUND, "utf-8")
    rules = load_rules(file)
    assert rules.things == {"order", "order.price", "order.amount"}
    assert rules.roles_of("engineer") == {"engineer", "staff"}
    assert rules.wholes_of("order.amount") == {"order.amount", "order.price", "order"}
    assert Rulebook(rules).wheres("engineer", "order", "read") == {"project"}
    assert Rulebook(rules).wheres("engineer", "order.amount", "read") == frozenset()


@pytest.mark.parametrize(
    ("line", "mistake"),
    [
        ("q, staff, order, read, any, allow", "a line starts with p, g or g2, not 'q'"),
        ("P, staff, order, read, any, allow", "a line starts with p, g or g2, not 'P'"),
        ("p, stuff, order, read, any, allow", "unknown role 'stuff'"),
        ("p, staff, oder, read, any, allow", "unknown thing 'oder'"),
        ("p, staff, order, raed, any, allow", "unknown deed 'raed'"),
        ("p, staff, order, read, anywhere, allow", "unknown where 'anywhere'"),
        ("p, staff, order, read, any, permit", "unknown effect 'permit'"),
        ("p, staff, order, read, any, allow # why", "unknown effect 'allow # why'"),
        ("p, staff, order, read, any", "p takes 6 columns, not 5"),
        ("p, staff, order, read, any, allow, allow", "p takes 6 columns, not 7"),
        ("p, staff, order, read, , allow", "an empty column"),
        ("p, staff, order, read, any,", "an empty column"),
        ("p, staff, order, read, project, allow", "says again what line 2 says"),
        ("p, everybody, order, update, project, allow", "'everybody' is held in no project"),
        ("g, buyer", "g takes 3 columns, not 2"),
        ("g, buyer, stuff", "unknown role 'stuff'"),
        ("g, byer, staff", "unknown role 'byer'"),
        ("g, engineer, staff", "says again that engineer belongs to staff"),
        ("g2, order.amount, order.price, order", "g2 takes 3 columns, not 4"),
        ("g2, order.amount,", "an empty column"),
        ("g2, order.amount, order.price", "says again that order.amount belongs to order.price"),
    ],
)
def test_faulty_line_is_an_error_with_its_number(tmp_path: Path, line: str, mistake: str) -> None:
    number = len(SOUND.splitlines()) + 1
    assert mistakes_in(tmp_path, f"{SOUND}{line}\n") == [f"rules.csv:{number}: {mistake}"]


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    found = mistakes_in(tmp_path, SOUND + "p, stuff, order, read, any, allow\ng, buyer\nx\n")
    assert [each.split(": ")[0] for each in found] == ["rules.csv:8", "rules.csv:9", "rules.csv:10"]


def test_reading_a_type_without_a_word_on_its_guarded_part_is_an_error(tmp_path: Path) -> None:
    found = mistakes_in(tmp_path, SOUND + "p, customer, order, read, own_org, allow\n")
    assert found == [
        "rules.csv:8: customer reads order where=own_org but says nothing of order.price there",
    ]


def test_guarded_part_is_decided_for_each_where_in_which_the_type_is_read(tmp_path: Path) -> None:
    """A denial for one `where` says nothing of another one, and there the price would be seen."""
    found = mistakes_in(tmp_path, SOUND + "p, staff, order, read, assigned, allow\n")
    assert "rules.csv:8: engineer reads order where=assigned but says nothing of order.price there" in found


def test_unknown_thing_or_deed_in_a_question_is_an_error_and_no_denial(rulebook: Rulebook) -> None:
    with pytest.raises(RulesError, match="the thing 'oder'"):
        rulebook.wheres("director", "oder", "read")
    with pytest.raises(RulesError, match="the deed 'raed'"):
        rulebook.wheres("director", "order", "raed")


def test_stock_casbin_reads_every_line_of_our_files(stock: StockEnforcer) -> None:
    rules = load_rules()
    read = [tuple(line) for line in stock.get_policy()]
    assert read == [(each.role, each.thing, each.deed, each.where, each.effect) for each in rules.rules]
    assert len(stock.get_named_grouping_policy("g")) == sum(map(len, rules.inherits.values()))
    assert len(stock.get_named_grouping_policy("g2")) == sum(map(len, rules.belongs.values()))


def questions(rulebook: Rulebook) -> Iterator[tuple[str, str, str]]:
    """All about reading, and a fixed sample of all the rest: Casbin takes a millisecond for each answer."""
    things = sorted(rulebook.rules.things)
    yield from ((role, thing, "read") for role in READERS for thing in things)
    rest = [
        (role, thing, deed)
        for role in (*READERS, *BASE_ROLES)
        for thing in things
        for deed in sorted(DEEDS - {"read"})
    ]
    yield from random.Random(2).sample(rest, 200)
    ruled = sorted({(rule.role, rule.thing, rule.deed) for rule in rulebook.rules.rules})
    yield from ruled


def test_stock_casbin_and_rulebook_agree(stock: StockEnforcer, rulebook: Rulebook) -> None:
    for role, thing, deed in questions(rulebook):
        granted = {where for where in WHERES if stock.enforce(role, thing, deed, where)}
        assert rulebook.wheres(role, thing, deed) == granted, (role, thing, deed)


def test_denial_outweighs_an_inherited_grant(tmp_path: Path) -> None:
    file = tmp_path / "rules.csv"
    file.write_text(
        SOUND.replace("read, project, deny", "read, project, allow")
        + "p, engineer, order.price, read, project, deny\n",
        "utf-8",
    )
    rulebook = Rulebook(load_rules(file))
    assert rulebook.wheres("staff", "order.amount", "read") == {"project"}
    assert rulebook.wheres("engineer", "order.amount", "read") == frozenset()


def ten_thousand_rules(folder: Path) -> Path:
    """Our own rules with as many more that speak of things of their own."""
    file = folder / "rules.csv"
    roles = [role.value for role in Role]
    more = [f"g2, extra_{number}, extra" for number in range(5_000)]
    more += [f"p, {roles[number % 12]}, extra_{number}, read, any, allow" for number in range(5_000)]
    more += [f"p, {roles[number % 12]}, extra_{number}, update, any, deny" for number in range(5_000)]
    file.write_text(RULES_FILE.read_text("utf-8") + "\n".join(more) + "\n", "utf-8")
    return file


def test_a_new_shape_asks_casbin_six_times_with_ten_thousand_rules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_schema()
    rules = load_rules(ten_thousand_rules(tmp_path))
    assert len(rules.rules) > 10_000
    asked: list[tuple[str, ...]] = []
    stock = cast(type[Enforcer], casbin.Enforcer)
    enforce = stock.enforce

    def counted(self: Enforcer, *question: str) -> bool:
        asked.append(question)
        return enforce(self, *question)

    monkeypatch.setattr(stock, "enforce", counted)
    policies = Policies(Rulebook(rules))
    shape = frozenset({HeldRole(Role.ENGINEER, is_global=False)})
    masked_select(policies.of(shape), catalog.types["Order"]).compile()
    first = len(asked)
    masked_select(policies.of(shape), catalog.types["Order"]).compile()
    masked_select(policies.of(shape), catalog.types["OrderLine"]).compile()
    assert first == 6, asked
    assert len(asked) == first, "lines are ruled by what rules their orders"
