/** Do Apollo's persisted queries work: registered by themselves for staff, and by an operator from a manifest? */
import assert from "node:assert/strict";
import { after, test } from "node:test";

import { gql } from "@apollo/client";
import { createClient as createSocket } from "graphql-ws";
import WebSocket from "ws";

import { automaticLink, createCache, createClient, registeredLink } from "../apollo/app.js";
import { CHANGED, ORDER, ORDERS, RENAME } from "../apollo/documents.js";
import { Draft, Mailbox, bearer, manifest, recordingFetch, socketUrl, url } from "../eoms.mjs";

const { operations } = manifest("apollo");
const idOf = (name) => operations.find((operation) => operation.name === name).id;

const sockets = new Map();
after(() => Promise.all([...sockets.values()].map((socket) => socket.dispose())));

function socketOf(who) {
  const options = { url: socketUrl, webSocketImpl: WebSocket, connectionParams: bearer(who) };
  if (!sockets.has(who)) sockets.set(who, createSocket(options));
  return sockets.get(who);
}

function newClient(link, who = "pm") {
  const recording = recordingFetch();
  const { fetch, exchanges } = recording;
  const cache = createCache({ UserError: ["VersionConflict"] });
  const defaultOptions = { query: { fetchPolicy: "network-only" } };
  const options = { url, headers: bearer(who), fetch, socket: socketOf(who), cache, links: [link], defaultOptions };
  return { client: createClient(options), exchanges };
}

/** What of a document went out: "hash", "text", or both. */
const sent = ({ body }) =>
  [body.extensions?.persistedQuery && "hash", body.query !== undefined && "text"].filter(Boolean).join(" and ");

test("staff register a document by sending it: hash, then hash and text, then ever after the hash", async () => {
  const query = gql(`query Automatic${Date.now()} { project(code: "P-001") { code } }`);
  const { client, exchanges } = newClient(automaticLink());
  for (const _ of [1, 2]) {
    const { data } = await client.query({ query });
    assert.equal(data.project.code, "P-001");
  }
  assert.deepEqual(exchanges.map(sent), ["hash", "hash and text", "hash"]);
});

test("registered documents are asked for by their ids alone", async () => {
  const { client, exchanges } = newClient(registeredLink(manifest("apollo")));
  const draft = await Draft.open("Registered");
  const { data } = await client.query({ query: ORDER, variables: { id: draft.id } });
  assert.equal(data.order.title, "Registered");
  await client.query({ query: ORDERS, variables: { first: 1 } });
  const input = { id: draft.id, expectedVersion: 1, title: "Registered, renamed" };
  const renamed = await client.mutate({ mutation: RENAME, variables: { input } });
  assert.equal(renamed.data.orderUpdate.order.title, "Registered, renamed");
  assert.deepEqual(exchanges.map(sent), ["hash", "hash", "hash"]);
  const hashes = exchanges.map(({ body }) => body.extensions.persistedQuery.sha256Hash);
  assert.deepEqual(hashes, ["Order", "Orders", "Rename"].map(idOf));
});

for (const [who, whose] of [["pm", "a person"], ["web", "a program that may send nothing else"]]) {
  test(`a registered subscription is followed by ${whose}; Apollo adds its text on sockets`, async () => {
    const { client } = newClient(registeredLink(manifest("apollo")), who);
    const draft = await Draft.open("Followed by id and text");
    const mailbox = new Mailbox();
    const following = client
      .subscribe({ query: CHANGED, variables: { ids: [draft.id] } })
      .subscribe({ next: mailbox.push, error: mailbox.fail, complete: mailbox.end });
    await draft.renameUntilHeard(mailbox);
    following.unsubscribe();
  });
}

test("a program that may send registered documents only can register none by sending it", async () => {
  const { client, exchanges } = newClient(automaticLink(), "web");
  const query = gql(`query Smuggled { project(code: "P-001") { name } }`);
  await assert.rejects(client.query({ query }), ({ errors }) => {
    assert.deepEqual(errors.map(({ extensions }) => extensions.code), ["PERSISTED_DOCUMENT_REQUIRED"]);
    return true;
  });
  assert.deepEqual(exchanges.map(sent), ["hash", "hash and text"]);
  const draft = await Draft.open("Registered for all");
  const { data } = await client.query({ query: ORDER, variables: { id: draft.id } });
  assert.equal(data.order.title, "Registered for all");
  assert.equal(sent(exchanges.at(-1)), "hash");
});
