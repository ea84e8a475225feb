"""What do the rules mean as SQL, for a viewer of this shape?

A `Policy` belongs to one viewer shape and is kept for all viewers of that shape. It answers three questions: which
rows, which columns of them, and what of them is hidden.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ARRAY, ColumnElement, Text, and_, case, cast, func, literal, null, true
from sqlalchemy.dialects import postgresql

from db.tables import Keyed
from policies.bindings import (
    AnySelect,
    Catalog,
    CatalogError,
    Column,
    FieldBinding,
    StoredColumn,
    ToAny,
    ToOne,
    TypeBinding,
)
from policies.holders import holders
from policies.readers import is_guarded
from policies.roles import Role
from policies.rules import EVERYBODY, STAFF, Rulebook
from policies.scope import (
    ANYWHERE,
    Predicate,
    Scope,
    held_before,
    is_inherited,
    predicate,
    supports,
    tells_ends,
)
from policies.viewer import ViewerShape


class Policy:
    """The rules, compiled for one viewer shape."""

    def __init__(self, rulebook: Rulebook, shape: ViewerShape) -> None:
        self.shape = shape
        self._rulebook = rulebook
        self._scopes: dict[tuple[str, str], frozenset[Scope]] = {}

    def scopes(self, thing: str, deed: str) -> frozenset[Scope]:
        """Return the scopes in which some role of the shape is granted `deed` on `thing`; empty is nowhere."""
        key = (thing, deed)
        found = self._scopes.get(key)
        if found is None:
            found = frozenset(
                _scope(where, held.role, is_global=held.is_global)
                for held in self.shape
                for where in self._rulebook.wheres(held.role, thing, deed)
            ) | frozenset(Scope(where) for where in self._rulebook.wheres(EVERYBODY, thing, deed))
            self._scopes[key] = found
        return found

    def rows(self, thing: str, row: type[Keyed], deed: str = "read") -> Predicate:
        """Return the predicate of the rows on which the viewer may do `deed`."""
        return predicate(self.scopes(thing, deed), row)

    def may_anywhere(self, thing: str, deed: str) -> bool:
        """Return whether the viewer may do `deed` on all that there is of a thing, and so also make it."""
        return ANYWHERE in self.scopes(thing, deed)

    def events_that_end(self, thing: str, row: type[Keyed], deed: str) -> Predicate:
        """Return the predicate of the events that took their aggregate out of what the viewer may do `deed` on, as he is now."""
        return held_before(self.scopes(thing, deed), row)

    def holders(self, deed: str, *, beyond: str | None = None) -> AnySelect:
        """Return the SELECT of everybody who may do `deed` on an order, see `policies.holders`; the same for all viewers."""
        return holders(self._rulebook, deed, beyond=beyond)

    def is_read_with(self, binding: TypeBinding, parent: TypeBinding, key: StoredColumn) -> bool:
        """Return whether whoever reads a row of `parent` reads every row of this type that `key` joins to it.

        Then rows that are reached from a readable row need no predicate of their own.
        """
        own, above = self.scopes(binding.thing, "read"), self.scopes(parent.thing, "read")
        return ANYWHERE in own or (
            above <= own and all(is_inherited(scope.where, binding.row, parent.row, key) for scope in above)
        )

    def is_always_visible(self, binding: TypeBinding, field: FieldBinding) -> bool:
        """Return whether every readable row shows this field, so that no mask is needed."""
        visible = self.scopes(field.thing, "read")
        return ANYWHERE in visible or self.scopes(binding.thing, "read") <= visible

    def is_never_visible(self, thing: str) -> bool:
        """Return whether no row at all shows this thing to the viewer."""
        return not self.scopes(thing, "read")

    def visible(self, binding: TypeBinding, field: FieldBinding) -> Predicate:
        """Return the predicate of the readable rows that show this field."""
        if self.is_always_visible(binding, field):
            return true()
        return self.rows(field.thing, binding.row)

    def masked(self, binding: TypeBinding, name: str) -> StoredColumn:
        """Return a field's column as the viewer may see it: null in the rows that hide it.

        This is the only form in which a column may be selected, filtered, sorted or added up for a viewer.
        """
        field = binding.fields[name]
        column = binding.column(name)
        if self.is_always_visible(binding, field):
            return column
        if self.is_never_visible(field.thing):
            return cast(null(), column.type)
        return case((self.rows(field.thing, binding.row), column), else_=null())

    def hidden_fields(self, binding: TypeBinding) -> ColumnElement[Sequence[str]]:
        """Return the API names of the fields that a row hides, as an array of text in the type's own order."""
        names = [
            case((self.visible(binding, field), null()), else_=literal(field.api_name, Text()))
            for field in binding.stored_fields
            if not self.is_always_visible(binding, field)
        ]
        if not names:
            return cast(postgresql.array([], type_=Text()), ARRAY(Text()))
        return func.array_remove(postgresql.array(names), None, type_=ARRAY(Text()))

    def may(self, thing: str, row: type[Keyed], deeds: tuple[str, ...]) -> dict[str, Predicate]:
        """Return for each deed the predicate of the readable rows on which it is granted."""
        readable = self.rows(thing, row)
        return {deed: and_(readable, self.rows(thing, row, deed)) for deed in deeds}


