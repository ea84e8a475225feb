/** What does the server tell of its schema? All of it to staff, nothing to others. */

import { type GraphQLSchema, type IntrospectionQuery, buildClientSchema, getIntrospectionQuery } from "graphql";

import { send } from "./api";

/** The schema, or null where this person may not read it. */
export async function readSchema(token: string): Promise<GraphQLSchema | null> {
  const query = getIntrospectionQuery({ inputValueDeprecation: true });
  // As plain JSON, in which a refusal is no failed request: it is expected here, and nothing for the browser's console.
  const { data } = await send({ query }, token, "application/json");
  return data ? buildClientSchema(data as unknown as IntrospectionQuery) : null;
}
