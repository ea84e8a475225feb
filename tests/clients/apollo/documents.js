/** What does the Apollo app ask? `generate-persisted-query-manifest` finds these documents and registers them. */
import { gql } from "@apollo/client";

export const ORDERS = gql`
  query Orders($first: Int!, $after: String) {
    orders(first: $first, after: $after, orderBy: [{ field: NUMBER, direction: ASC }]) {
      edges {
        cursor
        node {
          id
          number
        }
      }
      pageInfo {
        hasNextPage
        hasPreviousPage
        startCursor
        endCursor
      }
    }
  }
`;

const ORDER_FACTS = gql`
  fragment OrderFacts on Order {
    id
    title
    version
  }
`;

export const ORDER = gql`
  query Order($id: ID!) {
    order(id: $id) {
      ...OrderFacts
    }
  }
  ${ORDER_FACTS}
`;

export const RENAME = gql`
  mutation Rename($input: OrderUpdateInput!) {
    orderUpdate(input: $input) {
      order {
        ...OrderFacts
      }
      errors {
        ... on UserError {
          code
          message
          path
        }
        ... on VersionConflict {
          currentVersion
        }
      }
    }
  }
  ${ORDER_FACTS}
`;

export const CHANGED = gql`
  subscription Changed($ids: [ID!]) {
    orderChanged(orderIds: $ids) {
      cursor
      resyncRequired
      event {
        id
        type
        version
      }
      order {
        ...OrderFacts
      }
    }
  }
  ${ORDER_FACTS}
`;
