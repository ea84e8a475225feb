"""Which personas may a visitor become with the password that everybody knows?

Those of the demo company itself, as long as nobody has set them another password or disabled them: in a database that
holds somebody else's company nobody is offered, even where a username is the same.
"""

from __future__ import annotations

from sqlalchemy import exists, select

from db.engine import Database
from db.sessions import ReadSession
from db.tables import EventRow, UserRow
from server.demo.company import PERSON_BY_USERNAME
from server.demo.personas import PERSONAS, Persona


async def offered_personas(database: Database) -> tuple[Persona, ...]:
    """Return the personas whose password is the demo's, in their usual order; raise `Unavailable`."""
    # The demo's ids are its own; a password's hash would not do, for it is renewed at the first sign-in.
    known = {PERSON_BY_USERNAME[persona.username].id: persona for persona in PERSONAS}
    was_set = exists().where(EventRow.aggregate_id == UserRow.id, EventRow.type == "PasswordSet")
    statement = select(UserRow.id).where(UserRow.id.in_(known), UserRow.disabled_at.is_(None), ~was_set)
    session = ReadSession(database.read)
    try:
        found = {row["id"] for row in await session.fetch(statement, {})}
    finally:
        await session.close()
    return tuple(persona for each, persona in known.items() if each in found)
