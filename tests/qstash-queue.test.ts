import assert from 'node:assert/strict'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { type QstashQueue, qstashQueue } from '../functions/adapters/qstash-queue.ts'
import { systemClock } from '../functions/adapters/system.ts'
import type { Wake } from '../functions/ports.ts'
import type { Vars } from '../functions/routes/context.ts'
import { wakeRoutes } from '../functions/routes/wake.ts'
import { type Context, queueContract, type TestWork } from './contract/queue.ts'
import { type Qstash, type QstashOptions, signature, startQstash } from './support/qstash.ts'
import { pause, until } from './support/world.ts'

type Started = { qstash: Qstash; queue: QstashQueue; own: string; swept: () => number }

/** The routes on a port of their own, a queue that is told to come back there, and QStash between the two. */
async function start(t: Context, work: TestWork, options: QstashOptions = {}): Promise<Started> {
  const qstash = await startQstash(t, options)
  const app = new Hono<Vars>()
  const server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' })
  await new Promise((resolve) => server.once('listening', resolve))
  const own = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const { url, token, currentKey, nextKey } = qstash
  const queue = qstashQueue({ url, token, currentKey, nextKey, publicUrl: `${own}/` }, systemClock)
  let swept = 0
  const sweep = async () => {
    swept++
    return []
  }
  const door = {
    verify: queue.verify,
    work: { ...work, due: async () => [] },
    sweep,
    clock: systemClock,
    log: () => {},
  }
  app.route('/', wakeRoutes(door))
  t.after(() => {
    server.close()
    if ('closeAllConnections' in server) server.closeAllConnections()
  })
  return { qstash, queue, own, swept: () => swept }
}
const work = (handle: TestWork['handle'] = async () => 'done'): TestWork => ({ handle, bury: async () => {} })

queueContract('QStash', async (t, given, fast) => (await start(t, given, fast ? { secondMs: 1 } : {})).queue)

test('QStash: what is published is what its interface says, and no name is used twice', async (t) => {
  const { qstash, queue, own } = await start(t, work(), { secondMs: 1 })
  await queue.send({ runId: 'run_1', step: 3 }, 0)
  await queue.send({ runId: 'run_1', step: 3 }, 61_500)
  const [first, second] = qstash.published
  assert.equal(first?.destination, `${own}/internal/wake`)
  assert.equal(first?.body, '{"run":"run_1","seq":3}')
  assert.equal(first?.headers['content-type'], 'application/json')
  assert.equal(second?.headers['upstash-delay'], '62s')
  assert.equal(second?.headers['upstash-failure-callback'], `${own}/internal/given-up`)
  const names = qstash.published.map(({ headers }) => headers['upstash-deduplication-id'])
  assert.equal(new Set(names).size, 2)
})

test('QStash: a publish whose answer got lost is asked for again and delivered once', async (t) => {
  const seen: Wake[] = []
  const handle = async (wake: Wake) => {
    seen.push(wake)
    return 'done' as const
  }
  const { qstash, queue } = await start(t, work(handle), { deaf: 2 })
  await queue.send({ runId: 'run_1', step: 3 }, 0)
  await until('the wake-up', () => seen.length > 0)
  await pause(100)
  assert.deepEqual([seen.length, qstash.published.length], [1, 1])
})

test('QStash: a refusal is told without the token; a delay beyond its bound is left to the store', async (t) => {
  const { qstash, queue, own } = await start(t, work())
  const { url, currentKey, nextKey } = qstash
  const wrong = qstashQueue({ url, token: 'hunter2', currentKey, nextKey, publicUrl: own }, systemClock)
  await assert.rejects(wrong.send({ runId: 'run_1' }, 0), (error: Error) => {
    assert.match(error.message, /401/)
    assert.doesNotMatch(String(error.stack), /hunter2/)
    return true
  })
  await queue.send({ runId: 'run_1' }, 8 * 24 * 3600_000)
  assert.deepEqual(qstash.published, [])
})

