/** Does the client of `graphql-ws` work over our WebSocket? */
import assert from "node:assert/strict";
import { after, test } from "node:test";

import { createClient } from "graphql-ws";
import WebSocket from "ws";

import { Draft, Mailbox, ORDER_CHANGED, ask, bearer, manifest, socketUrl } from "../eoms.mjs";

const client = connect(bearer("pm"));
after(() => client.dispose());

function connect(connectionParams, more = {}) {
  return createClient({ url: socketUrl, webSocketImpl: WebSocket, connectionParams, retryAttempts: 0, ...more });
}

/** The one answer to a query or mutation. */
async function answer(payload, through = client) {
  const answers = [];
  for await (const each of through.iterate(payload)) answers.push(each);
  assert.equal(answers.length, 1);
  return answers[0];
}

function follow(payload) {
  const mailbox = new Mailbox();
  const stop = client.subscribe(payload, { next: mailbox.push, error: mailbox.fail, complete: mailbox.end });
  return { mailbox, stop };
}

test("query with variables", async () => {
  const query = `query ($code: String!) { project(code: $code) { code } viewer { user { username } } }`;
  const { data } = await answer({ query, variables: { code: "P-001" } });
  assert.deepEqual(data, { project: { code: "P-001" }, viewer: { user: { username: "pm" } } });
});

test("mutation, and its refusal as a typed error", async () => {
  const draft = await Draft.open("Over a socket");
  const query = `mutation ($id: ID!, $version: Int!) {
    orderUpdate(input: { id: $id, expectedVersion: $version, title: "Over a socket, twice" }) {
      order { title version }
      errors { __typename code ... on VersionConflict { currentVersion } }
    }
  }`;
  const variables = { id: draft.id, version: draft.version };
  assert.deepEqual((await answer({ query, variables })).data.orderUpdate, {
    order: { title: "Over a socket, twice", version: 2 },
    errors: [],
  });
  assert.deepEqual((await answer({ query, variables })).data.orderUpdate, {
    order: null,
    errors: [{ __typename: "VersionConflict", code: "VERSION_CONFLICT", currentVersion: 2 }],
  });
});

test("subscription hears a change from outside, and ends when it is told to", async () => {
  const draft = await Draft.open("Heard over a socket");
  const { mailbox, stop } = follow({ query: ORDER_CHANGED, variables: { ids: [draft.id] } });
  await draft.renameUntilHeard(mailbox);
  stop();
  await mailbox.ended();
});

test("several operations share one socket", async () => {
  let sockets = 0;
  const shared = connect(bearer("pm"), { on: { opened: () => (sockets += 1) }, lazy: false });
  const mailbox = new Mailbox();
  const draft = await Draft.open("One socket for all");
  shared.subscribe(
    { query: ORDER_CHANGED, variables: { ids: [draft.id] } },
    { next: mailbox.push, error: mailbox.fail, complete: mailbox.end },
  );
  const codes = ["P-001", "P-002", "P-003"];
  const query = `query ($code: String!) { project(code: $code) { code } }`;
  const answers = await Promise.all(codes.map((code) => answer({ query, variables: { code } }, shared)));
  const seen = await Promise.all(codes.map((code) => ask("pm", query, { code })));
  assert.deepEqual(answers.map((each) => each.data), seen);
  await draft.renameUntilHeard(mailbox);
  assert.equal(sockets, 1);
  await shared.dispose();
});

test("a bad document is an error of its operation, and the socket lives on", async () => {
  for (const query of ["{ viewer { nonsense } }", "{ not a document"]) {
    const { mailbox } = follow({ query });
    const [error] = await mailbox.failure();
    assert.match(error.extensions.code, /^GRAPHQL_(VALIDATION|PARSE)_FAILED$/);
  }
  assert.deepEqual((await answer({ query: "{ viewer { user { username } } }" })).data, {
    viewer: { user: { username: "pm" } },
  });
});

test("a bad token closes the socket with 4403", async () => {
  const stranger = connect({ authorization: "Bearer not.a.token" });
  const mailbox = new Mailbox();
  stranger.subscribe(
    { query: "{ viewer { user { id } } }" },
    { next: mailbox.push, error: mailbox.fail, complete: mailbox.end },
  );
  assert.equal((await mailbox.failure()).code, 4403);
});

test("a registered document is asked for, and followed, by its id", async () => {
  // The client insists on a `query`; beside an id an empty one says nothing.
  const ids = Object.fromEntries(
    manifest("apollo").operations.map(({ name, id }) => [name, { query: "", documentId: `sha256:${id}` }]),
  );
  const draft = await Draft.open("By id over a socket");
  const { data } = await answer({ ...ids.Order, variables: { id: draft.id } });
  assert.equal(data.order.title, "By id over a socket");
  const { mailbox, stop } = follow({ ...ids.Changed, variables: { ids: [draft.id] } });
  await draft.renameUntilHeard(mailbox);
  stop();
});

test("a client that was refused comes back with a new token", async () => {
  const tokens = ["Bearer no.longer.good", bearer("pm").authorization];
  const connectionParams = async () => ({ authorization: tokens.shift() });
  const patient = connect(connectionParams, { retryAttempts: 1, retryWait: async () => {} });
  const { data } = await answer({ query: "{ viewer { user { username } } }" }, patient);
  assert.equal(data.viewer.user.username, "pm");
  assert.deepEqual(tokens, []);
});
