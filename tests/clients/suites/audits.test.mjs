/** Does the server keep the GraphQL over HTTP specification, as the audits of `graphql-http` read it? */
import assert from "node:assert/strict";
import { test } from "node:test";

import { serverAudits } from "graphql-http";

import { bearer, url } from "../eoms.mjs";

const GROUPS = { MUST: 13, SHOULD: 23, MAY: 25 };

/** The audits name no viewer, and some ask for `__type`, which only somebody who is signed in may. */
function fetchFn(address, init = {}) {
  return fetch(address, { ...init, headers: { ...init.headers, ...bearer("pm") } });
}

test("all 61 audits are ok", async (context) => {
  const results = await Promise.all(serverAudits({ url, fetchFn }).map((audit) => audit.fn()));
  const counts = Object.fromEntries(Object.keys(GROUPS).map((word) => [word, 0]));
  const failed = [];
  for (const { id, name, status, reason } of results) {
    const [word] = name.split(" ");
    if (status === "ok") counts[word] += 1;
    else failed.push(`${status} ${id} ${name}: ${reason}`);
  }
  for (const [word, count] of Object.entries(counts)) {
    context.diagnostic(`${word}: ${count} of ${GROUPS[word]} ok`);
  }
  assert.deepEqual(failed, []);
  assert.deepEqual(counts, GROUPS);
});
