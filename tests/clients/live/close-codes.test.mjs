/**
 * With which code does a socket end, as the client of `graphql-ws` is told? And does it know when coming back is useless?
 *
 * Codes that need narrow bounds are in bounds.test.mjs; 4500 is for mistakes of the server, which can't be asked for.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { CloseCode } from "graphql-ws";
import WebSocket from "ws";

import { Draft, bearer } from "../eoms.mjs";
import { CHANGES, Client, changes, control, endOf, feedCursor, until, versions } from "../live.mjs";

const BYSTANDER = new Client("pm");
const INIT = { type: "connection_init", payload: bearer("pm") };
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

/** A client that would come back at once, if that were of any use, ends with this code, and has tried so many times. */
async function assertEnds(client, { code, reason, sockets = 1 }) {
  const mailbox = client.follow({ ids: [draft.id] });
  const failure = await mailbox.failure();
  assert.deepEqual({ code: failure.code, reason: failure.reason }, { code, reason });
  assert.equal(client.sockets.length, sockets);
  await assertOthersHear();
}

/** A client that tries twice more where the library thinks that it may help. */
const persistent = (who, options = {}) => new Client(who, { retryAttempts: 2, retryWait: async () => {}, ...options });

const text = (message) => (typeof message === "string" ? message : JSON.stringify(message));
/** The client's socket says something more as soon as the server has let it in. */
const saying = (message) => persistent("pm", { on: { connected: (socket) => socket.send(message) } });

const MALFORMED = {
  "no JSON": ["no JSON", "A message is JSON"],
  bytes: [Buffer.from(JSON.stringify(INIT)), "A message is text"],
  "JSON that is no object": ["[1]", "A message is a JSON object"],
  "an unknown type": [text({ type: "start", id: "1" }), "Unknown message type"],
  "no id": [text({ type: "subscribe", payload: { query: CHANGES } }), "The id is a string that is not empty"],
};
for (const [what, [message, reason]] of Object.entries(MALFORMED)) {
  test(`4400 for ${what}, after which the client does not come back`, async () => {
    await assertEnds(saying(message), { code: CloseCode.BadRequest, reason });
  });
}

test("4401 for whoever subscribes before he has said who he is", async () => {
  const early = text({ type: "subscribe", id: "early", payload: { query: CHANGES } });
  const client = persistent("pm", { on: { opened: (socket) => socket.send(early) } });
  await assertEnds(client, { code: CloseCode.Unauthorized, reason: "Unauthorized" });
});

test("4403 for a token that is none; the client tries again, in vain", async () => {
  const client = persistent({ authorization: "Bearer not.a.token" });
  await assertEnds(client, { code: CloseCode.Forbidden, reason: "Forbidden", sockets: 3 });
});

test("4403 for no token at all", async () => {
  await assertEnds(persistent({}), { code: CloseCode.Forbidden, reason: "Forbidden", sockets: 3 });
});

test("4406 for a client that names no subprotocol", async () => {
  class Plain extends WebSocket {
    constructor(url) {
      super(url);
    }
  }
  const client = persistent("pm", { webSocketImpl: Plain });
  await assertEnds(client, { code: CloseCode.SubprotocolNotAcceptable, reason: "Subprotocol not acceptable" });
});

test("a client that names another subprotocol gets none, and gives up by itself", async () => {
  // What RFC 6455 wants of the server; a WebSocket of `ws` or of a browser then never opens, and sees no code.
  await assert.rejects(endOf([], ["graphql-ws"]), { message: "Server sent no subprotocol" });
  await assertOthersHear();
});

test("4409 for an id that is in use", async () => {
  const client = persistent("pm", { generateID: () => "twice" });
  client.follow({ ids: [draft.id] });
  await assertEnds(client, { code: CloseCode.SubscriberAlreadyExists, reason: "Subscriber for twice already exists" });
});

test("4429 for a second handshake", async () => {
  await assertEnds(saying(text(INIT)), {
    code: CloseCode.TooManyInitialisationRequests,
    reason: "Too many initialisation requests",
  });
});

test("more operations than one socket may have are refused one by one, and it stays open", async () => {
  const client = new Client("pm");
  const first = client.follow({ ids: [draft.id], after: await feedCursor("pm") });
  const others = Array.from({ length: 49 }, () => client.follow({ ids: [draft.id] }));
  const [error] = await client.follow({ ids: [draft.id] }).failure();
  assert.equal(error.extensions.code, "TOO_MANY_OPERATIONS");
  await assertOthersHear();
  assert.deepEqual([client.sockets.length, client.ends], [1, []]);
  others[0].stop();
  const [{ cursor }] = await changes(first, 1);
  const late = client.follow({ ids: [draft.id], after: cursor });
  await assertOthersHear();
  assert.deepEqual([await versions(first, 1), await versions(late, 1)], [[draft.version], [draft.version]]);
  await client.dispose();
});

test("1001 when the server stops, with a time to come back after, which the client then does", async () => {
  const cursor = await feedCursor("pm");
  const client = persistent("pm", { retryAttempts: 10, retryWait: () => restarted });
  const mailbox = client.follow({ ids: [draft.id], after: cursor });
  await assertOthersHear();
  assert.deepEqual(await versions(mailbox, 1), [draft.version]);
  let goOn;
  const restarted = new Promise((resolve) => (goOn = resolve));
  assert.equal(await control("stop"), 0);
  await until(() => BYSTANDER.ends.length);
  for (const { code, reason } of [client.ends[0], BYSTANDER.ends[0]]) {
    assert.equal(code, 1001);
    const [, milliseconds] = /^Going away; retry in (\d+) ms$/.exec(reason);
    assert.ok(Number(milliseconds) <= 504, reason);
  }
  assert.equal((await witness.failure()).code, 1001);
  await control("start");
  goOn();
  // It resumes behind the cursor that it began with: what it has heard since comes again, and then what is new.
  await draft.rename("After the restart");
  assert.deepEqual(await versions(mailbox, 2), [draft.version - 1, draft.version]);
  assert.equal(client.sockets.length, 2);
  await client.dispose();
});
