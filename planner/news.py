"""How do events become messages of a subscription? One SELECT for many events, a row for each that is news to the viewer.

Which events those are is given by parameters, in the order of the feed; what they are to the viewer is asked of the
database (`loaders.news`) in the very snapshot in which the message is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphql import GraphQLObjectType, OperationDefinitionNode
from sqlalchemy import Boolean, ColumnElement, Text, Uuid, bindparam, literal, literal_column, select
from sqlalchemy.dialects.postgresql import ARRAY

from domain.identifiers import field_name
from loaders.followed import FollowQuestion
from loaders.questions import Parameters
from planner.building import Builder
from planner.collecting import below
from planner.json_sql import Json, global_id_text, json_object
from planner.parts import Part, object_type
from planner.roots import DATA, RANK, as_bytes, unnested
from planner.written import LATERAL, Joined, Rows, Written
from policies.bindings import AnySelect

EVENTS_PARAMETER = "news_events"
CURSORS_PARAMETER = "news_cursors"
"""The ids of the events, and in the same order the cursors of their places in the feed."""


def news_select(builder: Builder, operation: OperationDefinitionNode) -> AnySelect:
    """Return the SELECT of messages: rank of the event from 1, and the message's data as UTF-8 bytes."""
    root = builder.collector.schema.subscription_type
    assert root is not None, "the schema has subscriptions"
    fields = builder.fields(root, [operation.selection_set])
    # GraphQL, section 5.2.3.1: one root field, and none of introspection; without it there is no source of events.
    ((key, nodes),) = fields.items()
    site, asked = builder.site(nodes)
    assert isinstance(asked, FollowQuestion), "subscriptions follow something"
    builder.reads_rows = True
    entries = unnested(
        builder,
        {
            "event": bindparam(EVENTS_PARAMETER, type_=ARRAY(Uuid())),
            "cursor": bindparam(CURSORS_PARAMETER, type_=ARRAY(Text())),
        },
    )
    sights = asked.sights(builder.policy, Parameters(site.prefix))
    sight = Rows(
        builder.name(),
        {"subject_id": Uuid(), "is_seen": Boolean()},
        sights.where(sights.selected_columns["event_id"] == entries["event"]),
        LATERAL,
    )
    kind = object_type(root.fields[nodes[0].name.value])
    with builder.at(key):
        part = _message(builder, kind, nodes, entries, sight, asked)
    columns: list[ColumnElement[Any]] = [
        entries[RANK].label(RANK),
        as_bytes(json_object({key: part.json}), DATA),
    ]
    return (
        select(*columns)
        .select_from(Joined(entries, [sight, *part.joins]))
        .where(Written("{} IS NOT NULL", [sight["subject_id"]], Boolean()))
        .order_by(entries[RANK])
    )


def _message(
    builder: Builder,
    kind: GraphQLObjectType,
    nodes: list[Any],
    entries: Rows,
    sight: Rows,
    asked: FollowQuestion,
) -> Part:
    members: dict[str, Json] = {}
    joins: list[Rows] = []
    subject, shown = asked.subject, field_name(asked.subject)
    conditions: Mapping[str, tuple[str, ColumnElement[bool]]] = {
        "event": ("Event", builder.catalog.types["Event"].column("id") == entries["event"]),
        shown: (
            subject,
            (builder.catalog.types[subject].column("id") == sight["subject_id"]) & sight["is_seen"],
        ),
    }
    for key, inner in builder.fields(kind, below(nodes)).items():
        match inner[0].name.value:
            case "cursor":
                members[key] = entries["cursor"]
            case name if name == f"{shown}Id":
                members[key] = global_id_text(subject, sight["subject_id"])
            case "resyncRequired":
                members[key] = literal_column("false", Boolean())
            case name if name in conditions:
                type_name, condition = conditions[name]
                with builder.at(key):
                    found, _ = builder.one(type_name, below(inner), condition)
                members[key] = found["j"]
                joins.append(found)
            case _:
                members[key] = literal(kind.name, Text())
    return Part(json_object(members), joins=tuple(joins))
