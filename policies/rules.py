"""Which deeds are granted to which role on which things, and where?

`policy.conf` and `rules.csv` are a stock Casbin model and policy. Casbin decides; this module reads the rules strictly
(stock Casbin drops a mistyped line silently), asks Casbin once for each question and remembers the answer.
"""

from __future__ import annotations

import csv
import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol, cast

import casbin  # pyright: ignore[reportMissingTypeStubs]
from casbin.model import Model  # pyright: ignore[reportMissingTypeStubs]

from domain.engineering_change import ChangeAction
from domain.order import REBASE_BOM, OrderAction
from policies.roles import Role

ROOT = Path(__file__).parent.parent
MODEL_FILE = ROOT / "policy.conf"
RULES_FILE = Path(__file__).parent / "rules.csv"

WHERES = ("any", "project", "own_org", "assigned", "library", "self")
DEEDS = frozenset(
    {"read", "create", "update", "export", "subscribe", "approve_above_limit", REBASE_BOM}
    | {action.value for action in (*OrderAction, *ChangeAction)}
)
EVERYBODY = "everybody"
"""The role of whoever is signed in, beside those he holds."""

STAFF = "staff"
"""The role that everybody in our own company inherits from."""

BASE_ROLES = frozenset({STAFF, EVERYBODY})
"""Roles that nobody is given: others inherit from `staff`, all have `everybody`."""

_ROLES = frozenset(role.value for role in Role) | BASE_ROLES
_EFFECTS = frozenset({"allow", "deny"})
_COLUMNS = {"p": 6, "g": 3, "g2": 3}

logging.getLogger("casbin").setLevel(logging.WARNING)


class RulesError(Exception):
    """The rules can't be read; the message lists every mistake with its line."""


class Enforcer(Protocol):
    """What we use of `casbin.Enforcer`, which has no types of its own."""

    def enforce(self, *request: str) -> bool:
        """Return the verdict on one request."""
        ...

    def add_policy(self, *columns: str) -> bool:
        """Add one `p` line."""
        ...

    def add_named_grouping_policy(self, kind: str, *columns: str) -> bool:
        """Add one `g` or `g2` line."""
        ...


@dataclass(frozen=True, slots=True)
class Rule:
    """One `p` line."""

    role: str
    thing: str
    deed: str
    where: str
    effect: str


@dataclass(frozen=True)
class Rules:
    """All lines of a rules file, checked."""

    rules: tuple[Rule, ...]
    inherits: Mapping[str, frozenset[str]]
    belongs: Mapping[str, frozenset[str]]
    lines: Mapping[Rule, int] = field(default_factory=dict[Rule, int])

    @cached_property
    def things(self) -> frozenset[str]:
        """Return every thing that the rules know."""
        parents = {parent for each in self.belongs.values() for parent in each}
        return frozenset(parents | set(self.belongs))

    def roles_of(self, role: str) -> frozenset[str]:
        """Return the role and all it inherits."""
        return _closure(role, self.inherits)

    def wholes_of(self, thing: str) -> frozenset[str]:
        """Return the thing and all that it belongs to."""
        return _closure(thing, self.belongs)


def load_rules(path: Path = RULES_FILE) -> Rules:
    """Return the rules of a file; raise `RulesError` naming each faulty line."""
    rules: dict[Rule, int] = {}
    inherits: dict[str, set[str]] = defaultdict(set)
    belongs: dict[str, set[str]] = defaultdict(set)
    mistakes: list[str] = []
    for number, text in enumerate(path.read_text("utf-8").splitlines(), start=1):
        if not text.strip() or text.lstrip().startswith("#"):
            continue
        cells = [cell.strip() for cell in next(csv.reader([text]))]
        mistake = _mistake(cells)
        if mistake:
            mistakes.append(f"{path.name}:{number}: {mistake}")
            continue
        if cells[0] == "p":
            rule = Rule(*cells[1:])
            if rule in rules:
                mistakes.append(f"{path.name}:{number}: says again what line {rules[rule]} says")
            rules[rule] = number
        else:
            wholes = (inherits if cells[0] == "g" else belongs)[cells[1]]
            if cells[2] in wholes:
                mistakes.append(f"{path.name}:{number}: says again that {cells[1]} belongs to {cells[2]}")
            wholes.add(cells[2])
    loaded = Rules(tuple(rules), _frozen(inherits), _frozen(belongs), rules)
    mistakes += [
        f"{path.name}:{number}: unknown thing {rule.thing!r}"
        for rule, number in rules.items()
        if rule.thing not in loaded.things
    ]
    mistakes += [
        f"{path.name}:{number}: {EVERYBODY!r} is held in no project"
        for rule, number in rules.items()
        if rule.where == "project" and rule.role in loaded.roles_of(EVERYBODY)
    ]
    mistakes += [f"{path.name}:{number}: {each}" for number, each in _undecided(loaded)]
    if mistakes:
        raise RulesError("\n".join(mistakes))
    return loaded


