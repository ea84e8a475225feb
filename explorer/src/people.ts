/** Who can sign in here with one click, and who has signed in? */

import { ask } from "./api";

/** Somebody of the demo company, as the server offers him. */
export interface Persona {
  readonly username: string;
  readonly name: string;
  readonly role: string;
  readonly organization: string;
}

export interface Demo {
  readonly password: string;
  readonly personas: readonly Persona[];
}

export interface Person {
  readonly username: string;
  readonly name: string;
  readonly organization: string;
  /** The roles he holds, each once, such as `project_manager`. */
  readonly roles: readonly string[];
  /** The same with where they are held: `project_manager in P-001`. */
  readonly role: string;
}

interface ViewerAnswer {
  readonly viewer: {
    readonly user: { readonly username: string; readonly name: string };
    readonly organization: { readonly name: string };
    readonly roles: readonly { readonly role: string; readonly project: { readonly code: string } | null }[];
  };
}

const VIEWER = `query Viewer {
  viewer { user { username name } organization { name } roles { role project { code } } }
}`;

/** The demo company's personas, or null where there is none. */
export async function demo(): Promise<Demo | null> {
  const response = await fetch("/explorer/session.json", { credentials: "omit" });
  if (!response.ok) return null;
  return ((await response.json()) as { demo: Demo | null }).demo;
}

/** Whose token this is. */
export async function person(token: string): Promise<Person> {
  const { viewer } = await ask<ViewerAnswer>(VIEWER, token);
  return {
    username: viewer.user.username,
    name: viewer.user.name,
    organization: viewer.organization.name,
    roles: [...new Set(viewer.roles.map(({ role }) => role.toLowerCase()))],
    role: viewer.roles
      .map(({ role, project }) => role.toLowerCase() + (project === null ? "" : ` in ${project.code}`))
      .join(", "),
  };
}
