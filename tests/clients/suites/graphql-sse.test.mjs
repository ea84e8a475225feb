/** Does the client of `graphql-sse` work, in its mode of one connection for each operation? */
import assert from "node:assert/strict";
import { after, test } from "node:test";

import { NetworkError, createClient } from "graphql-sse";

import { Draft, Mailbox, ORDER_CHANGED, bearer, manifest, url } from "../eoms.mjs";

const client = connect(bearer("pm"));
after(() => client.dispose());

function connect(headers) {
  return createClient({ url, headers, retryAttempts: 0 });
}

/** All answers to an operation, once the server has said that it is complete. */
async function answers(payload) {
  const heard = [];
  for await (const answer of client.iterate(payload)) heard.push(answer);
  return heard;
}

function follow(payload, through = client) {
  const mailbox = new Mailbox();
  const stop = through.subscribe(payload, { next: mailbox.push, error: mailbox.fail, complete: mailbox.end });
  return { mailbox, stop };
}

test("a query is answered once, and then it is complete", async () => {
  const query = `query ($code: String!) { project(code: $code) { code } viewer { user { username } } }`;
  const [{ data }, ...others] = await answers({ query, variables: { code: "P-001" } });
  assert.deepEqual(data, { project: { code: "P-001" }, viewer: { user: { username: "pm" } } });
  assert.deepEqual(others, []);
});

test("a mutation is answered once, its refusal typed", async () => {
  const draft = await Draft.open("Over events");
  const query = `mutation ($id: ID!) {
    orderUpdate(input: { id: $id, expectedVersion: 7, title: "Too early" }) {
      order { title }
      errors { __typename ... on VersionConflict { currentVersion } }
    }
  }`;
  const [{ data }, ...others] = await answers({ query, variables: { id: draft.id } });
  assert.deepEqual(data.orderUpdate, {
    order: null,
    errors: [{ __typename: "VersionConflict", currentVersion: 1 }],
  });
  assert.deepEqual(others, []);
});

test("a subscription hears a change from outside, and ends when it is told to", async () => {
  const draft = await Draft.open("Heard over events");
  const { mailbox, stop } = follow({ query: ORDER_CHANGED, variables: { ids: [draft.id] } });
  await draft.renameUntilHeard(mailbox);
  stop();
  await mailbox.ended();
});

test("an operation that is given up tells nothing more", async () => {
  const draft = await Draft.open("Given up");
  const { mailbox, stop } = follow({ query: ORDER_CHANGED, variables: { ids: [draft.id] } });
  await draft.renameUntilHeard(mailbox);
  stop();
  await mailbox.ended();
  await draft.rename("Given up, and unheard");
  assert.equal(await mailbox.next(500), null);
});

test("a registered document is asked for, and followed, by its id", async () => {
  const ids = Object.fromEntries(
    manifest("apollo").operations.map(({ name, id }) => [name, { documentId: `sha256:${id}` }]),
  );
  const draft = await Draft.open("By id over events");
  const [{ data }] = await answers({ ...ids.Order, variables: { id: draft.id } });
  assert.equal(data.order.title, "By id over events");
  const { mailbox, stop } = follow({ ...ids.Changed, variables: { ids: [draft.id] } });
  await draft.renameUntilHeard(mailbox);
  stop();
});

test("a bad token is refused with 401 before anything streams", async () => {
  const { mailbox } = follow({ query: ORDER_CHANGED }, connect({ authorization: "Bearer not.a.token" }));
  const failure = await mailbox.failure();
  assert.ok(failure instanceof NetworkError, `${failure}`);
  assert.equal(failure.response.status, 401);
});

test("a bad document is refused with the errors that name what is wrong", async () => {
  const { mailbox } = follow({ query: "{ viewer { nonsense } }" });
  const failure = await mailbox.failure();
  assert.ok(failure instanceof NetworkError, `${failure}`);
  assert.equal(failure.response.status, 400);
});
