/** Does a follower who was away hear exactly what he missed, once and in order, and then what follows? */
import assert from "node:assert/strict";
import { test } from "node:test";

import { Draft } from "../eoms.mjs";
import { Client, changes, control, feedCursor, versions } from "../live.mjs";

/** A draft, a client that follows it from its creation on, and the cursor of what was heard last. */
async function followed(title) {
  const after = await feedCursor("pm");
  const draft = await Draft.open(title);
  const client = new Client("pm");
  const mailbox = client.follow({ ids: [draft.id], after });
  await draft.rename(`${title}, heard`);
  const heard = await changes(mailbox, 2);
  assert.deepEqual(heard.map(({ event }) => event.version), [1, 2]);
  return { draft, client, mailbox, cursor: heard[1].cursor };
}

/** Resume behind a cursor, hear of versions `from` to `to` and then of one more, and of nothing else. */
async function assertResumes(client, draft, after, from, to) {
  const mailbox = client.follow({ ids: [draft.id], after });
  const missed = await changes(mailbox, to - from + 1);
  assert.deepEqual(missed.map(({ event }) => event.version), range(from, to));
  const title = `Live again ${to + 1}`;
  await draft.rename(title);
  const [live] = await changes(mailbox, 1);
  assert.deepEqual([live.event.version, live.order.title], [to + 1, title]);
  assert.equal(new Set([after, live.cursor, ...missed.map(({ cursor }) => cursor)]).size, to - from + 3);
  assert.equal(await mailbox.next(500), null);
  mailbox.stop();
  return live.cursor;
}

const range = (from, to) => Array.from({ length: to - from + 1 }, (_, at) => from + at);

test("who lost his socket hears what he missed, once and in order, and then what follows", async () => {
  const { draft, client, mailbox, cursor } = await followed("In a tunnel");
  client.lose();
  await assert.rejects(mailbox.next(), ({ code }) => code === 1006);
  for (const version of range(3, 5)) await draft.rename(`Missed ${version}`);
  await assertResumes(client, draft, cursor, 3, 5);
  assert.equal(client.sockets.length, 2);
  await client.dispose();
});

test("who has missed nothing hears nothing again", async () => {
  const { draft, client, cursor } = await followed("Nothing missed");
  client.lose();
  await client.end();
  await assertResumes(client, draft, cursor, 3, 2);
  await client.dispose();
});

test("who lost his socket before a restart of the server and its stores hears what he missed before and after it", async () => {
  const { draft, client, cursor } = await followed("Over a restart");
  client.lose();
  await client.end();
  for (const version of [3, 4]) await draft.rename(`Before the restart ${version}`);
  assert.equal(await control("stop"), 0);
  await control("start");
  await draft.rename("After the restart");
  await assertResumes(client, draft, cursor, 3, 5);
  await client.dispose();
});

test("who followed when the server was killed resumes with the next one", async () => {
  const { draft, client, mailbox, cursor } = await followed("Over a crash");
  await control("kill");
  await assert.rejects(mailbox.next(), ({ code }) => code === 1006);
  await control("start");
  for (const version of [3, 4]) await draft.rename(`After the crash ${version}`);
  const last = await assertResumes(client, draft, cursor, 3, 4);
  // From any place that was told, and as often as one likes.
  await assertResumes(client, draft, last, 6, 5);
  await assertResumes(client, draft, cursor, 3, 6);
  await client.dispose();
});

test("a client that comes back by itself resumes where its variables say", async () => {
  const { draft, client, cursor } = await followed("By itself");
  await client.dispose();
  const patient = new Client("pm", { retryAttempts: 5, retryWait: async () => {} });
  const variables = { ids: [draft.id], after: cursor };
  const mailbox = patient.follow(variables);
  await draft.rename("Third");
  const [third] = await changes(mailbox, 1);
  // The payload of a retry is read when it is sent.
  variables.after = third.cursor;
  patient.lose();
  await draft.rename("Fourth");
  assert.deepEqual(await versions(mailbox, 1), [4]);
  assert.equal(await mailbox.next(500), null);
  assert.equal(patient.sockets.length, 2);
  await patient.dispose();
});
