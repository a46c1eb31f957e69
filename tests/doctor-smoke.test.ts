/** `stint doctor --server`: a deployment is tried by a run, and what is wrong with it is seen. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Client, type Fetch } from '../cli/client.ts'
import { SMOKE_TURNS, smoke } from '../cli/smoke.ts'
import { type Backend, openBackend } from '../functions/backend.ts'
import { readEnv } from '../functions/env.ts'
import { faceOf } from '../functions/face.ts'
import type { Context } from './contract/queue.ts'
import { cli } from './support/cli.ts'
import { ask, startStint, tempFolder } from './support/world.ts'

test('doctor --server: a run of 40 turns, of which nothing is left; --no-run leaves it out', async (t) => {
  const server = await startStint(t)
  const stint = cli(t)
  const { out } = await stint(['doctor', '--server', server.url])
  assert.match(out, /✓ run +40 turns, \d+ events in order, [\d.]+ s/)
  const { body } = await ask<{ items: unknown[] }>('GET', `${server.url}/runs`)
  assert.deepEqual(body.items, [])
  assert.doesNotMatch((await stint(['doctor', '--server', server.url, '--no-run'])).out, /run +40 turns/)
})

/** A deployment in this process, with something between it and who asks. */
async function deployment(t: Context, between: (fetch: Fetch, backend: Backend) => Fetch = (fetch) => fetch) {
  const backend = await openBackend(readEnv({ STINT_HOME: tempFolder(t), LOG_LEVEL: 'silent' }), () => {})
  t.after(() => backend.stop())
  const app = faceOf(backend, { api: true, works: true })
  return { backend, client: new Client(between((request) => app.fetch(request), backend)) }
}
const work = ({ wired, work: handled }: Backend) => wired.queue.start?.(handled)

test('smoke: nobody works on it', async (t) => {
  const { client } = await deployment(t)
  const { state, detail } = await smoke(client, 1)
  assert.equal(state, 'failed')
  assert.match(detail, /^run_\S+: still queued at turn 0 after 1 s/)
})

test('smoke: an event is lost on the way', async (t) => {
  const { backend, client } = await deployment(t, (fetch) => async (request) => {
    const answer = await fetch(request)
    if (!answer.headers.get('content-type')?.startsWith('text/event-stream')) return answer
    const whole = await answer.text()
    return new Response(whole.replace(/^event: tool\.completed\ndata: .*\nid: \d+\n\n/m, ''), answer)
  })
  work(backend)
  const { state, detail } = await smoke(client)
  assert.equal(state, 'failed', detail)
  assert.match(detail, /event \d+ came as \d+/)
})

test('smoke: a run that ends early, and a key that may not', async (t) => {
  const early = await deployment(t, (fetch) => async (request) => {
    if (!request.url.endsWith('/execute')) return fetch(request)
    const body = (await request.json()) as object
    return fetch(new Request(request, { body: JSON.stringify({ ...body, limits: { turns: 3 } }) }))
  })
  work(early.backend)
  assert.match((await smoke(early.client)).detail, /ended as failed \(turns_limit\)/)
  const refused = new Client(() => Response.json({ code: 'forbidden', detail: 'needs admin' }, { status: 403 }))
  assert.deepEqual(await smoke(refused), {
    state: 'missing',
    detail: 'no run was tried',
    fix: 'a key with the scope admin can try one',
  })
  assert.ok(SMOKE_TURNS > 16, 'AWS ends a chain of 16')
})
