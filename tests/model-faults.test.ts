/** A run meets a model server that refuses, fails or vanishes in the middle of it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  aftermath,
  type Case,
  type Fault,
  faultyWorld,
  first,
  inspect,
  KEY,
  refuse,
  runCase,
  send,
  startCase,
} from './support/faults.ts'
import { ask, pause, type RunJson, until } from './support/world.ts'

const limited =
  (headers: Record<string, string>): Fault =>
  ({ response }) =>
    refuse(response, 429, 'rate_limit_exceeded', 'Rate limit reached for model, please try again.', { headers })
const down =
  (status: number, body: unknown = { error: { message: 'down', type: 'internal_server_error' } }): Fault =>
  ({ response }) =>
    send(response, status, body)
const missing: Fault = ({ response, request }) =>
  refuse(response, 404, 'model_not_found', `The model \`${request.model}\` does not exist.`)
const HTML = '<html><head><title>502 Bad Gateway</title></head><body><h1>nginx</h1></body></html>'

const CASES: Record<string, Case> = {
  'the-key-is-refused': {
    fault: ({ response }) => refuse(response, 401, 'invalid_api_key', `Invalid API Key: ${KEY}`),
    stopReason: 'model_error',
    answer: /GROQ_API_KEY/,
    asked: 1,
  },
  'access-is-forbidden': {
    fault: ({ response }) => refuse(response, 403, 'permissions_error', 'Your organization may not use this model.'),
    stopReason: 'model_error',
    answer: /403/,
    asked: 1,
  },
  'the-model-is-gone-under-auto': {
    fault: (at) => at.request.model === 'openai/gpt-oss-120b' && missing(at),
    stopReason: 'done',
    answer: /All done/,
    check: (_, seen) =>
      assert.deepEqual(
        seen.map(({ request }) => request.model),
        ['openai/gpt-oss-120b', 'openai/gpt-oss-20b'],
      ),
  },
  'a-pinned-model-is-gone': {
    fault: missing,
    body: { model: 'openai/gpt-oss-120b' },
    stopReason: 'model_error',
    answer: /openai\/gpt-oss-120b/,
    asked: 1,
  },
  'every-model-is-gone': { fault: missing, stopReason: 'model_error', answer: /does not exist/, asked: 3 },
  // The code is the one that Groq sends for a path it does not know.
  'the-path-is-wrong': {
    fault: ({ response }) =>
      refuse(response, 404, 'unknown_url', 'Unknown request URL: POST /openai/v1/openai/v1/chat/completions.'),
    stopReason: 'model_error',
    answer: /GROQ_BASE_URL/,
    asked: 1,
  },
  'rate-limited-without-a-time': { fault: first(2, limited({})), stopReason: 'done', asked: 3 },
  'rate-limited-for-a-second': {
    fault: first(1, limited({ 'retry-after': '1' })),
    stopReason: 'done',
    asked: 2,
    check: (_, [one, two]) => assert.ok((two?.at ?? 0) - (one?.at ?? 0) >= 1000, 'it waited as long as it was told'),
  },
  'rate-limited-until-a-date': {
    fault: first(1, (at) => limited({ 'retry-after': new Date(Date.now() + 3000).toUTCString() })(at)),
    stopReason: 'done',
    asked: 2,
    check: (_, [one, two]) => assert.ok((two?.at ?? 0) - (one?.at ?? 0) >= 1500, 'it waited as long as it was told'),
  },
  'fails-once-with-500': { fault: first(1, down(500)), stopReason: 'done', asked: 2 },
  'fails-once-with-502-in-html': { fault: first(1, down(502, HTML)), stopReason: 'done', asked: 2 },
  'fails-once-with-503': { fault: first(1, down(503, '')), stopReason: 'done', asked: 2 },
  'fails-for-good-with-503': { fault: down(503, HTML), stopReason: 'model_error', answer: /503/, asked: 6 },
  'resets-before-a-byte': {
    fault: first(1, ({ response }) => Boolean(response.socket?.destroy())),
    stopReason: 'done',
    asked: 2,
  },
  'resets-for-good': {
    fault: ({ response }) => Boolean(response.socket?.destroy()),
    stopReason: 'model_error',
    answer: /6 tries/,
    asked: 6,
  },
  'breaks-off-in-the-body': {
    fault: first(1, ({ response }) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '4000' })
      response.write('{"id":"chatcmpl-x","choices":[{"index":0,"message":{"role":"assistant","content":"All do')
      setTimeout(() => response.socket?.destroy(), 50)
      return true
    }),
    stopReason: 'done',
    answer: /^All done\.$/,
    asked: 2,
  },
  'refuses-the-request': {
    fault: ({ response }) => refuse(response, 400, 'something_new', 'This cannot be served today.'),
    stopReason: 'model_error',
    answer: /cannot be served today/,
    asked: 1,
  },
}

test('a model server that fails in the middle of a run', { concurrency: 8 }, async (t) => {
  const held: Case = { fault: () => true, stopReason: 'cancelled' }
  const waits = { fault: first(1, limited({ 'retry-after': '7' })), stopReason: 'done' }
  const forAges = { fault: limited({ 'retry-after': '99999999' }), stopReason: 'cancelled' }
  const cases = { ...CASES, hangs: held, 'limited-for-long': waits, 'limited-for-ages': forAges }
  const world = await faultyWorld(t, cases)
  const { url } = world.stint
  const show = async (runId: string) => (await ask<RunJson>('GET', `${url}/runs/${runId}`)).body
  const end = (runId: string, ms = 15_000) =>
    until(`the end of ${runId}`, async () => /^(comp|fail|canc)/.test((await show(runId)).status) && show(runId), ms)

  const tests = Object.entries(CASES).map(([name, expected]) =>
    t.test(`${name.replaceAll('-', ' ')}: ${expected.stopReason}`, () => runCase(world, name, expected)),
  )
  tests.push(
    t.test('a long rate limit is a stored wait that ends by itself', async () => {
      const runId = await startCase(world, 'limited-for-long', waits)
      const waiting = await until('the wait', async () => (await show(runId)).status === 'waiting' && show(runId))
      assert.equal(waiting.waitingFor?.kind, 'rate_limit')
      const run = await end(runId, 20_000)
      assert.equal(run.status, 'completed', run.answer)
      const [one, two] = world.seen('limited-for-long')
      assert.ok((two?.at ?? 0) - (one?.at ?? 0) >= 7000, 'not before its time')
      assert.equal(run.waitingFor, undefined)
      await inspect(url, run)
    }),
    t.test('a rate limit of years waits quietly and can be cancelled', async () => {
      const runId = await startCase(world, 'limited-for-ages', forAges)
      await until('the wait', async () => (await show(runId)).status === 'waiting')
      await pause(1500)
      assert.equal(world.seen('limited-for-ages').length, 1, 'the model is left alone')
      assert.doesNotMatch(world.stint.output(), /Warning/, 'nothing is printed')
      await ask('POST', `${url}/runs/${runId}/cancel`, {})
      await inspect(url, await end(runId))
    }),
    t.test('a model that never answers cannot outlast the seconds of the run', async () => {
      const runId = await startCase(world, 'hangs', { ...held, body: { limits: { seconds: 2 } } })
      const run = await end(runId, 12_000)
      assert.deepEqual([run.status, run.stopReason], ['failed', 'time_limit'], run.answer)
      await inspect(url, run)
    }),
    t.test('a model that never answers does not hold a cancelled run', async () => {
      const runId = await startCase(world, 'hangs', held)
      await until('the call', async () => (await show(runId)).turns === 1 && world.seen('hangs').length > 0)
      const asked = Date.now()
      await ask('POST', `${url}/runs/${runId}/cancel`, { reason: 'too slow' })
      const run = await end(runId)
      assert.equal(run.status, 'cancelled')
      assert.ok(Date.now() - asked < 5000, 'it ends at once')
      await inspect(url, run)
    }),
  )
  await Promise.all(tests)
  await t.test('the same server process carries the next run', () => aftermath(world))
})
