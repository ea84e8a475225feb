/**
 * How does a suite follow orders over a socket that it can lose, misuse and count, and have things done to the server?
 *
 * What a suite can't do itself is done by who started it, on request at CONTROL_URL (tests/protocol/npm_world.py).
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";

import { GRAPHQL_TRANSPORT_WS_PROTOCOL, createClient } from "graphql-ws";
import WebSocket from "ws";

import { Mailbox, ask, bearer, socketUrl } from "./eoms.mjs";

const { CONTROL_URL } = process.env;
if (!CONTROL_URL) {
  throw new Error("CONTROL_URL says who stops the server and takes roles away");
}

const END_SECONDS = 20;

/** Have something done, and return what it gave: start, stop, kill, freeze, thaw, grant, revoke, token. */
export async function control(action, given = {}) {
  const response = await fetch(`${CONTROL_URL}/${action}`, { method: "POST", body: JSON.stringify(given) });
  const said = await response.text();
  assert.equal(response.status, 200, said);
  return JSON.parse(said);
}

/** The place where the feed ends, as somebody sees it. */
export const feedCursor = async (who) => (await ask(who, "{ feedCursor }")).feedCursor;

/** What is followed here: which version of an order an event made, and the order as it is when it is told. */
export const CHANGES = `subscription Changes($ids: [ID!], $after: String) {
  orderChanged(orderIds: $ids, after: $after) {
    cursor
    resyncRequired
    orderId
    event { version }
    order { id title version }
  }
}`;

/** A client of `graphql-ws` that does not come back by itself; keeps its sockets and how they ended. */
export class Client {
  sockets = [];
  ends = [];
  pongs = [];

  constructor(who, { on = {}, ...options } = {}) {
    const { opened, ...hooks } = on;
    this.client = createClient({
      url: socketUrl,
      webSocketImpl: WebSocket,
      connectionParams: typeof who === "string" ? bearer(who) : who,
      retryAttempts: 0,
      ...options,
      on: {
        opened: (socket) => {
          this.sockets.push(socket);
          opened?.(socket);
        },
        closed: ({ code, reason }) => this.ends.push({ code, reason, at: performance.now() }),
        pong: (received, payload) => received && payload && this.pongs.push(payload),
        ...hooks,
      },
    });
  }

  /** Follow orders; what is heard comes into the mailbox. */
  follow(variables, query = CHANGES) {
    const mailbox = new Mailbox();
    mailbox.stop = this.client.subscribe(
      { query, variables },
      { next: mailbox.push, error: mailbox.fail, complete: mailbox.end },
    );
    return mailbox;
  }

  /** The only socket that there has been. */
  get socket() {
    assert.equal(this.sockets.length, 1);
    return this.sockets[0];
  }

  /** How the first socket ended, as the client was told. */
  async end() {
    await until(() => this.ends.length);
    return this.ends[0];
  }

  /** Lose every connection, as in a tunnel: nothing is said to the server. */
  lose() {
    for (const socket of this.sockets) socket.terminate();
  }

  dispose = () => this.client.dispose();
}

/** The next changes in a mailbox; none may ask to read again. */
export async function changes(mailbox, count) {
  const heard = [];
  while (heard.length < count) {
    const told = await mailbox.next();
    assert.ok(told, `${heard.length} of ${count} changes were heard`);
    assert.equal(told.errors, undefined, JSON.stringify(told));
    assert.equal(told.data.orderChanged.resyncRequired, false);
    heard.push(told.data.orderChanged);
  }
  return heard;
}

/** The versions that the next changes in a mailbox are about. */
export const versions = async (mailbox, count) =>
  (await changes(mailbox, count)).map(({ event }) => event.version);

/** Wait until something is so. */
export async function until(isSo, seconds = END_SECONDS) {
  for (const since = performance.now(); !isSo(); ) {
    assert.ok(performance.now() - since < seconds * 1000, `${isSo} in time`);
    await pause(10);
  }
}

export const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** How a bare socket of `ws` ends that says these things, each text, bytes or JSON: what no client of GraphQL would say. */
export function endOf(messages, protocols = [GRAPHQL_TRANSPORT_WS_PROTOCOL]) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(socketUrl, protocols);
    socket.on("open", () => {
      for (const each of messages) {
        socket.send(typeof each === "string" || Buffer.isBuffer(each) ? each : JSON.stringify(each));
      }
    });
    socket.on("error", reject);
    socket.on("close", (code, reason) => resolve({ code, reason: `${reason}` }));
  });
}

/** The cursor of a place in the feed, whether there is such a place or not (loaders/places.py). */
export function cursorOf(position) {
  const named = Buffer.alloc(10);
  named.write("F2");
  named.writeBigUInt64BE(position, 2);
  const check = createHash("sha256").update(named).digest().subarray(0, 4);
  return Buffer.concat([named, check]).toString("base64url");
}
