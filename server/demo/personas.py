"""As whom can a visitor of the demo sign in?"""

from __future__ import annotations

from typing import NamedTuple

from server.demo.company import ORGANIZATION_BY_CODE, PEOPLE, Person


class Persona(NamedTuple):
    """A person of the demo company, ready to be printed: `role` names each role and where it is held."""

    username: str
    role: str
    organization: str


_SIGN_IN_AS = frozenset(
    (
        "admin",
        "director",
        "finance",
        "auditor",
        "pm",
        "engineer",
        "buyer",
        "foreman",
        "worker",
        "contractor",
        "contractor2",
        "customer",
    )
)


def _persona(person: Person) -> Persona:
    held = [role.value if project is None else f"{role.value} in {project}" for role, project in person.roles]
    return Persona(person.username, ", ".join(held), ORGANIZATION_BY_CODE[person.organization].name)


PERSONAS = tuple(_persona(person) for person in PEOPLE if person.username in _SIGN_IN_AS)
