"""How are short vocabularies listed: projects, organizations, people, cost codes?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Text

from loaders.cursors import SortKey
from loaders.questions import Listing, Parameters, contains, search_pattern
from policies.bindings import catalog
from policies.compiler import Policy


@dataclass(frozen=True)
class Vocabulary:
    """All readable rows of a type, sorted by a unique field, with a text in it or in the name."""

    type_name: str
    field: str
    search: str | None = None

    @property
    def shape(self) -> tuple[str, str, bool]:
        """Return what the listing's SQL depends on."""
        return self.type_name, self.field, self.search is not None

    @property
    def values(self) -> Mapping[str, object]:
        """Return the values of the listing's parameters; raise `MalformedRequest`."""
        return {} if self.search is None else {"search": search_pattern(self.search)}

    def listing(self, policy: Policy, parameters: Parameters) -> Listing:
        """Return the list."""
        binding = catalog.types[self.type_name]
        column, name = policy.masked(binding, self.field), policy.masked(binding, "name")
        pattern = parameters("search", Text())
        conditions = () if self.search is None else (contains(column, pattern) | contains(name, pattern),)
        keys = (SortKey(self.field, column), SortKey("id", binding.column("id")))
        return Listing(self.type_name, keys, conditions)
