"""How do tests take orders through their lives? By commands of the API, each given by whoever may give it.

    order = await order_in(api, OrderState.RELEASED)
    await done(api, "pm", "orderStart", id=order["id"])
    error = await refused(api, "pm", "orderStart", id=order["id"])

`refused` and `denied` prove that nothing changed: they compare all that commands can write before and after.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from domain.identifiers import global_id
from domain.order import OrderAction, OrderState
from resolvers.orders import mutation_name
from server.demo.bom_rows import revision_id
from server.demo.company import (
    COST_CODE_BY_CODE,
    ORGANIZATION_BY_CODE,
    PERSON_BY_USERNAME,
    PROJECT_BY_CODE,
)
from tests.api import Answer, Api

# Any: JSON.
Json = dict[str, Any]

ORDER = """
  id number title state priority version revision amount percentComplete actualStart actualEnd hiddenFields
  lines(first: 100) {
    nodes { id position item description quantity uom unitPrice amount doneQuantity progressAt }
  }
  assignments { task user { username } }
  events(last: 1) { nodes { type version note occurredAt actor { username } changes { field before after } } }
"""

_ERRORS = """
  errors {
    __typename code message path
    ... on InvalidTransition { state possibleActions }
    ... on ActionBlocked { blockers { code message } }
    ... on VersionConflict { currentVersion }
  }
"""

_INPUTS = {
    "orderCreate": "OrderCreateInput",
    "orderUpdate": "OrderUpdateInput",
    "orderReportProgress": "OrderProgressInput",
    "orderAssign": "OrderAssignInput",
    "orderRevise": "OrderReviseInput",
    "orderFreezeBom": "OrderFreezeBomInput",
}

_ACTORS = {
    OrderAction.UPDATE: "buyer",
    OrderAction.SUBMIT: "buyer",
    OrderAction.APPROVE: "director",
    OrderAction.REVISE: "buyer",
    OrderAction.SETTLE: "finance",
}
"""Who takes a step here; the project's manager takes all others."""

_A, _S = OrderAction, OrderState
_TO_WORK = (_A.SUBMIT, _A.APPROVE, _A.RELEASE, _A.START)
_TO_COMPLETION = (*_TO_WORK, _A.REPORT_PROGRESS, _A.COMPLETE)
PATHS: Mapping[OrderState, tuple[OrderAction, ...]] = {
    _S.DRAFT: (),
    _S.SUBMITTED: _TO_WORK[:1],
    _S.APPROVED: _TO_WORK[:2],
    _S.REJECTED: (_A.SUBMIT, _A.REJECT),
    _S.RELEASED: _TO_WORK[:3],
    _S.IN_PROGRESS: _TO_WORK,
    _S.ON_HOLD: (*_TO_WORK, _A.HOLD),
    _S.COMPLETED: _TO_COMPLETION,
    _S.ACCEPTED: (*_TO_COMPLETION, _A.ACCEPT),
    _S.SETTLED: (*_TO_COMPLETION, _A.ACCEPT, _A.SETTLE),
    _S.CANCELLED: (_A.CANCEL,),
}
"""The shortest way from a draft to each state."""


@dataclass(frozen=True)
class Payload:
    """What an order command answered."""

    order: Json | None
    errors: list[Json]


def project(code: str) -> str:
    return global_id("Project", PROJECT_BY_CODE[code].id)


def wbs_node(project_code: str, code: str) -> str:
    return global_id("WbsNode", PROJECT_BY_CODE[project_code].wbs_id(code))


def organization(code: str) -> str:
    return global_id("Organization", ORGANIZATION_BY_CODE[code].id)


def cost_code(code: str) -> str:
    return global_id("CostCode", COST_CODE_BY_CODE[code].id)


def user(username: str) -> str:
    return global_id("User", PERSON_BY_USERNAME[username].id)


def bom_revision(code: str, number: int = 1) -> str:
    return global_id("BomRevision", revision_id(code, number))


def actor(action: OrderAction) -> str:
    """Return the username of somebody who may take the action on any order of P-001."""
    return _ACTORS.get(action, "pm")


