/** How does an Apollo app use EOMS? Its cache and its links. */
import { createHash } from "node:crypto";

import { ApolloClient, ApolloLink, HttpLink, InMemoryCache } from "@apollo/client";
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { relayStylePagination } from "@apollo/client/utilities";
import { generatePersistedQueryIdsFromManifest } from "@apollo/persisted-query-lists";
import { OperationTypeNode } from "graphql";

/** A cache that keeps every object under its global id, and a list of pages as one list. */
export const createCache = (possibleTypes) =>
  new InMemoryCache({
    possibleTypes,
    dataIdFromObject: ({ id }) => id,
    typePolicies: { Query: { fields: { orders: relayStylePagination(["filter", "orderBy"]) } } },
  });

/** Automatic persisted queries: the hash alone, and the text only where the server doesn't know it yet. */
export const automaticLink = () =>
  new PersistedQueryLink({ sha256: (text) => createHash("sha256").update(text).digest("hex") });

/** Registered documents: the ids of the manifest that an operator has published. */
export const registeredLink = (manifest) =>
  new PersistedQueryLink(generatePersistedQueryIdsFromManifest({ loadManifest: async () => manifest }));

/** A client over HTTP, and over a client of `graphql-ws` for subscriptions; `links` come before both. */
export function createClient({ url, headers, fetch, socket, cache, links = [], ...more }) {
  const http = new HttpLink({ uri: url, headers, fetch });
  const isSubscription = ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION;
  const last = ApolloLink.split(isSubscription, new GraphQLWsLink(socket), http);
  return new ApolloClient({ cache, link: ApolloLink.from([...links, last]), ...more });
}
