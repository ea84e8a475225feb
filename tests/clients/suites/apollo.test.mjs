/** Does `@apollo/client` work: its normalized cache, its errors, its paging, and subscriptions over `graphql-ws`? */
import assert from "node:assert/strict";
import { after, test } from "node:test";

import { CombinedGraphQLErrors, gql } from "@apollo/client";
import { createClient as createSocket } from "graphql-ws";
import WebSocket from "ws";

import { createCache, createClient } from "../apollo/app.js";
import { CHANGED, ORDER, ORDERS, RENAME } from "../apollo/documents.js";
import { Draft, Mailbox, ask, bearer, socketUrl, url } from "../eoms.mjs";

const TYPES = "{ __schema { types { kind name possibleTypes { name } } } }";
const REFUSABLE = gql`
  query Refusable {
    project(code: "P-001") {
      code
    }
    order {
      title
    }
  }
`;

const socket = createSocket({ url: socketUrl, webSocketImpl: WebSocket, connectionParams: bearer("pm") });
after(() => socket.dispose());

/** The members of each interface, as Apollo's cache wants them, from the server's own introspection. */
const possibleTypes = Object.fromEntries(
  (await ask("pm", TYPES)).__schema.types
    .filter(({ kind }) => kind === "INTERFACE")
    .map(({ name, possibleTypes: members }) => [name, members.map((each) => each.name)]),
);

const newClient = (headers = bearer("pm")) =>
  createClient({ url, headers, fetch, socket, cache: createCache(possibleTypes) });

test("objects are kept under their global ids, and a mutation's answer changes them there", async () => {
  const client = newClient();
  const draft = await Draft.open("Kept once");
  const variables = { id: draft.id };
  const facts = { __typename: "Order", id: draft.id, title: "Kept once", version: 1 };
  assert.deepEqual((await client.query({ query: ORDER, variables })).data.order, facts);
  assert.deepEqual(client.cache.extract()[draft.id], facts);

  const input = { id: draft.id, expectedVersion: 1, title: "Kept and renamed" };
  const { data } = await client.mutate({ mutation: RENAME, variables: { input } });
  assert.deepEqual(data.orderUpdate.errors, []);
  const cached = await client.query({ query: ORDER, variables, fetchPolicy: "cache-only" });
  assert.deepEqual(cached.data.order, { ...facts, title: "Kept and renamed", version: 2 });
});

test("a refusal is a typed error in the answer, not an exception", async () => {
  const draft = await Draft.open("Refused");
  await draft.rename("Refused, as it has moved on");
  const input = { id: draft.id, expectedVersion: 1, title: "Too late" };
  const { data, error } = await newClient().mutate({ mutation: RENAME, variables: { input } });
  assert.equal(error?.message, undefined);
  assert.equal(data.orderUpdate.order, null);
  const [{ message, ...conflict }, ...others] = data.orderUpdate.errors;
  assert.deepEqual(others, []);
  assert.deepEqual(conflict, {
    __typename: "VersionConflict",
    code: "VERSION_CONFLICT",
    path: ["expectedVersion"],
    currentVersion: 2,
  });
  assert.equal(typeof message, "string");
});

test("pages are put together into one list", async () => {
  const wanted = "{ orders(first: 5, orderBy: [{ field: NUMBER, direction: ASC }]) { nodes { number } } }";
  const numbers = (await ask("pm", wanted)).orders.nodes.map(({ number }) => number);
  const client = newClient();
  const orders = client.watchQuery({ query: ORDERS, variables: { first: 2 } });
  const mailbox = new Mailbox();
  const reading = orders.subscribe(({ loading, data }) => loading || mailbox.push(data.orders));
  const { edges, pageInfo } = await mailbox.next();
  assert.deepEqual(edges.map(({ node }) => node.number), numbers.slice(0, 2));
  await orders.fetchMore({ variables: { first: 3, after: pageInfo.endCursor } });
  assert.deepEqual((await mailbox.next()).edges.map(({ node }) => node.number), numbers);
  reading.unsubscribe();
});

test("top-level errors carry their codes, with the data or instead of it as the policy says", async () => {
  const client = newClient();
  const { data, error } = await client.query({ query: REFUSABLE, errorPolicy: "all" });
  assert.deepEqual(data, { project: { __typename: "Project", code: "P-001" }, order: null });
  assert.deepEqual(codesOf(error), ["ONE_ARGUMENT_REQUIRED"]);
  await assert.rejects(client.query({ query: REFUSABLE, fetchPolicy: "network-only" }), (failure) => {
    assert.deepEqual(codesOf(failure), ["ONE_ARGUMENT_REQUIRED"]);
    return true;
  });
});

test("a bad token and a bad document are errors with codes, whatever their HTTP status", async () => {
  const query = gql("query Bad { viewer { nonsense } }");
  await assert.rejects(newClient().query({ query }), (error) => {
    assert.deepEqual(codesOf(error), ["GRAPHQL_VALIDATION_FAILED"]);
    return true;
  });
  await assert.rejects(newClient({ authorization: "Bearer not.a.token" }).query({ query: ORDERS }), (error) => {
    assert.deepEqual(codesOf(error), ["UNAUTHENTICATED"]);
    return true;
  });
});

test("a subscription tells of a change from outside, and the cache follows", async () => {
  const client = newClient();
  const draft = await Draft.open("Followed");
  await client.query({ query: ORDER, variables: { id: draft.id } });
  const mailbox = new Mailbox();
  const following = client
    .subscribe({ query: CHANGED, variables: { ids: [draft.id] } })
    .subscribe({ next: mailbox.push, error: mailbox.fail, complete: mailbox.end });
  await draft.renameUntilHeard(mailbox);
  const { title, version } = client.cache.extract()[draft.id];
  assert.equal(title, draft.titles[version]);
  assert.notEqual(version, 1);
  following.unsubscribe();
});

function codesOf(error) {
  assert.ok(CombinedGraphQLErrors.is(error), `${error}`);
  return error.errors.map(({ extensions }) => extensions.code);
}
