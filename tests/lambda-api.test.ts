/** The API as Lambda runs it: requests as API Gateway and a function URL bring them, answers that stream. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { type Backend, openBackend } from '../functions/backend.ts'
import { isKeyless, readEnv } from '../functions/env.ts'
import type { Context } from './contract/queue.ts'
import { invoke, restEvent, urlEvent } from './support/lambda-stream.ts'
import { tempFolder } from './support/world.ts'

const { apiHandler } = await import('../functions/api.ts')
const KEY = 'sk_stint_test'
const HASHES = `k1:run+read+approve+admin:${createHash('sha256').update(KEY).digest('hex')}`

async function open(t: Context, env: Record<string, string> = {}) {
  const name = 'stint-test-api'
  const settings = { STINT_HOME: tempFolder(t), AWS_LAMBDA_FUNCTION_NAME: name, LOG_LEVEL: 'silent', ...env }
  const backend = await openBackend(readEnv(settings), () => {})
  t.after(() => backend.stop())
  return { backend, handler: apiHandler(async () => backend) }
}
/** As if a worker stood beside it. */
const work = ({ wired, work: handled }: Backend) => wired.queue.start?.(handled)
const dataOf = (stream: string) =>
  [...stream.matchAll(/^data: (.+)$/gm)].map(([, json]) => JSON.parse(json ?? '') as { seq?: number; type: string })

for (const [name, event] of Object.entries({ 'a REST API': restEvent, 'a function URL': urlEvent }))
  test(`lambda api: a run from start to end behind ${name}`, async (t) => {
    const { backend, handler } = await open(t, { STINT_API_KEY_HASHES: HASHES })
    const health = await invoke(handler, event({ path: '/health' }))
    assert.deepEqual([health.status, (JSON.parse(health.body) as { status: string }).status], [200, 'ok'])
    const body = { task: 'walk 3', model: 'scripted', approval: 'auto' }
    const refused = await invoke(handler, event({ method: 'POST', path: '/execute', body }))
    assert.equal(refused.status, 401)
    assert.match(String(refused.headers['content-type']), /problem\+json/)

    const admitted = await invoke(handler, event({ method: 'POST', path: '/execute', body, key: KEY }))
    assert.equal(admitted.status, 202, admitted.body)
    const { runId } = JSON.parse(admitted.body) as { runId: string }
    assert.equal(admitted.headers.location, `/runs/${runId}`)

    let early = ''
    const seen = (text: string) => {
      if (early === '') work(backend)
      early ||= text
    }
    const events = await invoke(handler, event({ path: `/runs/${runId}/events`, headers: HEADERS, key: KEY }), { seen })
    assert.equal(events.headers['content-type'], 'text/event-stream')
    // Nobody worked on the run before the first of it was out: it is a stream, not a parcel.
    assert.doesNotMatch(early, /run\.completed/)
    const numbered = dataOf(events.body).filter(({ seq }) => seq !== undefined)
    assert.deepEqual(
      numbered.map(({ seq }) => seq),
      numbered.map((_, i) => i + 1),
    )
    assert.equal(numbered.at(-1)?.type, 'run.completed')
    const page = await invoke(
      handler,
      event({
        path: `/runs/${runId}/events`,
        query: { after: '2' },
        headers: { accept: 'application/json' },
        key: KEY,
      }),
    )
    const { items } = JSON.parse(page.body) as { items: { seq: number }[] }
    assert.equal(items[0]?.seq, 3, 'the query arrives')
    assert.equal((await invoke(handler, event({ path: '/nowhere', key: KEY }))).status, 404)
  })
const HEADERS = { accept: 'text/event-stream' }

test('lambda api: a stream ends before its invocation does, and goes on behind Last-Event-ID', async (t) => {
  const { backend, handler } = await open(t, { STINT_API_KEY_HASHES: HASHES })
  const body = { task: 'walk 3', model: 'scripted', approval: 'auto' }
  const admitted = await invoke(handler, restEvent({ method: 'POST', path: '/execute', body, key: KEY }))
  const { runId } = JSON.parse(admitted.body) as { runId: string }
  const path = `/runs/${runId}/events`
  // Nothing works on it, so only the end of the time can end this.
  const first = await invoke(handler, restEvent({ path, headers: HEADERS, key: KEY }), { remainingMs: 6000 })
  const seqs = dataOf(first.body).map(({ seq }) => seq)
  assert.deepEqual(seqs, [1])
  work(backend)
  const again = { ...HEADERS, 'last-event-id': '1' }
  const second = await invoke(handler, restEvent({ path, headers: again, key: KEY }))
  assert.equal(dataOf(second.body).find(({ seq }) => seq !== undefined)?.seq, 2)
  assert.match(second.body, /run\.completed/)
})

test('lambda api: without keys it answers nobody, and the answer tells nothing', async (t) => {
  const { backend, handler } = await open(t)
  const answer = await invoke(handler, restEvent({ path: '/runs' }))
  assert.equal(answer.status, 503)
  assert.equal((JSON.parse(answer.body) as { code: string }).code, 'not_set_up')
  assert.doesNotMatch(answer.body, /STINT_|HASHES/)
  assert.equal(isKeyless(backend.env), false, 'a function is never alone with its owner')
  assert.equal(isKeyless(readEnv({})), true)
  const broken = apiHandler(() => Promise.reject(new Error('redis://user:hunter2@host does not answer')))
  const failed = await invoke(broken, urlEvent({ path: '/health' }))
  assert.equal(failed.status, 503)
  assert.doesNotMatch(failed.body, /hunter2/)
})

test('lambda api: strangers are counted by their address', async (t) => {
  const { handler } = await open(t, { STINT_API_KEY_HASHES: HASHES, STINT_RATE_PER_MINUTE: '2' })
  const statuses: number[] = []
  for (const event of [restEvent, urlEvent, restEvent])
    statuses.push((await invoke(handler, event({ path: '/runs' }))).status)
  assert.deepEqual(statuses, [401, 401, 429])
  assert.equal((await invoke(handler, restEvent({ path: '/runs', key: KEY }))).status, 200)
})
