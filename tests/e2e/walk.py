"""Does an order walk from create to settle, with the right person at each step and nobody else?

    python -m tests.e2e.walk http://127.0.0.1:8000

Needs a running server with the demo company. At each step every persona without the deed tries it first and is
refused; afterwards each persona looks at the order, and what he may not see is nowhere in what he gets. Ends with 1 at
the first surprise. Who may what is told by `tests.e2e.walk_story`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import httpx
from rich.console import Console
from rich.table import Table

from tests.e2e.personas import PERSONAS, CannotSignInError, Personas, Reply
from tests.e2e.walk_story import (
    ALWAYS_READING,
    CONTRACTOR,
    CUSTOMER,
    FROM_CREATE_TO_SETTLE,
    GRANTED,
    LARGE_PRICES,
    OVER_THE_LIMIT,
    PRICED,
    PRICES,
    PROJECT,
    QUANTITIES,
    Given,
    Step,
)

# Any: GraphQL's answers hold what the document asked for.
Json = dict[str, Any]

_REFERENCES = """
query ($project: String!) {
  project(code: $project) { id name wbsNodes(first: 20) { nodes { id code } } }
  organizations(first: 100) { nodes { id code name } }
  costCodes(first: 100) { nodes { id code } }
  users(first: 100) { nodes { id username } }
}
"""

_COMMAND = """
mutation ($input: {input}!) {{
  {name}(input: $input) {{
    order {{ id number state version lines(first: 10) {{ nodes {{ id position }} }} }}
    errors {{ code message path ... on ActionBlocked {{ blockers {{ code }} }} }}
  }}
}}
"""

_VIEW = """
query ($id: ID!, $number: String!) {
  order(id: $id) {
    number state version amount hiddenFields customer { code } contractor { code }
    lines(first: 10) { nodes { quantity unitPrice amount hiddenFields } }
    assignments { user { username } }
    events(first: 50) { nodes { version type changes { field before after } } }
  }
  byNumber: order(number: $number) { id }
  node(id: $id) { id }
}
"""

_EVENTS = """
query ($id: ID!) {
  order(id: $id) {
    events(first: 50) { nodes { version type recordedAt note actor { username name } changes { field before after } } }
  }
}
"""

_INPUTS = {
    "orderCreate": "OrderCreateInput",
    "orderUpdate": "OrderUpdateInput",
    "orderRevise": "OrderReviseInput",
    "orderAssign": "OrderAssignInput",
    "orderReportProgress": "OrderProgressInput",
}


class SurpriseError(Exception):
    """The server did something that the story does not know."""


class Walk:
    """One order on its way."""

    def __init__(self, personas: Personas) -> None:
        self._personas = personas
        found = personas.ask("engineer", _REFERENCES, project=PROJECT).data
        self._project_id: str = found["project"]["id"]
        self._wbs_id: str = found["project"]["wbsNodes"]["nodes"][0]["id"]
        self._cost_code_id: str = found["costCodes"]["nodes"][0]["id"]
        self._organizations = {each["code"]: each for each in found["organizations"]["nodes"]}
        self._user_ids = {each["username"]: each["id"] for each in found["users"]["nodes"]}
        self._order: Json = {}
        self._has_foreman = False
        self.refusal_count = 0
        self.view_count = 0

    def take(self, step: Step) -> list[str]:
        """Let everybody fail who must, take the step, look at it as everybody; return the refusals in words."""
        tried = [
            self._refused_without_deed(who, step) for who in PERSONAS if who not in GRANTED[step.mutation]
        ]
        for each in step.refused:
            reply = self._command(each.who, each.mutation, each.given)
            if not set(each.codes) <= set(_codes(reply, each.mutation)):
                _surprise(f"{each.who} got {reply.text} from {each.mutation}, not {each.codes}")
            tried.append(f"{each.who} {each.codes[-1]}")
        version = self._order.get("version", 0)
        self._order = self._done(step)
        if (self._order["state"], self._order["version"]) != (step.state, version + 1):
            _surprise(f"after {step.mutation} the order is {self._order}")
        if not step.is_repeatable:
            reply = self._command(step.who, step.mutation, {"note": "again", **step.given})
            if "INVALID_TRANSITION" not in _codes(reply, step.mutation):
                _surprise(f"{step.who} took {step.mutation} twice: {reply.text}")
            tried.append(f"{step.who} again INVALID_TRANSITION")
        self._has_foreman = step.has_foreman
        for who in PERSONAS:
            self._look(who, step)
        self.refusal_count += len(tried)
        return tried

    def events(self, who: str) -> list[Json]:
        """Return the order's events as a persona sees them."""
        return self._personas.ask(who, _EVENTS, id=self._order["id"]).data["order"]["events"]["nodes"]

    @property
    def number(self) -> str:
        """Return the number of the order that walks."""
        return self._order["number"]

    def _refused_without_deed(self, who: str, step: Step) -> str:
        reply = self._command(who, step.mutation, {"note": "not mine to do", **step.given})
        can_read = self._reads_project(who) if not self._order else self._reads(who)
        expected = "FORBIDDEN" if can_read else "NOT_FOUND"
        if _codes(reply, step.mutation) != [expected]:
            _surprise(f"{who} got {reply.text} from {step.mutation}, not {expected}")
        return f"{who} {expected}"

    def _done(self, step: Step) -> Json:
        reply = self._command(step.who, step.mutation, step.given)
        if reply.data is None or reply.data[step.mutation]["order"] is None:
            _surprise(f"{step.who} could not do {step.mutation}: {reply.text}")
        return reply.data[step.mutation]["order"]

    def _command(self, who: str, mutation: str, given: Given) -> Reply:
        name = _INPUTS.get(mutation, "OrderActionInput")
        document = _COMMAND.format(input=name, name=mutation)
        return self._personas.ask(who, document, input=self._input(mutation, given))

    def _input(self, mutation: str, given: Given) -> Json:
        """Return the command's input with ids in place of the story's names."""
        content: Json = {name: value for name, value in given.items() if name not in ("lines", "done")}
        if mutation == "orderCreate":
            content |= {
                "projectId": self._project_id,
                "customerId": self._organizations[CUSTOMER]["id"],
                "contractorId": self._organizations[CONTRACTOR]["id"],
                "wbsNodeId": self._wbs_id,
                "costCodeId": self._cost_code_id,
            }
        else:
            content |= {"id": self._order["id"], "expectedVersion": self._order["version"]}
        if "lines" in given:
            content["lines"] = self._lines(given["lines"])
        if "done" in given:
            lines = zip(self._order["lines"]["nodes"], given["done"], strict=True)
            content["lines"] = [{"lineId": line["id"], "doneQuantity": done} for line, done in lines]
        if "assignments" in given:
            content["assignments"] = [{"userId": self._user_ids[name]} for name in given["assignments"]]
        return content

    def _lines(self, prices: Sequence[str] | None) -> list[Json]:
        lines: list[Json] = [
            {"description": f"Line {place}", "quantity": quantity, "uom": "m3"}
            for place, quantity in enumerate(QUANTITIES, 1)
        ]
        for line, price in zip(lines, prices or (), strict=False):
            line["unitPrice"] = price
        if self._order:
            for line, known in zip(lines, self._order["lines"]["nodes"], strict=True):
                line["id"] = known["id"]
        return lines

    def _look(self, who: str, step: Step) -> None:
        """Compare what a persona sees of the order with what he should, and search it for what he should not."""
        reply = self._personas.ask(who, _VIEW, id=self._order["id"], number=self.number)
        self.view_count += 1
        if set(reply.codes) - {"FORBIDDEN"}:
            _surprise(f"{who} got {reply.text}")
        reads = self._reads(who)
        found = (reply.data["order"], reply.data["byNumber"], reply.data["node"])
        if [each is not None for each in found] != [reads] * 3:
            _surprise(f"{who} should {'' if reads else 'not '}read the order: {reply.text}")
        leaks = [text for text in self._hidden_from(who, reads=reads) if text in reply.text]
        if leaks:
            _surprise(f"{who} sees {leaks} in {reply.text}")
        if reads:
            self._compare(who, step, found[0])

    def _compare(self, who: str, step: Step, order: Json) -> None:
        seen = (order["state"], order["version"], order["amount"], set(order["hiddenFields"]))
        hidden = {
            "contractor": {"customer"},
            "customer": {"contractor"},
        }.get(who, set[str]() if who in PRICED else {"amount"})
        expected = (step.state, self._order["version"], step.amount if who in PRICED else None, hidden)
        if seen != expected:
            _surprise(f"{who} sees {seen}, not {expected}")
        parties = (order["customer"], order["contractor"])
        shown = tuple(
            None if name in hidden else {"code": code}
            for name, code in (("customer", CUSTOMER), ("contractor", CONTRACTOR))
        )
        if parties != shown:
            _surprise(f"{who} sees the parties {parties}, not {shown}")
        prices = {"unitPrice", "amount"}
        for line in order["lines"]["nodes"]:
            if set(line["hiddenFields"]) != (set[str]() if who in PRICED else prices):
                _surprise(f"{who} is told of hidden {line['hiddenFields']} in a line")

    def _reads(self, who: str) -> bool:
        return who in ALWAYS_READING or (who == "foreman" and self._has_foreman)

    def _reads_project(self, who: str) -> bool:
        asked = "query ($code: String!) { project(code: $code) { id } }"
        return self._personas.ask(who, asked, code=PROJECT).data["project"] is not None

    def _hidden_from(self, who: str, *, reads: bool) -> list[str]:
        """Return the texts that may stand nowhere in a persona's answer."""
        hidden: list[str] = []
        if not reads or who not in PRICED:
            hidden += [*PRICES, *LARGE_PRICES, "15819.5", "6135819.5"]
        if not reads:
            hidden.append(self.number)
        if who in ("contractor", "customer"):
            other = self._organizations[CUSTOMER if who == "contractor" else CONTRACTOR]
            hidden += [other["id"].partition(":")[2], other["name"]]
        return hidden


