"""How is SQL written so that people can read it? The same words, on more lines."""

from __future__ import annotations

import re
from collections.abc import Sequence

_WORD = re.compile(
    r"""
    '(?:[^']|'')*' | "(?:[^"]|"")*"     # what is quoted stays as it is
    | [()] | \s+ | [^\s'"()]+
    """,
    re.VERBOSE,
)
_STEP = "  "
_CLAUSES = frozenset({"LEFT", "JOIN", "ORDER"})
"""Before which words a line begins; before the others SQLAlchemy has begun one already."""


def indented(sql: str) -> str:
    """Return a statement with each clause on a line, and each SELECT in parentheses further to the right."""
    words: list[str] = _WORD.findall(sql.strip())
    lines = [""]
    are_selects: list[bool] = []
    """For each parenthesis that is open, whether a SELECT stands in it."""

    for place, word in enumerate(words):
        if word == "(":
            are_selects.append(words[place + 1 : place + 2] == ["SELECT"])
            lines[-1] += word
            if are_selects[-1]:
                lines.append(_STEP * sum(are_selects))
        elif word == ")":
            if are_selects.pop():
                lines.append(_STEP * sum(are_selects))
            lines[-1] += word
        elif not word.isspace():
            lines[-1] += word
        elif "\n" in word or (all(are_selects[-1:]) and _begins_clause(words, place + 1)):
            lines.append(_STEP * sum(are_selects))
        else:
            lines[-1] += " "
    return "\n".join(line.rstrip() for line in lines)


def _begins_clause(words: Sequence[str], place: int) -> bool:
    return words[place] in _CLAUSES and words[place - 2] != "OUTER"
