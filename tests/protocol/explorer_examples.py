"""Which examples does the explorer offer, to whom, and with which variables? Read from its files as the page reads them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).parents[2] / "explorer" / "examples"
EVERYBODY = "everybody"
_FIND = ".find.graphql"


@dataclass(frozen=True)
class Example:
    """A document for whoever holds the role; `find` is the query whose leaves are its variables."""

    name: str
    role: str
    title: str
    sentence: str
    document: str
    find: str | None

    def __str__(self) -> str:
        return self.name


def examples() -> list[Example]:
    """Return all of them, by name."""
    paths = sorted(path for path in EXAMPLES.rglob("*.graphql") if not path.name.endswith(_FIND))
    return [_example(path) for path in paths]


# Any: a leaf is whatever the query asked for.
def leaves(value: Any) -> dict[str, Any]:
    """Return every leaf of an answer by its name, the first of each name."""
    found: dict[str, Any] = {}
    _collect(value, "", found)
    return found


def _example(path: Path) -> Example:
    lines = path.read_text("utf-8").splitlines()
    count = next(index for index, line in enumerate(lines) if not line.startswith("#"))
    title, *sentence = [line.removeprefix("#").strip() for line in lines[:count]]
    find = path.with_name(path.name.replace(".graphql", _FIND))
    return Example(
        name=path.relative_to(EXAMPLES).as_posix(),
        role=path.parent.name,
        title=title,
        sentence=" ".join(sentence),
        document="\n".join(lines[count:]).strip(),
        find=find.read_text("utf-8") if find.exists() else None,
    )


def _collect(value: Any, name: str, found: dict[str, Any]) -> None:
    if isinstance(value, list):
        for each in value:  # pyright: ignore[reportUnknownVariableType]  # JSON
            _collect(each, name, found)
    elif isinstance(value, dict):
        for key, each in value.items():  # pyright: ignore[reportUnknownVariableType]  # JSON
            _collect(each, str(key), found)  # pyright: ignore[reportUnknownArgumentType]
    elif value is not None:
        found.setdefault(name, value)
