"""Which commands does `eoms documents` have?

Each calls a function of `server.registered_documents` or `server.document_check` and prints what came of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from server.cli_frame import configured_settings, out, reported, stores

if TYPE_CHECKING:
    from graphql import GraphQLSchema

    from commands.documents import Registered
    from server.document_check import CheckedDocument, Finding
    from server.registered_documents import ListedDocument

documents_app = typer.Typer(help="Documents that API clients may send by their ids.", no_args_is_help=True)

_WIDEST_TABLE = 10_000
"""As wide as it has to be, whatever the terminal: an id that is cut off is none."""

_COLUMNS = ("client", "name", "id", "published", "calls", "last used", "by people", "last used by any")

Client = Annotated[str, typer.Argument(metavar="CLIENT", help="The client's id.")]


@documents_app.command("publish")
def publish(
    client: Client,
    manifest: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="A manifest of Apollo's, Relay's or the client preset's format, or a .graphql file.",
        ),
    ],
    prune: Annotated[
        bool, typer.Option("--prune", help="Retire the client's documents that it no longer has.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check it and say what would be done; keep nothing.")
    ] = False,
) -> None:
    """Let a client send the documents of a file; none of them where one is broken."""
    documents = _documents([manifest])
    with stores() as (settings, urls, steps):
        from server.document_check import limits_of
        from server.registered_documents import BrokenDocuments, publish_manifest

        steps.begin(f"Checking and publishing {len(documents):,} documents")
        schema = _schema()
        try:
            done = publish_manifest(
                urls.database_url,
                client,
                documents,
                schema,
                limits_of(settings),
                prune=prune,
                dry_run=dry_run,
            )
        except BrokenDocuments as broken:
            steps.finish()
            _say_all(broken.findings)
            raise
        steps.finish()
    _say_all(done.findings)
    for word, documents in (("new", done.published.new), ("revived", done.published.revived)):
        _say_each(word, documents)
    _say_each("retired", done.retired)
    counts = ", ".join(
        f"{len(documents):,} {word}"
        for word, documents in (
            ("new", done.published.new),
            ("revived", done.published.revived),
            ("unchanged", done.published.unchanged),
            ("retired", done.retired),
        )
    )
    _say(f"{client}: {counts}.{' Nothing was kept: this was a dry run.' if dry_run else ''}")


@documents_app.command("list")
def list_all(
    client: Annotated[str | None, typer.Argument(metavar="CLIENT", help="Only this client's.")] = None,
    unused_days: Annotated[
        int | None,
        typer.Option(min=1, max=36_500, help="Only those that nobody has used for so many days."),
    ] = None,
    retired: Annotated[bool, typer.Option("--retired", help="Retired ones, too.")] = False,
) -> None:
    """Print registered documents with their uses, by their clients and by people."""
    from server.registered_documents import list_documents

    with stores() as (_, urls, steps):
        steps.finish()
        unused_for = None if unused_days is None else timedelta(days=unused_days)
        documents = list_documents(urls.database_url, client, unused_for=unused_for, with_retired=retired)
    _show(documents, with_retired=retired)


@documents_app.command("retire")
def retire(
    client: Client,
    ids: Annotated[
        list[str],
        typer.Argument(metavar="ID...", help="Ids as `list` shows them, or beginnings of 8 digits."),
    ],
) -> None:
    """Take documents away from a client, all of these or none; counts from its next request on."""
    from server.registered_documents import retire_documents

    with stores() as (_, urls, steps):
        steps.finish()
        retired = retire_documents(urls.database_url, client, ids)
    _say_each("retired", retired)


@documents_app.command("check")
def check(
    manifests: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE]...", help="As for `publish`; without any, all registered documents."),
    ] = None,
) -> None:
    """Say which documents this version would not execute, and which use something deprecated; ends with 1 where any is broken."""
    if manifests:
        # A manifest can be checked where no store runs, as in the build of a frontend.
        documents = _documents(manifests)
        with reported():
            from server.document_check import check_documents, limits_of

            findings = check_documents(_schema(), limits_of(configured_settings()), documents)
    else:
        with stores() as (settings, urls, steps):
            from server.document_check import check_documents, limits_of
            from server.registered_documents import live_documents

            documents = live_documents(urls.database_url)
            steps.begin(f"Checking {len(documents):,} documents")
            findings = check_documents(_schema(), limits_of(settings), documents)
            steps.finish()
    _say_all(findings)
    broken = {(finding.document.source, finding.document.hash) for finding in findings if not finding.is_note}
    _say(f"Documents checked: {len(documents):,}. Broken: {len(broken):,}.")
    if broken:
        raise typer.Exit(1)


@documents_app.command("uses")
def uses(
    field: Annotated[str, typer.Argument(metavar="TYPE.FIELD", help="A field such as Order.title.")],
) -> None:
    """Print the registered documents that select a field, with their uses: what breaks when it goes."""
    with stores() as (_, urls, steps):
        steps.begin("Reading the schema")
        from server.field_uses import field_named
        from server.registered_documents import documents_selecting

        schema = _schema()
        documents = documents_selecting(urls.database_url, schema, field_named(schema, field))
        steps.finish()
    if documents:
        _show(documents, with_retired=False)
    else:
        _say(f"No registered document selects {field}.")


def _documents(manifests: Sequence[Path]) -> list[CheckedDocument]:
    """Read manifests before anything is started: a wrong file is told at once."""
    with reported():
        from server.registered_documents import manifest_documents

        return [document for path in manifests for document in manifest_documents(path)]


def _schema() -> GraphQLSchema:
    from schema.build import build_schema, graphql_schema

    return graphql_schema(build_schema())


def _show(documents: Sequence[ListedDocument], *, with_retired: bool) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    columns = (*_COLUMNS, "retired") if with_retired else _COLUMNS
    table = Table(*columns, box=None, pad_edge=False)
    for document in documents:
        table.add_row(*(Text(cell) for cell in _cells(document)[: len(columns)]))
    Console(width=_WIDEST_TABLE).print(table)


def _cells(document: ListedDocument) -> Sequence[str]:
    from commands.documents import document_id

    return (
        document.client,
        document.name,
        document_id(document.hash),
        _moment(document.published_at),
        str(document.calls),
        _moment(document.last_used_at),
        str(document.calls_by_people),
        _moment(document.last_used_by_any_at),
        "" if document.retired_at is None else _moment(document.retired_at),
    )


def _moment(moment: datetime | None) -> str:
    return "never" if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%d %H:%MZ")


def _say_each(word: str, documents: Iterable[Registered]) -> None:
    from commands.documents import document_id

    for document in documents:
        _say(f"{word} {document.name} {document_id(document.hash)}")


def _say_all(findings: Iterable[Finding]) -> None:
    for finding in findings:
        _say(str(finding))


def _say(text: str) -> None:
    out.print(text, markup=False, highlight=False, soft_wrap=True)
