/**
 * Which example operations fit a person, and with which variables?
 *
 * An example is a file `examples/<role>/<place>-<name>.graphql`: its first line is the title, the comment lines below
 * it say what it shows. A file `….find.graphql` beside it is a query whose leaves are the example's variables: an order
 * that waits for approval is looked up when the example is opened, so that examples work on every company's data.
 */

import files from "examples:all";

import { ask } from "./api";

export interface Example {
  readonly path: string;
  readonly title: string;
  readonly sentence: string;
  readonly document: string;
  readonly find: string | null;
}

export interface ExampleGroup {
  readonly role: string;
  readonly examples: readonly Example[];
}

type Json = null | string | number | boolean | readonly Json[] | { readonly [name: string]: Json };

const FIND = ".find.graphql";
const EVERYBODY = "everybody";
const texts = new Map(files.map(({ path, text }) => [path, text]));

/** The examples for whoever holds these roles, the role with most to show first, and those for everybody last. */
export function examplesFor(roles: readonly string[]): readonly ExampleGroup[] {
  const groups = roles.map((role) => ({ role, examples: examplesOf(role) }));
  groups.sort((one, other) => other.examples.length - one.examples.length);
  return [...groups, { role: EVERYBODY, examples: examplesOf(EVERYBODY) }].filter(
    ({ examples }) => examples.length > 0,
  );
}

/** Values for an example's variables; empty where nothing fits just now. */
export async function variablesFor(example: Example, token: string): Promise<Readonly<Record<string, Json>>> {
  return example.find === null ? {} : leavesOf(await ask<Json>(example.find, token));
}

function examplesOf(role: string): readonly Example[] {
  return [...texts.keys()]
    .filter((path) => path.startsWith(`${role}/`) && !path.endsWith(FIND))
    .map((path) => {
      const text = texts.get(path) ?? "";
      const comments = /^(?:#.*\n)*/.exec(text)?.[0] ?? "";
      const [title = path, ...lines] = comments
        .trimEnd()
        .split("\n")
        .map((line) => line.replace(/^#\s*/, ""));
      return {
        path,
        title,
        sentence: lines.join(" "),
        document: text.slice(comments.length).trim(),
        find: texts.get(path.replace(/\.graphql$/, FIND)) ?? null,
      };
    });
}

function leavesOf(value: Json, name = "", found: Record<string, Json> = {}): Record<string, Json> {
  if (Array.isArray(value)) {
    for (const each of value) leavesOf(each as Json, name, found);
  } else if (value !== null && typeof value === "object") {
    for (const [key, each] of Object.entries(value)) leavesOf(each as Json, key, found);
  } else if (value !== null && !(name in found)) {
    found[name] = value;
  }
  return found;
}