def needs(action: OrderAction, order: Json) -> Json:
    """Return the input that an action takes beside the order's id."""
    match action:
        case OrderAction.UPDATE:
            return {"expectedVersion": order["version"], "title": "Another title"}
        case OrderAction.REJECT | OrderAction.HOLD | OrderAction.CANCEL:
            return {"note": "A reason 理由"}
        case OrderAction.REPORT_PROGRESS:
            return {"percent": "100"}
        case OrderAction.FREEZE_BOM:
            return {"bomRevisionId": bom_revision("PS-100"), "quantity": "2"}
        case OrderAction.ASSIGN:
            return {"assignments": [{"userId": user("worker"), "task": "Fitter"}]}
        case _:
            return {}


def line(quantity: str = "10", price: str | None = "100", **fields: Any) -> Json:
    """Return a line as an input takes it; without a price where that is null."""
    priced = {} if price is None else {"unitPrice": price}
    return {"description": "Concrete C30", "quantity": quantity, "uom": "m³", **priced, **fields}


def draft(**fields: Any) -> Json:
    """Return the input of a draft in P-001 worth 1,100.00 that somebody can perform."""
    lines = [line(), line("5", "20", description="Formwork", uom="m²")]
    return {
        "projectId": project("P-001"),
        "title": "Base slab 底板",
        "contractorId": organization("K-001"),
        "lines": lines,
        **fields,
    }


@asynccontextmanager
async def unchanged(api: Api, *usernames: str) -> AsyncGenerator[None]:
    """Prove that nothing that order commands can write was written while these people tried."""
    # Signing in is recorded too, and must not come between the two looks.
    for username in usernames:
        await api.token(username)
    before = await api.order_state()
    yield
    assert await api.order_state() == before


async def send(api: Api, who: str | None, mutation: str, fields: str = ORDER, **values: Any) -> Answer:
    """Send an order command and return its whole answer."""
    kind = _INPUTS.get(mutation, "OrderActionInput")
    document = (
        f"mutation ($input: {kind}!) {{ {mutation}(input: $input) {{ order {{ {fields} }} {_ERRORS} }} }}"
    )
    return await api.ask(document, who, input=values)


async def give(api: Api, who: str, mutation: str, fields: str = ORDER, **values: Any) -> Payload:
    """Send an order command and return its payload."""
    payload = (await send(api, who, mutation, fields, **values)).data[mutation]
    return Payload(payload["order"], payload["errors"])


async def done(api: Api, who: str, mutation: str, fields: str = ORDER, **values: Any) -> Json:
    """Send an order command that is carried out; return the order."""
    payload = await give(api, who, mutation, fields, **values)
    assert payload.errors == []
    assert payload.order is not None
    return payload.order


async def refused(api: Api, who: str, mutation: str, **values: Any) -> Json:
    """Send an order command that is refused without a trace; return the one error."""
    async with unchanged(api, who):
        payload = await give(api, who, mutation, "id", **values)
    assert payload.order is None
    (error,) = payload.errors
    return error


async def denied(api: Api, who: str | None, mutation: str, **values: Any) -> str:
    """Send an order command that is answered by a top-level error, without a trace; return its code."""
    async with unchanged(api, *([who] if who else [])):
        answer = await send(api, who, mutation, "id", **values)
    assert not answer.content.get("data")
    (code,) = answer.codes
    return code


async def new_draft(api: Api, who: str = "buyer", **fields: Any) -> Json:
    """Return a new draft, see `draft`."""
    return await done(api, who, "orderCreate", **draft(**fields))


async def take(api: Api, order: Json, action: OrderAction, who: str | None = None, **values: Any) -> Json:
    """Take an action with what it needs; return the order afterwards."""
    given = {**needs(action, order), **values}
    return await done(api, who or actor(action), mutation_name(action), id=order["id"], **given)


async def order_in(api: Api, state: OrderState, *, made_by: Json | None = None, **fields: Any) -> Json:
    """Return a new order that was taken to a state step by step, `made_by` a BOM where one is said."""
    order = await new_draft(api, **fields)
    if made_by is not None:
        order = await take(api, order, OrderAction.FREEZE_BOM, **made_by)
    for action in PATHS[state]:
        order = await take(api, order, action)
    assert order["state"] == state.value
    return order
