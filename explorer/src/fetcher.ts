/**
 * How does an operation from the editor reach the API? Queries and mutations over HTTP, subscriptions over a WebSocket
 * that comes back with the next token when its own has run out.
 */

import type { Fetcher } from "@graphiql/toolkit";
import { type ExecutionResult, Kind, type OperationDefinitionNode, OperationTypeNode, parse } from "graphql";
import { type Client, createClient } from "graphql-ws";

import { ENDPOINT, NotSignedIn, type Operation, send } from "./api";
import type { Session } from "./session";

/** The server closes with it when a token has run out, or when its owner's rights have changed. */
const FORBIDDEN = 4403;

const ATTEMPTS = 10;

export interface Connection {
  readonly fetcher: Fetcher;
  /** Ends the socket with all that runs over it. */
  close(): void;
}

/** A way to the API for one session. */
export function connect(session: Session): Connection {
  const client = liveClient(session);
  return {
    fetcher: ({ query, variables, operationName }) => {
      const operations = operationsIn(query);
      // A single operation is sent without its name: the editor notices late that the name has changed.
      const name = operations.length > 1 ? operationName : null;
      const meant = operations.find((each) => name === null || each.name?.value === name);
      const operation = { query, variables, ...(name ? { operationName: name } : {}) };
      const isLive = meant?.operation === OperationTypeNode.SUBSCRIPTION;
      return isLive ? changes(client, operation) : answer(session, operation);
    },
    close: () => void client.dispose(),
  };
}

async function answer(session: Session, operation: Operation) {
  try {
    return await send(operation, await session.accessToken());
  } catch (error) {
    if (!(error instanceof NotSignedIn)) throw error;
  }
  // The token may have been refused though it seemed to be good: a clock was set, or the server has a new key.
  const token = await session.renew();
  try {
    return await send(operation, token);
  } catch (error) {
    if (error instanceof NotSignedIn) session.end();
    throw error;
  }
}

function liveClient(session: Session): Client {
  let isRefused = false;
  return createClient({
    url: location.origin.replace(/^http/, "ws") + ENDPOINT,
    retryAttempts: ATTEMPTS,
    shouldRetry: (reason) => !(reason instanceof NotSignedIn),
    connectionParams: async () => {
      const token = isRefused ? await session.renew() : await session.accessToken();
      isRefused = false;
      return { authorization: `Bearer ${token}` };
    },
    on: {
      closed: (event) => {
        isRefused = (event as CloseEvent).code === FORBIDDEN;
      },
    },
  });
}

function changes(client: Client, operation: Operation): AsyncIterable<ExecutionResult> {
  const answers = client.iterate({ ...operation, variables: (operation.variables ?? {}) as Record<string, unknown> });
  // The editor's type asks for errors as graphql-js throws them; what comes over a wire is their JSON.
  return answers as AsyncIterable<unknown> as AsyncIterable<ExecutionResult>;
}

/** The operations in a document; none where it can't be read, and the server says better why. */
function operationsIn(document: string): readonly OperationDefinitionNode[] {
  try {
    return parse(document).definitions.filter((each) => each.kind === Kind.OPERATION_DEFINITION);
  } catch {
    return [];
  }
}
