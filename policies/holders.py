"""Who may take a deed on an order? The rules, read from their other end: from an order to the people.

A viewer's predicates (`policies.scope`) say on which orders he may do it. This says the same of one order for everybody, to
tell those who are asked to act.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache

from sqlalchemy import ColumnElement, FromClause, and_, bindparam, exists, false, or_, select, true

from db.tables import AssignmentRow, MembershipRow, OrderRow, UserRow
from policies.bindings import AnySelect
from policies.roles import Role
from policies.rules import Rulebook

_ASSIGNMENT, _MEMBERSHIP = AssignmentRow.__table__, MembershipRow.__table__
_ORDER, _USER = OrderRow.__table__, UserRow.__table__

_HOLDS: Mapping[str, Callable[[FromClause], ColumnElement[bool]]] = {
    "any": lambda _: true(),
    "project": lambda membership: or_(
        membership.c.project_id.is_(None), membership.c.project_id == _ORDER.c.project_id
    ),
    "own_org": lambda _: or_(
        _USER.c.organization_id == _ORDER.c.contractor_id, _USER.c.organization_id == _ORDER.c.customer_id
    ),
    "assigned": lambda _: exists(
        select(1)
        .where(_ASSIGNMENT.c.order_id == _ORDER.c.id, _ASSIGNMENT.c.user_id == _USER.c.id)
        .correlate(_ORDER, _USER)
    ),
}


@lru_cache(maxsize=100)
def holders(rulebook: Rulebook, deed: str, *, beyond: str | None = None) -> AnySelect:
    """Return the SELECT of (user_id, goes_beyond): whoever may do `deed` on the order with the id `:order_id`.

    `goes_beyond` says whether he may do `beyond` there, too. Accounts that are disabled hold nothing.
    """
    goes_beyond = false() if beyond is None else _holds(rulebook, beyond)
    return (
        select(_USER.c.id.label("user_id"), goes_beyond.label("goes_beyond"))
        .join_from(_ORDER, _USER, true())
        .where(_ORDER.c.id == bindparam("order_id"), _USER.c.disabled_at.is_(None), _holds(rulebook, deed))
    )


def _holds(rulebook: Rulebook, deed: str) -> ColumnElement[bool]:
    """Return whether a role that the user has grants a deed on the order."""
    membership = _MEMBERSHIP.alias()
    grants = [
        and_(membership.c.role == role.value, _HOLDS[where](membership))
        for role in Role
        for where in sorted(rulebook.wheres(role, "order", deed))
    ]
    of_user = membership.c.user_id == _USER.c.id
    return exists(select(1).where(of_user, or_(false(), *grants)).correlate(_ORDER, _USER))
