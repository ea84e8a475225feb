/** How is one operation sent to the API over HTTP? Who sends it, and what becomes of the answer, is left to others. */

import type { ExecutionResult } from "graphql";

export const ENDPOINT = "/graphql";

const MEDIA_TYPES = "application/graphql-response+json, application/json;q=0.9";

export interface Operation {
  readonly query: string;
  readonly variables?: unknown;
  readonly operationName?: string;
}

/** The token was refused: whoever held it is not signed in any more. */
export class NotSignedIn extends Error {}

/** The answer to an operation, errors included; throws `NotSignedIn`, or what the network says. */
export async function send(
  operation: Operation,
  token: string | null,
  mediaTypes: string = MEDIA_TYPES,
): Promise<ExecutionResult> {
  const response = await fetch(ENDPOINT, {
    method: "POST",
    credentials: "omit",
    headers: {
      "Content-Type": "application/json",
      Accept: mediaTypes,
      ...(token === null ? {} : { Authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify(operation),
  });
  if (response.status === 401) throw new NotSignedIn("You are not signed in any more.");
  return (await response.json()) as ExecutionResult;
}

/** The data of an operation that the page itself sends; throws where there are errors. */
export async function ask<Data>(query: string, token: string | null, variables: unknown = {}): Promise<Data> {
  const { data, errors } = await send({ query, variables }, token);
  if (errors?.length) throw new Error(errors[0]?.message ?? "The server refused.");
  return data as Data;
}
