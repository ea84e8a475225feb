"""Is SQL for people the same SQL?"""

from __future__ import annotations

import re

import pytest

from server.sql_text import indented

NESTED = (
    "SELECT a.j AS \"j\", coalesce((SELECT 1 \nFROM x \nWHERE x.y IN ($1::UUID, f(2))), '()') \n"
    "FROM (SELECT array_agg(t.c ORDER BY t.c) AS j \nFROM t JOIN u ON u.id = t.id ORDER BY t.d \n LIMIT 5) AS a "
    "LEFT OUTER JOIN LATERAL (SELECT 'it''s  (FROM' AS q) AS b ON true"
)


def test_clauses_stand_on_lines_and_nested_selects_further_right() -> None:
    assert (
        indented(NESTED)
        == """\
SELECT a.j AS "j", coalesce((
  SELECT 1
  FROM x
  WHERE x.y IN ($1::UUID, f(2))
), '()')
FROM (
  SELECT array_agg(t.c ORDER BY t.c) AS j
  FROM t
  JOIN u ON u.id = t.id
  ORDER BY t.d
  LIMIT 5
) AS a
LEFT OUTER JOIN LATERAL (
  SELECT 'it''s  (FROM' AS q
) AS b ON true"""
    )


@pytest.mark.parametrize(
    "sql",
    [
        NESTED,
        "SELECT 1",
        "",
        """SELECT ' ''( ' AS "a "" ) b", E'\\n0'::json, '\n  two lines' """,
        "SELECT ((SELECT (SELECT 1)))",
    ],
)
def test_nothing_but_space_between_words_changes(sql: str) -> None:
    def words(text: str) -> list[str]:
        return re.findall(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|[()]|[^\s'"()]+""", text)

    assert words(indented(sql)) == words(sql)
