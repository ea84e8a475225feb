"""Do schema and policy know the same things, and is every word of the schema described?"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLEnumValue,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    print_schema,
)

from db.tables import CostCodeRow
from policies.bindings import Catalog, CatalogError, Computed, FieldBinding, TypeBinding, catalog
from policies.compiler import check_catalog
from policies.readers import is_guarded, who_sees
from policies.rules import RULES_FILE, Rulebook, load_rules
from schema.build import build_schema, graphql_schema
from tests.golden_files import assert_golden

ROOT = Path(__file__).parent.parent.parent
Described = GraphQLNamedType | GraphQLField | GraphQLArgument | GraphQLEnumValue | GraphQLInputField

CHECK_WITH_ANOTHER_RULES_FILE = """
import sys, pathlib, policies.readers as readers, policies.rules as rules
found = rules.Rulebook(rules.load_rules(pathlib.Path(sys.argv[1])))
readers.default_rulebook = lambda: found
from schema.build import build_schema
build_schema()
"""


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return graphql_schema(build_schema())


def with_type(binding: TypeBinding) -> Catalog:
    """The real catalog with one type more, or instead of one."""
    return Catalog({**catalog.types, binding.name: binding}, dict(catalog.guards))


def rulebook_with(folder: Path, *lines: str) -> Rulebook:
    file = folder / "rules.csv"
    file.write_text(RULES_FILE.read_text("utf-8") + "\n".join(lines) + "\n", "utf-8")
    return Rulebook(load_rules(file))


def test_real_schema_and_rules_know_the_same_things(schema: GraphQLSchema) -> None:
    assert {"Order", "OrderLine", "Organization", "User", "Project", "Event"} <= set(catalog.types)
    check_catalog(catalog, Rulebook(load_rules()))


def test_field_unknown_to_the_rules_stops_the_start(schema: GraphQLSchema) -> None:
    order = catalog.types["Order"]
    secret = FieldBinding("margin", "margin", "order.margin", order.fields["amount"].source)
    grown = replace(order, fields={**order.fields, "margin": secret})
    with pytest.raises(CatalogError, match=r"^the rules don't know order\.margin$"):
        check_catalog(with_type(grown), Rulebook(load_rules()))


def test_type_unknown_to_the_rules_stops_the_start(schema: GraphQLSchema) -> None:
    unknown = TypeBinding("Secret", "secret", CostCodeRow, {})
    with pytest.raises(CatalogError, match=r"^the rules don't know secret$"):
        check_catalog(with_type(unknown), Rulebook(load_rules()))


def test_guard_of_a_total_unknown_to_the_rules_stops_the_start(schema: GraphQLSchema) -> None:
    grown = Catalog(catalog.types, {**catalog.guards, ("OrderStatistics", "margin"): "order.margin"})
    with pytest.raises(CatalogError, match=r"^the rules don't know order\.margin$"):
        check_catalog(grown, Rulebook(load_rules()))


def test_thing_unknown_to_the_schema_stops_the_start(schema: GraphQLSchema, tmp_path: Path) -> None:
    rules = rulebook_with(tmp_path, "g2, order.margin, order")
    with pytest.raises(CatalogError, match=r"^the schema doesn't know order\.margin, which the rules name$"):
        check_catalog(catalog, rules)


def test_where_without_meaning_for_the_table_stops_the_start(schema: GraphQLSchema, tmp_path: Path) -> None:
    rules = rulebook_with(tmp_path, "p, contractor, cost_code, read, own_org, allow")
    with pytest.raises(
        CatalogError, match="contractor is granted cost_code where=own_org, which has no meaning"
    ):
        check_catalog(catalog, rules)


def test_where_without_meaning_for_the_order_whose_events_tell_of_it_stops_the_start(
    schema: GraphQLSchema, tmp_path: Path
) -> None:
    rules = rulebook_with(tmp_path, "p, contractor, assignment, read, self, allow")
    with pytest.raises(
        CatalogError,
        match="contractor is granted assignment where=self, which has no meaning for engineering_order",
    ):
        check_catalog(catalog, rules)


def test_guard_on_a_field_that_no_mask_can_hide_stops_the_start(
    schema: GraphQLSchema, tmp_path: Path
) -> None:
    assert isinstance(catalog.types["Order"].fields["available_actions"].source, Computed)
    rules = rulebook_with(
        tmp_path,
        *(
            f"p, {role}, order.available_actions, read, any, allow"
            for role in ("director", "finance", "auditor")
        ),
        *(
            f"p, {role}, order.available_actions, read, project, deny"
            for role in ("project_manager", "engineer", "buyer")
        ),
        *(f"p, {role}, order.available_actions, read, assigned, deny" for role in ("foreman", "worker")),
        *(f"p, {role}, order.available_actions, read, own_org, deny" for role in ("contractor", "customer")),
    )
    with pytest.raises(CatalogError, match=r"order\.available_actions is guarded, but only"):
        check_catalog(catalog, rules)


def test_start_with_a_forgotten_field_ends_with_its_name(tmp_path: Path) -> None:
    """The whole way in a process of its own, since types are declared once in each."""
    text = RULES_FILE.read_text("utf-8").replace("g2, order.priority, order\n", "")
    file = tmp_path / "rules.csv"
    file.write_text(text.replace("g2, user.username, user\n", ""), "utf-8")
    done = subprocess.run(
        [sys.executable, "-c", CHECK_WITH_ANOTHER_RULES_FILE, str(file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1] == (
        "policies.bindings.CatalogError: the rules don't know order.priority; the rules don't know user.username"
    )


def guarded_fields() -> Iterator[tuple[TypeBinding, FieldBinding]]:
    for binding in catalog.types.values():
        for field in binding.fields.values():
            if is_guarded(binding.thing, field.thing):
                yield binding, field


def test_every_guarded_field_is_nullable(schema: GraphQLSchema) -> None:
    guarded = [(binding.name, field.api_name) for binding, field in guarded_fields()]
    for type_name, field_name in (*guarded, *catalog.guards):
        kind = schema.type_map[type_name]
        assert isinstance(kind, GraphQLObjectType)
        assert not isinstance(kind.fields[field_name].type, GraphQLNonNull), f"{type_name}.{field_name}"
    assert set(guarded) == {
        ("Order", "amount"),
        ("Order", "customer"),
        ("Order", "contractor"),
        ("OrderLine", "unitPrice"),
        ("OrderLine", "amount"),
        ("Item", "standardCost"),
        ("BomOperation", "hourlyRate"),
        ("ItemCost", "material"),
        ("ItemCost", "operation"),
        ("ItemCost", "coProductCredit"),
        ("ItemCost", "total"),
        ("Organization", "bankName"),
        ("Organization", "bankAccount"),
        ("Project", "approvalLimit"),
        ("User", "email"),
        ("User", "phone"),
    }


def test_every_type_with_a_guarded_field_says_what_it_hides(schema: GraphQLSchema) -> None:
    for binding, _ in guarded_fields():
        assert "hidden_fields" in binding.fields, binding.name


def test_description_of_a_guarded_field_ends_with_who_sees_it(schema: GraphQLSchema) -> None:
    for binding, field in guarded_fields():
        kind = schema.type_map[binding.name]
        assert isinstance(kind, GraphQLObjectType)
        description = kind.fields[field.api_name].description or ""
        assert description.endswith(f". Seen by: {who_sees(binding.thing, field.thing)}."), field.thing
    assert who_sees("order", "order.amount") == (
        "director, finance, auditor, project_manager (project), buyer (project), "
        "contractor (own_org), customer (own_org)"
    )


def words_of(schema: GraphQLSchema) -> Iterator[tuple[str, Described]]:
    for name, kind in schema.type_map.items():
        if name.startswith("__"):
            continue
        yield name, kind
        if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType | GraphQLInputObjectType):
            yield from ((f"{name}.{field}", each) for field, each in kind.fields.items())
        if isinstance(kind, GraphQLEnumType):
            yield from ((f"{name}.{value}", each) for value, each in kind.values.items())


def arguments_of(schema: GraphQLSchema) -> Iterator[tuple[str, Described]]:
    for name, kind in schema.type_map.items():
        if isinstance(kind, GraphQLObjectType) and not name.startswith("__"):
            for field_name, field in kind.fields.items():
                yield from ((f"{name}.{field_name}({each})", found) for each, found in field.args.items())


def test_every_type_field_enum_value_and_input_field_is_described(schema: GraphQLSchema) -> None:
    assert [name for name, word in words_of(schema) if not word.description] == []


def test_every_argument_is_described(schema: GraphQLSchema) -> None:
    assert [name for name, word in arguments_of(schema) if not word.description] == []


def test_schema_is_the_golden_one(schema: GraphQLSchema) -> None:
    assert_golden("docs/schema.graphql", print_schema(schema) + "\n")
