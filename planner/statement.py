"""How does a SELECT become text that is sent again and again? With numbered parameters, and what fills them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BindParameter

from planner.written import DIALECT
from policies.bindings import AnySelect

# Any: parameters are of whatever types the columns are that they're compared with.
_Bind = Callable[[Any], Any]


@dataclass(frozen=True, eq=False)
class Statement:
    """SQL with numbered parameters, and how their values are made of named ones."""

    sql: str
    names: tuple[str, ...]
    binds: tuple[_Bind | None, ...]
    constants: Mapping[str, Any]

    def arguments(self, values: Mapping[str, Any]) -> list[Any]:
        """Return the values in the statement's order, as the driver takes them."""
        found = {**self.constants, **values}
        return [
            found[name] if bind is None else bind(found[name])
            for name, bind in zip(self.names, self.binds, strict=True)
        ]


def rendered(select: AnySelect, constants: Mapping[str, Any]) -> Statement:
    """Return a SELECT as text with numbered parameters; literals in it are parameters too, with `constants` by name."""
    compiled = select.compile(dialect=DIALECT)
    names = tuple(compiled.positiontup or ())
    binds: dict[str, BindParameter[Any]] = compiled.binds
    return Statement(
        compiled.string,
        names,
        tuple(binds[name].type.dialect_impl(DIALECT).bind_processor(DIALECT) for name in names),
        {**constants, **{name: binds[name].effective_value for name in names if not binds[name].required}},
    )
