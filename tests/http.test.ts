import assert from 'node:assert/strict'
import { test } from 'node:test'
import { file, type Json, problem, raw } from './support/http.ts'
import { ask, makeRepo, runTask, startStint } from './support/world.ts'

// One server without a key for it and without a model, as a newcomer starts it.
const { url } = await startStint(file, { STINT_RATE_PER_MINUTE: '5' })
const { port } = new URL(url)
const send = (method: string, path: string, body?: unknown, headers?: Record<string, string>) =>
  ask(method, url + path, body, headers)

test('health answers, ready is 503 without a model and names it', async () => {
  assert.equal((await send('GET', '/health')).status, 200)
  const ready = await send('GET', '/ready')
  assert.equal(ready.status, 503)
  assert.match(JSON.stringify(ready.body), /GROQ_API_KEY/)
})

test('without a model execute is 503, tools work, and model "scripted" is chosen by name', async () => {
  const repo = { url: makeRepo(file) }
  const task = 'without a model'
  const refused = problem(await send('POST', '/execute', { task, repo }), 503, 'model_not_configured')
  assert.match(String(refused.detail), /GROQ_API_KEY/)
  const runs = (await send('GET', '/runs?limit=100')).body.items as Json[]
  assert.ok(!runs.some((run) => run.task === task), 'nothing was started')
  assert.equal((await send('POST', '/tool/execute', { tool: 'list_files', input: {}, repo })).body.ok, true)
  const run = await runTask(url, { task: 'look around', repo, model: 'scripted' })
  assert.deepEqual([run.status, run.stopReason, run.model], ['completed', 'done', 'scripted'])
})

const PATHS =
  `POST /execute · GET /runs · GET /runs/{} · GET /runs/{}/events · GET /runs/{}/messages · GET /runs/{}/diff ·
  POST /runs/{}/messages · POST /runs/{}/decisions · POST /runs/{}/cancel · GET /session/{} · DELETE /session/{} ·
  GET /tools · POST /tool/execute · GET /health · GET /ready`
    .split('·')
    .map((line) => line.trim())

test('openapi.json is OpenAPI 3.1, documents every endpoint, and every endpoint it documents is there', async () => {
  const { status, body } = await send('GET', '/openapi.json')
  assert.equal(status, 200)
  assert.match(String(body.openapi), /^3\.1\./)
  type Operation = {
    responses: Record<string, unknown>
    requestBody?: unknown
    parameters?: { name: string; in: string }[]
  }
  const documented = new Map<string, Operation>()
  for (const [path, item] of Object.entries(body.paths as Record<string, Record<string, Operation>>))
    for (const [method, operation] of Object.entries(item))
      if (['get', 'post', 'put', 'patch', 'delete'].includes(method)) {
        documented.set(`${method.toUpperCase()} ${path.replace(/\{\w+\}/g, '{}')}`, operation)
        const names = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1])
        const told = (operation.parameters ?? []).filter((parameter) => parameter.in === 'path')
        assert.deepEqual(told.map((parameter) => parameter.name).sort(), names.sort(), path)
      }
  for (const path of PATHS) assert.ok(documented.has(path), `${path} is documented`)
  for (const [name, operation] of documented) {
    assert.ok(
      Object.keys(operation.responses).some((code) => code.startsWith('2')),
      `${name} says how it answers`,
    )
    const [method = '', path = ''] = name.split(' ')
    if (method === 'POST') assert.ok(operation.requestBody, `${name} says what it takes`)
    const answer = await send(method, path.replaceAll('{}', 'x_1'), method === 'POST' ? {} : undefined)
    assert.notEqual((answer.body as Json | undefined)?.code, 'not_found', `${name} is there`)
  }
  assert.ok(documented.get('POST /execute')?.responses['202'])
  const text = JSON.stringify(body)
  const missing = [...text.matchAll(/"\$ref":"#\/components\/(\w+)\/([\w.-]+)"/g)].filter(
    ([, kind = '', name = '']) => !(body.components as Record<string, Json>)[kind]?.[name],
  )
  assert.deepEqual(missing, [])
})

test('openapi.json tells of the headers and media types a client can use', async () => {
  const text = JSON.stringify((await send('GET', '/openapi.json')).body)
  const words = 'Idempotency-Key Prefer Last-Event-ID text/event-stream text/x-diff application/problem+json'.split(' ')
  assert.deepEqual(
    words.filter((word) => !text.toLowerCase().includes(word.toLowerCase())),
    [],
  )
})

test('the console and the reference are HTML, and what they load is there', async () => {
  for (const path of ['/', '/docs']) {
    const page = await fetch(url + path, { headers: { accept: 'text/html' } })
    assert.equal(page.status, 200)
    assert.match(page.headers.get('content-type') ?? '', /^text\/html/)
    const html = await page.text()
    assert.match(html, /^<!doctype html>/i)
    const parts = [...html.matchAll(/(?:src|href)="(\/[^"]*)"/g)].map((match) => match[1] ?? '')
    assert.ok(parts.length > 0)
    for (const part of parts) {
      const loaded = await fetch(url + part)
      assert.equal(loaded.status, 200, part)
      const type = loaded.headers.get('content-type') ?? ''
      if (part.endsWith('.js')) assert.match(type, /javascript/)
      if (part.endsWith('.css')) assert.match(type, /^text\/css/)
      await loaded.arrayBuffer()
    }
  }
})

