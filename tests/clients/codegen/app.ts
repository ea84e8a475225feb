/** How does a typed app use EOMS? Its documents' variables and answers have types, made from our schema. */
import type { TypedDocumentNode } from "@graphql-typed-document-node/core";
import { print } from "graphql";

import { graphql } from "./gql/index.js";

export const RENAMED = graphql(`
  mutation Renamed($input: OrderUpdateInput!) {
    orderUpdate(input: $input) {
      order {
        id
        title
        version
      }
      errors {
        __typename
        code
        ... on VersionConflict {
          currentVersion
        }
      }
    }
  }
`);

export const BOUGHT = graphql(`
  query Bought($project: String!, $first: Int!, $states: [OrderState!]) {
    project(code: $project) {
      code
      orders(first: $first) {
        nodes {
          number
          state
          amount
          dueOn
        }
      }
    }
    orderStatistics(filter: { states: $states }, groupBy: [STATE]) {
      groups {
        state
        count
      }
    }
  }
`);

/** Where to ask, and as whom. */
export interface Server {
  url: string;
  headers: Record<string, string>;
}

/** The answer's data to a typed document. */
export async function execute<Data, Variables>(
  { url, headers }: Server,
  document: TypedDocumentNode<Data, Variables>,
  variables: Variables,
): Promise<Data> {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/graphql-response+json", ...headers },
    body: JSON.stringify({ query: print(document), variables }),
  });
  const { data, errors } = (await response.json()) as { data?: Data; errors?: { message: string }[] };
  if (errors || !data) throw new Error(errors?.map(({ message }) => message).join("; ") ?? "no data");
  return data;
}

/** One line for each order: all that it reads has a type, and money is no number. */
export async function ordersOf(server: Server, project: string, first: number): Promise<string[]> {
  const found = await execute(server, BOUGHT, { project, first, states: ["RELEASED", "IN_PROGRESS"] });
  return (found.project?.orders.nodes ?? []).map(({ number, state, amount, dueOn }) => {
    const money: string | null | undefined = amount;
    const day: string | null | undefined = dueOn;
    return [number, state, money ?? "-", day ?? "-"].join(" ");
  });
}

/** The version of an order after renaming it, or the version that stood against it. */
export async function rename(server: Server, id: string, expectedVersion: number, title: string): Promise<number> {
  const { orderUpdate } = await execute(server, RENAMED, { input: { id, expectedVersion, title } });
  if (orderUpdate.order) return orderUpdate.order.version;
  const [error] = orderUpdate.errors;
  if (error?.__typename === "VersionConflict") return error.currentVersion;
  throw new Error(error?.code);
}

/** What the compiler must refuse; it complains of each `@ts-expect-error` that hides no error. */
export async function mistakes(server: Server): Promise<void> {
  // @ts-expect-error A required variable is missing.
  await execute(server, BOUGHT, { first: 1 });
  // @ts-expect-error There is no such state.
  await execute(server, BOUGHT, { project: "P-001", first: 1, states: ["BROKEN"] });
  const found = await execute(server, BOUGHT, { project: "P-001", first: 1 });
  // @ts-expect-error The project may be hidden, so it is null for some.
  found.project.code;
  // @ts-expect-error Money is a string, never a float.
  found.project?.orders.nodes[0]?.amount?.toFixed(2);
  // @ts-expect-error The document does not ask for this.
  found.project?.name;
}
