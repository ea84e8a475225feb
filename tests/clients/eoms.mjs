/**
 * Which server do the suites talk to, as whom, and how does somebody else change an order there?
 *
 * The server and the tokens come from the environment: SERVER_URL, and TOKENS as JSON, a token for each username.
 * What happens "from outside" is sent with plain `fetch`, so that no suite is judged by the client that it tests.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { inspect } from "node:util";

const { SERVER_URL, TOKENS } = process.env;
if (!SERVER_URL || !TOKENS) {
  throw new Error("SERVER_URL and TOKENS say which server to test and as whom");
}

export const url = `${SERVER_URL}/graphql`;
export const socketUrl = url.replace(/^http/, "ws");

const tokens = JSON.parse(TOKENS);
const WAIT_SECONDS = 10;
const LISTEN_MILLISECONDS = 400;

const CREATE = `mutation ($input: OrderCreateInput!) {
  orderCreate(input: $input) { order { id version } errors { code message } }
}`;
const UPDATE = `mutation ($input: OrderUpdateInput!) {
  orderUpdate(input: $input) { order { id version } errors { code message } }
}`;

/** What a persona sends to say who he is, over HTTP or in a socket's `connection_init`. */
export function bearer(who) {
  assert.ok(tokens[who], `${who} is signed in`);
  return { authorization: `Bearer ${tokens[who]}` };
}

/** The answer's `data` to an operation sent from outside. */
export async function ask(who, query, variables = {}) {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", ...bearer(who) },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = await response.json();
  assert.equal(errors, undefined, JSON.stringify(errors));
  return data;
}

/** A `fetch` that keeps what it sent and what came back, to see what really went over the wire. */
export function recordingFetch() {
  const exchanges = [];
  const recorded = async (address, init = {}) => {
    const response = await fetch(address, init);
    exchanges.push({
      method: init.method ?? "GET",
      address: new URL(address),
      body: init.body ? JSON.parse(init.body) : null,
      status: response.status,
      type: response.headers.get("content-type"),
    });
    return response;
  };
  return { fetch: recorded, exchanges };
}

/** An order that nobody else knows, renamed as often as a suite wants to hear of a change. */
export class Draft {
  /** Open a draft in one of the demo company's projects. */
  static async open(title, { who = "buyer", code = "P-001", ...more } = {}) {
    const { project } = await ask(who, `query ($code: String!) { project(code: $code) { id } }`, { code });
    const { orderCreate } = await ask(who, CREATE, { input: { projectId: project.id, title, ...more } });
    assert.deepEqual(orderCreate.errors, []);
    return new Draft(orderCreate.order, title, who);
  }

  constructor({ id, version }, title, who) {
    this.id = id;
    this.who = who;
    this.version = version;
    /** The title that the order has had at each version. */
    this.titles = { [version]: title };
  }

  /** Change the order from outside. */
  async rename(title) {
    const input = { id: this.id, expectedVersion: this.version, title };
    const { orderUpdate } = await ask(this.who, UPDATE, { input });
    assert.deepEqual(orderUpdate.errors, []);
    this.version = orderUpdate.order.version;
    this.titles[this.version] = title;
  }

  /** Look which version it has come to, where it is not known whether a change was done. */
  async refresh() {
    const { order } = await ask(this.who, "query ($id: ID!) { order(id: $id) { version } }", { id: this.id });
    this.version = order.version;
  }

  /**
   * Change the order from outside until a subscription tells of a change, and tells it as it was made.
   *
   * Nothing says when a subscription that was asked for listens, so the first changes may come too early. The
   * mailbox holds GraphQL responses to `ORDER_CHANGED`, or only their `data`.
   */
  async renameUntilHeard(mailbox) {
    for (let time = 1; time <= 20; time += 1) {
      await this.rename(`${this.titles[this.version]}'`);
      const told = await mailbox.next(LISTEN_MILLISECONDS);
      if (!told) continue;
      const { orderChanged } = told.data ?? told;
      assert.ok(orderChanged, inspect(told));
      if (this.#isChange(orderChanged)) return;
    }
    assert.fail("no change was heard");
  }

  #isChange({ order, event, resyncRequired }) {
    assert.equal(resyncRequired, false);
    assert.equal(order.id, this.id);
    assert.equal(order.title, this.titles[order.version]);
    // The live feed may still be about to tell of the draft's creation when somebody begins to follow it.
    assert.equal(event.type, event.version === 1 ? "OrderCreated" : "OrderUpdated");
    return event.version > 1;
  }
}

/** The subscription that the suites follow. */
export const ORDER_CHANGED = `subscription OrderChanged($ids: [ID!]) {
  orderChanged(orderIds: $ids) {
    cursor
    resyncRequired
    event { id type version }
    order { id title version }
  }
}`;

/** Where a subscription puts what it hears, its failure and its end. */
export class Mailbox {
  #letters = [];
  #waiting = null;

  /** Take in a message. */
  push = (message) => this.#arrive({ message });
  /** Take in the failure that ended it. */
  fail = (failure) => this.#arrive({ failure });
  /** Take in its end. */
  end = () => this.#arrive({ ended: true });

  /** The next message, or null where none comes in time; a failure is thrown. */
  async next(milliseconds = WAIT_SECONDS * 1000) {
    const letter = await this.#letter(milliseconds);
    if (letter?.failure) throw letter.failure;
    assert.notEqual(letter?.ended, true, "the stream has ended");
    return letter?.message ?? null;
  }

  /** The failure that ends it; messages before it are passed over. */
  async failure() {
    for (;;) {
      const letter = await this.#letter(WAIT_SECONDS * 1000);
      assert.ok(letter && !letter.ended, "it fails in time");
      if (letter.failure) return letter.failure;
    }
  }

  /** Wait until it has ended without a failure. */
  async ended() {
    for (;;) {
      const letter = await this.#letter(WAIT_SECONDS * 1000);
      assert.ok(letter, "it ends in time");
      if (letter.failure) throw letter.failure;
      if (letter.ended) return;
    }
  }

  #arrive(letter) {
    this.#letters.push(letter);
    this.#waiting?.();
  }

  async #letter(milliseconds) {
    if (!this.#letters.length) {
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, milliseconds);
        this.#waiting = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.#waiting = null;
    }
    return this.#letters.shift() ?? null;
  }
}

/** A manifest of documents that an operator has published. */
export const manifest = (name) =>
  JSON.parse(readFileSync(new URL(`manifests/${name}.json`, import.meta.url), "utf8"));
