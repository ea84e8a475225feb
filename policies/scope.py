"""Which rows does each `where` of the rules mean?

One function per `where` and table, each returning a SQL predicate over the table's row. Ids never stand in a predicate:
they are bind parameters, filled from the viewer (`Viewer.parameters`).

Predicates are of the tables' own columns: a single column of a mapped class would make the ORM compile every SELECT that
it stands in, which is a fifth of what making a statement takes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Text,
    Uuid,
    and_,
    any_,
    bindparam,
    exists,
    false,
    func,
    or_,
    select,
    true,
)
from sqlalchemy import cast as sql_cast
from sqlalchemy.dialects.postgresql import ARRAY

from db.tables import (
    AssignmentRow,
    CostCodeRow,
    EventRow,
    Keyed,
    NotificationRow,
    OrderLineRow,
    OrderRow,
    OrganizationRow,
    ProjectRow,
    UserRow,
    WbsNodeRow,
)
from policies.roles import Role
from policies.viewer import ORGANIZATION_PARAMETER, USER_PARAMETER, project_parameter

Predicate = ColumnElement[bool]

_ASSIGNMENT = AssignmentRow.__table__
_EVENT = EventRow.__table__
_LINE = OrderLineRow.__table__
_NOTIFICATION = NotificationRow.__table__
_ORDER = OrderRow.__table__
_ORGANIZATION = OrganizationRow.__table__
_PROJECT = ProjectRow.__table__
_USER = UserRow.__table__
_WBS_NODE = WbsNodeRow.__table__


@dataclass(frozen=True, slots=True, order=True)
class Scope:
    """A `where`; where it is `project`, with the role whose projects are meant, null for all projects there are."""

    where: str
    role: Role | None = None


ANYWHERE = Scope("any")


def predicate(scopes: frozenset[Scope], row: type[Keyed]) -> Predicate:
    """Return the predicate that holds for the rows of `row` in at least one of the scopes."""
    if ANYWHERE in scopes:
        return true()
    return or_(false(), *(_SCOPES[scope.where][row](scope) for scope in sorted(scopes, key=str)))


def held_before(scopes: frozenset[Scope], row: type[Keyed]) -> Predicate:
    """Return the predicate of the events that changed whether their aggregate is in one of the scopes, where it was before.

    Nothing ever leaves a scope by an event that isn't told by the event's changes.
    """
    if ANYWHERE in scopes:
        return false()
    return or_(false(), *(_HELD_BEFORE[scope.where][row](scope) for scope in sorted(scopes, key=str)))


def tells_ends(where: str, row: type[Keyed]) -> bool:
    """Return whether it is known by which events rows of a table leave a `where`."""
    return where == ANYWHERE.where or row in _HELD_BEFORE.get(where, {})


def supports(where: str, row: type[Keyed]) -> bool:
    """Return whether a `where` has a meaning for the rows of a table."""
    return where == ANYWHERE.where or row in _SCOPES.get(where, {})


def is_inherited(where: str, row: type[Keyed], parent: type[Keyed], key: ColumnElement[Any]) -> bool:
    """Return whether a row is in the scope whenever the row of `parent` is that is joined to it by `key`."""
    return (where, row, parent, str(key)) in _INHERITED


def _user() -> ColumnElement[UUID]:
    return bindparam(USER_PARAMETER, type_=Uuid())


def _organization() -> ColumnElement[UUID]:
    return bindparam(ORGANIZATION_PARAMETER, type_=Uuid())


def _in_projects(project_id: ColumnElement[Any], scope: Scope) -> Predicate:
    if scope.role is None:
        # Not `true`: what belongs to no project, such as the log of a user, is in none of them.
        return project_id.is_not(None)
    return project_id == any_(bindparam(project_parameter(scope.role), type_=ARRAY(Uuid())))


def _order_in_own_org(order: FromClause) -> Predicate:
    return or_(order.c.contractor_id == _organization(), order.c.customer_id == _organization())


def _order_assigned(order: FromClause) -> Predicate:
    assignment = _ASSIGNMENT.alias()
    of_order = assignment.c.order_id == order.c.id
    return exists(select(1).where(of_order, assignment.c.user_id == _user()).correlate(order))


def _some_order(
    joined: Callable[[FromClause], Predicate],
    table: FromClause,
    inner: Callable[[FromClause], Predicate],
) -> Predicate:
    """Return: there is an order that is `joined` to the row and for which `inner` holds."""
    order = _ORDER.alias()
    return exists(select(1).where(joined(order), inner(order)).correlate(table))


def _child(
    table: FromClause, inner: Callable[[FromClause, Scope], Predicate]
) -> Callable[[Scope], Predicate]:
    """Return the scope of a row that belongs to an order: that of its order."""
    return lambda scope: _some_order(
        lambda order: order.c.id == table.c.order_id, table, lambda order: inner(order, scope)
    )


def _parent(key: str, table: FromClause, inner: Callable[[FromClause], Predicate]) -> Predicate:
    """Return the scope of a row that an order names by `key`: that there is such an order."""
    return _some_order(lambda order: order.c[key] == table.c.id, table, inner)


def _event_of_order(inner: Callable[[FromClause], Predicate]) -> Predicate:
    return and_(
        _EVENT.c.aggregate_type == "Order",
        _some_order(lambda order: order.c.id == _EVENT.c.aggregate_id, _EVENT, inner),
    )


def _in_projects_of(order: FromClause, scope: Scope) -> Predicate:
    return _in_projects(order.c.project_id, scope)


_LIBRARY = ("Item", "BomRevision", "EngineeringChange", "ItemCost")
"""The aggregates that belong to the company and to no project."""

_SCOPES: Mapping[str, Mapping[type[Keyed], Callable[[Scope], Predicate]]] = {
    "project": {
        OrderRow: lambda scope: _in_projects(_ORDER.c.project_id, scope),
        OrderLineRow: _child(_LINE, _in_projects_of),
        AssignmentRow: _child(_ASSIGNMENT, _in_projects_of),
        ProjectRow: lambda scope: _in_projects(_PROJECT.c.id, scope),
        WbsNodeRow: lambda scope: _in_projects(_WBS_NODE.c.project_id, scope),
        EventRow: lambda scope: _in_projects(_EVENT.c.project_id, scope),
    },
    "own_org": {
        OrderRow: lambda _: _order_in_own_org(_ORDER),
        OrderLineRow: _child(_LINE, lambda order, _: _order_in_own_org(order)),
        AssignmentRow: lambda _: exists(
            select(1)
            .where(_USER.c.id == _ASSIGNMENT.c.user_id, _USER.c.organization_id == _organization())
            .correlate(_ASSIGNMENT)
        ),
        OrganizationRow: lambda _: _ORGANIZATION.c.id == _organization(),
        UserRow: lambda _: _USER.c.organization_id == _organization(),
        ProjectRow: lambda _: _parent("project_id", _PROJECT, _order_in_own_org),
        WbsNodeRow: lambda _: _parent("wbs_node_id", _WBS_NODE, _order_in_own_org),
        EventRow: lambda _: _event_of_order(_order_in_own_org),
    },
    "assigned": {
        OrderRow: lambda _: _order_assigned(_ORDER),
        OrderLineRow: _child(_LINE, lambda order, _: _order_assigned(order)),
        AssignmentRow: _child(_ASSIGNMENT, lambda order, _: _order_assigned(order)),
        ProjectRow: lambda _: _parent("project_id", _PROJECT, _order_assigned),
        WbsNodeRow: lambda _: _parent("wbs_node_id", _WBS_NODE, _order_assigned),
        EventRow: lambda _: _event_of_order(_order_assigned),
    },
    "library": {
        # Not IN, whose values SQLAlchemy writes when a statement is run: those of plans are finished before.
        EventRow: lambda _: or_(*(_EVENT.c.aggregate_type == each for each in _LIBRARY)),
    },
    "self": {
        UserRow: lambda _: _USER.c.id == _user(),
        AssignmentRow: lambda _: _ASSIGNMENT.c.user_id == _user(),
        NotificationRow: lambda _: _NOTIFICATION.c.user_id == _user(),
    },
}


def _before(*path: ColumnElement[str] | str) -> ColumnElement[str | None]:
    """Return what a field was before an event that changed it, as text; null where it wasn't set or didn't change."""
    return func.jsonb_extract_path_text(_EVENT.c.changes, func.concat(*path), "0", type_=Text())


_HELD_BEFORE: Mapping[str, Mapping[type[Keyed], Callable[[Scope], Predicate]]] = {
    "project": {
        OrderRow: lambda scope: _in_projects(sql_cast(_before("project"), Uuid()), scope),
    },
    "own_org": {
        OrderRow: lambda _: or_(
            *(_before(party) == sql_cast(_organization(), Text()) for party in ("contractor", "customer"))
        ),
    },
    "assigned": {
        OrderRow: lambda _: _before("assignments.", sql_cast(_user(), Text()), ".assignedAt").is_not(None),
    },
}
_INHERITED = frozenset(
    (where, row, parent, str(key))
    for row, parent, key, wheres in (
        # Their scopes are those of their order (`_child`), and the other way round.
        (OrderLineRow, OrderRow, _LINE.c.order_id, ("project", "own_org", "assigned")),
        (AssignmentRow, OrderRow, _ASSIGNMENT.c.order_id, ("project", "assigned")),
        (OrderRow, AssignmentRow, _ASSIGNMENT.c.order_id, ("project", "assigned")),
        # Theirs are that there is such an order; a project is also in the scope of its own id.
        (ProjectRow, OrderRow, _ORDER.c.project_id, ("project", "own_org", "assigned")),
        (WbsNodeRow, OrderRow, _ORDER.c.wbs_node_id, ("own_org", "assigned")),
    )
    for where in wheres
)

# Cost codes are the company's own vocabulary: they are seen by all of a role or by none.
assert all(CostCodeRow not in tables for tables in _SCOPES.values())
