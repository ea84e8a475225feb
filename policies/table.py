"""Who sees and does what, as a table that people read? Rendered from the rules; `docs/who-sees-what.md` is its copy.

What the rules mean for one row is left to `policies.compiler`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from domain.order import OrderAction
from policies.readers import default_rulebook
from policies.roles import Role
from policies.rules import DEEDS, EVERYBODY, Rulebook

_NOWHERE = "–"
_WHERES = {
    "any": "all",
    "project": "of his projects",
    "own_org": "of his organization",
    "assigned": "assigned to him",
    "library": "of items, BOMs and engineering changes",
    "self": "himself",
}
_FIRST_DEEDS = ("read", "subscribe", "export", "create", *(action.value for action in OrderAction))
_DEEDS = (*_FIRST_DEEDS, *sorted(DEEDS - set(_FIRST_DEEDS)))
_READERS = (EVERYBODY, *(role.value for role in Role))

_INTRODUCTION = """\
# Who sees what

Generated from `policies/rules.csv` by `eoms policy table`; a test compares it, `make golden` writes it anew.

What is not granted is denied. A person has what any of his roles has, and beside them what everybody has who is
signed in. Where something is granted:

| in the tables | which rows |
|---|---|
| all | every row |
| of his projects | rows of the projects in which he holds this very role; of all projects where he holds it globally |
| of his organization | rows whose contractor or customer is his organization, its people, and the organization itself |
| assigned to him | the orders to which he is assigned, with what belongs to them |
| of items, BOMs and engineering changes | what belongs to the company's items and bills of materials and to no project |
| himself | what is about him |
| – | nowhere |
"""


def render(rulebook: Rulebook | None = None) -> str:
    """Return the tables as Markdown: the guarded parts at a glance, then type by type who reads and who does what."""
    rules = rulebook or default_rulebook()
    sections = [_INTRODUCTION, _glance(rules), *(_type_section(rules, kind) for kind in _types(rules))]
    return "\n".join(sections)


def _glance(rules: Rulebook) -> str:
    rows = [
        [f"`{part}`", _fields(rules, part), _who(rules, part, "read")]
        for kind in _types(rules)
        for part in _parts(rules, kind)
    ]
    return _headed("## Guarded parts at a glance", _table(["part", "its fields", "seen by"], rows))


def _type_section(rules: Rulebook, kind: str) -> str:
    parts = _parts(rules, kind)
    columns = ["role", f"`{kind}`", *(f"`{part}`" for part in parts)]
    rows = [
        [role, _reading(rules, role, kind, kind), *(_reading(rules, role, kind, part) for part in parts)]
        for role in _READERS
    ]
    paragraphs = [
        "Who reads it, and which guarded parts of the rows he reads:",
        _table(columns, rows),
        *(f"`{part}` is: {_fields(rules, part)}." for part in parts),
        f"Everything else of it: {_fields(rules, kind)}.",
    ]
    deeds = _deed_rows(rules, (kind, *parts))
    if deeds:
        paragraphs += ["Who does what with it:", _table(["deed", "on", "who"], deeds)]
    return _headed(f"## {_spoken(kind)}", *paragraphs)


def _deed_rows(rules: Rulebook, things: Sequence[str]) -> list[list[str]]:
    """Return a row for each deed that some line names for one of the things, in the order of an order's life."""
    named = {(rule.deed, rule.thing) for rule in rules.rules.rules}
    return [
        [f"**{_spoken(deed)}**", f"`{thing}`", _who(rules, thing, deed)]
        for deed in _DEEDS
        for thing in things
        if deed != "read" and (deed, thing) in named
    ]


def _reading(rules: Rulebook, role: str, kind: str, part: str) -> str:
    """Return where a role reads a part. Rows that he doesn't read show no part of them, whoever may read that part."""
    rows, shown = rules.wheres(role, kind, "read"), rules.wheres(role, part, "read")
    return _places(rows if "any" in shown else shown)


def _who(rules: Rulebook, thing: str, deed: str) -> str:
    """Return the roles by where they are granted the deed: `director, finance: all; buyer: of his projects`."""
    kind = thing.partition(".")[0]
    by_place: dict[str, list[str]] = {}
    for role in _READERS:
        place = _reading(rules, role, kind, thing) if deed == "read" else _granted(rules, role, thing, deed)
        by_place.setdefault(place, []).append(role)
    by_place.pop(_NOWHERE, None)
    return "; ".join(f"{', '.join(roles)}: {place}" for place, roles in by_place.items()) or "nobody"


def _granted(rules: Rulebook, role: str, thing: str, deed: str) -> str:
    return _places(rules.wheres(role, thing, deed))


def _places(wheres: frozenset[str]) -> str:
    if "any" in wheres:
        return _WHERES["any"]
    return " or ".join(words for where, words in _WHERES.items() if where in wheres) or _NOWHERE


def _types(rules: Rulebook) -> list[str]:
    """Return the types that belong to nothing else, in the order of the rules."""
    tops = [
        whole
        for thing in rules.rules.belongs
        for whole in rules.rules.wholes_of(thing)
        if whole not in rules.rules.belongs
    ]
    return list(dict.fromkeys(tops))


def _parts(rules: Rulebook, kind: str) -> list[str]:
    """Return the parts of a type about which some line says who reads them, in the order of the rules."""
    ruled = {rule.thing for rule in rules.rules.rules}
    return [thing for thing in rules.rules.belongs if thing in ruled and thing.startswith(f"{kind}.")]


def _fields(rules: Rulebook, guard: str) -> str:
    """Return the fields that have no nearer guard than this one, those of other types under their type's name."""
    belongs = rules.rules.belongs
    ruled = {rule.thing for rule in rules.rules.rules}
    wholes = set[str]().union(*belongs.values())
    own_type = guard.partition(".")[0]
    found: dict[str, list[str]] = {}
    for thing in belongs:
        chain = rules.rules.wholes_of(thing)
        if thing in wholes or guard not in chain or (ruled & chain) - rules.rules.wholes_of(guard):
            continue
        kind, _, name = thing.partition(".")
        found.setdefault(kind, []).append(_spoken(name))
    return "; ".join(
        (", ".join(names) if kind == own_type else f"{_spoken(kind)}: {', '.join(names)}")
        for kind, names in found.items()
    )


def _spoken(name: str) -> str:
    return name.replace("_", " ")


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _headed(heading: str, *paragraphs: str) -> str:
    return "\n\n".join([heading, *paragraphs]) + "\n"
