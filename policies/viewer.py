"""Who is looking, and of which shape is he?

A *viewer* is a signed-in person with the roles he holds now. A viewer's *shape* is the same without any id: which
roles, globally or in projects. Statements are compiled per shape, a handful for all users; the ids are bind parameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from uuid import UUID

from domain.identifiers import ClientId, OrganizationId, SessionId, UserId
from policies.roles import Role


@dataclass(frozen=True, slots=True, order=True)
class HeldRole:
    """A role, and whether it is held globally (for every project) or in projects."""

    role: Role
    is_global: bool


ViewerShape = frozenset[HeldRole]


class OperationScope(StrEnum):
    """A kind of operation that an API client may be given (RFC 6749, section 3.3, calls it a scope)."""

    READ = "read"
    WRITE = "write"
    SUBSCRIBE = "subscribe"


@dataclass(frozen=True, slots=True)
class ClientPass:
    """That a program is asking, not a person, and what bounds it beside its roles."""

    client_id: ClientId
    scopes: frozenset[OperationScope]
    may_send_text: bool


@dataclass(frozen=True, slots=True)
class Grant:
    """One membership: a role, in a project or globally (`project_id` null)."""

    role: Role
    project_id: UUID | None


@dataclass(frozen=True)
class Viewer:
    """A signed-in person, or an API client (`client`). Immutable: when the grants change, the next request gets another."""

    user_id: UserId
    organization_id: OrganizationId
    session_id: SessionId | None
    grants: frozenset[Grant] = field(default_factory=frozenset[Grant])
    client: ClientPass | None = None
    ends_at: datetime | None = field(default=None, compare=False)
    """When the session or the client's secret ends by itself, of which nobody is told (UTC)."""

    @cached_property
    def shape(self) -> ViewerShape:
        """Return the roles held, without ids; a role held globally and in projects counts as global."""
        everywhere = {grant.role for grant in self.grants if grant.project_id is None}
        return frozenset(HeldRole(grant.role, grant.role in everywhere) for grant in self.grants)

    @cached_property
    def sorted_grants(self) -> tuple[Grant, ...]:
        """Return the grants by role and project."""
        return tuple(sorted(self.grants, key=lambda grant: (grant.role, str(grant.project_id))))

    @cached_property
    def parameters(self) -> Mapping[str, UUID | list[UUID]]:
        """Return the values of every bind parameter that a predicate of this viewer's shape can name."""
        projects = {
            project_parameter(held.role): sorted(
                grant.project_id
                for grant in self.grants
                if grant.role is held.role and grant.project_id is not None
            )
            for held in self.shape
            if not held.is_global
        }
        return {USER_PARAMETER: self.user_id, ORGANIZATION_PARAMETER: self.organization_id, **projects}


USER_PARAMETER = "viewer_user_id"
ORGANIZATION_PARAMETER = "viewer_organization_id"


def project_parameter(role: Role) -> str:
    """Return the name of the parameter that holds the projects in which the viewer holds `role`."""
    return f"projects_of_{role.value}"
