/** Tokens a minute shared by many: each adapter by its contract, and a thousand runs on one bucket. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { localRates } from '../functions/adapters/local-rates.ts'
import { redisRates } from '../functions/adapters/redis-rates.ts'
import { redisTcp } from '../functions/adapters/redis-tcp.ts'
import { redisUpstash } from '../functions/adapters/redis-upstash.ts'
import { lookAgainMs, SPARE_MS } from '../functions/core/bucket.ts'
import type { Rates } from '../functions/ports.ts'
import { bundledScript } from '../functions/scripted/scripts.ts'
import { ownPrefix, REDIS_URL, redisMissing, upstashBridge } from './support/redis.ts'
import { makeRepo, scripted, startStint, until } from './support/world.ts'

type T = { after(done: () => unknown): void }
const KINDS: [name: string, open: (t: T) => Promise<Rates>, skip?: string][] = [
  ['in one process', async () => localRates()],
  [
    'on redis over TCP',
    async (t) => {
      const transport = redisTcp(REDIS_URL)
      t.after(() => transport.close())
      return redisRates(transport, ownPrefix(t))
    },
    redisMissing,
  ],
  [
    'on redis over the Upstash protocol',
    async (t) => redisRates(redisUpstash(await upstashBridge(t)), ownPrefix(t)),
    redisMissing,
  ],
]
const NOW = Date.UTC(2026, 10, 24, 12)
const M = { bucket: 'm', now: NOW }

for (const [name, open, skip] of KINDS) {
  const check = (what: string, body: (rates: Rates) => Promise<void>) =>
    test(`rates ${name}: ${what}`, skip ? { skip } : {}, async (t) => body(await open(t)))
  /** A bucket of 6,000 a minute (one in 10 ms) that is full. */
  const known = (rates: Rates) => rates.settle({ ...M, id: 'first', tokens: 0, said: { limit: 6000, remaining: 6000 } })

  check('before the server told a limit every call may go', async (rates) => {
    for (let i = 0; i < 5; i++) assert.equal(await rates.book({ ...M, id: String(i), tokens: 1e6 }), NOW)
  })

  check('what is there goes at once, what is not has its place in the order in which it was booked', async (rates) => {
    await known(rates)
    const at = async (id: string, tokens: number, now = NOW) => (await rates.book({ ...M, id, tokens, now })) - NOW
    // A little is kept free.
    const spare = SPARE_MS / 10
    assert.deepEqual([await at('a', 4000), await at('b', 2000 - spare)], [0, 0])
    assert.deepEqual([await at('c', 600), await at('d', 600)], [6000, 12_000])
    assert.equal(await at('c', 600), 6000, 'the same place again')
    assert.equal(await at('c', 600, NOW + 6000), 6000, 'and when its time has come')
    assert.equal(await at('e', 600, NOW + 6000), 18_000)
    assert.equal(await rates.book({ ...M, bucket: 'other', id: 'x', tokens: 9 }), NOW)
  })

  check('what was not used is there for others, and brings those who wait forward', async (rates) => {
    await known(rates)
    await rates.book({ ...M, id: 'a', tokens: 5700 })
    assert.equal(await rates.book({ ...M, id: 'b', tokens: 600 }), NOW + 6000)
    await rates.settle({ ...M, id: 'a', tokens: 5400 })
    assert.equal(await rates.book({ ...M, id: 'b', tokens: 600 }), NOW + 3000)
    await rates.settle({ ...M, id: 'b', tokens: 0 })
    assert.equal(await rates.book({ ...M, id: 'c', tokens: 360 }), NOW + 600)
  })

  check("the server's word counts: others use the same key, or it refused", async (rates) => {
    await known(rates)
    await rates.settle({ ...M, id: 'x', tokens: 10, said: { limit: 6000, remaining: 1300 } })
    assert.equal(await rates.book({ ...M, id: 'a', tokens: 1600 }), NOW + 6000)
    await rates.settle({ ...M, id: 'a', tokens: 0, blockedMs: 30_000 })
    assert.equal(await rates.book({ ...M, id: 'b', tokens: 1600 }), NOW + 30_000)
  })

  check('a request of more than a minute waits for a full bucket, not for ever', async (rates) => {
    await known(rates)
    assert.equal(await rates.book({ ...M, id: 'a', tokens: 60_000 }), NOW)
    assert.equal(await rates.book({ ...M, id: 'b', tokens: 60_000 }), NOW + 57_000)
  })

  check(
    'a thousand runs use all that there is, are never refused, and none waits much longer than another',
    async (rates) => {
      const { used, refused, waits, minutes } = await thousand(rates, name.includes('Upstash') ? 200 : 1000)
      assert.equal(refused, 0)
      assert.ok(used / minutes >= 0.95 * LIMIT, `${Math.round(used / minutes)} of ${LIMIT} a minute`)
      const sorted = waits.sort((a, b) => a - b)
      const [middle = 0, longest = 0] = [sorted[sorted.length >> 1], sorted.at(-1)]
      assert.ok(longest <= 3 * middle, `the longest wait is ${longest / middle} of the median`)
    },
  )
}

