// How do the sources become the files that `/explorer` serves? Bundled, minified, named by their content.
//
// Everything lands in dist/: index.html, and assets/ whose names hold a hash of the content, so that they may be
// kept for ever. The folder is made aside and put in place at the end: a running server never sees half of it.

import { build } from "esbuild";
import { mkdir, readFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(fileURLToPath(import.meta.url));
const draft = join(root, "dist.draft");
const dist = join(root, "dist");

const common = {
  absWorkingDir: root,
  bundle: true,
  minify: true,
  target: "es2022",
  entryNames: "assets/[name]-[hash]",
  chunkNames: "assets/[name]-[hash]",
  assetNames: "assets/[name]-[hash]",
  publicPath: "/explorer/",
  outdir: draft,
  metafile: true,
  legalComments: "linked",
  logLevel: "warning",
  loader: { ".ttf": "file" },
};

await rm(draft, { recursive: true, force: true });

// Workers are files of their own: a policy that names 'self' alone then needs no blob: address.
const workers = await build({
  ...common,
  format: "iife",
  entryPoints: {
    "editor-worker": "monaco-editor/esm/vs/editor/editor.worker.js",
    "json-worker": "monaco-editor/esm/vs/language/json/json.worker.js",
    "graphql-worker": "monaco-graphql/esm/graphql.worker.js",
  },
});

const page = await build({
  ...common,
  format: "esm",
  splitting: true,
  jsx: "automatic",
  // The environment is a script of its own: it has to run before any module of the editor.
  entryPoints: { environment: "src/environment.ts", explorer: "src/main.tsx" },
  define: {
    "process.env.NODE_ENV": '"production"',
    EDITOR_WORKER: JSON.stringify(addressOf(workers, "editor-worker", ".js")),
    JSON_WORKER: JSON.stringify(addressOf(workers, "json-worker", ".js")),
    GRAPHQL_WORKER: JSON.stringify(addressOf(workers, "graphql-worker", ".js")),
  },
  plugins: [examples()],
});

// The page brings the style sheets of what it loads later; nothing asks for those that esbuild makes beside it.
for (const path of Object.keys(page.metafile.outputs)) {
  if (path.endsWith(".css") && !basename(path).startsWith("explorer-")) await rm(join(root, path));
}

const template = await readFile(join(root, "src/index.html"), "utf8");
await mkdir(draft, { recursive: true });
await writeFile(
  join(draft, "index.html"),
  template
    .replace("{{environment}}", addressOf(page, "environment", ".js"))
    .replace("{{script}}", addressOf(page, "explorer", ".js"))
    .replace("{{style}}", addressOf(page, "explorer", ".css")),
);
await rm(dist, { recursive: true, force: true });
await rename(draft, dist);

/** The address of an entry point's file. */
function addressOf(result, name, extension) {
  const found = Object.keys(result.metafile.outputs)
    .map((path) => basename(path))
    .filter((path) => path.startsWith(`${name}-`) && path.endsWith(extension));
  if (found.length !== 1) throw new Error(`one ${name}*${extension} was expected, not ${found.length}`);
  return `/explorer/assets/${found[0]}`;
}

/** Gives `import examples from "examples:all"`: every file of examples/ as { path, text }. */
function examples() {
  return {
    name: "examples",
    setup(building) {
      building.onResolve({ filter: /^examples:all$/ }, () => ({ path: "all", namespace: "examples" }));
      building.onLoad({ filter: /.*/, namespace: "examples" }, async () => {
        const folder = join(root, "examples");
        const paths = (await readdir(folder, { recursive: true })).filter((path) => path.endsWith(".graphql"));
        const files = await Promise.all(
          paths.sort().map(async (path) => ({
            path: path.replaceAll("\\", "/"),
            text: await readFile(join(folder, path), "utf8"),
          })),
        );
        return { contents: JSON.stringify(files), loader: "json" };
      });
    },
  };
}
