// Mercurius' subscriptions as its documentation shows them: its own emitter, withFilter, and a payload that holds what
// is told. PostgreSQL notifies of each commit; the order is then read once and published to all.

import Fastify from 'fastify'
import mercurius from 'mercurius'
import pg from 'pg'
import { poolSize, port, projectsOfUser, userOf } from './viewer.mjs'

const { withFilter } = mercurius
const CHANNEL = 'bench_order_changed'
const TOPIC = 'ORDER_CHANGED'
const DATE = 1082
// Days and numbers go out as the text that PostgreSQL gives: the API has no other form of them.
pg.types.setTypeParser(DATE, (text) => text)
// The other settings are libpq's variables.
const pool = new pg.Pool({ max: poolSize, min: poolSize, idleTimeoutMillis: 0 })

const schema = `
  type Query { isUp: Boolean! }
  type Subscription { orderChanged(projectId: ID!): OrderChange! }
  type OrderChange { orderId: ID! event: Event! order: Order! }
  type Event { type: String! version: Int! }
  type Order {
    number: String!
    title: String!
    state: String!
    priority: String!
    amount: String
    dueOn: String
  }
`

const ORDER = `
  SELECT number, title, state, priority, amount, due_on AS "dueOn" FROM engineering_order WHERE id = $1`

const resolvers = {
  Query: { isUp: () => true },
  Subscription: {
    orderChanged: {
      subscribe: withFilter(
        (_, args, { pubsub }) => pubsub.subscribe(TOPIC),
        async ({ projectId }, args, { userId }) =>
          args.projectId === `Project:${projectId}` && (await projectsOfUser(userId, pool)).includes(projectId)
      )
    }
  }
}

const app = Fastify({ logger: false })
await app.register(mercurius, {
  schema,
  resolvers,
  jit: 1,
  graphiql: false,
  subscription: {
    // Who has no good token is refused; what he may see is looked at when he is told something.
    onConnect: ({ payload }) => ({ userId: userOf(payload.authorization) })
  }
})

const listener = new pg.Client()
await listener.connect()
listener.on('notification', async ({ payload }) => {
  const { orderId, projectId, type, version } = JSON.parse(payload)
  const { rows: [order] } = await pool.query({ name: 'order', text: ORDER, values: [orderId] })
  const orderChanged = { orderId: `Order:${orderId}`, event: { type, version }, order }
  await app.graphql.pubsub.publish({ topic: TOPIC, payload: { projectId, orderChanged } })
})
await listener.query(`LISTEN ${CHANNEL}`)
await app.listen({ port, host: '127.0.0.1' })
process.on('SIGTERM', () => app.close().then(() => process.exit(0)))
