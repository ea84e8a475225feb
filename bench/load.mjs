// autocannon's part of bench/load.py: sends the requests of a folder in turn and prints what came of it as JSON.
// node load.mjs URL SECONDS CONNECTIONS ANSWER_SECONDS FOLDER

import { readFileSync } from 'node:fs'
import autocannon from 'autocannon'

const [url, seconds, connections, answerSeconds, folder] = process.argv.slice(2)
const rows = (name) =>
  readFileSync(`${folder}/${name}`, 'utf8').split('\n').filter((line) => line !== '').map((line) => {
    const tab = line.indexOf('\t')
    return [line.slice(0, tab), line.slice(tab + 1)]
  })
const headers = Object.fromEntries(rows('headers.tsv'))
const requests = rows('requests.tsv').map(([path, body]) =>
  body === '' ? { method: 'GET', path, headers } : { method: 'POST', path, headers, body }
)

let client = 0
const result = await autocannon({
  url,
  connections: Number(connections),
  duration: Number(seconds),
  timeout: Number(answerSeconds),
  // Each connection gets its own part of them, so that none is sent twice before all are sent once.
  setupClient (each) {
    const nth = client++
    const own = requests.filter((_, index) => index % Number(connections) === nth)
    each.setRequests(own.length > 0 ? own : requests)
  }
})
console.log(JSON.stringify({
  requests: result.requests.total,
  seconds: result.duration,
  failures: result.errors + result.timeouts + result.non2xx,
  median_ms: result.latency.p50,
  p99_ms: result.latency.p99
}))
