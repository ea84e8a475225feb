"""Which rows does each `where` of the rules mean?

One function per `where` and table, each returning a SQL predicate over the table's row. Ids never stand in a predicate:
they are bind parameters, filled from the viewer (`Viewer.parameters`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Uuid, and_, any_, bindparam, exists, false, or_, select, true
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import aliased

from db.tables import (
    AssignmentRow,
    CostCodeRow,
    EventRow,
    Keyed,
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


def _order_in_own_org(order: type[OrderRow]) -> Predicate:
    return or_(order.contractor_id == _organization(), order.customer_id == _organization())


def _order_assigned(order: type[OrderRow]) -> Predicate:
    assignment = aliased(AssignmentRow)
    return exists(
        select(1).where(assignment.order_id == order.id, assignment.user_id == _user()).correlate(order)
    )


def _some_order(
    joined: Callable[[type[OrderRow]], Predicate],
    row: type[Keyed],
    inner: Callable[[type[OrderRow]], Predicate],
) -> Predicate:
    """Return: there is an order that is `joined` to the row and for which `inner` holds."""
    order = aliased(OrderRow)
    return exists(select(1).where(joined(order), inner(order)).correlate(row))


def _child(
    key: Any, row: type[Keyed], inner: Callable[[type[OrderRow], Scope], Predicate]
) -> Callable[[Scope], Predicate]:
    """Return the scope of a row that belongs to an order by `key`: that of its order."""
    return lambda scope: _some_order(lambda order: order.id == key, row, lambda order: inner(order, scope))


def _event_of_order(inner: Callable[[type[OrderRow]], Predicate]) -> Predicate:
    return and_(
        EventRow.aggregate_type == "Order",
        _some_order(lambda order: order.id == EventRow.aggregate_id, EventRow, inner),
    )


_SCOPES: Mapping[str, Mapping[type[Keyed], Callable[[Scope], Predicate]]] = {
    "project": {
        OrderRow: lambda scope: _in_projects(OrderRow.project_id.expression, scope),
        OrderLineRow: _child(
            OrderLineRow.order_id, OrderLineRow, lambda o, s: _in_projects(o.project_id.expression, s)
        ),
        AssignmentRow: _child(
            AssignmentRow.order_id, AssignmentRow, lambda o, s: _in_projects(o.project_id.expression, s)
        ),
        ProjectRow: lambda scope: _in_projects(ProjectRow.id.expression, scope),
        WbsNodeRow: lambda scope: _in_projects(WbsNodeRow.project_id.expression, scope),
        EventRow: lambda scope: _in_projects(EventRow.project_id.expression, scope),
    },
    "own_org": {
        OrderRow: lambda _: _order_in_own_org(OrderRow),
        OrderLineRow: _child(OrderLineRow.order_id, OrderLineRow, lambda o, _: _order_in_own_org(o)),
        AssignmentRow: lambda _: exists(
            select(1)
            .where(UserRow.id == AssignmentRow.user_id, UserRow.organization_id == _organization())
            .correlate(AssignmentRow)
        ),
        OrganizationRow: lambda _: OrganizationRow.id == _organization(),
        UserRow: lambda _: UserRow.organization_id == _organization(),
        ProjectRow: lambda _: _some_order(
            lambda o: o.project_id == ProjectRow.id, ProjectRow, _order_in_own_org
        ),
        WbsNodeRow: lambda _: _some_order(
            lambda o: o.wbs_node_id == WbsNodeRow.id, WbsNodeRow, _order_in_own_org
        ),
        EventRow: lambda _: _event_of_order(_order_in_own_org),
    },
    "assigned": {
        OrderRow: lambda _: _order_assigned(OrderRow),
        OrderLineRow: _child(OrderLineRow.order_id, OrderLineRow, lambda o, _: _order_assigned(o)),
        AssignmentRow: _child(AssignmentRow.order_id, AssignmentRow, lambda o, _: _order_assigned(o)),
        ProjectRow: lambda _: _some_order(
            lambda o: o.project_id == ProjectRow.id, ProjectRow, _order_assigned
        ),
        WbsNodeRow: lambda _: _some_order(
            lambda o: o.wbs_node_id == WbsNodeRow.id, WbsNodeRow, _order_assigned
        ),
        EventRow: lambda _: _event_of_order(_order_assigned),
    },
    "self": {
        UserRow: lambda _: UserRow.id == _user(),
        AssignmentRow: lambda _: AssignmentRow.user_id == _user(),
    },
}
_INHERITED = frozenset(
    (where, row, parent, str(key))
    for row, parent, key, wheres in (
        # Their scopes are those of their order (`_child`), and the other way round.
        (OrderLineRow, OrderRow, OrderLineRow.order_id.expression, ("project", "own_org", "assigned")),
        (AssignmentRow, OrderRow, AssignmentRow.order_id.expression, ("project", "assigned")),
        (OrderRow, AssignmentRow, AssignmentRow.order_id.expression, ("project", "assigned")),
        # Theirs are that there is such an order; a project is also in the scope of its own id.
        (ProjectRow, OrderRow, OrderRow.project_id.expression, ("project", "own_org", "assigned")),
        (WbsNodeRow, OrderRow, OrderRow.wbs_node_id.expression, ("own_org", "assigned")),
    )
    for where in wheres
)

# Cost codes are the company's own vocabulary: they are seen by all of a role or by none.
assert all(CostCodeRow not in tables for tables in _SCOPES.values())
