"""Do schema and policy know the same things, is everything described, and is the contract kept?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    is_non_null_type,
    print_schema,
)

from policies.bindings import Catalog, CatalogError, FieldBinding, HiddenFields, TypeBinding, catalog
from policies.compiler import check_catalog
from policies.readers import is_guarded, who_sees
from policies.rules import RULES_FILE, Rulebook, load_rules
from schema.build import build_schema, graphql_schema
from tests.golden import assert_golden

# What clients were promised for orders: "Type.field(arguments)" to its type, "Enum.VALUE", "Input.field" to its type.
CONTRACT = Path(__file__).parent / "contract.graphql"


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return graphql_schema(build_schema())
