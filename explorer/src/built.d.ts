// What build.mjs puts in place while it bundles.

declare const EDITOR_WORKER: string;
declare const JSON_WORKER: string;
declare const GRAPHQL_WORKER: string;

declare module "examples:all" {
  const files: readonly { path: string; text: string }[];
  export default files;
}

declare module "*.css";
