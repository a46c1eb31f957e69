/** What runs spend together: the ledgers by their contract, and limits as people meet them. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { redisLedger } from '../functions/adapters/redis-ledger.ts'
import { redisTcp } from '../functions/adapters/redis-tcp.ts'
import { redisUpstash } from '../functions/adapters/redis-upstash.ts'
import { sqliteLedger } from '../functions/adapters/sqlite-ledger.ts'
import { budgetRefusal } from '../functions/core/accounts.ts'
import { BUDGET_HELD_WAIT_MS } from '../functions/core/limits.ts'
import type { ScriptedOptions } from '../functions/scripted/server.ts'
import { ledgerContract } from './contract/ledger.ts'
import { ownPrefix, REDIS_URL, redisMissing, upstashBridge } from './support/redis.ts'
import { answersIn, call, makeRepo, pause, scripted, startStint, tempFolder, until } from './support/world.ts'

ledgerContract('sqlite ledger', async (t) => {
  const path = join(tempFolder(t), 'stint.db')
  const again = async () => {
    const ledger = sqliteLedger(path)
    t.after(() => ledger.close())
    return ledger
  }
  return { ledger: await again(), again }
})
ledgerContract(
  'ledger on redis over TCP',
  async (t) => {
    const prefix = ownPrefix(t)
    const again = async () => {
      const ledger = redisLedger(redisTcp(REDIS_URL), prefix)
      t.after(() => ledger.close())
      return ledger
    }
    return { ledger: await again(), again }
  },
  redisMissing,
)
ledgerContract(
  'ledger on redis over the Upstash protocol',
  async (t) => {
    const [prefix, bridge] = [ownPrefix(t), await upstashBridge(t)]
    const again = async () => redisLedger(redisUpstash(bridge), prefix)
    return { ledger: await again(), again }
  },
  redisMissing,
)

type Run = {
  runId: string
  sessionId: string
  status: string
  stopReason?: string
  usage: { costUsd: number }
  waitingFor?: { kind: string; reason: string; until: string }
}
const json = async <T>(url: string, body?: object): Promise<T> =>
  (await (
    await fetch(url, {
      ...(body ? { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) } : {}),
    })
  ).json()) as T
// Shorter than the shortest answer that is asked for: the scripted model does not mind how much it was given.
const WRITE: ScriptedOptions['script'] = ({ messages }) =>
  call('write_file', { path: `${answersIn(messages)}.txt`, content: 'x'.repeat(700) })

for (const [store, env, skip] of [
  ['SQLite', () => ({}), undefined],
  ['Redis', (t: Parameters<typeof ownPrefix>[0]) => ({ REDIS_URL, STINT_REDIS_PREFIX: ownPrefix(t) }), redisMissing],
] as const)
  test(
    `limits on ${store}: runs of a session stop at what they may spend together, not a cent over`,
    skip ? { skip } : {},
    async (t) => {
      const model = await scripted(t, WRITE)
      const own = { ...env(t), GROQ_BASE_URL: model.url, STINT_HOME: tempFolder(t) }
      const limit = 0.012
      const server = await startStint(t, { ...own, STINT_MAX_COST_SESSION_USD: String(limit) })
      const repo = { url: makeRepo(t) }
      const first = await json<Run>(`${server.url}/execute`, { task: 'Write on', repo, approval: 'auto' })
      const at = (url: string) => json<Run>(`${url}/runs/${first.runId}`)
      const waiting = await until('a wait', async () => {
        const run = await at(server.url)
        return run.status === 'waiting' && run
      })
      assert.equal(waiting.waitingFor?.kind, 'budget')
      assert.match(
        waiting.waitingFor?.reason ?? '',
        /of the session's \$0\.012 \(STINT_MAX_COST_SESSION_USD\) are spent/,
      )
      assert.ok(waiting.usage.costUsd <= limit && waiting.usage.costUsd > limit / 4, String(waiting.usage.costUsd))
      const asked = model.requests.length
      await pause(300)
      assert.equal(model.requests.length, asked, 'nothing is asked while it waits')

      // A session of its own has money of its own.
      const other = await json<Run>(`${server.url}/execute`, {
        task: 'Write on',
        repo,
        approval: 'auto',
        limits: { turns: 2 },
      })
      const ended = await until('the end', async () => {
        const run = await json<Run>(`${server.url}/runs/${other.runId}`)
        return run.status === 'failed' && run
      })
      assert.equal(ended.stopReason, 'turns_limit')
      await server.kill()
    },
  )

test('limits: two cents a day for many runs at once is never passed, and each says when it goes on', async (t) => {
  const model = await scripted(t, WRITE)
  const limit = 0.02
  const server = await startStint(t, { GROQ_BASE_URL: model.url, STINT_MAX_COST_DAY_USD: String(limit) })
  const repo = { url: makeRepo(t) }
  const begun = await Promise.all(
    Array.from({ length: 6 }, () => json<Run>(`${server.url}/execute`, { task: 'Write on', repo, approval: 'auto' })),
  )
  const runs = await until(
    'all to wait for the day',
    async () => {
      const found = await Promise.all(begun.map(({ runId }) => json<Run>(`${server.url}/runs/${runId}`)))
      return (
        found.every(({ waitingFor }) => waitingFor?.kind === 'budget' && /when the day ends/.test(waitingFor.reason)) &&
        found
      )
    },
    60_000,
  )
  const spent = runs.reduce((sum, { usage }) => sum + usage.costUsd, 0)
  assert.ok(spent <= limit && spent > limit / 4, String(spent))
  for (const { waitingFor } of runs) assert.match(waitingFor?.until ?? '', /T00:00:00/)
})

test('limits: whoever waits only for what others reserved looks again soon', () => {
  const day = { name: 'day:2026-11-24', limitUsd: 1 }
  const now = Date.UTC(2026, 10, 24, 23, 59)
  const held = budgetRefusal(day, { spentUsd: 0.5, heldUsd: 0.5, leastUsd: 0.01 }, now)
  assert.deepEqual(held.retryAfterMs, BUDGET_HELD_WAIT_MS)
  assert.deepEqual(budgetRefusal(day, { spentUsd: 0.995, heldUsd: 0, leastUsd: 0.01 }, now).retryAfterMs, 60_000)
})
