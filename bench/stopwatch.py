"""How long does each part of a request take? Functions of the running program are timed, without the parts inside of them.

One request at a time: what begins inside of a part has ended before it does. What other tasks do beside it, the relay of
events for one, is not counted.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from inspect import iscoroutinefunction
from typing import Any, NamedTuple

_inner: ContextVar[list[int] | None] = ContextVar("inner", default=None)
"""Nanoseconds inside of each part that is open, the innermost last; null in tasks that are not counted."""


class Part(NamedTuple):
    """A function of a class or module, and what its time is counted as."""

    label: str
    # Any: whatever has functions.
    owner: Any
    name: str


class Stopwatch:
    """Counts the microseconds of parts."""

    def __init__(self) -> None:
        self._spent: dict[str, int] = {}

    @contextmanager
    def counting(self) -> Generator[None]:
        """Count what this task does, and the tasks that it begins, for as long as the context is open."""
        token = _inner.set([0])
        try:
            yield
        finally:
            _inner.reset(token)

    @contextmanager
    def on(self, parts: Sequence[Part]) -> Generator[None]:
        """Time these parts for as long as the context is open."""
        with ExitStack() as stack:
            for part in parts:
                stack.enter_context(self._timing(part))
            yield

    def taken(self) -> dict[str, float]:
        """Return the microseconds of each label since this was last asked."""
        spent, self._spent = self._spent, dict.fromkeys(self._spent, 0)
        return {label: nanoseconds / 1000 for label, nanoseconds in spent.items()}

    @contextmanager
    def _timing(self, part: Part) -> Generator[None]:
        function = getattr(part.owner, part.name)
        self._spent[part.label] = 0
        timed = self._awaited if iscoroutinefunction(function) else self._called
        setattr(part.owner, part.name, timed(function, part.label))
        try:
            yield
        finally:
            setattr(part.owner, part.name, function)

    # Any: whatever the function takes and gives.
    def _called(self, function: Callable[..., Any], label: str) -> Callable[..., Any]:
        @functools.wraps(function)
        def timed(*arguments: Any, **named: Any) -> Any:
            inner, began = _begun()
            try:
                return function(*arguments, **named)
            finally:
                self._end(label, inner, began)

        return timed

    def _awaited(self, function: Callable[..., Any], label: str) -> Callable[..., Any]:
        @functools.wraps(function)
        async def timed(*arguments: Any, **named: Any) -> Any:
            inner, began = _begun()
            try:
                return await function(*arguments, **named)
            finally:
                self._end(label, inner, began)

        return timed

    def _end(self, label: str, inner: list[int] | None, began: int) -> None:
        if inner is not None:
            passed = time.perf_counter_ns() - began
            self._spent[label] += passed - inner.pop()
            inner[-1] += passed


def _begun() -> tuple[list[int] | None, int]:
    inner = _inner.get()
    if inner is not None:
        inner.append(0)
    return inner, time.perf_counter_ns()
