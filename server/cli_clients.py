"""Which commands does `eoms client` have?

Each calls one function of `server.clients` and prints what it did. A secret goes to stdout once and nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from server.cli_frame import err, out, stores

if TYPE_CHECKING:
    from commands.clients import NewSecret
    from server.clients import ListedClient, ListedSecret

client_app = typer.Typer(help="Programs that call the API.", no_args_is_help=True)

_STANDARD_SCOPES = ("read",)
_WIDEST_TABLE = 10_000
"""As wide as it has to be, whatever the terminal: an id that is cut off is none."""

_COLUMNS = ("id", "name", "organization", "roles", "scopes", "sends", "secrets", "state")

Client = Annotated[str, typer.Argument(metavar="NAME", help="The client's id.")]
Scopes = Annotated[
    list[str] | None,
    typer.Option("--scope", metavar="SCOPE", help="read, write or subscribe; repeatable."),
]


@client_app.command("add")
def add(
    username: Client,
    name: Annotated[str, typer.Option(help="The name that people read.")],
    organization: Annotated[str, typer.Option(help="The code of the organization whose program it is.")],
    roles: Annotated[
        list[str] | None,
        typer.Option(
            "--role", metavar="ROLE[@PROJECT]", help="A role, in a project by its code; repeatable."
        ),
    ] = None,
    scopes: Scopes = None,
    may_send_text: Annotated[
        bool, typer.Option("--text", help="Let it send documents that are not registered, too.")
    ] = False,
) -> None:
    """Let a program call the API; prints its id and its secret, which is shown only now."""
    from server.clients import NewClient, add_client

    client = NewClient(
        username, name, organization, tuple(scopes or _STANDARD_SCOPES), tuple(roles or ()), may_send_text
    )
    with stores() as (_, urls, steps):
        steps.finish()
        added = add_client(urls.database_url, client)
    _show(username, added)


@client_app.command("list")
def list_all() -> None:
    """Print every client with its roles, scopes, mode and the secrets that are good."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from server.clients import list_clients

    with stores() as (_, urls, steps):
        steps.finish()
        clients = list_clients(urls.database_url)
    table = Table(*_COLUMNS, box=None, pad_edge=False)
    now = datetime.now(UTC)
    for client in clients:
        table.add_row(*(Text(cell) for cell in _cells(client, now)))
    Console(width=_WIDEST_TABLE).print(table)


@client_app.command("rotate")
def rotate(
    username: Client,
    keep_hours: Annotated[
        int, typer.Option(min=0, max=720, help="For how long the earlier secret stays good.")
    ] = 24,
) -> None:
    """Make another secret, which is shown only now; the earlier one ends later, so that the program can change over."""
    from server.clients import rotate_secret

    with stores() as (_, urls, steps):
        steps.finish()
        rotated = rotate_secret(urls.database_url, username, timedelta(hours=keep_hours))
    _show(username, rotated)


@client_app.command("revoke")
def revoke(
    username: Client,
    secret: Annotated[str, typer.Option(metavar="ID", help="The secret's id, as `list` shows it.")],
) -> None:
    """End a secret at once, with all tokens that were got for it."""
    from server.clients import revoke_secret

    with stores() as (_, urls, steps):
        steps.finish()
        revoke_secret(urls.database_url, username, secret)
    _say(f"The secret of {username} is revoked.")


@client_app.command("disable")
def disable(username: Client) -> None:
    """Shut a client out at once; its secrets stay for the day it is enabled again."""
    from server.clients import disable_client

    with stores() as (_, urls, steps):
        steps.finish()
        disable_client(urls.database_url, username)
    _say(f"{username} is disabled.")


@client_app.command("enable")
def enable(username: Client) -> None:
    """Let a disabled client in again."""
    from server.clients import enable_client

    with stores() as (_, urls, steps):
        steps.finish()
        enable_client(urls.database_url, username)
    _say(f"{username} is enabled.")


@client_app.command("set")
def set_scopes_or_mode(
    username: Client,
    scopes: Scopes = None,
    may_send_text: Annotated[
        bool | None,
        typer.Option("--text/--no-text", help="Whether it may send documents that are not registered."),
    ] = None,
) -> None:
    """Set a client's scopes, all of them together, or its mode; counts from its next request on."""
    from server.clients import set_client

    with stores() as (_, urls, steps):
        steps.finish()
        set_client(urls.database_url, username, tuple(scopes or ()), may_send_text)
    _say(f"{username} is changed.")


def _show(username: str, new: NewSecret) -> None:
    typer.echo(f"id: {username}")
    typer.echo(f"secret: {new.secret}")
    err.print(
        f"Keep the secret now: it is not shown again. It is known as {new.secret_id} from here on.",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def _say(text: str) -> None:
    out.print(text, markup=False, highlight=False, soft_wrap=True)


def _cells(client: ListedClient, now: datetime) -> Sequence[str]:
    return (
        client.username,
        client.name,
        client.organization_code,
        "\n".join(client.roles),
        " ".join(client.scopes),
        "documents and text" if client.may_send_text else "documents",
        "\n".join(_secret(secret, now) for secret in client.secrets) or "none is good",
        "disabled" if client.is_disabled else "enabled",
    )


def _secret(secret: ListedSecret, now: datetime) -> str:
    parts = [str(secret.id), f"{_span(now - secret.created_at)} old"]
    if secret.expires_at is not None:
        parts.append(f"ends in {_span(secret.expires_at - now)}")
    used = secret.last_used_at
    parts.append("never used" if used is None else f"used {_span(now - used)} ago")
    return ", ".join(parts)


def _span(length: timedelta) -> str:
    minutes = max(int(length.total_seconds()) // 60, 0)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // (24 * 60)} d"
