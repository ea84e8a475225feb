"""What does a loader give to a resolver? One row of a type, as this viewer may see it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping


class Record:
    """A row of the type `type_name`: field names to masked values, to-one fields to the key of their target."""

    __slots__ = ("type_name", "values")

    # Any: the values are as various as the columns' types; the schema's scalars check them on the way out.
    def __init__(self, type_name: str, values: Mapping[str, Any] | RowMapping) -> None:
        self.type_name = type_name
        self.values = values

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    @property
    def key(self) -> UUID:
        """Return the row's id."""
        return self.values["id"]


class WrittenRecord(Record):
    """A row that the database has written as JSON already: for each response key what was asked of it there."""

    __slots__ = ("written",)

    def __init__(self, type_name: str, key: UUID, written: Mapping[str, Any]) -> None:
        super().__init__(type_name, {"id": key})
        self.written = written
