/**
 * Two API servers and two workers as processes of their own on one real Redis: workers die at named points of the
 * protocol, one loses its network, an API server dies, and every run ends once, as its script says.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Json } from '../functions/scripted/protocol.ts'
import { ownPrefix, redisMissing } from './support/redis.ts'
import { type RedisProxy, redisProxy, type Script } from './support/redis-proxy.ts'
import {
  answersIn,
  ask,
  call,
  makeRepo,
  type Stint,
  scripted,
  settled,
  startStint,
  tempFolder,
  until,
} from './support/world.ts'

const skip = redisMissing ? { skip: redisMissing } : {}
const RUNS = 12
const EFFECTS = 4

/** Where the worker dies next: each time it starts, one further. */
const DEATHS: [Script, 'before' | 'after', number][] = [
  ['CLAIM', 'after', 1],
  ['COMMIT', 'before', 2],
  ['COMMIT', 'after', 5],
  ['COMMIT', 'before', 9],
  ['CLAIM', 'before', 3],
  ['COMMIT', 'after', 12],
]

const labelOf = (messages: Json[]): string =>
  /Walk (\w+)\./.exec(String(messages.find((message) => message.role === 'user')?.content))?.[1] ?? 'nobody'

/** Leaves the chosen process dead at each of its deaths in turn, and starts it again. */
async function mortal(start: (url: string) => Promise<Stint>, proxy: RedisProxy, deaths: typeof DEATHS) {
  let stint = await start(proxy.url)
  let died = 0
  const life = (async () => {
    for (const [script, when, nth] of deaths) {
      await new Promise<void>((dead) => {
        let seen = 0
        proxy.watch = (name, moment) => {
          if (name !== script || moment !== when || ++seen !== nth) return 'pass'
          stint.child.kill('SIGKILL')
          dead()
          return 'drop'
        }
      })
      died++
      proxy.watch = () => 'pass'
      await stint.kill('SIGKILL')
      stint = await start(proxy.url)
    }
  })()
  return { died: () => died, life }
}

test('two API servers, two workers, one Redis: whoever dies, every run ends once', skip, async (t) => {
  const [prefix, marks, home] = [ownPrefix(t), tempFolder(t), tempFolder(t, 'stint-home-')]
  const [first, second, third] = [await redisProxy(t), await redisProxy(t), await redisProxy(t)]
  const model = await scripted(t, ({ messages }) => {
    const [label, i] = [labelOf(messages), answersIn(messages)]
    if (i >= EFFECTS) return { text: `Done with ${label}.` }
    return call('run_command', { command: `echo ${i} >> ${join(marks, label)}; echo ${label} ${i} >> log.txt` })
  })
  const shared = {
    GROQ_BASE_URL: model.url,
    GROQ_API_KEY: 'k',
    STINT_REDIS_PREFIX: prefix,
    STINT_HOME: home,
    LOG_LEVEL: 'silent',
  }
  const startAs = (STINT_ROLE: string) => (REDIS_URL: string) => startStint(t, { ...shared, STINT_ROLE, REDIS_URL })
  const apis = [await startAs('api')(third.url), await startAs('api')(third.url)]
  const [one, two] = [
    await mortal(startAs('worker'), first, DEATHS),
    await mortal(startAs('worker'), second, DEATHS.slice(2, 4)),
  ]
  const repo = { url: makeRepo(t) }
  const labels = Array.from({ length: RUNS }, (_, i) => `r${i}`)
  const ids = await Promise.all(
    labels.map(async (label, i) => {
      const body = { task: `Walk ${label}.`, repo, approval: 'auto' }
      const asked = await ask<{ runId: string }>('POST', `${apis[i % 2]?.url}/execute`, body, {
        'idempotency-key': label,
      })
      assert.equal(asked.status, 202)
      return asked.body.runId
    }),
  )
  await until('a death of each worker', () => one.died() >= 2 && two.died() >= 1, 60_000)
  // The network of one worker goes, and one of the two API servers.
  void second.cut(2000)
  await apis[0]?.kill('SIGKILL')
  const url = apis[1]?.url ?? ''
  for (const [i, runId] of ids.entries()) {
    const run = await settled(url, runId, 120_000)
    const label = labels[i] ?? ''
    assert.deepEqual([run.status, run.turns, run.answer], ['completed', EFFECTS + 1, `Done with ${label}.`])
    const each = Array.from({ length: EFFECTS }, (_, n) => `${n}\n`).join('')
    assert.equal(readFileSync(join(marks, label), 'utf8'), each, `${label}: every effect once, in order`)
    const { items } = (await ask<{ items: { seq: number }[] }>('GET', `${url}/runs/${runId}/events?after=0`)).body
    assert.deepEqual(
      items.map(({ seq }) => seq),
      items.map((_, n) => n + 1),
    )
  }
  const { items } = (await ask<{ items: { runId: string }[] }>('GET', `${url}/runs`)).body
  assert.deepEqual(items.map(({ runId }) => runId).sort(), [...ids].sort())
  assert.deepEqual(model.refused, [])
})

test(
  'a worker tells how it is and nothing else; API and worker without a queue of theirs do not start',
  skip,
  async (t) => {
    const proxy = await redisProxy(t)
    const env = { REDIS_URL: proxy.url, STINT_REDIS_PREFIX: ownPrefix(t), LOG_LEVEL: 'silent' }
    const worker = await startStint(t, { ...env, STINT_ROLE: 'worker' })
    assert.equal((await ask('GET', `${worker.url}/health`)).status, 200)
    for (const [method, path] of [
      ['GET', '/runs'],
      ['POST', '/execute'],
      ['GET', '/'],
      ['GET', '/openapi.json'],
    ] as const)
      assert.equal((await ask(method, worker.url + path, method === 'POST' ? { task: 'x' } : undefined)).status, 404)
    await assert.rejects(startStint(t, { STINT_ROLE: 'api' }), /STINT_ROLE is api, but API and workers share no queue/)
  },
)
