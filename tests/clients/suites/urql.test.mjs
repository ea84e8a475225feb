/** Does `urql` work: over POST and GET, with persisted documents, and with subscriptions over each transport? */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";

import { persistedExchange } from "@urql/exchange-persisted";
import { createClient as createEventStreams } from "graphql-sse";
import { createClient as createSocket } from "graphql-ws";
import { Client, cacheExchange, fetchExchange, gql, subscriptionExchange } from "urql";
import WebSocket from "ws";

import { Draft, Mailbox, bearer, manifest, recordingFetch, socketUrl, url } from "../eoms.mjs";

const ORDER = gql`
  query Order($id: ID!) {
    order(id: $id) {
      id
      title
      version
    }
  }
`;
const RENAME = gql`
  mutation Rename($input: OrderUpdateInput!) {
    orderUpdate(input: $input) {
      order {
        id
        title
        version
      }
      errors {
        __typename
        code
        ... on VersionConflict {
          currentVersion
        }
      }
    }
  }
`;
/** A registered subscription, whose text could be sent as well. */
const FOLLOWED = manifest("apollo").operations.find(({ name }) => name === "Changed");

const socket = createSocket({ url: socketUrl, webSocketImpl: WebSocket, connectionParams: bearer("pm") });
const streams = createEventStreams({ url, headers: bearer("pm") });
after(() => socket.dispose());
after(() => streams.dispose());

function newClient(more = {}, headers = bearer("pm")) {
  const recording = recordingFetch();
  const exchanges = [cacheExchange, fetchExchange];
  const fetchOptions = { headers };
  const client = new Client({ url, fetch: recording.fetch, fetchOptions, preferGetMethod: false, exchanges, ...more });
  return { client, sent: recording.exchanges };
}

test("a query, and a mutation that makes the cache ask again", async () => {
  const { client, sent } = newClient();
  const draft = await Draft.open("Asked once");
  const asked = () => client.query(ORDER, { id: draft.id }).toPromise();
  assert.equal((await asked()).data.order.title, "Asked once");
  assert.equal((await asked()).data.order.title, "Asked once");
  assert.equal(sent.length, 1);
  const input = { id: draft.id, expectedVersion: 1, title: "Asked again" };
  const renamed = await client.mutation(RENAME, { input }).toPromise();
  assert.deepEqual(renamed.data.orderUpdate.errors, []);
  assert.equal((await asked()).data.order.title, "Asked again");
  assert.deepEqual(sent.map(({ method }) => method), ["POST", "POST", "POST"]);
});

test("a refusal is a typed error in the answer", async () => {
  const { client } = newClient();
  const draft = await Draft.open("Refused");
  const input = { id: draft.id, expectedVersion: 2, title: "Too early" };
  const { data, error } = await client.mutation(RENAME, { input }).toPromise();
  assert.equal(error?.message, undefined);
  assert.equal(data.orderUpdate.order, null);
  assert.deepEqual(
    data.orderUpdate.errors.map(({ __typename, code, currentVersion }) => [__typename, code, currentVersion]),
    [["VersionConflict", "VERSION_CONFLICT", 1]],
  );
});

test("a query over GET; mutations stay with POST", async () => {
  const { client, sent } = newClient({ preferGetMethod: true });
  const draft = await Draft.open("Over GET");
  assert.equal((await client.query(ORDER, { id: draft.id }).toPromise()).data.order.title, "Over GET");
  const input = { id: draft.id, expectedVersion: 1, title: "Over POST" };
  await client.mutation(RENAME, { input }).toPromise();
  assert.deepEqual(sent.map(({ method, status }) => [method, status]), [["GET", 200], ["POST", 200]]);
  assert.match(sent[0].type, /^application\/graphql-response\+json/);
});

test("errors carry their codes, whatever their HTTP status", async () => {
  const bad = await newClient().client.query(gql("query Bad { viewer { nonsense } }"), {}).toPromise();
  assert.deepEqual(codesOf(bad.error), ["GRAPHQL_VALIDATION_FAILED"]);
  const stranger = newClient({}, { authorization: "Bearer not.a.token" }).client;
  const refused = await stranger.query(ORDER, { id: "Order:0" }).toPromise();
  assert.deepEqual(codesOf(refused.error), ["UNAUTHENTICATED"]);
});

test("staff register a document by sending it", async () => {
  const { client, sent } = newClient({ exchanges: [persistedExchange(), fetchExchange] });
  const query = gql(`query Automatic${Date.now()} { project(code: "P-001") { code } }`);
  for (const _ of [1, 2]) {
    const { data, error } = await client.query(query, {}, { requestPolicy: "network-only" }).toPromise();
    assert.equal(error?.message, undefined);
    assert.equal(data.project.code, "P-001");
  }
  assert.deepEqual(sent.map(wentOut), ["GET with hash", "GET with hash and text", "GET with hash"]);
});

test("registered documents are asked for by the ids that a build gave them", async () => {
  const [id, text] = Object.entries(manifest("codegen")).find(([, each]) => each.startsWith("query Bought"));
  const generateHash = async () => id.replace("sha256:", "");
  const registered = persistedExchange({ enforcePersistedQueries: true, generateHash });
  const { client, sent } = newClient({ exchanges: [registered, fetchExchange] });
  const { data, error } = await client.query(gql(text), { project: "P-001", first: 1 }).toPromise();
  assert.equal(error?.message, undefined);
  assert.equal(data.project.code, "P-001");
  assert.deepEqual(sent.map(wentOut), ["GET with hash"]);
});

describe("a subscription tells of a change from outside", () => {
  // Both clients insist on a `query`; beside a hash an empty one says nothing.
  const through = (client) =>
    subscriptionExchange({
      forwardSubscription: ({ query = "", ...request }) => ({
        subscribe: (sink) => ({ unsubscribe: client.subscribe({ query, ...request }, sink) }),
      }),
    });
  const byId = persistedExchange({
    enforcePersistedQueries: true,
    enableForSubscriptions: true,
    generateHash: async () => FOLLOWED.id,
  });
  const transports = {
    "over graphql-ws": { exchanges: [through(socket)] },
    "over graphql-sse": { exchanges: [through(streams)] },
    "over urql's own event streams": { exchanges: [fetchExchange], fetchSubscriptions: true },
    "over graphql-ws, by its id": { exchanges: [byId, through(socket)] },
    "over graphql-sse, by its id": { exchanges: [byId, through(streams)] },
    "over urql's own event streams, by its id": { exchanges: [byId, fetchExchange], fetchSubscriptions: true },
  };
  for (const [name, options] of Object.entries(transports)) {
    test(name, async () => {
      const { client } = newClient(options);
      const draft = await Draft.open(`Heard ${name}`);
      const mailbox = new Mailbox();
      const { unsubscribe } = client
        .subscription(gql(FOLLOWED.body), { ids: [draft.id] })
        .subscribe(({ data, error }) => (error ? mailbox.fail(error) : mailbox.push({ data })));
      await draft.renameUntilHeard(mailbox);
      unsubscribe();
    });
  }
});

function codesOf(error) {
  return error.graphQLErrors.map(({ extensions }) => extensions.code);
}

/** What of a document went out, and by which method. */
function wentOut({ method, address, body }) {
  const { query, extensions } = body ?? Object.fromEntries(address.searchParams);
  const { persistedQuery } = typeof extensions === "string" ? JSON.parse(extensions) : (extensions ?? {});
  const parts = [persistedQuery && "hash", query && "text"].filter(Boolean);
  return `${method} with ${parts.join(" and ")}`;
}
