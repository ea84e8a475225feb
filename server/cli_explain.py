"""How does `eoms explain` ask and print? What there is to know is `server.explain`'s."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import orjson
import typer

from server.cli_frame import out, reported, stores

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.explain import Explanation, Way
    from server.stores import StoreUrls

_ID_PREFIX = "sha256:"
_LARGEST_BYTES = 1_048_576
_LABEL = 12
_STDIN = "-"


def explain(
    document: Annotated[
        str,
        typer.Argument(
            metavar="DOCUMENT", help="A file, - for stdin, or a registered document's id (sha256:…)."
        ),
    ],
    username: Annotated[
        str | None,
        typer.Option("--as", metavar="USERNAME", help="For whom; without it, for nobody signed in."),
    ] = None,
    variables: Annotated[
        str, typer.Option(metavar="JSON", help="""Variables, such as '{"first": 20}'.""")
    ] = "{}",
    operation: Annotated[
        str | None, typer.Option(metavar="NAME", help="Which operation, where the document has several.")
    ] = None,
    analyze: Annotated[
        bool,
        typer.Option(
            "--analyze", help="Execute a query's statement once, read-only, and print PostgreSQL's plan."
        ),
    ] = False,
) -> None:
    """Say how the server would answer a document: by one statement or not and why, its SQL, its price, what is hidden."""
    with reported():
        given = _variables(variables)
        is_registered = document.startswith(_ID_PREFIX)
        text = None if is_registered else _text(document)
    with stores() as (settings, urls, steps):
        steps.begin("Explaining")
        from server.explain import BrokenDocument, Question
        from server.explain import explain as explained

        question = Question(
            text=text if text is not None else _registered(urls, document),
            is_registered=is_registered,
            operation_name=operation,
            variables=given,
            username=username,
        )
        try:
            found = explained(settings, urls, question, analyze=analyze)
        except BrokenDocument as broken:
            steps.finish()
            for error in broken.errors:
                _say(error)
            raise
        steps.finish()
    _show(found, username)


def _registered(urls: StoreUrls, document_id: str) -> str:
    from server.explain import registered_text

    return registered_text(urls.database_url, document_id)


def _text(document: str) -> str:
    from domain.errors import InvalidInput

    try:
        if document == _STDIN:
            content = sys.stdin.buffer.read(_LARGEST_BYTES + 1)
        else:
            with Path(document).open("rb") as file:
                content = file.read(_LARGEST_BYTES + 1)
        if len(content) > _LARGEST_BYTES:
            raise InvalidInput("TOO_LONG", f"A document has at most {_LARGEST_BYTES:,} bytes.", (document,))
        return content.decode()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InvalidInput("UNREADABLE", f"The file can't be read: {reason}.", (document,)) from error
    except UnicodeDecodeError as error:
        raise InvalidInput("MALFORMED", "The document is not UTF-8.", (document,)) from error


# Any: variables are whatever JSON holds.
def _variables(text: str) -> Mapping[str, Any]:
    from domain.errors import InvalidInput

    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidInput("MALFORMED", "This is no JSON.", ("--variables",)) from error
    if not isinstance(found, dict):
        raise InvalidInput("MALFORMED", "Variables are a JSON object.", ("--variables",))
    return cast("dict[str, Any]", found)


def _show(found: Explanation, username: str | None) -> None:
    who = f"{username} ({', '.join(found.roles) or 'no role'})" if username else "nobody signed in"
    cost = f"at most {found.cost.points:,} points, {found.cost.nodes:,} nodes"
    _tell("operation", f"{found.kind} {found.name}" if found.name else found.kind)
    _tell("as", who)
    _tell("costs", f"{cost}; refused with {found.too_much}" if found.too_much else cost)
    _tell("forbidden", *found.forbidden or ("nothing",))
    for way in found.ways:
        _show_way(way)


def _show_way(way: Way) -> None:
    from server.sql_text import indented

    if way.root is not None:
        _say("")
        _tell("payload of", way.root)
    _tell("path", "planned" if way.reason is None else _interpreted(way))
    if way.sql is None:
        return
    again, first = (
        f"{seconds * 1000:.1f} ms" for seconds in (way.compile_seconds, way.first_compile_seconds)
    )
    _tell("compiled in", f"{again} ({first} as the first one of a process)")
    parameters = [f"${number} {each.name} {each.type}" for number, each in enumerate(way.parameters, 1)]
    _tell("parameters", *parameters or ["none"])
    _say("")
    _say(indented(way.sql))
    if way.database_plan is not None:
        _say("")
        for line in way.database_plan:
            _say(line)


def _interpreted(way: Way) -> str:
    if way.sql is not None and way.root is not None:
        return f"none, the command is undone: {way.reason}"
    return f"interpreted: {way.reason}"


def _tell(label: str, *lines: str) -> None:
    """Print what a label says, its further lines below the first."""
    for line in lines:
        _say(f"{label:<{_LABEL}}{line}")
        label = ""


def _say(text: str) -> None:
    out.print(text, markup=False, highlight=False, soft_wrap=True)
