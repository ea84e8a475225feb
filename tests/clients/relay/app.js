/**
 * How does a Relay app use EOMS? Orders page by page, one order fetched again, a change made and changes followed.
 *
 * `compile.mjs` runs the Relay compiler over this file. The app is the same with and without persisted documents:
 * where the compiler persists, operations have an id and no text.
 */
const {
  Environment,
  Network,
  Observable,
  RecordSource,
  Store,
  commitMutation,
  createOperationDescriptor,
  fetchQuery,
  getPaginationMetadata,
  getPaginationVariables,
  getRefetchMetadata,
  getRequest,
  getSingularSelector,
  graphql,
  requestSubscription,
} = require("relay-runtime");

const ORDERS_QUERY = graphql`
  query appOrdersQuery($first: Int!) {
    viewer {
      user {
        username
      }
    }
    ...app_orders @arguments(first: $first)
  }
`;

const ORDERS = graphql`
  fragment app_orders on Query
  @refetchable(queryName: "appOrdersPaginationQuery")
  @argumentDefinitions(first: { type: "Int!" }, after: { type: "String" }) {
    orders(first: $first, after: $after, orderBy: [{ field: NUMBER, direction: ASC }])
      @connection(key: "app_orders") {
      edges {
        node {
          id
          number
        }
      }
    }
  }
`;

const NODE_QUERY = graphql`
  query appNodeQuery($id: ID!) {
    node(id: $id) {
      ...app_order @alias(as: "order")
    }
  }
`;

const ORDER = graphql`
  fragment app_order on Order @refetchable(queryName: "appOrderRefetchQuery") {
    id
    title
    version
  }
`;

const RENAME = graphql`
  mutation appRenameMutation($input: OrderUpdateInput!) {
    orderUpdate(input: $input) {
      order {
        ...app_order
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
`;

const CHANGED = graphql`
  subscription appChangedSubscription($ids: [ID!]) {
    orderChanged(orderIds: $ids) {
      resyncRequired
      event {
        type
        version
      }
      order {
        id
        title
        version
      }
    }
  }
`;

/** A document as the server takes it: by its id where the compiler has given it one. */
const documentOf = ({ id, text }) => (id ? { documentId: `sha256:${id}` } : { query: text });

/** An environment over `fetch` and a client of `graphql-ws`. */
function createEnvironment({ url, headers, fetch, socket }) {
  const request = async (parameters, variables) => {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json", accept: "application/graphql-response+json", ...headers },
      body: JSON.stringify({ ...documentOf(parameters), variables }),
    });
    return response.json();
  };
  // A client of `graphql-ws` insists on a `query`; beside an id an empty one says nothing.
  const subscribe = (parameters, variables) =>
    Observable.create((sink) => socket.subscribe({ query: "", ...documentOf(parameters), variables }, sink));
  return new Environment({ network: Network.create(request, subscribe), store: new Store(new RecordSource()) });
}

/** What the store holds for a fragment that a result refers to. */
const read = (environment, fragment, reference) =>
  environment.lookup(getSingularSelector(fragment, reference)).data;

/** What the store holds for a query. */
const readQuery = (environment, query, variables) =>
  environment.lookup(createOperationDescriptor(getRequest(query), variables).fragment).data;

/** The viewer's name and the first page of orders; `more` fetches the next page behind it, into the same list. */
async function openOrders(environment, first) {
  const query = await fetchQuery(environment, ORDERS_QUERY, { first }).toPromise();
  const { paginationRequest, paginationMetadata } = getPaginationMetadata(ORDERS, "app_orders");
  const list = () => read(environment, ORDERS, readQuery(environment, ORDERS_QUERY, { first })).orders;
  return {
    username: query.viewer.user.username,
    numbers: () => list().edges.map(({ node }) => node.number),
    more: (count) => {
      const { endCursor } = list().pageInfo;
      const variables = getPaginationVariables("forward", count, endCursor, { first }, {}, paginationMetadata);
      return fetchQuery(environment, paginationRequest, variables).toPromise();
    },
  };
}

/** An order by its global id; `read` gives what the store holds now, `refetch` asks the server again. */
async function openOrder(environment, id) {
  await fetchQuery(environment, NODE_QUERY, { id }).toPromise();
  const { refetchableRequest } = getRefetchMetadata(ORDER, "app_order");
  return {
    read: () => read(environment, ORDER, readQuery(environment, NODE_QUERY, { id }).node.order),
    refetch: () =>
      fetchQuery(environment, refetchableRequest, { id }, { fetchPolicy: "network-only" }).toPromise(),
  };
}

/** The answer of renaming an order; the store follows by itself. */
const rename = (environment, input) =>
  new Promise((onCompleted, onError) =>
    commitMutation(environment, {
      mutation: RENAME,
      variables: { input },
      onCompleted: ({ orderUpdate }) => onCompleted(orderUpdate),
      onError,
    }),
  );

/** Follow changes of these orders; the store follows too. */
const follow = (environment, ids, { onNext, onError }) =>
  requestSubscription(environment, { subscription: CHANGED, variables: { ids }, onNext, onError });

module.exports = { createEnvironment, follow, openOrder, openOrders, rename };
