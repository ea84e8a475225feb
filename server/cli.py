"""Which commands does `eoms` have?

Each is a few lines: settings, stores, and a call of the module that does the work.
"""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from server.logging import configure_logging
from server.serve import ServeError, Steps
from server.serve import serve as serve_until_stopped
from server.settings import Settings, SettingsError, load_settings
from server.stores import StoreError, StoreUrls, running_stores

app = typer.Typer(
    help="EOMS, engineering orders behind one GraphQL API.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
user_app = typer.Typer(help="Accounts.", no_args_is_help=True)
policy_app = typer.Typer(help="Who may see and do what.", no_args_is_help=True)
events_app = typer.Typer(help="The event log.", no_args_is_help=True)
app.add_typer(user_app, name="user")
app.add_typer(policy_app, name="policy")
app.add_typer(events_app, name="events")

out = Console()
err = Console(stderr=True)

Username = Annotated[str, typer.Argument(help="The name to sign in with.")]


@app.command()
def serve() -> None:
    """Start the stores, bring the schema up to date and serve until Ctrl-C."""
    with _reported():
        serve_until_stopped(_settings(), out)


@app.command()
def migrate() -> None:
    """Bring the database to the newest schema."""
    from db.migrate import upgrade

    with _stores() as (_, urls, steps):
        steps.begin("Bringing the database to the newest schema")
        upgrade(urls.database_url)


@app.command()
def demo() -> None:
    """Load the demo company, unless it is there already."""
    from server.demo import load_demo

    with _stores() as (_, urls, steps):
        load_demo(urls.database_url, steps.begin)


@app.command()
def seed(
    orders: Annotated[int, typer.Option(min=1, max=10_000_000, help="How many orders.")] = 100_000,
    lines: Annotated[int, typer.Option(min=0, max=1000, help="Lines of each order.")] = 10,
) -> None:
    """Fill the database with many orders, for measuring."""
    from server.seed import seed as fill

    with _stores() as (_, urls, steps):
        steps.finish()
        with Progress(console=err) as progress:
            bar = progress.add_task("Orders", total=orders)
            fill(
                urls.database_url,
                orders,
                lines,
                lambda done, total: progress.update(bar, completed=done, total=total),
            )


@user_app.command("add")
def user_add(
    username: Username,
    name: Annotated[str, typer.Option(prompt=True, help="The name that people read.")],
    password: Annotated[str, typer.Option(prompt=True, hide_input=True, confirmation_prompt=True)],
) -> None:
    """Make an account that can sign in and may do nothing yet."""
    from server.accounts import add_user

    with _stores() as (_, urls, _steps):
        add_user(urls, username, name, password)


@app.command()
def token(username: Username) -> None:
    """Print an access token for an account, for scripts."""
    from server.accounts import issue_token

    with _stores() as (settings, urls, steps):
        steps.finish()
        typer.echo(issue_token(settings, urls, username))


@policy_app.command("check")
def policy_check() -> None:
    """Load the rules as the server would and say what is wrong with them."""
    from policies.rules import RulesError, load_rules

    try:
        load_rules()
    except RulesError as error:
        err.print(str(error), style="red", markup=False, highlight=False)
        raise typer.Exit(1) from error
    out.print("The rules are sound.")


@policy_app.command("table")
def policy_table() -> None:
    """Print who sees and does what, as Markdown."""
    from policies.table import render

    typer.echo(render())


@events_app.command("verify")
def events_verify() -> None:
    """Check the hash chain of every aggregate; ends with 1 when one is broken."""
    from server.verify import verify_events

    with _stores() as (_, urls, steps):
        result = asyncio.run(verify_events(urls.database_url, steps.begin))
        steps.finish()
        for finding in result.findings:
            out.print(finding, markup=False, highlight=False)
        out.print(f"{result.event_count:,} events checked, {len(result.findings)} findings")
        if not result.is_clean:
            raise typer.Exit(1)


def _settings() -> Settings:
    settings = load_settings()
    configure_logging(settings)
    return settings


@contextmanager
def _reported() -> Generator[None]:
    """Say a known error in one clear message and end with 1."""
    try:
        yield
    except (ServeError, SettingsError, StoreError) as error:
        err.print("Error:", str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1) from error


@contextmanager
def _stores() -> Generator[tuple[Settings, StoreUrls, Steps]]:
    """Settings, running stores and progress for a command that works on the database.

    Progress goes to stderr, since stdout is the command's answer.
    """
    with _reported():
        settings = _settings()
        with Steps(err) as steps, running_stores(settings, steps.begin) as urls:
            yield settings, urls, steps
