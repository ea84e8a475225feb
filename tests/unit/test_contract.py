"""Does the schema have what clients were promised for orders, under these names and with these types?"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from graphql import (
    EnumTypeDefinitionNode,
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    InputObjectTypeDefinitionNode,
    InterfaceTypeDefinitionNode,
    ObjectTypeDefinitionNode,
    ScalarTypeDefinitionNode,
    parse,
    print_ast,
)

from schema.build import build_schema, graphql_schema

PROMISED = """
scalar Date
scalar DateTime
scalar Decimal

interface Node { id: ID! }
interface UserError { code: String!  message: String!  path: [String!] }
type AvailableAction { action: String!  allowed: Boolean!  reasons: [ActionBlocker!]! }
type ActionBlocker { code: String!  message: String! }

type Query {
  viewer: Viewer
  node(id: ID!): Node
  nodes(ids: [ID!]!): [Node]!
  projects(first: Int, after: String): ProjectConnection!
  project(id: ID, code: String): Project
  orders(first: Int, after: String, filter: OrderFilter, orderBy: [OrderOrder!]): OrderConnection!
  order(id: ID, number: String): Order
  orderStatistics(filter: OrderFilter, groupBy: [OrderGrouping!]): OrderStatistics!
  events(first: Int, after: String, filter: EventFilter): EventConnection!
}

enum OrderGrouping { STATE PROJECT CONTRACTOR CUSTOMER PRIORITY MONTH }
type OrderStatistics { count: Int!  amount: Decimal  isPartial: Boolean! }

type Viewer { user: User!  organization: Organization!  roles: [RoleGrant!]! }
type RoleGrant { role: Role!  project: Project }

type Order implements Node {
  id: ID!  number: String!  title: String!  description: String
  kind: OrderKind!  state: OrderState!  priority: OrderPriority!
  project: Project!  customer: Organization  contractor: Organization  wbsNode: WbsNode  costCode: CostCode
  plannedStart: Date  plannedEnd: Date  dueOn: Date  actualStart: Date  actualEnd: Date
  amount: Decimal  currency: String!  percentComplete: Decimal!
  revision: Int!  version: Int!  createdAt: DateTime!  updatedAt: DateTime!
  lines(first: Int, after: String): OrderLineConnection!
  assignments: [Assignment!]!
  events(first: Int, after: String): EventConnection!
  availableActions: [AvailableAction!]!
  hiddenFields: [String!]!
}
type OrderLine implements Node {
  item: String  description: String!  quantity: Decimal!  uom: String!
  unitPrice: Decimal  amount: Decimal  doneQuantity: Decimal!
}
enum OrderState { DRAFT SUBMITTED APPROVED REJECTED RELEASED IN_PROGRESS ON_HOLD COMPLETED ACCEPTED SETTLED CANCELLED }
enum OrderPriority { LOW NORMAL HIGH RUSH }
enum OrderKind { CONSTRUCTION FABRICATION INSTALLATION SERVICE MAINTENANCE }
input OrderFilter {
  projectId: ID  states: [OrderState!]  priorities: [OrderPriority!]  contractorId: ID  customerId: ID
  search: String  dueBefore: Date  amountAtLeast: Decimal  amountAtMost: Decimal  updatedSince: DateTime
}
input OrderOrder { field: OrderSortField!  direction: SortDirection! }
enum OrderSortField { NUMBER CREATED_AT UPDATED_AT DUE_ON PRIORITY AMOUNT STATE }

type Mutation {
  sessionCreate(input: SessionCreateInput!): SessionPayload!
  sessionRefresh(input: SessionRefreshInput!): SessionPayload!
  sessionRevoke(input: SessionRevokeInput!): SessionRevokePayload!
  orderCreate(input: OrderCreateInput!): OrderPayload!
  orderUpdate(input: OrderUpdateInput!): OrderPayload!
  orderSubmit(input: OrderActionInput!): OrderPayload!
  orderApprove(input: OrderActionInput!): OrderPayload!
  orderReject(input: OrderActionInput!): OrderPayload!
  orderRelease(input: OrderActionInput!): OrderPayload!
  orderStart(input: OrderActionInput!): OrderPayload!
  orderHold(input: OrderActionInput!): OrderPayload!
  orderResume(input: OrderActionInput!): OrderPayload!
  orderReportProgress(input: OrderProgressInput!): OrderPayload!
  orderComplete(input: OrderActionInput!): OrderPayload!
  orderAccept(input: OrderActionInput!): OrderPayload!
  orderSettle(input: OrderActionInput!): OrderPayload!
  orderCancel(input: OrderActionInput!): OrderPayload!
  orderAssign(input: OrderAssignInput!): OrderPayload!
  orderRevise(input: OrderReviseInput!): OrderPayload!
}
input SessionCreateInput { username: String!  password: String! }
type SessionPayload { accessToken: String  refreshToken: String  expiresAt: DateTime }
input OrderActionInput { id: ID!  expectedVersion: Int  note: String  idempotencyKey: String  dryRun: Boolean! }
input OrderProgressInput { percent: Decimal  note: String  occurredAt: DateTime  position: GeoPositionInput }
type OrderPayload { order: Order  errors: [UserError!]! }

