"""Is the same answer given by all? Asked before anything is timed, and again after it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import httpx

from bench.contenders import Contender
from bench.load import Request
from bench.processes import BenchError

_SHOWN = 300
ASK_SECONDS = 60


# Any: JSON as the servers answer it.
def answer(url: str, headers: dict[str, str], request: Request) -> Any:
    """Return the whole content of an answer; raise `BenchError` where it is no JSON."""
    with httpx.Client(base_url=url, headers=headers, timeout=ASK_SECONDS) as client:
        if request.body:
            response = client.post(request.path, content=request.body.encode())
        else:
            response = client.get(request.path)
    try:
        return response.json()
    except ValueError as error:
        said = response.text[:_SHOWN]
        raise BenchError(f"{url}{request.path} answered {response.status_code}: {said}") from error


def data_of(contender: Contender, request: Request) -> Any:
    """Return the data of an answer in EOMS's form; raise `BenchError` where there are errors."""
    content = answer(contender.url, dict(contender.headers), request)
    if "errors" in content or not content.get("data"):
        raise BenchError(f"{contender.name} answered {json.dumps(content)[:_SHOWN]}")
    return contender.translated(content["data"])


def check_same(contenders: Sequence[Contender], question: str) -> None:
    """Raise `BenchError` unless all give the same data to every request of the question."""
    first, *others = contenders
    expected = [data_of(first, request) for request in first.questions[question]]
    for other in others:
        for nth, (request, wanted) in enumerate(zip(other.questions[question], expected, strict=True)):
            given = data_of(other, request)
            if given != wanted:
                raise BenchError(
                    f"{other.name} and {first.name} differ in answer {nth} of {question}: {_difference(given, wanted)}"
                )


def check_refusal(contenders: Sequence[Contender], question: str) -> None:
    """Raise `BenchError` unless everybody who checks tokens refuses a forged one."""
    for contender in contenders:
        if not contender.checks_token:
            continue
        headers = {**contender.headers, "Authorization": contender.headers["Authorization"][:-4] + "AAAA"}
        request = contender.questions[question][0]
        response = httpx.post(
            contender.url + request.path, content=request.body.encode(), headers=headers, timeout=ASK_SECONDS
        )
        if response.is_success and '"number"' in response.text:
            raise BenchError(f"{contender.name} answers a forged token.")


def _difference(given: Any, wanted: Any, path: str = "data") -> str:
    """Return where two answers first differ."""
    if isinstance(given, dict) and isinstance(wanted, dict) and given.keys() == wanted.keys():  # pyright: ignore[reportUnknownMemberType]
        pairs = [(f"{path}.{key}", given[key], wanted[key]) for key in wanted]  # pyright: ignore[reportUnknownVariableType]
    elif isinstance(given, list) and isinstance(wanted, list) and len(given) == len(wanted):  # pyright: ignore[reportUnknownArgumentType]
        pairs = [(f"{path}[{nth}]", *both) for nth, both in enumerate(zip(given, wanted, strict=True))]  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]
    else:
        return f"{path} is {json.dumps(given)[:_SHOWN]}, not {json.dumps(wanted)[:_SHOWN]}"
    for each, one, other in pairs:  # pyright: ignore[reportUnknownVariableType]
        if one != other:
            return _difference(one, other, each)  # pyright: ignore[reportUnknownArgumentType]
    return f"{path} differs"
