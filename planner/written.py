"""How is SQL put together that SQLAlchemy needn't think about? Templates around parts, and rows under names of their own.

SQLAlchemy finds out which tables a SELECT is from, which columns a sub-select has and what they are called outside. Around
the rows of tables all of that is known beforehand, and finding it out again was most of what making a statement took. Only
what reads tables is a `Select`; JSON is made of its rows by the elements here. They are rendered by SQLAlchemy's
compiler like all others: a template is made of constants and of names that have letters, digits and underscores only
(GraphQL, section 2.1.9), a label is quoted, and a value is always a parameter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ClauseElement, ColumnElement, FromClause, literal_column
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeEngine

DIALECT = asyncpg_dialect()
"""In which statements are rendered."""

_QUOTED = DIALECT.identifier_preparer.quote

LATERAL = "LATERAL ({0}) AS {1}"
SUBQUERY = "({0}) AS {1}"
FUNCTION = "{0}"
"""How rows stand in FROM; a function says its name itself."""


class Written(ColumnElement[Any]):
    """An expression: a template with a place for each part, all of them of columns of `Rows`, parameters or constants."""

    inherit_cache = False

    def __init__(self, template: str, parts: Sequence[ClauseElement], type_: TypeEngine[Any]) -> None:
        self.template = template
        self.parts = parts
        self.type = type_


class Rows(FromClause):
    """Rows under a name, whose columns are read by label."""

    inherit_cache = False

    def __init__(
        self, name: str, types: Mapping[str, TypeEngine[Any]], body: ClauseElement, form: str = SUBQUERY
    ) -> None:
        self.name = name
        self.types = types
        self.body = body
        self.form = form

    def __contains__(self, label: str) -> bool:
        """Return whether there is a column of this label."""
        return label in self.types

    def __getitem__(self, label: str) -> ColumnElement[Any]:
        """Return a column."""
        return literal_column(f"{self.name}.{_QUOTED(label)}", self.types[label])


class Joined(FromClause):
    """Rows with all that hangs on each of them."""

    inherit_cache = False

    def __init__(self, rows: Rows, joins: Sequence[Rows]) -> None:
        self.rows = rows
        self.joins = joins


class Made(ClauseElement):
    """A SELECT of expressions over rows, or over none."""

    inherit_cache = False

    def __init__(
        self,
        columns: Mapping[str, ColumnElement[Any]],
        source: Joined | Rows | None,
        *,
        where: ColumnElement[bool] | None = None,
        limit: ColumnElement[int] | None = None,
    ) -> None:
        self.columns = columns
        self.source = source
        self.where = where
        self.limit = limit

    def named(self, name: str, form: str = LATERAL) -> Rows:
        """Return its rows under a name."""
        return Rows(name, {label: column.type for label, column in self.columns.items()}, self, form)


@compiles(Written)
def _written_sql(element: Written, compiler: SQLCompiler, **_options: Any) -> str:
    return element.template.format(*[compiler.process(part) for part in element.parts])


@compiles(Rows)
def _rows_sql(rows: Rows, compiler: SQLCompiler, **_options: Any) -> str:
    return rows.form.format(compiler.process(rows.body, asfrom=True), rows.name)


@compiles(Joined)
def _joined_sql(joined: Joined, compiler: SQLCompiler, **_options: Any) -> str:
    return " LEFT OUTER JOIN ".join(
        [compiler.process(joined.rows), *(f"{compiler.process(join)} ON true" for join in joined.joins)]
    )


@compiles(Made)
def _made_sql(made: Made, compiler: SQLCompiler, **_options: Any) -> str:
    columns = ", ".join(
        f"{compiler.process(column)} AS {_QUOTED(label)}" for label, column in made.columns.items()
    )
    clauses = [f"SELECT {columns}"]
    for word, part in (("FROM", made.source), ("WHERE", made.where), ("LIMIT", made.limit)):
        if part is not None:
            clauses.append(f"{word} {compiler.process(part)}")
    return " \n".join(clauses)
