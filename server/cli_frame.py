"""What do all commands of `eoms` share? Settings, running stores, progress, and errors told in one clear message."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import NoReturn

import typer
from rich.console import Console

from server.logging import configure_logging
from server.serve import ServeError, Steps
from server.settings import Settings, SettingsError, load_settings
from server.stores import StoreError, StoreUrls, running_stores

out = Console()
err = Console(stderr=True)

# PostgreSQL's undefined_table and undefined_column.
_SCHEMA_MISSING = ("42P01", "42703")


def configured_settings() -> Settings:
    """Return the settings of the environment, with the log set up as they say; raise `SettingsError`."""
    settings = load_settings()
    configure_logging(settings)
    return settings


@contextmanager
def reported() -> Generator[None]:
    """Say a known error in one clear message and end with 1."""
    try:
        yield
    except (ServeError, SettingsError, StoreError) as error:
        _fail(str(error), error)
    except Exception as error:
        # Looked up only now, so that a command that fails at once imports no more than it needs.
        if not isinstance(error, _known_errors()):
            raise
        _fail(_told(error), error)


def _fail(message: str, error: Exception) -> NoReturn:
    err.print("Error:", message, style="red", markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(1) from error


def _known_errors() -> tuple[type[Exception], ...]:
    """Return the errors whose message tells an operator all that he needs."""
    from sqlalchemy.exc import ProgrammingError

    from domain.errors import EomsError
    from policies.bindings import CatalogError
    from policies.rules import RulesError
    from server.seed import SeedError
    from server.watch import WatchError

    return (
        SeedError,
        EomsError,
        RulesError,
        CatalogError,
        ProgrammingError,
        WatchError,
    )


def _told(error: Exception) -> str:
    from sqlalchemy.exc import ProgrammingError

    from db.faults import sqlstate
    from domain.errors import Refusal

    match error:
        case ProgrammingError() if sqlstate(error) in _SCHEMA_MISSING:
            return "The database has no schema of EOMS, or an old one. Run: eoms migrate"
        case ProgrammingError():
            raise error
        case Refusal(path=(_, *_) as path):
            return f"{'.'.join(path)}: {error}"
        case _:
            return str(error)


@contextmanager
def stores() -> Generator[tuple[Settings, StoreUrls, Steps]]:
    """Settings, running stores and progress for a command that works on the database.

    Progress goes to stderr, since stdout is the command's answer.
    """
    with reported():
        settings = configured_settings()
        with Steps(err) as steps, running_stores(settings, steps.begin) as urls:
            from server.store_probe import reach_given_stores

            reach_given_stores(settings, steps.begin)
            yield settings, urls, steps


@contextmanager
def migrated_stores() -> Generator[tuple[Settings, StoreUrls, Steps]]:
    """The same with the newest schema, for a command that may be the first one on a database."""
    with stores() as (settings, urls, steps):
        from db.migrate import upgrade

        steps.begin("Bringing the database to the newest schema")
        upgrade(urls.database_url)
        yield settings, urls, steps
