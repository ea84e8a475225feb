/**
 * Which breaking changes of the schema were accepted? A rule for `graphql-inspector diff`: those that
 * `docs/schema-changes.txt` lists are no longer breaking, and a line there that no change needs is an error.
 */
const { readFileSync } = require("node:fs");
const { join } = require("node:path");

const FILE = process.env.ACCEPTED_CHANGES ?? join(__dirname, "..", "..", "docs", "schema-changes.txt");

/** The kinds and places that the file accepts, each with a reason. */
function accepted() {
  const lines = readFileSync(FILE, "utf8").split("\n").map((line) => line.trim());
  return lines
    .filter((line) => line && !line.startsWith("#"))
    .map((line) => {
      const [kind, path, ...reason] = line.split(/\s+/);
      if (!reason.length) throw new Error(`No reason is given: ${line}`);
      return `${kind} ${path}`;
    });
}

module.exports = ({ changes }) => {
  const unused = new Set(accepted());
  const known = new Set(unused);
  const judged = changes.map((change) => {
    const name = `${change.type} ${change.path}`;
    if (change.criticality.level !== "BREAKING") return change;
    if (!known.has(name)) {
      console.log(`Breaking, and not accepted in docs/schema-changes.txt: ${name}`);
      return change;
    }
    unused.delete(name);
    return { ...change, criticality: { level: "DANGEROUS", reason: "It was accepted." } };
  });
  if (unused.size) throw new Error(`Accepted, but no such change is there: ${[...unused].join(", ")}`);
  return judged;
};
