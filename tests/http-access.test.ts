import assert from 'node:assert/strict'
import { mkdirSync, rmSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { file, type Json, makeKey, problem, raw, watch } from './support/http.ts'
import { ask, git, makeRepo, type RunJson, settled, startStint, tempFolder, until } from './support/world.ts'

const [read, run, approve, admin, both] = [
  makeKey('reader', 'read'),
  makeKey('runner', 'run'),
  makeKey('approver', 'approve'),
  makeKey('boss', 'admin'),
  makeKey('worker', 'run+read'),
]
const inside = makeRepo(file, { 'a.txt': 'a\n' })
const roots = dirname(inside)
const keys = [read, run, approve, admin, both].map((key) => key.entry).join(',')
const { url } = await startStint(file, { STINT_API_KEY_HASHES: keys, STINT_REPO_ROOTS: roots })
const send = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
  ask<Json>(method, url + path, body, headers)

test('with keys, a request without a valid one is 401', async () => {
  const wrong: Record<string, string>[] = [
    {},
    { authorization: 'Bearer' },
    { authorization: 'Bearer sk_stint_wrong' },
    { authorization: `Bearer ${read.key}x` },
    { authorization: `Bearer ${read.key.slice(0, -1)}` },
    { authorization: `Bearer ${read.entry.split(':')[2]}` },
    { authorization: `Basic ${Buffer.from(`x:${read.key}`).toString('base64')}` },
    { authorization: read.key },
    { 'x-api-key': read.key },
  ]
  for (const headers of wrong) {
    const answer = await send('GET', '/runs', undefined, headers)
    problem(answer, 401)
    assert.match(answer.headers.get('www-authenticate') ?? '', /^Bearer/)
    problem(await send('POST', '/execute', { task: 'x', model: 'scripted' }, headers), 401)
  }
  problem(await send('GET', `/runs?key=${read.key}`), 401)
  for (const path of ['/runs/run_1', '/runs/run_1/events', '/session/ses_1', '/tools'])
    problem(await send('GET', path), 401)
  assert.equal((await send('GET', '/runs', undefined, { authorization: `bearer ${read.key}` })).status, 200)
  assert.equal((await send('GET', '/health')).status, 200)
})

test('an answer 401 carries the rate headers like every other', async () => {
  const { status, headers } = await send('GET', '/runs')
  assert.equal(status, 401)
  assert.ok(headers.get('ratelimit'))
  assert.ok(headers.get('ratelimit-policy'))
})

test('a key does what its scopes say, and nothing else', async () => {
  const decision = { callId: 'call_1', approved: true }
  const needs: [string, string, unknown, ...(typeof read)[]][] = [
    ['GET', '/runs', undefined, read, admin, both],
    ['GET', '/tools', undefined, read, admin, both],
    ['GET', '/runs/run_1', undefined, read, admin, both],
    ['GET', '/session/ses_1', undefined, read, admin, both],
    ['POST', '/execute', { task: 'x' }, run, admin, both],
    ['POST', '/tool/execute', { tool: 'list_files', input: {} }, run, admin, both],
    ['POST', '/runs/run_1/messages', { text: 'x' }, run, admin, both],
    ['POST', '/runs/run_1/cancel', {}, run, admin, both],
    ['POST', '/runs/run_1/decisions', decision, approve, admin],
  ]
  for (const [method, path, body, ...able] of needs)
    for (const key of [read, run, approve, admin, both]) {
      const answer = await send(method, path, body, key.headers)
      const told = `${key.entry.split(':', 2)} ${method} ${path}: ${answer.status}`
      if (able.includes(key)) assert.ok(![401, 403].includes(answer.status), told)
      else {
        assert.equal(answer.status, 403, told)
        problem(answer, 403)
      }
    }
  problem(await send('DELETE', '/session/ses_1', undefined, read.headers), 403)
})

test('the scripted model needs the scope admin', async () => {
  const body = { task: 'look', model: 'scripted' }
  problem(await send('POST', '/execute', body, both.headers), 403)
  problem(await send('POST', '/execute', { task: 'look' }, both.headers), 503, 'model_not_configured')
  const { status, body: done } = await send('POST', '/execute', body, { ...admin.headers, prefer: 'wait=20' })
  assert.deepEqual([status, done.status], [200, 'completed'])
  assert.equal((await watch(`${url}/runs/${done.runId}/events`, read.headers)).at(-1)?.data.type, 'run.completed')
})

test('with keys, Host does not matter, but a foreign page gets no CORS headers', async () => {
  const named = await raw(url, { headers: { ...read.headers, host: 'stint.example' } })
  assert.equal(named.status, 200)
  const page = await raw(url, { headers: { ...read.headers, origin: 'https://evil.example' } })
  assert.equal(page.headers['access-control-allow-origin'], undefined)
})

test('with keys, a local path is taken only below STINT_REPO_ROOTS', async (t) => {
  const outside = makeRepo(t, { 'secret.txt': 's\n' })
  const sibling = `${roots}-beside`
  mkdirSync(sibling)
  t.after(() => rmSync(sibling, { recursive: true }))
  git(sibling, 'init', '-q')
  symlinkSync(outside, join(roots, 'link'))
  const execute = (repoUrl: string) =>
    send('POST', '/execute', { task: 'look', model: 'scripted', repo: { url: repoUrl } }, admin.headers)
  const taken = await execute(inside)
  assert.equal(taken.status, 202)
  const { runId } = taken.body as unknown as RunJson
  const statusOf = async () => (await send('GET', `/runs/${runId}`, undefined, admin.headers)).body.status
  await until('the run to complete', async () => (await statusOf()) === 'completed')
  const refused = [
    outside,
    `file://${outside}`,
    sibling,
    `${inside}/../../${outside.slice(5)}`,
    join(roots, 'link'),
    '/',
    '/etc',
  ]
  for (const path of refused) problem(await execute(path), [403, 422])
  const tool = { tool: 'list_files', input: {}, repo: { url: outside } }
  problem(await send('POST', '/tool/execute', tool, admin.headers), [403, 422])
})

test('over the rate 429 with Retry-After, for that key alone', async (t) => {
  const [one, two] = [makeKey('one', 'read'), makeKey('two', 'read')]
  const hashes = `${one.entry},${two.entry}`
  const limited = await startStint(t, { STINT_API_KEY_HASHES: hashes, STINT_RATE_PER_MINUTE: '4' })
  const get = (headers: Record<string, string>) => ask('GET', `${limited.url}/runs`, undefined, headers)
  for (let i = 0; i < 4; i++) {
    const { status, headers } = await get(one.headers)
    assert.equal(status, 200)
    assert.match(headers.get('ratelimit-policy') ?? '', /;q=4;w=60$/)
    assert.match(headers.get('ratelimit') ?? '', new RegExp(`;r=${3 - i};t=\\d+$`))
  }
  const over = await get(one.headers)
  problem(over, 429)
  const after = Number(over.headers.get('retry-after'))
  assert.ok(Number.isInteger(after) && after >= 1 && after <= 60, String(over.headers.get('retry-after')))
  assert.match(over.headers.get('ratelimit') ?? '', /;r=0;t=\d+$/)
  assert.equal((await get(two.headers)).status, 200)
})

test('requests without a valid key are limited by their address', async (t) => {
  const key = makeKey('one', 'read')
  const limited = await startStint(t, { STINT_API_KEY_HASHES: key.entry, STINT_RATE_PER_MINUTE: '4' })
  const get = async (headers: Record<string, string>) =>
    (await ask('GET', `${limited.url}/runs`, undefined, headers)).status
  const guesses: number[] = []
  for (let i = 0; i < 8; i++) guesses.push(await get({ authorization: `Bearer sk_stint_guess${i}` }))
  assert.deepEqual([guesses[0], guesses.at(-1)], [401, 429])
  assert.equal(await get(key.headers), 200, 'who has a key is not held up by that')
})

test('on an address that others reach the server refuses to start without keys', async (t) => {
  await assert.rejects(startStint(t, { HOST: '0.0.0.0' }), /STINT_API_KEY_HASHES/)
  const open = await startStint(t, { HOST: '0.0.0.0', STINT_API_KEY_HASHES: read.entry })
  const here = `http://127.0.0.1:${new URL(open.url).port}`
  assert.equal((await ask('GET', `${here}/runs`, undefined, read.headers)).status, 200)
  problem(await ask('GET', `${here}/runs`), 401)
})

test('a key entry that cannot be right stops the start with a line that does not print it', async (t) => {
  const hash = read.entry.split(':')[2] ?? ''
  const wrong = ['nonsense', 'id:run', `id:run:${hash.slice(1)}`, `id::${hash}`, `:run:${hash}`, `id:run:${read.key}`]
  for (const entry of wrong)
    await assert.rejects(startStint(t, { STINT_API_KEY_HASHES: entry }), (error: Error) => {
      assert.match(error.message, /STINT_API_KEY_HASHES/, entry)
      assert.ok(!error.message.includes(read.key), 'the key is not printed')
      assert.ok(error.message.trim().split('\n').length <= 3, error.message)
      return true
    })
})

test('an unknown scope stops the start', async (t) => {
  const hash = read.entry.split(':')[2] ?? ''
  for (const entry of [`id:fly:${hash}`, `id:run+fly:${hash}`])
    await assert.rejects(startStint(t, { STINT_API_KEY_HASHES: entry }), /STINT_API_KEY_HASHES/, entry)
})

test('one id for two keys stops the start', async (t) => {
  const twice = `${read.entry},${run.entry.replace('runner', 'reader')}`
  await assert.rejects(startStint(t, { STINT_API_KEY_HASHES: twice }), /STINT_API_KEY_HASHES/)
})

test('wrong settings stop the start with a line that names them', async (t) => {
  for (const [name, value] of [
    ['PORT', 'x'],
    ['STINT_RATE_PER_MINUTE', '-1'],
    ['STINT_MAX_COST_RUN_USD', 'much'],
    ['GROQ_BASE_URL', 'not a url'],
    ['LOG_LEVEL', 'loud'],
  ] as const)
    await assert.rejects(startStint(t, { [name]: value }), new RegExp(name), `${name}=${value}`)
})

test('STINT_CORS_ORIGINS lets a named origin in', async (t) => {
  const named = { STINT_API_KEY_HASHES: read.entry, STINT_CORS_ORIGINS: 'https://app.example' }
  const server = await startStint(t, named)
  const ask = (origin: string) => raw(server.url, { headers: { ...read.headers, origin } })
  assert.equal((await ask('https://app.example')).headers['access-control-allow-origin'], 'https://app.example')
  assert.equal((await ask('https://other.example')).headers['access-control-allow-origin'], undefined)
  const headers = {
    origin: 'https://app.example',
    'access-control-request-method': 'POST',
    'access-control-request-headers': 'authorization',
  }
  const preflight = await raw(server.url, { method: 'OPTIONS', path: '/execute', headers })
  assert.ok(preflight.status < 300, String(preflight.status))
  assert.match(String(preflight.headers['access-control-allow-methods']), /POST/)
})

test('without keys a repo is an existing git folder by absolute path, or an https or ssh address of an allowed host', async (t) => {
  const open = await startStint(t)
  const empty = tempFolder(t)
  const execute = (repoUrl: unknown) =>
    ask<RunJson>('POST', `${open.url}/execute`, { task: 'look', model: 'scripted', repo: { url: repoUrl } })
  const refused = [
    join(empty, 'none'),
    empty,
    join(inside, 'a.txt'),
    'relative/path',
    './here',
    '../there',
    '~/home',
    '',
    'https://evil.example/a/b.git',
    'ssh://git@evil.example/a/b.git',
    'git@evil.example:a/b.git',
    'https://github.com.evil.example/a/b',
    'https://github.com@evil.example/a/b',
    'http://github.com/a/b',
    'git://github.com/a/b',
    'ext::sh -c id',
    '--upload-pack=/bin/id',
    'ftp://github.com/a/b',
  ]
  for (const repoUrl of refused) {
    const { detail } = problem(await execute(repoUrl), 422)
    assert.ok(String(detail).length > 10, 'it says what is wrong')
  }
  const taken = await execute(inside)
  assert.equal(taken.status, 202)
  assert.equal((await settled(open.url, taken.body.runId)).status, 'completed')
})
