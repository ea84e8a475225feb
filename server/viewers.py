"""Who would this person be to the server, without signing in? For an operator at the command line.

The rights of whoever sends a token are left to `policies.grants`; a role that this version doesn't know grants nothing there and here.
"""

from __future__ import annotations

from sqlalchemy import bindparam, select

from db.engine import Database
from db.sessions import ReadSession
from db.tables import MembershipRow, UserRow
from domain.errors import InvalidInput, NotFound
from domain.identifiers import OrganizationId, UserId
from policies.roles import Role
from policies.viewer import Grant, Viewer

_ROLES = {role.value: role for role in Role}
_LOOKUP = (
    select(
        UserRow.id,
        UserRow.organization_id,
        UserRow.disabled_at,
        MembershipRow.role,
        MembershipRow.project_id,
    )
    .outerjoin(MembershipRow, MembershipRow.user_id == UserRow.id)
    .where(UserRow.username == bindparam("username"))
)


async def viewer_named(database: Database, username: str) -> Viewer:
    """Return a person with the roles held now, or an API client by its account's; scopes are its tokens' and not looked at.

    Raises `NotFound`, or `InvalidInput` DISABLED.
    """
    session = ReadSession(database.current)
    try:
        rows = await session.fetch(_LOOKUP, {"username": username})
    finally:
        await session.close()
    if not rows:
        raise NotFound("user", (username,))
    if rows[0]["disabled_at"] is not None:
        raise InvalidInput("DISABLED", "This account is disabled.", (username,))
    return Viewer(
        user_id=UserId(rows[0]["id"]),
        organization_id=OrganizationId(rows[0]["organization_id"]),
        session_id=None,
        grants=frozenset(
            Grant(_ROLES[row["role"]], row["project_id"]) for row in rows if row["role"] in _ROLES
        ),
    )
