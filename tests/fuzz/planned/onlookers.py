"""Who looks? Viewers of every shape: no role, one, several, all; globally, in projects, both; outsiders, programs."""

from __future__ import annotations

import random
from collections.abc import Iterable
from uuid import UUID

from domain.identifiers import ClientId, OrganizationId, UserId
from policies.roles import CLIENT_ROLE, PROJECT_ROLES, Role
from policies.viewer import ClientPass, Grant, OperationScope, Viewer
from tests.fuzz.planned.company import Company
from tests.fuzz.planned.odd_values import new_key


def onlookers(chance: random.Random, company: Company, count: int) -> list[Viewer]:
    """Return viewers, the first of whom holds all roles everywhere.

    A third of them share their shape with the one before and differ in every id.
    """
    everywhere = frozenset(Grant(role, None) for role in Role)
    found = [_person(chance, company, everywhere)]
    while len(found) < count:
        earlier = found[-1]
        if chance.random() < 1 / 3:
            found.append(_person(chance, company, _moved(chance, company, earlier.grants)))
        else:
            found.append(_person(chance, company, _grants(chance, company)))
    return found


def _person(chance: random.Random, company: Company, grants: frozenset[Grant]) -> Viewer:
    user = chance.choice(company.rows["User"])
    # Somebody whose organization has no orders sees little, so that it may also be another one.
    organization = chance.choice((user["organization_id"], chance.choice(company.keys("Organization"))))
    is_program = Grant(CLIENT_ROLE, None) in grants and chance.random() < 0.8
    program = ClientPass(ClientId(new_key(chance)), frozenset(OperationScope), may_send_text=True)
    return Viewer(
        UserId(user["id"]),
        OrganizationId(organization),
        None,
        grants,
        program if is_program else None,
    )


def _grants(chance: random.Random, company: Company) -> frozenset[Grant]:
    roles = list(Role)
    chosen = chance.sample(roles, chance.choice((0, 1, 1, 1, 1, 2, 2, 3, 4, chance.randint(0, len(roles)))))
    return frozenset(grant for role in chosen for grant in _held(chance, company, role))


def _held(chance: random.Random, company: Company, role: Role) -> Iterable[Grant]:
    # A role that is held globally only may still stand with a project in the database.
    if chance.random() < (0.25 if role in PROJECT_ROLES else 0.9):
        yield Grant(role, None)
        if chance.random() < 0.9:
            return
    for project in _projects(chance, company):
        yield Grant(role, project)


def _projects(chance: random.Random, company: Company) -> list[UUID]:
    return chance.sample(company.keys("Project"), chance.choice((1, 1, 2, 3)))


def _moved(chance: random.Random, company: Company, grants: frozenset[Grant]) -> frozenset[Grant]:
    """Return the grants of the same shape, in other projects."""
    found = {grant for grant in grants if grant.project_id is None}
    for role in sorted({grant.role for grant in grants if grant.project_id is not None}):
        found |= {Grant(role, project) for project in _projects(chance, company)}
    return frozenset(found)
