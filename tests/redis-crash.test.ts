/** Real servers on the real Redis: killed at named points of the protocol, and cut off from it. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { ownPrefix, redisMissing } from './support/redis.ts'
import { type RedisProxy, redisProxy, type Script } from './support/redis-proxy.ts'
import {
  ask,
  call,
  makeRepo,
  pause,
  type Stint,
  scripted,
  settled,
  startStint,
  tempFolder,
  until,
} from './support/world.ts'

const options = redisMissing ? { skip: redisMissing } : {}
const EFFECTS = 5

/** Each command leaves a mark outside the workspace, where no snapshot can undo it. */
const turnsWith = (marks: string) => [
  ...Array.from({ length: EFFECTS }, (_, i) =>
    call('run_command', { command: `echo ${i} >> ${marks}; sleep 0.05; echo step ${i} >> log.txt` }),
  ),
  call('read_file', { path: 'log.txt' }),
  { text: 'Done.' },
]

async function world(t: TestContext) {
  const [prefix, proxy, marks] = [ownPrefix(t), await redisProxy(t), join(tempFolder(t), 'marks')]
  const model = await scripted(t, turnsWith(marks))
  const env = {
    GROQ_BASE_URL: model.url,
    GROQ_API_KEY: 'k',
    REDIS_URL: proxy.url,
    STINT_REDIS_PREFIX: prefix,
    STINT_HOME: tempFolder(t, 'stint-home-'),
    LOG_LEVEL: 'silent',
  }
  const start = () => startStint(t, env)
  const execute = async (stint: Stint) =>
    (
      await ask<{ runId: string }>(
        'POST',
        `${stint.url}/execute`,
        { task: 'Walk.', repo: { url: makeRepo(t) }, approval: 'auto' },
        { 'idempotency-key': 'the-one' },
      )
    ).body.runId
  const check = async (stint: Stint, runId: string) => {
    const run = await settled(stint.url, runId)
    assert.equal(run.status, 'completed', run.answer)
    assert.equal(run.turns, EFFECTS + 2)
    const numbers = Array.from({ length: EFFECTS }, (_, i) => i)
    assert.equal(readFileSync(marks, 'utf8'), numbers.map((i) => `${i}\n`).join(''), 'every effect once, in order')
    const diff = await ask<string>('GET', `${stint.url}/runs/${runId}/diff`)
    assert.deepEqual(
      diff.body.match(/^\+step \d$/gm),
      numbers.map((i) => `+step ${i}`),
    )
    const { items } = (await ask<{ items: { seq: number }[] }>('GET', `${stint.url}/runs/${runId}/events?after=0`)).body
    assert.deepEqual(
      items.map(({ seq }) => seq),
      items.map((_, i) => i + 1),
    )
    const listed = await ask<{ items: { runId: string }[] }>('GET', `${stint.url}/runs`)
    assert.deepEqual(
      listed.body.items.map((found) => found.runId),
      [runId],
      'one run for one key',
    )
    assert.deepEqual(model.refused, [])
    return model.requests.length
  }
  return { proxy, start, execute, check }
}

/** Kills at the n-th time a script passes; resolves when that has happened. */
function killAt(proxy: RedisProxy, script: Script, when: 'before' | 'after', nth: number, kill: () => void): void {
  let seen = 0
  proxy.watch = (name, moment) => {
    if (name !== script || moment !== when || ++seen !== nth) return 'pass'
    kill()
    return 'drop'
  }
}

for (const [script, when, nth] of [
  ['START', 'after', 1],
  ['CLAIM', 'before', 1],
  ['CLAIM', 'after', 1],
  ['COMMIT', 'before', 1],
  ['COMMIT', 'after', 2],
  ['COMMIT', 'before', 5],
  ['COMMIT', 'after', 6],
  ['COMMIT', 'after', 7],
] as const)
  test(`kill -9 ${when} ${script} ${nth}: the run goes on and nothing is done twice`, options, async (t) => {
    const { proxy, start, execute, check } = await world(t)
    let stint = await start()
    let dead = false
    killAt(proxy, script, when, nth, () => {
      stint.child.kill('SIGKILL')
      dead = true
    })
    let runId = await execute(stint).catch(() => '')
    await until('the kill', () => dead)
    await stint.kill('SIGKILL')
    stint = await start()
    // Whoever got no answer asks again with the same key.
    runId ||= await execute(stint)
    const asked = await check(stint, runId)
    assert.ok(asked <= EFFECTS + 3, `the model was asked ${asked} times`)
  })

test('a network that is cut in the middle of a run only delays it', options, async (t) => {
  const { proxy, start, execute, check } = await world(t)
  const stint = await start()
  let commits = 0
  proxy.watch = (script, when) => {
    if (script === 'COMMIT' && when === 'after') commits++
    return 'pass'
  }
  const runId = await execute(stint)
  await until('some steps', () => commits >= 3)
  await proxy.cut(1500)
  const during = await ask('GET', `${stint.url}/health`)
  assert.equal(during.status, 200)
  await check(stint, runId)
})

test('without Redis a request is refused with a code, and the server stays', options, async (t) => {
  const { proxy, start, execute, check } = await world(t)
  const stint = await start()
  const cut = proxy.cut(8000)
  await pause(100)
  const refused = await ask<{ code: string; detail: string }>('POST', `${stint.url}/execute`, { task: 'x' })
  assert.equal(refused.status, 503)
  assert.equal(refused.body.code, 'store_unavailable')
  assert.doesNotMatch(JSON.stringify(refused.body), /\n\s+at |evalsha/i)
  const ready = await ask<{ checks: { store: { ok: boolean } } }>('GET', `${stint.url}/ready`)
  assert.equal(ready.body.checks.store.ok, false)
  await cut
  await check(stint, await until('Redis', () => execute(stint).catch(() => undefined)))
})
