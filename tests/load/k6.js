// k6 (https://k6.io): scenarios such as those of docs/loadtest.md, at rates of their own; `fairlead loadtest` needs no other
// tool.
//
//   k6 run -e BASE_URL=http://localhost:8080 -e API_KEY=… -e SCENARIO=baseline tests/load/k6.js
//
// SCENARIO is baseline, stress, spike, endurance, api or websocket. A user asks for three things at once, then waits for
// a second, so a hundred users ask up to 300 times a second: more than `rate_limits.tenant` lets one tenant by default.
// Answers of 429 are counted by themselves, as refusing is what a limit is for; raise the limits to look behind them.
import http from 'k6/http'
import ws from 'k6/ws'
import { check, fail, sleep } from 'k6'
import { Counter, Rate, Trend } from 'k6/metrics'

const base = __ENV.BASE_URL || 'http://localhost:8080'
const scenario = __ENV.SCENARIO || 'baseline'
const headers = { 'x-tenant-key': __ENV.API_KEY || '', 'content-type': 'application/json' }

const errors = new Rate('errors')
const responseTime = new Trend('response_time', true)
const rateLimited = new Counter('rate_limited')
const messages = new Counter('messages')

const ramp = (...stages) => ({
  executor: 'ramping-vus',
  startVUs: 0,
  stages: stages.map(([duration, target]) => ({ duration, target })),
})

const scenarios = {
  baseline: { ...ramp(['2m', 100], ['5m', 100], ['2m', 200], ['5m', 200], ['2m', 0]), exec: 'leads' },
  stress: { ...ramp(['2m', 100], ['2m', 200], ['2m', 400], ['2m', 800], ['2m', 1600], ['1m', 0]), exec: 'leads' },
  spike: { ...ramp(['1m', 50], ['10s', 1000], ['1m', 1000], ['10s', 50], ['2m', 50], ['10s', 0]), exec: 'leads' },
  endurance: { ...ramp(['2m', 100], ['2h', 100], ['1m', 0]), exec: 'leads' },
  api: { ...ramp(['30s', 5], ['3m', 5], ['10s', 0]), exec: 'performance' },
  websocket: { ...ramp(['30s', 100], ['2m', 100], ['10s', 0]), exec: 'socket' },
}

if (!scenarios[scenario]) {
  fail(`SCENARIO must be one of ${Object.keys(scenarios).join(', ')}`)
}

export const options = {
  scenarios: { [scenario]: scenarios[scenario] },
  thresholds: {
    http_req_duration: ['p(95)<500'],
    http_req_failed: ['rate<0.01'],
    errors: ['rate<0.01'],
  },
}

// 429 is no failure: the rest of the thresholds tell how those are served who are let in.
http.setResponseCallback(http.expectedStatuses({ min: 200, max: 399 }, 429))

function judge(response) {
  responseTime.add(response.timings.duration)
  if (response.status === 429) {
    rateLimited.add(1)
    return
  }
  errors.add(!check(response, { 'status is 200': (answer) => answer.status === 200 }))
}

function ask(paths) {
  const params = { headers }
  http.batch(paths.map((path) => ['GET', base + path, null, params])).forEach(judge)
  sleep(1)
}

export function leads() {
  ask(['/api/v1/leads?limit=50', '/api/v1/leads/statistics', '/api/v1/users'])
}

// With the key of an operator (`fairlead operator create`), sent as a bearer token.
export function performance() {
  headers.authorization = `Bearer ${__ENV.OPERATOR_TOKEN || ''}`
  delete headers['x-tenant-key']
  ask(['stats', 'dashboard', 'status', 'slow-requests', 'cache/metrics'].map((name) => `/api/v1/performance/${name}`))
}

export function socket() {
  const url = `${base.replace(/^http/, 'ws')}/api/v1/ws`
  const response = ws.connect(url, { headers: { 'x-tenant-key': headers['x-tenant-key'] } }, (connection) => {
    connection.on('open', () => {
      connection.send(JSON.stringify({ type: 'subscribe', events: ['lead_created', 'lead_updated'] }))
    })
    connection.on('message', (text) => {
      const message = JSON.parse(text)
      messages.add(1)
      errors.add(!check(message, { 'has type and data': (told) => Boolean(told.type) && told.data !== undefined }))
    })
    connection.on('error', () => errors.add(true))
    connection.setTimeout(() => connection.close(), 10000)
  })
  errors.add(!check(response, { 'status is 101': (answer) => answer && answer.status === 101 }))
}