@dataclass
class Policies:
    """The policy of every viewer shape that has come by, compiled once each."""

    rulebook: Rulebook

    def __post_init__(self) -> None:
        self._by_shape: dict[ViewerShape, Policy] = {}

    def may_introspect(self, shape: ViewerShape) -> bool:
        """Return whether a viewer may look at the schema: staff may, outsiders and the anonymous may not."""
        return any(STAFF in self.rulebook.rules.roles_of(held.role.value) for held in shape)

    def of(self, shape: ViewerShape) -> Policy:
        """Return the policy of a shape; shapes are few, as roles are."""
        policy = self._by_shape.get(shape)
        if policy is None:
            policy = self._by_shape[shape] = Policy(self.rulebook, shape)
        return policy


def check_catalog(catalog: Catalog, rulebook: Rulebook) -> None:
    """Raise `CatalogError` unless schema and rules know exactly the same things, and every `where` has a meaning."""
    bound = {binding.thing for binding in catalog.types.values()}
    bound |= {field.thing for binding in catalog.types.values() for field in binding.fields.values()}
    rules = rulebook.rules
    groups = {parent for parents in rules.belongs.values() for parent in parents}
    unknown = sorted((bound | set(catalog.guards.values())) - rules.things)
    stale = sorted(rules.things - bound - groups)
    mistakes = [f"the rules don't know {thing}" for thing in unknown]
    mistakes += [f"the schema doesn't know {thing}, which the rules name" for thing in stale]
    if not unknown:
        # Anything else than a value on the row has no mask: a denial of it would be in the rules and do nothing.
        mistakes += [
            f"{field.thing} is guarded, but only a column or a relation to one row can be hidden"
            for binding in catalog.types.values()
            for field in binding.fields.values()
            if not isinstance(field.source, Column | ToOne | ToAny)
            and is_guarded(binding.thing, field.thing, rulebook)
        ]
        mistakes += [
            f"{role} is granted {thing} where={where}, which has no meaning for {row.__tablename__}"
            for binding in catalog.types.values()
            for role in (*Role, EVERYBODY)
            for thing in {binding.thing, *(field.thing for field in binding.fields.values())}
            for where in rulebook.wheres(role, thing, "read")
            for row in {binding.row, _told_of(catalog, binding)}
            if not supports(where, row)
        ]
    mistakes += _unfollowable(catalog, rulebook)
    if mistakes:
        raise CatalogError("; ".join(sorted(set(mistakes))))


def _unfollowable(catalog: Catalog, rulebook: Rulebook) -> list[str]:
    """Return where somebody follows what he may not read, or where nobody could tell him when he may no longer."""
    return [
        f"{role} may follow {binding.thing} where={where}, {mistake}"
        for binding in catalog.types.values()
        # Its parts are followed with it.
        if binding.aggregate == binding.name
        for role in (*Role, EVERYBODY)
        for where in rulebook.wheres(role, binding.thing, "subscribe")
        for mistake, is_made in (
            ("but not read it there", where not in rulebook.wheres(role, binding.thing, "read")),
            ("whose ends no event tells", not tells_ends(where, binding.row)),
        )
        if is_made
    ]


def _told_of(catalog: Catalog, binding: TypeBinding) -> type[Keyed]:
    """Return the row that a type's changes are told of in events: an order's lines are read in events by its order."""
    aggregate = catalog.types.get(binding.aggregate) if binding.aggregate else None
    return binding.row if aggregate is None else aggregate.row


def _scope(where: str, role: Role, *, is_global: bool) -> Scope:
    return Scope(where, role if where == "project" and not is_global else None)