class Rulebook:
    """Casbin's verdicts on one set of rules, each asked once."""

    def __init__(self, rules: Rules, model_file: Path = MODEL_FILE) -> None:
        self.rules = rules
        self._model_text = model_file.read_text("utf-8")
        self._enforcers: dict[str, Enforcer] = {}
        self._lines: dict[tuple[str, str, str], list[Rule]] = defaultdict(list)
        for rule in rules.rules:
            self._lines[rule.role, rule.thing, rule.deed].append(rule)
        self._verdicts: dict[tuple[str, frozenset[Rule]], frozenset[str]] = {}

    def wheres(self, role: str, thing: str, deed: str) -> frozenset[str]:
        """Return where `role` is granted `deed` on `thing`; empty is nowhere.

        Raises `RulesError` for a thing or deed that the rules don't know: nothing is denied by a slip of the pen.
        """
        role = str(role)
        if thing not in self.rules.things:
            raise RulesError(f"the rules don't know the thing {thing!r}")
        if deed not in DEEDS:
            raise RulesError(f"the rules don't know the deed {deed!r}")
        relevant = frozenset(self._rules_about(role, thing, deed))
        # Whatever is ruled by the very same lines has the very same answer, so Casbin is asked once for all of it.
        known = self._verdicts.get((role, relevant))
        if known is None:
            # Over these lines only: Casbin goes through all that it knows at each question.
            enforcer = self._enforcer(role, thing, relevant)
            asked = {rule.where for rule in relevant}
            known = frozenset(where for where in asked if enforcer.enforce(role, thing, deed, where))
            self._verdicts[role, relevant] = known
        return known

    def _rules_about(self, role: str, thing: str, deed: str) -> list[Rule]:
        return [
            rule
            for each in self.rules.roles_of(role)
            for whole in self.rules.wholes_of(thing)
            for rule in self._lines.get((each, whole, deed), ())
        ]

    def _enforcer(self, role: str, thing: str, lines: Iterable[Rule]) -> Enforcer:
        """Return a stock enforcer over `lines`, and over what the role inherits and the thing belongs to."""
        model = Model()
        model.load_model_from_text(self._model_text)  # pyright: ignore[reportUnknownMemberType]
        enforcer = cast(Enforcer, casbin.Enforcer(model))
        for line in lines:
            enforcer.add_policy(line.role, line.thing, line.deed, line.where, line.effect)
        for kind, members, parents in (
            ("g", self.rules.roles_of(role), self.rules.inherits),
            ("g2", self.rules.wholes_of(thing), self.rules.belongs),
        ):
            for child in members:
                for parent in parents.get(child, ()):
                    enforcer.add_named_grouping_policy(kind, child, parent)
        return enforcer


def _mistake(cells: list[str]) -> str | None:
    kind = cells[0]
    if kind not in _COLUMNS:
        return f"a line starts with p, g or g2, not {kind!r}"
    if len(cells) != _COLUMNS[kind]:
        return f"{kind} takes {_COLUMNS[kind]} columns, not {len(cells)}"
    if not all(cells):
        return "an empty column"
    if kind == "g2":
        return None
    known = (_ROLES, _ROLES) if kind == "g" else (_ROLES, None, DEEDS, WHERES, _EFFECTS)
    names = ("role", "role") if kind == "g" else ("role", "thing", "deed", "where", "effect")
    for cell, words, name in zip(cells[1:], known, names, strict=True):
        if words is not None and cell not in words:
            return f"unknown {name} {cell!r}"
    return None


def _undecided(rules: Rules) -> list[tuple[int, str]]:
    """Return line and sentence for each role that reads a type somewhere, but not whether it reads a guarded part there.

    An `allow` for any row decides for all of them; a denial decides only for the `where` it names.
    """
    found: list[tuple[int, str]] = []
    guarded = sorted({rule.thing for rule in rules.rules if "." in rule.thing})
    for role in (EVERYBODY, *(role.value for role in Role)):
        roles = rules.roles_of(role)
        about = [rule for rule in rules.rules if rule.deed == "read" and rule.role in roles]
        decided = {(rule.thing, rule.where) for rule in about}
        decided |= {
            (rule.thing, where)
            for rule in about
            if rule.where == "any" and rule.effect == "allow"
            for where in WHERES
        }
        found += [
            (
                rules.lines[rule],
                f"{role} reads {rule.thing} where={rule.where} but says nothing of {part} there",
            )
            for rule in about
            for part in guarded
            if part.split(".")[0] == rule.thing and (part, rule.where) not in decided
        ]
    return found


def _closure(start: str, parents: Mapping[str, frozenset[str]]) -> frozenset[str]:
    found: set[str] = set()
    waiting = [start]
    while waiting:
        each = waiting.pop()
        if each not in found:
            found.add(each)
            waiting.extend(parents.get(each, ()))
    return frozenset(found)


def _frozen(sets: Mapping[str, set[str]]) -> dict[str, frozenset[str]]:
    return {name: frozenset(members) for name, members in sets.items()}
