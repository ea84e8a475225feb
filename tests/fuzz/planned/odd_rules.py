"""Which rules would mask what the real ones never do? The real ones, with some taken away, turned round or moved.

A field that is never null may then be hidden, a type may be read where what it names may not, and two things may be masked
by different scopes in one row. What they say still fits the schema (`check_catalog`).
"""

from __future__ import annotations

import random
from dataclasses import replace

from policies.bindings import CatalogError, Column, FieldBinding, ToOne, TypeBinding, catalog
from policies.compiler import check_catalog
from policies.roles import Role
from policies.rules import BASE_ROLES, EVERYBODY, WHERES, Rule, Rulebook, Rules, load_rules
from policies.scope import supports

_ROLES = sorted({*(role.value for role in Role), *BASE_ROLES})


def odd_rulebook(chance: random.Random) -> Rulebook:
    """Return a rulebook that the schema agrees with."""
    known = load_rules()
    while True:
        rulebook = _followable(Rules(_altered(chance, known), known.inherits, known.belongs))
        try:
            check_catalog(catalog, rulebook)
        except CatalogError:
            continue
        return rulebook


def _followable(rules: Rules) -> Rulebook:
    """Return a rulebook in which nobody follows what he may no longer read."""
    rulebook = Rulebook(rules)
    followed = [rule for rule in rules.rules if rule.deed == "subscribe"]
    lost = {rule for rule in followed if rule.where not in rulebook.wheres(rule.role, rule.thing, "read")}
    return Rulebook(replace(rules, rules=tuple(rule for rule in rules.rules if rule not in lost)))


def _altered(chance: random.Random, known: Rules) -> tuple[Rule, ...]:
    dropped, turned = chance.choice(((0.0, 0.0), (0.05, 0.0), (0.1, 0.05), (0.02, 0.02), (0.25, 0.1)))
    found: dict[Rule, None] = {}
    for rule in known.rules:
        if rule.deed == "read" and chance.random() < dropped:
            continue
        if rule.deed == "read" and chance.random() < turned:
            effect = "deny" if rule.effect == "allow" else "allow"
            found[replace(rule, effect=effect)] = None
        else:
            found[rule] = None
    # By the number of types, so that each has its share however many there are.
    types = len(catalog.types)
    found |= dict.fromkeys(_added(chance) for _ in range(chance.randint(0, 2 * types)))
    found |= dict.fromkeys(
        _hidden(chance, known) for _ in range(chance.choice((0, types // 2, 2 * types, 6 * types)))
    )
    return tuple(found)


def _added(chance: random.Random) -> Rule:
    """Return a rule about a whole type, or about a field of it that can be hidden."""
    binding = chance.choice(list(catalog.types.values()))
    thing = binding.thing if chance.random() < 0.25 else chance.choice(_hideable(binding))
    # What events tell of a field is masked by the scopes of the aggregate's row.
    rows = {binding.row, catalog.types[binding.aggregate or binding.name].row}
    wheres = [where for where in WHERES if all(supports(where, row) for row in rows)]
    role, where = chance.choice(_ROLES), chance.choice(wheres)
    if where == "project" and role == EVERYBODY:
        # Which is held in no project.
        where = "any"
    effect = "allow" if thing == binding.thing or chance.random() < 0.3 else "deny"
    return Rule(role, thing, "read", where, effect)


def _hidden(chance: random.Random, known: Rules) -> Rule:
    """Return a rule that hides a field from those who read its type, where they do; each field is as likely as any other."""
    bindings = list(catalog.types.values())
    (binding,) = chance.choices(bindings, [len(_hideable(each)) for each in bindings])
    wholes = known.wholes_of(binding.thing)
    rule = chance.choice([each for each in known.rules if each.deed == "read" and each.thing in wholes])
    return replace(rule, thing=chance.choice(_hideable(binding)), effect="deny")


def _hideable(binding: TypeBinding) -> list[str]:
    return [each.thing for each in binding.fields.values() if is_hideable(each)]


def is_hideable(field: FieldBinding) -> bool:
    """Return whether a rule can hide a field where its row is read."""
    return isinstance(field.source, Column | ToOne)
