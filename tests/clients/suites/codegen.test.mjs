/** Do typed documents of GraphQL Code Generator compile strictly against our schema, and do they work? */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";

import { compiledTyped } from "../compile.mjs";
import { Draft, ask, bearer, manifest, url } from "../eoms.mjs";

const { BOUGHT, ordersOf, rename } = await import(join(compiledTyped(), "out", "app.js"));
const server = { url, headers: bearer("pm") };

test("a typed query answers what its type says", async () => {
  const query = `{ project(code: "P-001") { orders(first: 2) { nodes { number state amount dueOn } } } }`;
  const { nodes } = (await ask("pm", query)).project.orders;
  const lines = nodes.map(({ number, state, amount, dueOn }) => `${number} ${state} ${amount ?? "-"} ${dueOn ?? "-"}`);
  assert.equal(lines.length, 2);
  assert.deepEqual(await ordersOf(server, "P-001", 2), lines);
});

test("a typed mutation tells its refusals apart by their type", async () => {
  const draft = await Draft.open("Typed");
  assert.equal(await rename(server, draft.id, 1, "Typed and renamed"), 2);
  assert.equal(await rename(server, draft.id, 1, "Typed too late"), 2);
});

test("a typed document is asked for by the id that it carries", async () => {
  const documentId = BOUGHT.__meta__.hash;
  assert.ok(documentId in manifest("codegen"));
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", ...bearer("pm") },
    body: JSON.stringify({ documentId, variables: { project: "P-001", first: 1 } }),
  });
  const { data, errors } = await response.json();
  assert.equal(errors, undefined, JSON.stringify(errors));
  assert.equal(data.project.code, "P-001");
});
