"""Which roles are there? The only module that names them in code; what each may do stands in `rules.csv`."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """A role, held globally or in a project (POLICY, Roles)."""

    ADMIN = "admin"
    DIRECTOR = "director"
    FINANCE = "finance"
    AUDITOR = "auditor"
    PROJECT_MANAGER = "project_manager"
    ENGINEER = "engineer"
    BUYER = "buyer"
    FOREMAN = "foreman"
    WORKER = "worker"
    CONTRACTOR = "contractor"
    CUSTOMER = "customer"
    PARTNER = "partner"


PROJECT_ROLES = frozenset({Role.PROJECT_MANAGER, Role.ENGINEER, Role.BUYER, Role.FOREMAN})
"""Roles that are held in projects. The others are held globally only: in one project, "any" would still be all rows."""

CLIENT_ROLE = Role.PARTNER
"""What every API client holds, and nobody else: it says that a program is asking, and grants nothing."""

PEOPLE_ONLY_ROLES = frozenset({Role.ADMIN})
"""Roles that no API client is given. Who grants access answers for it in person; a program that could would make of one
leaked secret every other right."""