test('whatever is wrong is answered as a problem with a code and a request id of its own', async () => {
  const ids = new Set<string>()
  const wrong: [string, string, unknown, number[], string?][] = [
    ['GET', '/no-such-thing', undefined, [404]],
    ['POST', '/no/such/thing', {}, [404]],
    ['PUT', '/runs', {}, [404, 405]],
    ['GET', '/runs/run_00000000000000000000000000', undefined, [404], 'run_not_found'],
    ['GET', '/runs/%00', undefined, [400, 404, 422]],
    ['GET', '/runs/..%2f..%2fetc', undefined, [400, 404, 422]],
    ['GET', '/session/nonsense', undefined, [404, 422]],
    ['GET', '/console.js/../../package.json', undefined, [404]],
    ['GET', '/..%2fpackage.json', undefined, [400, 404]],
    ['POST', '/execute', {}, [422]],
    ['POST', '/execute', null, [400, 422]],
    ['POST', '/execute', [], [400, 422]],
    ['POST', '/execute', 'text', [400, 422]],
  ]
  for (const [method, path, body, status, code] of wrong) {
    const answer = await send(method, path, body)
    const { requestId } = problem(answer, status, code)
    ids.add(String(requestId))
  }
  assert.equal(ids.size, wrong.length)
})

const post = (body: string, type?: string, path = '/execute') =>
  raw(url, { method: 'POST', path, body, headers: type ? { 'content-type': type } : {} })

test('malformed JSON is refused', async () => {
  for (const body of ['{"task":', '', 'task=x', '{"task":"x"}}', "{'task':'x'}", '\u0000'])
    problem(await post(body, 'application/json'), [400, 422])
})

test('a body must be application/json', async () => {
  const body = JSON.stringify({ task: 'x' })
  for (const type of [
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/jsonx',
    undefined,
  ])
    problem(await post(body, type), 415)
  problem(await post(body, 'text/plain', '/tool/execute'), 415)
  problem(await post('{}', 'text/plain', '/runs/run_1/cancel'), 415)
  for (const type of ['application/json', 'application/json; charset=utf-8', 'Application/JSON'])
    problem(await post(body, type), 503, 'model_not_configured')
})

test('a server without keys answers only to a loopback Host', async () => {
  const hosts = [
    'evil.example',
    `evil.example:${port}`,
    '127.0.0.1.evil.example',
    `localhost.evil.example:${port}`,
    '10.0.0.1',
    `0.0.0.0:${port}`,
  ]
  for (const host of hosts)
    for (const path of ['/runs', '/', '/docs', '/health', '/openapi.json'])
      problem(await raw(url, { path, headers: { host } }), 403, 'origin_refused')
  for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, `LOCALHOST:${port}`, `[::1]:${port}`])
    assert.equal((await raw(url, { headers: { host } })).status, 200, host)
})

test('a server without keys refuses every Origin but its own', async () => {
  const origins = [
    'http://evil.example',
    'null',
    'http://localhost:1',
    'http://127.0.0.1',
    `http://127.0.0.1.evil.example:${port}`,
  ]
  for (const origin of origins) {
    problem(await raw(url, { headers: { origin } }), 403, 'origin_refused')
    const headers = { origin, 'content-type': 'application/json' }
    const body = JSON.stringify({ task: 'x', model: 'scripted' })
    problem(await raw(url, { method: 'POST', path: '/execute', headers, body }), 403, 'origin_refused')
  }
  for (const name of ['127.0.0.1', 'localhost']) {
    const headers = { host: `${name}:${port}`, origin: `http://${name}:${port}` }
    assert.equal((await raw(url, { headers })).status, 200)
  }
})

test('CORS is off', async () => {
  const headers = { origin: 'https://app.example', 'access-control-request-method': 'POST' }
  for (const answer of [await raw(url, { method: 'OPTIONS', path: '/execute', headers }), await raw(url)])
    assert.equal(answer.headers['access-control-allow-origin'], undefined)
})

test('every answer carries the rate headers; on a server without keys nobody is refused by rate', async () => {
  const paths = ['/runs', '/health', '/ready', '/', '/docs', '/openapi.json', '/tools', '/nope', '/runs/run_1', '/runs']
  for (const path of [...paths, ...paths]) {
    const { status, headers } = await send('GET', path)
    assert.notEqual(status, 429, path)
    assert.match(headers.get('ratelimit') ?? '', /^"[^"]+";r=\d+;t=\d+$/, path)
    assert.match(headers.get('ratelimit-policy') ?? '', /^"[^"]+";q=5;w=60$/, path)
  }
})

test('an answer to a foreign Host or Origin carries the rate headers like every other', async () => {
  const foreign: Record<string, string>[] = [{ host: 'evil.example' }, { origin: 'http://evil.example' }]
  for (const headers of foreign) {
    const refused = await raw(url, { headers })
    assert.equal(refused.status, 403)
    assert.ok(refused.headers.ratelimit && refused.headers['ratelimit-policy'], JSON.stringify(headers))
  }
})
