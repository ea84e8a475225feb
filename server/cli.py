"""Which commands does `eoms` have?

Each is a few lines: settings, stores, and a call of the module that does the work.
"""

import asyncio
import sys
from typing import Annotated

import typer
from rich.progress import MofNCompleteColumn, Progress

from server.cli_clients import client_app
from server.cli_documents import documents_app
from server.cli_explain import explain
from server.cli_frame import configured_settings, err, migrated_stores, out, reported, stores
from server.serve import serve as serve_until_stopped

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
app.add_typer(client_app, name="client")
app.add_typer(documents_app, name="documents")
app.add_typer(policy_app, name="policy")
app.add_typer(events_app, name="events")
app.command("explain")(explain)

Username = Annotated[str, typer.Argument(help="The name to sign in with.")]


@app.command()
def serve() -> None:
    """Start the stores, bring the schema up to date and serve until Ctrl-C."""
    with reported():
        serve_until_stopped(configured_settings(), out)


@app.command()
def migrate() -> None:
    """Bring the database to the newest schema."""
    with migrated_stores():
        pass
    out.print("The database has the newest schema.")


@app.command()
def demo() -> None:
    """Load the demo company, unless the database holds anything already."""
    from server.demo import load_demo

    with migrated_stores() as (_, urls, steps):
        loaded = load_demo(urls.database_url, steps.begin)
        steps.finish()
    found = "The demo company is loaded" if loaded.is_new else "The database holds data already, as it was"
    out.print(
        f"{found}: {loaded.order_count:,} orders in {loaded.project_count} projects, {loaded.user_count} people,"
        f" {loaded.event_count:,} events.",
        highlight=False,
        soft_wrap=True,
    )


@app.command()
def seed(
    orders: Annotated[int, typer.Option(min=1, max=4_000_000, help="How many orders.")] = 100_000,
    lines: Annotated[int, typer.Option(min=0, max=1000, help="Lines of each order.")] = 10,
) -> None:
    """Fill the database with many orders, for measuring."""
    from server.seed import seed as fill

    with migrated_stores() as (_, urls, steps):
        steps.finish()
        with Progress(*Progress.get_default_columns(), MofNCompleteColumn(), console=err) as progress:
            bar = progress.add_task("Orders", total=orders)
            fill(
                urls.database_url,
                orders,
                lines,
                lambda done, total: progress.update(bar, completed=done, total=total),
            )
    out.print(f"{orders:,} orders of {lines} lines each are there.", highlight=False)


@user_app.command("add")
def user_add(
    username: Username,
    name: Annotated[str, typer.Option(help="The name that people read.")],
    organization: Annotated[str, typer.Option(help="The code of the person's organization.")],
    roles: Annotated[
        list[str] | None,
        typer.Option(
            "--role", metavar="ROLE[@PROJECT]", help="A role, in a project by its code; repeatable."
        ),
    ] = None,
    email: Annotated[str | None, typer.Option(help="An e-mail address.")] = None,
    phone: Annotated[str | None, typer.Option(help="A telephone number.")] = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from stdin's first line, don't ask.")
    ] = False,
) -> None:
    """Make an account that can sign in, with the roles it holds; asks for its password."""
    from server.accounts import NewAccount, add_user

    password = sys.stdin.readline().rstrip("\r\n") if password_stdin else _asked_password()
    account = NewAccount(username, name, organization, password, email, phone, tuple(roles or ()))
    with stores() as (_, urls, steps):
        steps.finish()
        add_user(urls.database_url, account)
    out.print(f"{username} can sign in.", markup=False, highlight=False)


@app.command()
def token(username: Username) -> None:
    """Print an access token of a new session of an account, for scripts."""
    from server.accounts import issue_token

    with stores() as (settings, urls, steps):
        steps.finish()
        typer.echo(issue_token(settings, urls.database_url, username))


@app.command()
def watch(
    username: Username,
    password: Annotated[
        str, typer.Option(prompt=True, hide_input=True, help="Asked for where it isn't given.")
    ],
) -> None:
    """Follow the orders of a running server, as this person sees them, until Ctrl-C."""
    from server.watch import watch as follow

    with reported():
        settings = configured_settings()
        follow(f"http://{settings.host}:{settings.port}", username, password, out)


@policy_app.command("check")
def policy_check() -> None:
    """Check the rules and the schema against each other, as the server does when it starts."""
    from policies.bindings import CatalogError
    from policies.rules import RulesError, load_rules

    try:
        load_rules()
        # Declaring the schema already asks the rules who sees what, so it is imported after they were found sound.
        from schema.build import build_schema

        build_schema()
    except (RulesError, CatalogError) as error:
        err.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1) from error
    out.print("The rules are sound and know every type and field of the schema.")


@policy_app.command("table")
def policy_table() -> None:
    """Print who sees and does what, as Markdown."""
    from policies.rules import RulesError
    from policies.table import render

    try:
        typer.echo(render(), nl=False)
    except RulesError as error:
        err.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1) from error


@events_app.command("verify")
def events_verify() -> None:
    """Check every chain of events, its row, the feed and the numbers; ends with 1 where something is wrong."""
    from server.verify import verify_events

    with stores() as (_, urls, steps):
        steps.finish()
        result = asyncio.run(verify_events(urls.database_url, steps.begin))
        steps.finish()
    for finding in result.findings:
        out.print(finding, markup=False, highlight=False, soft_wrap=True)
    checked = ", ".join(f"{count:,} × {name}" for name, count in sorted(result.aggregate_counts.items()))
    verdict = "no findings" if result.is_clean else f"{len(result.findings):,} findings"
    out.print(
        f"{result.event_count:,} events checked ({checked or 'of nothing'}): {verdict}.",
        highlight=False,
        soft_wrap=True,
    )
    if not result.is_clean:
        raise typer.Exit(1)


def _asked_password() -> str:
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
