"""Which failures of the database does a caller hear of, and as what?

A store that can't be reached and a time limit that ran out become `Unavailable`; everything else is our own mistake
and stays what it is.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from domain.errors import TIMEOUT, Unavailable

_QUERY_CANCELED = "57014"
_LOCK_NOT_AVAILABLE = "55P03"
_RETRYABLE = frozenset({"40001", "40P01"})
_CONNECTION_CLASSES = ("08", "57P", "53")


def sqlstate(error: DBAPIError) -> str:
    """Return the five-character SQLSTATE, empty where the driver gave none."""
    return str(getattr(error.orig, "sqlstate", None) or "")


def is_retryable(error: DBAPIError) -> bool:
    """Return whether the very same transaction may succeed when it is run again (deadlock, serialization)."""
    return sqlstate(error) in _RETRYABLE


def slow() -> Unavailable:
    """Return what a time limit of the database is told as."""
    return Unavailable("The database took too long; try again.", code=TIMEOUT)


@contextmanager
def translated() -> Generator[None]:
    """Turn lost connections and time limits into `Unavailable`; what may be run again stays what it is."""
    try:
        yield
    except (PoolTimeoutError, OSError, TimeoutError) as error:
        raise Unavailable from error
    except DBAPIError as error:
        state = sqlstate(error)
        if state in _RETRYABLE:
            raise
        if state in (_QUERY_CANCELED, _LOCK_NOT_AVAILABLE):
            raise slow() from error
        lost = error.connection_invalidated or isinstance(error, InterfaceError | OperationalError)
        if lost or state.startswith(_CONNECTION_CLASSES):
            raise Unavailable from error
        raise
