"""How is an object named, inside and outside?

Inside, an object has a UUID (version 7, so that ids sort by creation). Outside, it has a global id, readable and
typed: `Order:0198c5f2-…`.
"""

from __future__ import annotations

import re
from typing import NewType
from uuid import UUID

from domain.errors import MalformedRequest

UserId = NewType("UserId", UUID)
OrganizationId = NewType("OrganizationId", UUID)
ProjectId = NewType("ProjectId", UUID)
OrderId = NewType("OrderId", UUID)
SessionId = NewType("SessionId", UUID)
ClientId = NewType("ClientId", UUID)
SecretId = NewType("SecretId", UUID)

_GLOBAL_ID = re.compile(
    r"([A-Z][A-Za-z]{1,39}):([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"
)


def global_id(type_name: str, key: UUID) -> str:
    """Return `Type:uuid`."""
    return f"{type_name}:{key}"


def parse_global_id(text: str) -> tuple[str, UUID]:
    """Return (type name, key); raise `MalformedRequest` MALFORMED_ID."""
    match = _GLOBAL_ID.fullmatch(text)
    if match is None:
        raise MalformedRequest("MALFORMED_ID", "An id looks like Type:uuid, as the API gave it.")
    return match.group(1), UUID(match.group(2))


def parse_key(text: str, type_name: str) -> UUID:
    """Return the key of a global id that must be of `type_name`; raise `MalformedRequest` MALFORMED_ID."""
    found, key = parse_global_id(text)
    if found != type_name:
        raise MalformedRequest("MALFORMED_ID", f"An id of {type_name} is expected here.")
    return key


def field_name(type_name: str) -> str:
    """Return what a field is called that holds an object of a type: `engineeringChange`."""
    return type_name[:1].lower() + type_name[1:]