type Subscription { orderChanged(projectId: ID, orderIds: [ID!], states: [OrderState!]): OrderChange! }
type OrderChange { cursor: String!  resyncRequired: Boolean!  event: Event  order: Order }
type Event implements Node {
  id: ID!  type: String!  occurredAt: DateTime!  actor: User  aggregate: Node
  version: Int!  changes: [FieldChange!]!  note: String
}
type FieldChange { field: String!  before: String  after: String }
"""

CONNECTIONS = ("Project", "Order", "OrderLine", "Event")
Kind = ObjectTypeDefinitionNode | InterfaceTypeDefinitionNode | InputObjectTypeDefinitionNode


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return graphql_schema(build_schema())


def promised_words(node: Kind) -> Iterator[tuple[str, str]]:
    """Each field and argument with its type, as text."""
    for field in node.fields or ():
        yield field.name.value, print_ast(field.type)
        if not isinstance(node, InputObjectTypeDefinitionNode):
            for argument in getattr(field, "arguments", None) or ():
                yield f"{field.name.value}({argument.name.value})", print_ast(argument.type)


def words_of(schema: GraphQLSchema, name: str) -> dict[str, str]:
    kind = schema.type_map[name]
    assert isinstance(kind, GraphQLObjectType | GraphQLInterfaceType | GraphQLInputObjectType), name
    words = {field: str(each.type) for field, each in kind.fields.items()}
    if not isinstance(kind, GraphQLInputObjectType):
        for field, each in kind.fields.items():
            words |= {f"{field}({argument})": str(found.type) for argument, found in each.args.items()}
    return words


def test_everything_promised_is_there_with_its_type(schema: GraphQLSchema) -> None:
    for node in parse(PROMISED).definitions:
        if isinstance(node, Kind):
            words = words_of(schema, node.name.value)
            for word, kind in promised_words(node):
                assert words.get(word) == kind, f"{node.name.value}.{word}"
        elif isinstance(node, EnumTypeDefinitionNode):
            enum = schema.type_map[node.name.value]
            assert isinstance(enum, GraphQLEnumType)
            assert list(enum.values) == [value.name.value for value in node.values or ()], node.name.value
        else:
            assert isinstance(node, ScalarTypeDefinitionNode)
            assert node.name.value in schema.type_map


def test_everything_with_an_id_is_a_node(schema: GraphQLSchema) -> None:
    for kind in schema.type_map.values():
        if isinstance(kind, GraphQLObjectType) and "id" in kind.fields:
            assert "Node" in [each.name for each in kind.interfaces], kind.name


@pytest.mark.parametrize("name", CONNECTIONS)
def test_every_list_is_a_connection_of_one_shape(schema: GraphQLSchema, name: str) -> None:
    assert words_of(schema, f"{name}Connection") == {
        "nodes": f"[{name}!]!",
        "edges": f"[{name}Edge!]!",
        "pageInfo": "PageInfo!",
        "totalCount": "Int!",
    }
    assert words_of(schema, f"{name}Edge") == {"cursor": "String!", "node": f"{name}!"}


def test_every_connection_takes_the_same_four_arguments(schema: GraphQLSchema) -> None:
    found = [
        (kind.name, name, list(field.args)[:4])
        for kind in schema.type_map.values()
        if isinstance(kind, GraphQLObjectType)
        for name, field in kind.fields.items()
        if str(field.type).rstrip("!").endswith("Connection")
    ]
    assert len(found) == 28
    assert all(arguments == ["first", "after", "last", "before"] for _, _, arguments in found), found


def test_every_command_says_its_refusals(schema: GraphQLSchema) -> None:
    mutation = schema.mutation_type
    assert mutation is not None
    for name, field in mutation.fields.items():
        payload = str(field.type).rstrip("!")
        assert words_of(schema, payload)["errors"] == "[UserError!]!", name