def walk(url: str, console: Console) -> None:
    """Walk both stories; raise `SurpriseError`, or `CannotSignInError`."""
    personas = Personas(url)
    try:
        personas.sign_in()
        console.print(f"{len(PERSONAS)} personas are signed in at {url}", highlight=False)
        for title, story in (
            ("From create to settle", FROM_CREATE_TO_SETTLE),
            ("Over the approval limit", OVER_THE_LIMIT),
        ):
            _tell(title, story, Walk(personas), console)
    finally:
        personas.close()


def _tell(title: str, story: Sequence[Step], order: Walk, console: Console) -> None:
    steps = Table(title=title)
    for column in ("Who", "Does", "State after", "Refused before and after"):
        steps.add_column(column)
    try:
        for step in story:
            steps.add_row(step.who, step.mutation, step.state, ", ".join(order.take(step)))
    finally:
        console.print(steps)
    log = Table(title=f"Events of {order.number}, as the director reads them")
    for column in ("Version", "Event", "Recorded at", "Actor", "Note", "Changes"):
        log.add_column(column)
    for event in order.events("director"):
        changes = "\n".join(
            f"{each['field']}: {each['before']} → {each['after']}" for each in event["changes"][:6]
        )
        actor = event["actor"]["name"]
        log.add_row(str(event["version"]), event["type"], event["recordedAt"], actor, event["note"], changes)
    console.print(log)
    console.print(
        f"{len(story)} steps, {order.refusal_count} refusals and {order.view_count} views, all as they should be.",
        style="green",
    )


def _codes(reply: Reply, mutation: str) -> list[str]:
    """Return every code of a refusal; empty where the command was done."""
    codes = list(reply.codes)
    data: Json = reply.data or {}
    payload: Json = data.get(mutation) or {}
    refusals: list[Json] = payload.get("errors", [])
    for error in refusals:
        codes.append(error["code"])
        codes += [blocker["code"] for blocker in error.get("blockers", ())]
    return codes


def _surprise(what: str) -> NoReturn:
    raise SurpriseError(what)


def main() -> int:
    """Run the walk against the address on the command line; return the exit code."""
    console, errors = Console(), Console(stderr=True)
    if len(sys.argv) != 2:
        errors.print("Usage: python -m tests.e2e.walk http://127.0.0.1:8000", markup=False)
        return 2
    try:
        walk(sys.argv[1], console)
    except (SurpriseError, CannotSignInError) as error:
        errors.print("Surprise:", str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        return 1
    except httpx.TransportError as error:
        errors.print(f"{sys.argv[1]} does not answer: {error}", style="red", markup=False, highlight=False)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
