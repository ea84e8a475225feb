/**
 * By which rules is our schema judged? All those of `@graphql-eslint` for schemas and for Relay; those that our
 * contract decides otherwise are off or bent below, each with the reason.
 */
import { readFileSync } from "node:fs";

import * as plugin from "@graphql-eslint/eslint-plugin";
import { buildSchema } from "graphql";

const named = (rules) =>
  Object.fromEntries(Object.entries(rules).map(([name, rule]) => [`@graphql-eslint/${name}`, rule]));

/** Values that stand for nothing by themselves: they are read with the object that they belong to. */
const VALUES = [
  "ActionBlocker",
  "AvailableAction",
  "BomCoProductComparison",
  "BomComparison",
  "BomExplosion",
  "BomLineComparison",
  "BomOperationComparison",
  "BomReplacementResult",
  "BomSubstituteComparison",
  "CostLevel",
  "CostRollup",
  "DemandImpact",
  "EngineeringChangeNews",
  "ExplosionLine",
  "FieldChange",
  "ImportRowError",
  "ItemCostChange",
  "ItemDemand",
  "ItemUse",
  "NotificationChange",
  "OrderChange",
  "OrderStatistics",
  "OrderStatisticsGroup",
  "PageInfo",
  "RoleGrant",
  "Viewer",
];

function ours(schema) {
  const errors = schema.getPossibleTypes(schema.getType("UserError")).map(({ name }) => name);
  return named({
    // A schema is read from what comes first in the trade to what comes last; states stand in their life cycle's order.
    alphabetize: "off",
    // Commands and live changes are what EOMS is for.
    "no-root-type": "off",
    // It takes `User.username` for a repetition, which is one word and the usual one.
    "no-typename-prefix": "off",
    // Besides `edges`, each connection has `nodes`, for clients that need no cursors; what is worked out stands in no table,
    // and is no `Node`.
    "relay-edge-types": ["error", { listTypeCanWrapOnlyEdgeType: false, shouldImplementNode: false }],
    // A command's answer holds the object that it changed; what else a client shows it asks for by itself.
    "require-field-of-type-query-in-mutation-result": "off",
    // Lists and payloads are there even when they are empty, so clients need no check for null.
    "require-nullable-result-in-root": "off",
    // Pages, payloads, refusals and values have no identity.
    "strict-id-in-types": [
      "error",
      { exceptions: { suffixes: ["Connection", "Edge", "Payload"], types: [...VALUES, ...errors] } },
    ],
  });
}

/** ESLint's configuration for a file with a schema in it. */
export const schemaRules = (file) => [
  {
    files: ["**/*.graphql"],
    plugins: { "@graphql-eslint": plugin },
    languageOptions: { parser: plugin.parser, parserOptions: { graphQLConfig: { schema: file } } },
    rules: {
      ...plugin.configs["flat/schema-all"].rules,
      ...plugin.configs["flat/schema-relay"].rules,
      ...ours(buildSchema(readFileSync(file, "utf8"))),
    },
  },
];
