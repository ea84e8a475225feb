// Whom do the Node peers answer? The viewer of a bearer token, with his projects; as bench/peers/viewer.py.

import { readFileSync, readdirSync } from 'node:fs'
import { createHash } from 'node:crypto'
import { createVerifier } from 'fast-jwt'

export const port = Number(process.env.BENCH_PORT)
export const poolSize = Number(process.env.BENCH_POOL_SIZE)

const GRANTS_SECONDS = 60

const verify = createVerifier({
  key: process.env.BENCH_SECRET,
  algorithms: ['HS256'],
  allowedIss: 'eoms',
  allowedAud: 'eoms-api',
  // Verified tokens are kept, which is what makes this library fast by its own documentation.
  cache: true
})
const known = new Map()

// Returns the ids of the projects that the bearer of the token manages; throws for a token that isn't good.
export async function projectsOf (authorization, pool) {
  return projectsOfUser(userOf(authorization), pool)
}

// Returns whose token it is; throws for a token that isn't good.
export function userOf (authorization) {
  return verify((authorization ?? '').replace(/^Bearer /, '')).sub
}

// Returns the ids of the projects that somebody manages.
export async function projectsOfUser (sub, pool) {
  const now = Date.now()
  const kept = known.get(sub)
  if (kept !== undefined && kept.until > now) return kept.projects
  const { rows } = await pool.query(
    "SELECT project_id FROM membership WHERE user_id = $1 AND role = 'project_manager' AND project_id IS NOT NULL",
    [sub]
  )
  const projects = rows.map((row) => row.project_id)
  known.set(sub, { until: now + GRANTS_SECONDS * 1000, projects })
  return projects
}

// Returns the documents of a folder by the SHA-256 of their text, as EOMS names them.
export function documentsIn (folder) {
  const texts = readdirSync(folder).map((name) => readFileSync(new URL(name, folder), 'utf8').trimEnd())
  return Object.fromEntries(texts.map((text) => [createHash('sha256').update(text).digest('hex'), text]))
}
