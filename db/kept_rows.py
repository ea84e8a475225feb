"""How are the rows of an aggregate read into objects, and what changed in them written back?

By statements that are made once for each table. SQLAlchemy's unit of work, which `db.sessions.WriteSession` offers, finds
out the same, and takes several times as long for it as PostgreSQL for the statements.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, Generic, TypeVar, cast
from uuid import UUID

from sqlalchemy import Row, Table, bindparam, delete, insert, update
from sqlalchemy.orm import class_mapper

from db.sessions import Transaction
from db.tables import Keyed

RowT = TypeVar("RowT", bound=Keyed)

# Any: a row's values are of whatever types its columns have.
Values = Mapping[str, Any]
"""A row's values by their columns' names."""


class KeptRows(Generic[RowT]):
    """The rows of one table that belong to one aggregate: as they were read, and as they shall be."""

    def __init__(self, table: KeptTable[RowT], before: Iterable[Values] = ()) -> None:
        self._table = table
        self._before: dict[UUID, Values] = {values["id"]: values for values in before}

    def objects(self) -> list[RowT]:
        """Return each row that was read as an object of its own, which knows no database."""
        return [self._table.made(values) for values in self._before.values()]

    async def replace(self, session: Transaction, rows: Iterable[RowT]) -> None:
        """Let the table hold these rows in place of those that were read: the difference is written."""
        added: list[Values] = []
        changed: defaultdict[tuple[str, ...], list[Values]] = defaultdict(list)
        gone = dict(self._before)
        for row in rows:
            values = self._table.values(row)
            before = gone.pop(row.id, None)
            if before is None:
                added.append(values)
                continue
            news = {name: value for name, value in values.items() if value != before[name]}
            if news:
                changed[tuple(news)].append({**news, _KEY: row.id})
        # What goes comes first: a new row may have a place that an old one had.
        await self._table.write(session, self._table.removal, [{_KEY: key} for key in gone])
        for alike in changed.values():
            await self._table.write(session, self._table.change, alike)
        await self._table.write(session, self._table.addition, added)


class KeptTable(Generic[RowT]):
    """A table whose rows are read and written so."""

    def __init__(self, kind: type[RowT]) -> None:
        self.table = cast("Table", kind.__table__)
        self._names = tuple(column.key for column in self.table.c)
        self._manager = class_mapper(kind).class_manager
        self._values = attrgetter(*self._names)
        is_meant = self.table.c.id == bindparam(_KEY)
        self.removal = delete(self.table).where(is_meant)
        self.change = update(self.table).where(is_meant)
        self.addition = insert(self.table)

    def read(self, found: Iterable[Row[Any]]) -> KeptRows[RowT]:
        """Return rows of `SELECT *` to be changed."""
        return KeptRows(self, [dict(zip(self._names, row, strict=True)) for row in found])

    def made(self, values: Values) -> RowT:
        """Return a row of these values."""
        # Its constructor would set one by one what a unit of work were to write.
        row: RowT = self._manager.new_instance()
        vars(row).update(values)
        return row

    def values(self, row: RowT) -> Values:
        """Return a row's values by their columns' names."""
        return dict(zip(self._names, self._values(row), strict=True))

    # Any: the values are of whatever types the columns have.
    def copy(self, row: RowT, **changed: Any) -> RowT:
        """Return another row of a row's values but those that are given."""
        return self.made({**self.values(row), **changed})

    async def write(self, session: Transaction, statement: Any, rows: Sequence[Values]) -> None:
        """Run a changing statement for each of the rows."""
        if rows:
            await session.execute(statement, rows if len(rows) > 1 else rows[0])


_KEY = "row_id"
"""The parameter that says which row; a parameter of a column's own name would be that column's new value."""
