/**
 * What does a client of `graphql-ws` hear that reaches a bound: says nothing, reads nothing, opens too much?
 *
 * The server waits two seconds for the first message, takes messages of 32,768 bytes, lets one wait in order for a
 * subscriber, and gives each viewer three sockets.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { CloseCode } from "graphql-ws";

import { Draft } from "../eoms.mjs";
import { CHANGES, Client, changes, endOf, feedCursor, pause, versions } from "../live.mjs";

const MOST_BYTES = 32_768;
const BYSTANDER = new Client("pm");
let draft;
let witness;

before(async () => {
  const cursor = await feedCursor("pm");
  draft = await Draft.open("Whatever others do");
  witness = BYSTANDER.follow({ ids: [draft.id], after: cursor });
  assert.deepEqual(await versions(witness, 1), [1]);
});
after(() => BYSTANDER.dispose());

/** Somebody else hears the next change, and it alone, over the socket that he has had all the time. */
async function assertOthersHear() {
  const title = `Heard ${draft.version}`;
  await draft.rename(title);
  const [{ order, event }] = await changes(witness, 1);
  assert.deepEqual([order, event], [{ id: draft.id, title, version: draft.version }, { version: draft.version }]);
  assert.deepEqual([BYSTANDER.sockets.length, BYSTANDER.ends], [1, []]);
}

test("4408 for a client that does not say in time who he is", async () => {
  // A client whose token takes for ever.
  const client = new Client(() => new Promise(() => {}));
  const since = performance.now();
  const { code } = await client.follow({ ids: [draft.id] }).failure();
  const seconds = (performance.now() - since) / 1000;
  assert.equal(code, CloseCode.ConnectionInitialisationTimeout);
  assert.ok(seconds >= 2 && seconds < 4, `after ${seconds} s`);
  assert.equal((await endOf([{ type: "ping" }])).code, 4408);
  await assertOthersHear();
});

test("1009 for a message that is too big, after which the client does not come back", async () => {
  const client = new Client("pm", { retryAttempts: 2, retryWait: async () => {} });
  const failure = await client.follow({ ids: [draft.id] }, `${CHANGES}${" ".repeat(MOST_BYTES)}`).failure();
  assert.equal(failure.code, 1009);
  assert.equal(client.sockets.length, 1);
  await assertOthersHear();
});

test("1013 for one socket more than a viewer may have, and room again when one is closed", async () => {
  const open = [new Client("buyer", { lazy: false }), new Client("buyer", { lazy: false })];
  const third = new Client("buyer");
  const query = "{ viewer { user { username } } }";
  const variables = { ids: [draft.id], after: await feedCursor("buyer") };
  const mailboxes = [...open, third].map((client) => client.follow(variables));
  await Promise.all(open.concat(third).map((client) => answer(client, query)));
  const fourth = new Client("buyer");
  const failure = await fourth.follow(variables).failure();
  assert.deepEqual({ code: failure.code, reason: failure.reason }, { code: 1013, reason: "Try again later" });
  await assertOthersHear();
  assert.deepEqual(await Promise.all(mailboxes.map((each) => versions(each, 1))), Array(3).fill([draft.version]));
  mailboxes[2].stop();
  await third.end();
  const patient = new Client("buyer", { retryAttempts: 5, retryWait: () => pause(200) });
  assert.deepEqual(await answer(patient, query), { viewer: { user: { username: "buyer" } } });
  await Promise.all([...open, patient].map((client) => client.dispose()));
});

test("1013 for a client that does not read, which then resumes behind its last cursor", async () => {
  const cursor = await feedCursor("pm");
  // Some megabytes in all: a little waits in the buffers of both ends.
  const description = "长".repeat(3_000);
  const fields = Array.from({ length: 90 }, (_, at) => `d${at}: description`).join(" ");
  const LONG = `subscription ($after: String) {
    orderChanged(after: $after) { cursor resyncRequired event { version } order { id ${fields} } }
  }`;
  const client = new Client("pm");
  const mailbox = client.follow({ after: cursor }, LONG);
  const drafts = [await Draft.open("Slowly 0", { description })];
  const heard = await changes(mailbox, 1);
  client.socket.pause();
  for (let at = 1; at < 40; at += 1) drafts.push(await Draft.open(`Slowly ${at}`, { description }));
  await assertOthersHear();
  client.socket.resume();
  const { code, reason } = await client.end();
  assert.deepEqual({ code, reason }, { code: 1013, reason: "Too slow: resume after the last cursor" });
  for (;;) {
    const told = await mailbox.next().catch((failure) => assert.equal(failure.code, 1013));
    if (!told) break;
    heard.push(told.data.orderChanged);
  }
  assert.ok(heard.length < drafts.length, "not all of it was told at once");
  const again = client.follow({ after: heard.at(-1).cursor }, LONG);
  while (heard.at(-1).order.id !== draft.id) heard.push(...(await changes(again, 1)));
  const told = heard.map(({ order }) => order.id);
  assert.deepEqual(told, [...drafts.map(({ id }) => id), draft.id]);
  await client.dispose();
});

/** The one answer to a query. */
async function answer(client, query) {
  for await (const { data } of client.client.iterate({ query })) return data;
}
