"""Who can see a guarded field, in words? For the descriptions in the schema and the golden table."""

from __future__ import annotations

from functools import lru_cache

from policies.roles import Role
from policies.rules import EVERYBODY, Rulebook, load_rules


@lru_cache(maxsize=1)
def default_rulebook() -> Rulebook:
    """Return the project's own rules; raise `RulesError` where they are faulty."""
    return Rulebook(load_rules())


def is_guarded(type_thing: str, field_thing: str, rulebook: Rulebook | None = None) -> bool:
    """Return whether some role reads rows of the type without reading this field on all of them."""
    rules = rulebook or default_rulebook()
    for role in (EVERYBODY, *Role):
        shown = rules.wheres(role, field_thing, "read")
        if "any" not in shown and not rules.wheres(role, type_thing, "read") <= shown:
            return True
    return False


def who_sees(type_thing: str, field_thing: str) -> str:
    """Return who sees a guarded field (`director, project_manager (project)`), empty for one that is not guarded."""
    rules = default_rulebook()
    # What the rules don't know is named by `check_catalog`, all of it at once, before anything is served.
    if not {type_thing, field_thing} <= rules.rules.things or not is_guarded(type_thing, field_thing, rules):
        return ""
    seers = [(role, rules.wheres(role, field_thing, "read")) for role in (EVERYBODY, *Role)]
    return ", ".join(_phrase(str(role), wheres) for role, wheres in seers if wheres)


def _phrase(role: str, wheres: frozenset[str]) -> str:
    return role if "any" in wheres else f"{role} ({', '.join(sorted(wheres))})"
