/** Does the example of docs/live.md compile strictly, and show every change once and in order, whatever happens? */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";

import WebSocket from "ws";

import { compiledBoard } from "../compile.mjs";
import { Draft, socketUrl } from "../eoms.mjs";
import { control, cursorOf, feedCursor, pause, until } from "../live.mjs";

// The board takes the platform's own, which Node 20 has not.
const opened = [];
globalThis.WebSocket = class extends WebSocket {
  constructor(...given) {
    super(...given);
    opened.push(this);
  }
};
const { follow } = await import(join(compiledBoard(), "out", "follow.js"));

/** Somebody who follows all orders of his; keeps what was shown of each, how often it was read, and how it ended. */
class Viewer {
  shown = new Map();
  reads = 0;
  failure = null;
  #ending = new AbortController();

  constructor({ token = () => control("token", { who: "pm", seconds: 600 }), read = () => feedCursor("pm"), ...more } = {}) {
    this.sockets = opened.length;
    this.ended = follow({
      url: socketUrl,
      token,
      read: async () => {
        const cursor = await read();
        this.reads += 1;
        return cursor;
      },
      show: ({ orderId, event }) => this.versions(orderId).push(event.version),
      signal: this.#ending.signal,
      ...more,
    }).catch((error) => (this.failure = error));
  }

  versions(orderId) {
    if (!this.shown.has(orderId)) this.shown.set(orderId, []);
    return this.shown.get(orderId);
  }

  async hasSeen(draft) {
    await until(() => this.versions(draft.id).length >= draft.version);
    assert.deepEqual(this.versions(draft.id), Array.from({ length: draft.version }, (_, at) => at + 1));
  }

  async end() {
    this.#ending.abort();
    await this.ended;
    assert.equal(this.failure, null);
  }
}

/** A draft that is renamed all the time, by somebody who asks until he is answered. */
class Writer {
  #goesOn = true;

  constructor(draft) {
    this.draft = draft;
    this.done = this.#write();
  }

  async stop() {
    this.#goesOn = false;
    await this.done;
  }

  async #write() {
    while (this.#goesOn) {
      try {
        await this.draft.rename(`Written ${this.draft.version}`);
      } catch {
        // It may have been done and the answer lost.
        await this.draft.refresh().catch(() => {});
      }
      await pause(20);
    }
  }
}

async function following(options) {
  const viewer = new Viewer(options);
  await until(() => viewer.reads === 1);
  const draft = await Draft.open("On the board");
  await viewer.hasSeen(draft);
  return { viewer, draft };
}

for (const [what, action] of [
  ["stopped", "stop"],
  ["killed", "kill"],
]) {
  test(`every change is shown once and in order while the server is ${what} and started again`, async () => {
    const { viewer, draft } = await following();
    const writer = new Writer(draft);
    await until(() => draft.version > 5);
    await control(action);
    await pause(500);
    await control("start");
    const version = draft.version;
    await until(() => draft.version > version + 5);
    await writer.stop();
    await viewer.hasSeen(draft);
    assert.equal(viewer.reads, 1);
    await viewer.end();
  });
}

test("a socket that is silent is given up, and nothing is lost", async () => {
  const { viewer, draft } = await following({ silence: 900 });
  const sockets = opened.length;
  await control("freeze");
  await until(() => opened.length > sockets);
  await control("thaw");
  for (const version of [2, 3]) await draft.rename(`After the silence ${version}`);
  await viewer.hasSeen(draft);
  assert.equal(viewer.reads, 1);
  await viewer.end();
});

test("a token that runs out is replaced by the next one, and nothing is lost", async () => {
  const tokens = [2, 600];
  const { viewer, draft } = await following({
    token: () => control("token", { who: "pm", seconds: tokens.shift() }),
  });
  const sockets = opened.length;
  await until(() => opened.length > sockets);
  await draft.rename("With the next token");
  await viewer.hasSeen(draft);
  assert.deepEqual([viewer.reads, tokens], [1, []]);
  await viewer.end();
});

test("a place that can't be told from is read again, and followed from there", async () => {
  const beyond = cursorOf(10n ** 12n);
  for (const cursor of [beyond, "damaged"]) {
    const cursors = [cursor];
    const viewer = new Viewer({ read: async () => cursors.shift() ?? feedCursor("pm") });
    await until(() => viewer.reads === 2);
    const draft = await Draft.open("After reading again");
    await viewer.hasSeen(draft);
    await viewer.end();
  }
});

test("whoever may not come in for good is told so after three times", async () => {
  const viewer = new Viewer({ token: async () => "not.a.token" });
  await viewer.ended;
  assert.equal(viewer.failure.code, 4403);
  assert.equal(opened.length, viewer.sockets + 3);
});

test("it can be ended while the server is away, and does not call it all the time", async () => {
  const { viewer } = await following();
  await control("stop");
  const sockets = opened.length;
  await pause(3000);
  assert.ok(opened.length - sockets <= 4, `${opened.length - sockets} times in three seconds`);
  await viewer.end();
  await control("start");
});

test("it can be ended while it reads, and then opens nothing", async () => {
  let answer;
  const viewer = new Viewer({ read: () => new Promise((resolve) => (answer = resolve)) });
  await until(() => answer);
  const ended = viewer.end();
  answer(await feedCursor("pm"));
  await ended;
  assert.equal(opened.length, viewer.sockets);
});
