/** Does the schema break no client of the schema that was accepted last, except as was accepted since? */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { CLIENTS, ROOT, SCHEMA, run } from "../compile.mjs";

const ACCEPTED_SCHEMA = join(ROOT, "docs", "schema.accepted.graphql");
const FOLDER = join(CLIENTS, ".build", "changes");
const REMOVED = "FIELD_REMOVED Order.priority";

mkdirSync(FOLDER, { recursive: true });

/** What the inspector prints about a change from one schema to another; an error where it breaks clients. */
function diff(before, later, variables = {}) {
  const args = ["diff", before, later, "--rule", join(CLIENTS, "accepted-changes.cjs")];
  return run("@graphql-inspector/cli/cjs/index.js", args, { variables });
}

/** The same where an order has no priority any more, and these lines are accepted. */
function diffWithoutPriority(...lines) {
  const schema = readFileSync(SCHEMA, "utf8");
  const [field] = schema.match(/\n {2}"""How urgent it is\."""\n {2}priority: OrderPriority!\n/);
  const later = join(FOLDER, "schema.graphql");
  writeFileSync(later, schema.replace(field, ""));
  const accepted = join(FOLDER, "accepted.txt");
  writeFileSync(accepted, lines.join("\n"));
  return diff(SCHEMA, later, { ACCEPTED_CHANGES: accepted });
}

test("every breaking change since then was accepted", (context) => {
  context.diagnostic(diff(ACCEPTED_SCHEMA, SCHEMA).trim());
});

test("a removed field is a breaking change", () => {
  assert.throws(() => diffWithoutPriority(), new RegExp(`not accepted in docs/schema-changes.txt: ${REMOVED}`));
});

test("a breaking change that was accepted may stay", () => {
  assert.match(diffWithoutPriority(`${REMOVED} Nobody has asked for it.`), /No breaking changes detected/);
});

test("an accepted change needs a reason, and must be there", () => {
  assert.throws(() => diffWithoutPriority(REMOVED), /No reason is given/);
  const lines = [`${REMOVED} Nobody asks for it.`, "FIELD_REMOVED Order.title Nobody asks for it."];
  assert.throws(() => diffWithoutPriority(...lines), /no such change is there: FIELD_REMOVED Order.title/);
});
