"""How do tests reach into a running application? Through its gate, which nobody else opens."""

from __future__ import annotations

from resolvers.context import Runtime
from server.execution import Executor
from server.live import Gate
from tests.api import Api


def executor_of(api: Api) -> Executor:
    """Return what an application executes its operations with."""
    return _gate(api)._front_door._executor  # pyright: ignore[reportPrivateUsage]  # nobody else needs it


def runtime_of(api: Api) -> Runtime:
    """Return what all operations of an application share."""
    return _gate(api)._runtime  # pyright: ignore[reportPrivateUsage]  # nobody else needs it


def _gate(api: Api) -> Gate:
    gate: Gate = api.app.state.gate
    return gate
