/** Does a follower hear as long as he may, and not a moment longer? Roles that are taken away, and tokens that run out. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { Draft } from "../eoms.mjs";
import { Client, changes, control, feedCursor, pause, until, versions } from "../live.mjs";

const REVOKED = { who: "buyer2", role: "buyer@P-002" };

test("whose role is taken away is sent away with 4403 within a second, and hears nothing more", async () => {
  const cursor = await feedCursor("buyer2");
  const draft = await Draft.open("Heard until then", { who: "pm2", code: "P-002" });
  const follower = new Client("buyer2");
  const bystander = new Client("pm2");
  const theirs = follower.follow({ ids: [draft.id], after: cursor });
  const others = bystander.follow({ ids: [draft.id], after: cursor });
  assert.deepEqual([await versions(theirs, 1), await versions(others, 1)], [[1], [1]]);
  await draft.rename("Still heard");
  const [last] = await changes(theirs, 1);
  assert.deepEqual(last.order, { id: draft.id, title: "Still heard", version: 2 });

  await control("revoke", REVOKED);
  const answeredAt = performance.now();
  try {
    await draft.rename("Not for him");
    const { code, reason, at } = await follower.end();
    assert.deepEqual({ code, reason }, { code: 4403, reason: "Your rights have changed" });
    assert.ok(at - answeredAt < 1000, `closed ${Math.round(at - answeredAt)} ms after the revocation's answer`);
    // The very next thing after what he heard is the end: nothing was told between them.
    await assert.rejects(theirs.next(), ({ code }) => code === 4403);
    assert.deepEqual(await versions(others, 2), [2, 3]);
    assert.deepEqual(bystander.ends, []);

    // He comes in again, with what is left to him, which this order is not.
    const again = new Client("buyer2");
    const left = again.follow({ ids: [draft.id], after: last.cursor });
    await draft.rename("Not for him either");
    assert.deepEqual(await versions(others, 1), [4]);
    assert.equal(await left.next(1000), null);
    assert.deepEqual(again.ends, []);
    await again.dispose();
  } finally {
    await control("grant", REVOKED);
    await Promise.all([follower.dispose(), bystander.dispose()]);
  }
});

test("a token that runs out closes the socket with 4403, and lets nobody in afterwards", async () => {
  const authorization = `Bearer ${await control("token", { who: "pm", seconds: 2 })}`;
  const cursor = await feedCursor("pm");
  const draft = await Draft.open("Until the token ends");
  const follower = new Client({ authorization });
  const mailbox = follower.follow({ ids: [draft.id], after: cursor });
  assert.deepEqual(await versions(mailbox, 1), [1]);
  const { code, reason } = await follower.end();
  assert.deepEqual({ code, reason }, { code: 4403, reason: "The token has expired" });
  const late = new Client({ authorization });
  assert.equal((await late.follow({ ids: [draft.id] }).failure()).code, 4403);
  assert.deepEqual(late.ends.map(({ reason }) => reason), ["Forbidden"]);
});

test("a token renewed by a ping keeps the socket open past the end of the old one", async () => {
  const token = () => control("token", { who: "pm", seconds: 4 });
  const cursor = await feedCursor("pm");
  const draft = await Draft.open("Renewed in place");
  const [old, next] = [await token(), await control("token", { who: "pm", seconds: 60 })];
  const follower = new Client({ authorization: `Bearer ${old}` });
  const mailbox = follower.follow({ ids: [draft.id], after: cursor });
  assert.deepEqual(await versions(mailbox, 1), [1]);
  renew(follower, next);
  await until(() => follower.pongs.length);
  const [{ expiresAt, ...others }] = follower.pongs;
  assert.deepEqual(others, {});
  assert.equal(Date.parse(expiresAt), expiry(next));
  await pause(expiry(old) - Date.now() + 1000);
  await draft.rename("Renewed in place, and heard");
  assert.deepEqual(await versions(mailbox, 1), [2]);
  assert.deepEqual([follower.sockets.length, follower.ends], [1, []]);
  await follower.dispose();
});

test("a renewal that is refused says so and changes nothing", async () => {
  const old = await control("token", { who: "pm", seconds: 3 });
  const somebodyElses = await control("token", { who: "buyer", seconds: 60 });
  const cursor = await feedCursor("pm");
  const draft = await Draft.open("Not renewed");
  const follower = new Client({ authorization: `Bearer ${old}` });
  const mailbox = follower.follow({ ids: [draft.id], after: cursor });
  assert.deepEqual(await versions(mailbox, 1), [1]);
  for (const token of ["not.a.token", somebodyElses]) renew(follower, token);
  await until(() => follower.pongs.length === 2);
  assert.deepEqual(follower.pongs.map(({ code }) => code), ["UNAUTHENTICATED", "UNAUTHENTICATED"]);
  await draft.rename("Not renewed, but heard");
  assert.deepEqual(await versions(mailbox, 1), [2]);
  const { code, reason } = await follower.end();
  assert.deepEqual({ code, reason }, { code: 4403, reason: "The token has expired" });
  assert.ok(Date.now() >= expiry(old));
});

function renew(follower, token) {
  follower.socket.send(JSON.stringify({ type: "ping", payload: { authorization: `Bearer ${token}` } }));
}

/** When a token ends, in milliseconds. */
function expiry(token) {
  return JSON.parse(Buffer.from(token.split(".")[1], "base64url")).exp * 1000;
}