const LIMIT = 250_000

/**
 * Runs of three calls each, all there at once, against a server that refills its bucket all the time and counts prompt
 * and longest answer when it admits a call. What was not used comes back when the call ends.
 */
async function thousand(rates: Rates, runs: number) {
  let [level, levelAt, used, refused] = [LIMIT, NOW, 0, 0]
  const refill = (now: number) => {
    level = Math.min(LIMIT, level + ((now - levelAt) / 60_000) * LIMIT)
    levelAt = now
  }
  await rates.settle({ ...M, id: 'known', tokens: 0, said: { limit: LIMIT, remaining: LIMIT } })
  type Event = { at: number; run: number; call: number; kind: 'ask' | 'send' | 'end'; since: number }
  const events: Event[] = Array.from({ length: runs }, (_, run) => ({ at: NOW, run, call: 0, kind: 'ask', since: NOW }))
  const waited = new Array<number>(runs).fill(0)
  const [tokens, real] = [3000, 2400]
  let last = NOW
  while (events.length > 0) {
    // The earliest; of equal ones the one that was there first.
    let first = 0
    for (let i = 1; i < events.length; i++) if ((events[i]?.at ?? 0) < (events[first]?.at ?? 0)) first = i
    const [event] = events.splice(first, 1) as [Event]
    const { at: now, run, call, kind, since } = event
    const id = `${run}.${call}`
    if (kind === 'ask') {
      const at = Math.ceil(await rates.book({ bucket: 'm', id, tokens, now }))
      const again = lookAgainMs(at - now) < at - now
      events.push(again ? { ...event, at: now + lookAgainMs(at - now) } : { ...event, kind: 'send', at })
    } else if (kind === 'send') {
      refill(now)
      if (level + 1 < tokens) refused++
      level -= tokens
      waited[run] = (waited[run] ?? 0) + now - since
      events.push({ ...event, kind: 'end', at: now + 2000 })
    } else {
      refill(now)
      level = Math.min(LIMIT, level + tokens - real)
      used += real
      last = Math.max(last, now)
      await rates.settle({ bucket: 'm', id, tokens: real, now })
      if (call < 2) events.push({ at: now + 500, run, call: call + 1, kind: 'ask', since: now + 500 })
    }
  }
  // What a full bucket gives at once is not of the rate.
  return { used: used - LIMIT, refused, waits: waited, minutes: (last - NOW) / 60_000 }
}

test('rates: runs that start at once on a key that is nearly used up wait for their turns instead of being refused', async (t) => {
  const limit = 900_000
  let [level, at] = [60_000, Date.now()]
  const refusedAt: number[] = []
  const refill = () => {
    const now = Date.now()
    level = Math.min(limit, level + ((now - at) / 60_000) * limit)
    at = now
  }
  // As Groq counts: prompt and longest answer at first, what was used at last.
  const model = await scripted(t, bundledScript, {
    intercept(request, response) {
      refill()
      const prompt = Math.ceil(JSON.stringify(request).length / 4)
      const need = prompt + Number(request.max_completion_tokens)
      const fits = level >= need
      if (fits) level -= need
      response.setHeader('x-ratelimit-limit-tokens', limit)
      response.setHeader('x-ratelimit-remaining-tokens', Math.floor(level))
      if (!fits) {
        refusedAt.push(Date.now())
        const body = { error: { message: 'Rate limit reached', type: 'tokens', code: 'rate_limit_exceeded' } }
        response.writeHead(429, { 'content-type': 'application/json', 'retry-after': '1' })
        response.end(JSON.stringify(body))
        return true
      }
      response.once('finish', () => {
        refill()
        level = Math.min(limit, level + need - prompt - 100)
      })
      return false
    },
  })
  const server = await startStint(t, { GROQ_BASE_URL: model.url })
  const repo = { url: makeRepo(t) }
  const begun = await Promise.all(
    Array.from({ length: 8 }, async () => {
      const body = JSON.stringify({ task: 'walk 5', repo, approval: 'auto' })
      const headers = { 'content-type': 'application/json' }
      return (await (await fetch(`${server.url}/execute`, { method: 'POST', headers, body })).json()) as {
        runId: string
      }
    }),
  )
  const waits = new Set<string>()
  await until(
    'all to end',
    async () => {
      const runs = await Promise.all(
        begun.map(async ({ runId }) => (await (await fetch(`${server.url}/runs/${runId}`)).json()) as Run),
      )
      for (const run of runs) if (run.trouble?.code === 'rate_shared' || run.waitingFor) waits.add(run.runId)
      return runs.every(({ status }) => status === 'completed')
    },
    120_000,
  )
  assert.ok(waits.size > 0, 'some waited for their turn')
  // Before the first answer told the limit nobody could know it.
  const known = (refusedAt[0] ?? 0) + 2000
  assert.deepEqual(refusedAt.filter((time) => time > known).length, 0, `${refusedAt.length} refusals`)
  assert.ok(refusedAt.length <= 8, `${refusedAt.length} refusals`)
})
type Run = { runId: string; status: string; trouble?: { code: string }; waitingFor?: { kind: string } }
