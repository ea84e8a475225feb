// PostGraphile 5 as its documentation recommends it for production: Amber preset, simplified names, persisted
// operations, Grafserv's own Node server, nothing of development.
//
// Row policy by `wrapPlans`, not by row-level security: that would cost it a transaction and two more round trips a request.

import { createServer } from 'node:http'
import { PgSimplifyInflectionPreset } from '@graphile/simplify-inflection'
import { PersistedPlugin } from '@grafserv/persisted'
import pg from 'pg'
import { postgraphile } from 'postgraphile'
import { listOfCodec, sql, TYPES } from 'postgraphile/@dataplan/pg'
import { makePgService } from 'postgraphile/adaptors/pg'
import { context } from 'postgraphile/grafast'
import { grafserv } from 'postgraphile/grafserv/node'
import { PostGraphileAmberPreset } from 'postgraphile/presets/amber'
import { wrapPlans } from 'postgraphile/utils'
import { documentsIn, poolSize, port, projectsOf } from './viewer.mjs'

const pool = new pg.Pool({ max: poolSize, min: poolSize, idleTimeoutMillis: 0 })
const PROJECTS = listOfCodec(TYPES.uuid)

// The rows of a PgSelect whose project the viewer manages.
function managed ($rows) {
  const projects = $rows.placeholder(context().get('projects'), PROJECTS)
  $rows.where(sql`${$rows.alias}.project_id = any(${projects})`)
}

const policy = wrapPlans({
  Query: {
    engineeringOrders (plan) {
      const $connection = plan()
      managed($connection.getSubplan())
      return $connection
    },
    engineeringOrder (plan) {
      const $order = plan()
      managed($order.getClassStep())
      return $order
    }
  }
})

const preset = {
  extends: [PostGraphileAmberPreset, PgSimplifyInflectionPreset],
  plugins: [PersistedPlugin, policy],
  pgServices: [makePgService({ pool, schemas: ['public'] })],
  schema: { defaultBehavior: '-insert -update -delete' },
  grafast: {
    context: async ({ node }) => ({ projects: await projectsOf(node?.req.headers.authorization, pool) }),
    explain: false
  },
  grafserv: {
    port,
    watch: false,
    graphiql: false,
    persistedOperations: documentsIn(new URL('./postgraphile/', import.meta.url)),
    allowUnpersistedOperation: false
  }
}

const server = createServer()
const serving = postgraphile(preset).createServ(grafserv)
await serving.addTo(server)
server.listen(port, '127.0.0.1')
process.on('SIGTERM', () => process.exit(0))
