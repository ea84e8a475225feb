/**
 * How do the tools that build clients get at our schema? Each works on a copy of a client's sources in `.build`,
 * the schema beside them, so that what it makes is never mixed with what a person wrote.
 */
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { transformFileSync } from "@babel/core";

export const CLIENTS = dirname(fileURLToPath(import.meta.url));
export const ROOT = join(CLIENTS, "..", "..");
export const SCHEMA = join(ROOT, "docs", "schema.graphql");

const require = createRequire(import.meta.url);

/** What a tool printed; where it fails, an error that says what it printed. `program` is a file in `node_modules`. */
export function run(program, args, { folder = CLIENTS, variables = {} } = {}) {
  const command = [join(CLIENTS, "node_modules", program), ...args];
  const env = { ...process.env, ...variables };
  try {
    return execFileSync(process.execPath, command, { cwd: folder, env, encoding: "utf8", stdio: "pipe" });
  } catch (error) {
    throw new Error(`${program} failed (${error.status})\n${error.stdout}\n${error.stderr}`, { cause: error });
  }
}

/** A new folder in `.build` with a copy of a client's sources and the schema. */
export function copied(source, name) {
  const folder = join(CLIENTS, ".build", name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  cpSync(join(CLIENTS, source), folder, { recursive: true });
  cpSync(SCHEMA, join(folder, "schema.graphql"));
  return folder;
}

/** The folder of the Relay app, compiled: its operations by id, or by text where they are not `persisted`. */
export function compiledRelay({ persisted }) {
  const folder = copied("relay", persisted ? "relay-persisted" : "relay-text");
  const place = join(folder, "relay.config.json");
  const { persistConfig, ...config } = JSON.parse(readFileSync(place, "utf8"));
  writeFileSync(place, JSON.stringify(persisted ? { ...config, persistConfig } : config));
  // The compiler wants both to be there already.
  mkdirSync(join(folder, "__generated__"));
  writeFileSync(join(folder, "persisted.json"), "{}");
  run("relay-compiler/cli.js", ["relay.config.json"], { folder });
  const app = join(folder, "app.js");
  const plugin = ["relay", { artifactDirectory: join(folder, "__generated__"), eagerEsModules: false }];
  const { code } = transformFileSync(app, { cwd: CLIENTS, plugins: [plugin], babelrc: false, configFile: false });
  writeFileSync(app, code);
  return folder;
}

/** The compiled Relay app itself. */
export const loadedRelay = (options) => require(join(compiledRelay(options), "app.js"));

/** The folder of the Apollo app, with the manifest of its documents. */
export function builtApollo() {
  const folder = copied("apollo", "apollo");
  const config = ["--config", "persisted-query-manifest.config.json"];
  run("@apollo/generate-persisted-query-manifest/cli.js", config, { folder });
  return folder;
}

/** The folder of the typed app: its documents' types generated, and all of it compiled strictly. */
export function compiledTyped() {
  const folder = copied("codegen", "codegen");
  run("@graphql-codegen/cli/esm/bin.js", ["--config", "codegen.json"], { folder });
  run("typescript/bin/tsc", ["--project", "tsconfig.json"], { folder });
  return folder;
}

/** The folder of the board that docs/live.md shows, compiled strictly. */
export function compiledBoard() {
  const folder = copied("board", "board");
  run("typescript/bin/tsc", ["--project", "tsconfig.json"], { folder });
  return folder;
}
