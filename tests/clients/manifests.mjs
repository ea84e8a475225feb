/**
 * Which documents do the clients' builds want registered? Writes the manifests, as each tool makes them, into a folder:
 *
 *     node manifests.mjs manifests
 */
import { copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";

import { builtApollo, compiledRelay, compiledTyped } from "./compile.mjs";

const [folder] = process.argv.slice(2);
if (!folder) throw new Error("name the folder to write to");

mkdirSync(folder, { recursive: true });
copyFileSync(join(builtApollo(), "manifest.json"), join(folder, "apollo.json"));
copyFileSync(join(compiledRelay({ persisted: true }), "persisted.json"), join(folder, "relay.json"));
copyFileSync(join(compiledTyped(), "gql", "persisted-documents.json"), join(folder, "codegen.json"));
