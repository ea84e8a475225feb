// Mercurius as its documentation recommends it for production: JIT, loaders, prepared persisted queries, pg's pool
// with named (prepared) statements.

import Fastify from 'fastify'
import mercurius from 'mercurius'
import pg from 'pg'
import { documentsIn, poolSize, port, projectsOf } from './viewer.mjs'

const DATE = 1082
// Days and numbers go out as the text that PostgreSQL gives: the API has no other form of them.
pg.types.setTypeParser(DATE, (text) => text)
// The other settings are libpq's variables.
const pool = new pg.Pool({ max: poolSize, min: poolSize, idleTimeoutMillis: 0 })

const schema = `
  type Query {
    orders(first: Int!): OrderConnection!
    order(id: ID!): Order
  }
  type OrderConnection { nodes: [Order!]! }
  type OrderLineConnection { nodes: [OrderLine!]! }
  type Order {
    id: ID!
    number: String!
    title: String!
    state: String!
    priority: String!
    amount: String
    dueOn: String
    customer: Organization
    project: Project!
    lines(first: Int!): OrderLineConnection!
  }
  type Organization { code: String! name: String! }
  type Project { code: String! name: String! }
  type OrderLine {
    position: Int!
    description: String!
    quantity: String!
    uom: String!
    unitPrice: String
    doneQuantity: String!
  }
`

const COLUMNS = `'Order:' || id AS id, id AS key, number, title, state, priority, amount, due_on AS "dueOn",
  customer_id AS "customerId", project_id AS "projectId"`
// By the table's own id: the selected one is a text, and would be sorted without the index.
const ORDERS = `SELECT ${COLUMNS} FROM engineering_order AS o WHERE project_id = ANY($1) ORDER BY o.id DESC LIMIT $2`
const ORDER = `SELECT ${COLUMNS} FROM engineering_order WHERE id = $2 AND project_id = ANY($1)`
const ORGANIZATIONS = 'SELECT id, code, name FROM organization WHERE id = ANY($1)'
const PROJECTS = 'SELECT id, code, name FROM project WHERE id = ANY($1) AND id = ANY($2)'
const LINES = `
  SELECT parent.id AS parent, line.position, line.description, line.quantity, line.uom,
         line.unit_price AS "unitPrice", line.done_quantity AS "doneQuantity"
    FROM unnest($1::uuid[]) AS parent(id),
         LATERAL (SELECT * FROM order_line WHERE order_id = parent.id ORDER BY position LIMIT $2) AS line
   ORDER BY parent.id, line.position`

const resolvers = {
  Query: {
    async orders (_, { first }, { projects }) {
      const { rows } = await pool.query({ name: 'orders', text: ORDERS, values: [projects, first] })
      return { nodes: rows }
    },
    async order (_, { id }, { projects }) {
      const key = id.slice('Order:'.length)
      const { rows } = await pool.query({ name: 'order', text: ORDER, values: [projects, key] })
      return rows[0]
    }
  }
}

// Uncached, as the documentation advises where the keys of the cache would cost more than they spare: it would serialize
// every order, and no object is asked for twice in a request.
const loaders = {
  Order: {
    customer: { loader: customers, opts: { cache: false } },
    project: { loader: projectsOfOrders, opts: { cache: false } },
    lines: { loader: linesOfOrders, opts: { cache: false } }
  }
}

async function customers (queries) {
  const keys = [...new Set(queries.map(({ obj }) => obj.customerId))]
  const { rows } = await pool.query({ name: 'organizations', text: ORGANIZATIONS, values: [keys] })
  const found = new Map(rows.map((row) => [row.id, row]))
  return queries.map(({ obj }) => found.get(obj.customerId))
}

async function projectsOfOrders (queries, { projects }) {
  const keys = [...new Set(queries.map(({ obj }) => obj.projectId))]
  const { rows } = await pool.query({ name: 'projects', text: PROJECTS, values: [keys, projects] })
  const found = new Map(rows.map((row) => [row.id, row]))
  return queries.map(({ obj }) => found.get(obj.projectId))
}

async function linesOfOrders (queries) {
  const first = Math.max(...queries.map(({ params }) => params.first))
  const keys = queries.map(({ obj }) => obj.key)
  const { rows } = await pool.query({ name: 'lines', text: LINES, values: [keys, first] })
  const found = new Map(keys.map((key) => [key, []]))
  for (const row of rows) found.get(row.parent).push(row)
  return queries.map(({ obj, params }) => ({ nodes: found.get(obj.key).slice(0, params.first) }))
}

const app = Fastify({ logger: false })
await app.register(mercurius, {
  schema,
  resolvers,
  loaders,
  jit: 1,
  graphiql: false,
  persistedQueries: documentsIn(new URL('../documents/', import.meta.url)),
  onlyPersisted: true,
  context: async (request) => ({ projects: await projectsOf(request.headers.authorization, pool) })
})
await app.listen({ port, host: '127.0.0.1' })
process.on('SIGTERM', () => app.close().then(() => process.exit(0)))
