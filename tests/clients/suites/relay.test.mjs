/** Does an app that the Relay compiler has built work, with its documents as text and by their ids? */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";

import { createClient } from "graphql-ws";
import WebSocket from "ws";

import { loadedRelay } from "../compile.mjs";
import { Draft, Mailbox, ask, bearer, recordingFetch, socketUrl, url } from "../eoms.mjs";

for (const persisted of [false, true]) {
  describe(persisted ? "with persisted documents" : "with documents as text", () => {
    const app = loadedRelay({ persisted });
    const recording = recordingFetch();
    const socket = createClient({ url: socketUrl, webSocketImpl: WebSocket, connectionParams: bearer("pm") });
    after(() => socket.dispose());
    const newEnvironment = () =>
      app.createEnvironment({ url, headers: bearer("pm"), fetch: recording.fetch, socket });

    test("a connection is read page by page into one list", async () => {
      const orders = await app.openOrders(newEnvironment(), 2);
      const query = "{ orders(first: 5, orderBy: [{ field: NUMBER, direction: ASC }]) { nodes { number } } }";
      const numbers = (await ask("pm", query)).orders.nodes.map(({ number }) => number);
      assert.equal(orders.username, "pm");
      assert.deepEqual(orders.numbers(), numbers.slice(0, 2));
      await orders.more(3);
      assert.deepEqual(orders.numbers(), numbers);
    });

    test("an object is fetched again by its global id", async () => {
      const draft = await Draft.open("Fetched again");
      const order = await app.openOrder(newEnvironment(), draft.id);
      assert.deepEqual(order.read(), { id: draft.id, title: "Fetched again", version: 1 });
      await draft.rename("Fetched again, changed");
      assert.equal(order.read().title, "Fetched again");
      await order.refetch();
      assert.deepEqual(order.read(), { id: draft.id, title: "Fetched again, changed", version: 2 });
    });

    test("a mutation updates what the store holds, and its refusal is typed", async () => {
      const draft = await Draft.open("Mutated");
      const environment = newEnvironment();
      const order = await app.openOrder(environment, draft.id);
      const input = { id: draft.id, expectedVersion: 1, title: "Mutated once" };
      assert.deepEqual((await app.rename(environment, input)).errors, []);
      assert.deepEqual(order.read(), { id: draft.id, title: "Mutated once", version: 2 });
      assert.deepEqual(await app.rename(environment, input), {
        order: null,
        errors: [{ __typename: "VersionConflict", code: "VERSION_CONFLICT", currentVersion: 2 }],
      });
    });

    test("a subscription tells of a change from outside, and the store follows", async () => {
      const draft = await Draft.open("Followed");
      const environment = newEnvironment();
      const order = await app.openOrder(environment, draft.id);
      const mailbox = new Mailbox();
      const following = app.follow(environment, [draft.id], { onNext: mailbox.push, onError: mailbox.fail });
      await draft.renameUntilHeard(mailbox);
      assert.equal(order.read().title, draft.titles[order.read().version]);
      assert.notEqual(order.read().version, 1);
      following.dispose();
    });

    test("what went over the wire is what the compiler made", () => {
      assert.notEqual(recording.exchanges.length, 0);
      for (const { body } of recording.exchanges) {
        assert.deepEqual(Object.keys(body), [persisted ? "documentId" : "query", "variables"]);
      }
    });
  });
}
