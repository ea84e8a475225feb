"""What can one operation of one viewer read? The front door of all loaders.

A `Reads` lives for one operation, or for one event of a subscription: one viewer, one snapshot, loaders that remember
nothing beyond it.
"""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, TypeVar, cast

from sqlalchemy import Executable, RowMapping

from db.sessions import ReadSession
from loaders.batching import Batcher
from policies.bindings import Catalog, TypeBinding, catalog
from policies.compiler import Policy
from policies.viewer import Viewer

LoaderT = TypeVar("LoaderT", bound=Batcher[Any, Any])


class Reads:
    """One viewer's reading of one snapshot."""

    def __init__(
        self, viewer: Viewer, policy: Policy, session: ReadSession, *, largest_page: int = 100
    ) -> None:
        assert policy.shape == viewer.shape, "a policy serves viewers of its own shape only"
        self.viewer = viewer
        self.policy = policy
        self.session = session
        self.largest_page = largest_page
        self.catalog: Catalog = catalog
        self._loaders: dict[Hashable, Batcher[Any, Any]] = {}
        self._is_closed = False

    def binding(self, type_name: str) -> TypeBinding:
        """Return the binding of a type."""
        return self.catalog.types[type_name]

    async def fetch(
        self, statement: Executable, parameters: Mapping[str, object] | None = None
    ) -> Sequence[RowMapping]:
        """Return the rows of a statement, with the viewer's own values bound to its predicates."""
        if self._is_closed:
            # The answer is out, and what still asks is a field that failed beside it or was not selected. The session
            # would open a new connection for it, which nobody would ever give back.
            raise CancelledError
        return await self.session.fetch(statement, {**self.viewer.parameters, **(parameters or {})})

    def loader(self, key: Hashable, make: Callable[[], LoaderT]) -> LoaderT:
        """Return the loader known as `key`, made when it is first asked for."""
        found = self._loaders.get(key)
        if found is None:
            found = self._loaders[key] = make()
        return cast(LoaderT, found)

    async def close(self) -> None:
        """End the snapshot; what is asked from now on is cancelled."""
        self._is_closed = True
        await self.session.close()
