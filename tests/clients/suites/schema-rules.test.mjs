/** Does our schema keep the rules of `@graphql-eslint`, those for schemas in general and those for Relay? */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";

import { ESLint } from "eslint";

import { CLIENTS, SCHEMA } from "../compile.mjs";
import { schemaRules } from "../schema-rules.mjs";

/** Everything that the rules say about a schema. */
async function problems(file) {
  const eslint = new ESLint({ cwd: dirname(file), overrideConfigFile: true, overrideConfig: schemaRules(file) });
  const results = await eslint.lintFiles([file]);
  assert.equal(results.length, 1);
  return results[0].messages.map(({ line, ruleId, message }) => `${line}: ${message} (${ruleId})`);
}

test("there is nothing to say about the schema", async () => {
  assert.deepEqual(await problems(SCHEMA), []);
});

/** Places of the schema, and how each is spoilt so that a rule has something to say. */
const SPOILT = {
  "naming-convention": ["  latitude: Decimal!", "  Latitude: Decimal!"],
  "relay-edge-types": ["type OrderEdge {", "type OrderEdge { rank: Int! } type Rest {"],
  "require-description": ['"""A cost code 费用科目."""\n', ""],
  "strict-id-in-types": ["type CostCode implements", "type CostKind { key: ID! } type CostCode implements"],
};

for (const [rule, [good, bad]] of Object.entries(SPOILT)) {
  test(`${rule} is still kept where it is not bent`, async () => {
    const folder = join(CLIENTS, ".build", "spoilt");
    mkdirSync(folder, { recursive: true });
    const file = join(folder, "schema.graphql");
    const schema = readFileSync(SCHEMA, "utf8");
    assert.ok(schema.includes(good), good);
    writeFileSync(file, schema.replace(good, bad));
    const said = await problems(file);
    assert.ok(said.some((problem) => problem.endsWith(`(@graphql-eslint/${rule})`)), said.join("\n"));
  });
}