test('QStash: only what it has signed is worked on', async (t) => {
  let [handled, buried] = [0, 0]
  const handle = async () => {
    handled++
    return 'done' as const
  }
  const { qstash, own, swept } = await start(t, { handle, bury: async () => void buried++ })
  const { currentKey: key, nextKey } = qstash
  const body = '{"run":"run_1","seq":3}'
  const url = `${own}/internal/wake`
  const now = Math.floor(Date.now() / 1000)
  const bring = async (token: string | undefined, to = url, sent = body) => {
    const headers = { 'content-type': 'application/json', ...(token ? { 'upstash-signature': token } : {}) }
    return (await fetch(to, { method: 'POST', body: sent, headers })).status
  }
  const unsigned = `${signature(key, url, body).split('.').slice(0, 2).join('.')}.`
  const none = Buffer.from('{"alg":"none","typ":"JWT"}').toString('base64url')
  const refused: [what: string, token: string | undefined, to?: string, sent?: string][] = [
    ['no signature', undefined],
    ['no token', 'x.y.z'],
    ['an empty signature', unsigned],
    ['no algorithm', `${none}.${signature(key, url, body).split('.')[1]}.`],
    ['a key of somebody else', signature('sig_other', url, body)],
    ['another body', signature(key, url, body), url, '{"run":"run_2","seq":3}'],
    ['another path', signature(key, url, body), `${own}/internal/sweep`],
    ['another server', signature(key, 'https://elsewhere.example/internal/wake', body)],
    ['another issuer', signature(key, url, body, { iss: 'Mallory' })],
    ['expired', signature(key, url, body, { exp: now - 60 })],
    ['not yet valid', signature(key, url, body, { nbf: now + 60 })],
    ['without an end', signature(key, url, body, { exp: undefined })],
    ['without a body', signature(key, url, body, { body: undefined })],
  ]
  for (const [what, token, to, sent] of refused) assert.equal(await bring(token, to, sent), 401, what)
  assert.deepEqual([handled, buried, swept()], [0, 0, 0])
  assert.equal(await bring(signature(key, url, body)), 204)
  assert.equal(await bring(signature(nextKey, url, body)), 204)
  assert.equal(await bring(signature(key, url, body, { exp: now - 5, nbf: now + 5 })), 204, 'clocks differ a little')
  assert.equal(await bring(signature(key, `${own}/internal/sweep`, ''), `${own}/internal/sweep`, ''), 200)
  assert.deepEqual([handled, buried, swept()], [3, 0, 1])
  const strange = signature(key, url, 'what?')
  assert.equal(await bring(strange, url, 'what?'), 204, 'what is no wake-up is not asked for again')
  const large = 'x'.repeat(1024 * 1024 + 1)
  assert.equal(await bring(signature(key, url, large), url, large), 413)
})

test('QStash: after its keys were rolled wake-ups still arrive', async (t) => {
  let count = 0
  const handle = async () => {
    count++
    return 'done' as const
  }
  const { qstash, queue } = await start(t, work(handle))
  qstash.roll()
  await queue.send({ runId: 'run_1' }, 0)
  await until('the wake-up', () => count > 0)
})

test('QStash: what failed is told when it may be tried again; what is given up says what went wrong', async (t) => {
  const times: number[] = []
  const buried: { wake: Wake; why: string }[] = []
  const given: TestWork = {
    async handle() {
      times.push(performance.now())
      throw new Error('the disk is full')
    },
    bury: async (wake, why) => void buried.push({ wake, why }),
  }
  const { qstash, queue } = await start(t, given, { secondMs: 2 })
  await queue.send({ runId: 'run_1', step: 3 }, 0)
  await until('the burial', () => buried.length > 0)
  assert.deepEqual(buried, [{ wake: { runId: 'run_1', step: 3 }, why: 'the disk is full' }])
  assert.deepEqual(qstash.answers.slice(0, 4), [503, 503, 503, 503])
  const rests = times.slice(1).map((at, i) => at - (times[i] ?? 0))
  for (const [i, due] of [20, 120, 1200].entries())
    assert.ok((rests[i] ?? 0) >= due - 2 && (rests[i] ?? 0) < due + 300, `rest ${i}: ${rests[i]} ms`)
  await until('the answer to the burial', () => qstash.answers.length === 5)
  assert.deepEqual([qstash.answers[4], qstash.dead.length], [204, 1])
})
