"""May this object be named in a command? It must exist, be readable by the viewer, and be of the right sort.

All three answer `NotFound` with the path of the reference: what can't be read can't be told from what isn't there.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Select, select

from commands.execution import Workbench
from db.tables import CostCodeRow, OrganizationRow, UserRow, WbsNodeRow
from domain.errors import NotFound
from domain.parties import OrganizationKind


async def organization(
    bench: Workbench, key: UUID | None, kind: OrganizationKind, path: tuple[str, ...]
) -> UUID | None:
    """Return the key of an organization of `kind`, or of our own, which may stand in for any."""
    statement = select(OrganizationRow.id).where(
        OrganizationRow.id == key,
        OrganizationRow.kind.in_((kind, OrganizationKind.OWN)),
        bench.policy.rows("organization", OrganizationRow),
    )
    return await _required(bench, statement, key, kind.value.lower(), path)


async def wbs_node(
    bench: Workbench, key: UUID | None, project_id: UUID, path: tuple[str, ...]
) -> UUID | None:
    """Return the key of a WBS node of the project."""
    statement = select(WbsNodeRow.id).where(
        WbsNodeRow.id == key, WbsNodeRow.project_id == project_id, bench.policy.rows("wbs_node", WbsNodeRow)
    )
    return await _required(bench, statement, key, "WBS node of this project", path)


async def cost_code(bench: Workbench, key: UUID | None, path: tuple[str, ...]) -> UUID | None:
    """Return the key of a cost code."""
    statement = select(CostCodeRow.id).where(
        CostCodeRow.id == key, bench.policy.rows("cost_code", CostCodeRow)
    )
    return await _required(bench, statement, key, "cost code", path)


async def active_user(bench: Workbench, key: UUID, path: tuple[str, ...]) -> UUID:
    """Return the key of a user who is not disabled."""
    statement = select(UserRow.id).where(
        UserRow.id == key, UserRow.disabled_at.is_(None), bench.policy.rows("user", UserRow)
    )
    found = await _required(bench, statement, key, "user", path)
    assert found is not None, "a key was given"
    return found


async def _required(
    bench: Workbench, statement: Select[UUID], key: UUID | None, kind: str, path: tuple[str, ...]
) -> UUID | None:
    if key is None:
        return None
    if await bench.session.scalar(statement, bench.viewer.parameters) is None:
        raise NotFound(kind, path)
    return key
