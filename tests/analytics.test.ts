/** Figures of runs: counted right, by day, repo, user, model and tool, with and without an archive. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Analytics, Tally, toolsAfter } from '../functions/core/analytics.ts'
import type { Message, Run } from '../functions/core/types.ts'
import { makeRun } from './contract/store.ts'
import { follow, following, makeKey, problem } from './support/http.ts'
import { ask, call, makeRepo } from './support/world.ts'

const DAY_MS = 24 * 3600_000
const ended = (part: Partial<Run> & { cost?: number; cached?: number }): Run => {
  const { cost = 1, cached = 0, ...rest } = part
  const usage = { inputTokens: 100, cachedTokens: cached, outputTokens: 10, costUsd: cost }
  return makeRun({ status: 'completed', usage, createdAt: 10 * DAY_MS, workedMs: 1000, ...rest })
}

test('groups are counted each for itself, percentiles of those that have ended', () => {
  const tally = new Tally()
  for (let i = 1; i <= 100; i++)
    tally.add(ended({ workedMs: i * 1000, by: i % 2 ? 'ann' : 'bob', cached: 50 }), 'strong')
  tally.add(ended({ status: 'failed', createdAt: 11 * DAY_MS, repo: { url: '/r' }, cost: 7 }), 'fast')
  tally.add(ended({ status: 'cancelled', createdAt: 11 * DAY_MS }), 'fast')
  tally.add(ended({ status: 'waiting', createdAt: 12 * DAY_MS, workedMs: 9e9 }), 'fast')
  tally.add(ended({ kind: 'tool', tools: { read_file: [1, 0, 5] } }), '')
  const figures = tally.figures()
  const { total } = figures
  assert.deepEqual([total.runs, total.completed, total.failed, total.cancelled], [103, 100, 1, 1])
  assert.ok(Math.abs((total.successRate ?? 0) - 100 / 101) < 1e-9)
  assert.equal(total.costUsd, 109)
  assert.ok(Math.abs((total.cacheHitRate ?? 0) - 5000 / 10_300) < 1e-9)
  assert.deepEqual(
    figures.users.map(({ user, runs }) => [user, runs]),
    [
      ['ann', 50],
      ['bob', 50],
      ['local', 3],
    ],
    'the dearest first',
  )
  assert.deepEqual(
    figures.models.map(({ model, runs }) => [model, runs]),
    [
      ['strong', 100],
      ['fast', 3],
    ],
  )
  assert.deepEqual(figures.models[0]?.seconds, { p50: 50, p90: 90, p99: 99 })
  assert.deepEqual(
    figures.days.map(({ day, runs }) => [day, runs]),
    [
      ['1970-01-11', 100],
      ['1970-01-12', 2],
      ['1970-01-13', 1],
    ],
  )
  assert.equal(figures.days[2]?.seconds, undefined)
  assert.deepEqual(
    figures.repos.map(({ repo, costUsd }) => [repo, costUsd]),
    [
      ['', 102],
      ['/r', 7],
    ],
  )
  assert.deepEqual(figures.tools, [{ tool: 'read_file', calls: 1, failed: 0, errorRate: 0, seconds: 0.005 }])
})

test('the calls of a run are counted as they come', () => {
  const result = (tool: string, ok: boolean): Message => ({
    role: 'tool',
    modelCallId: 'm',
    result: { callId: 'c', tool, ok, output: 'x', risk: 'read', durationMs: 10.4, truncated: false },
  })
  const one = toolsAfter(undefined, [result('a', true), result('b', false)])
  assert.deepEqual(toolsAfter(one, [result('a', false)]), { a: [2, 1, 20], b: [1, 1, 10] })
  assert.equal(toolsAfter(one, []), one)
})

test('GET /analytics: what runs of two users did, filtered, and bad ranges refused', async (t) => {
  const [ann, bob] = [makeKey('ann', 'run+read'), makeKey('bob', 'run+read')]
  const folder = makeRepo(t)
  const keys = `${ann.entry},${bob.entry}`
  const stint = await following(t, { STINT_API_KEY_HASHES: keys, STINT_REPO_ROOTS: folder })
  const run = async (headers: Record<string, string>, body: object) => {
    const { body: accepted } = await ask<{ runId: string }>('POST', `${stint.url}/execute`, body, headers)
    for (;;) {
      const { body: seen } = await ask<{ status: string }>(
        'GET',
        `${stint.url}/runs/${accepted.runId}`,
        undefined,
        headers,
      )
      if (seen.status === 'completed') return
    }
  }
  const work = follow(call('list_files'), call('read_file', { path: 'none.txt' }), { text: 'Done.' })
  await run(ann.headers, { task: work, repo: { url: folder } })
  await run(ann.headers, { task: follow({ text: 'Hello.' }) })
  await run(bob.headers, { task: follow({ text: 'Hello.' }) })
  const figures = async (query = '') =>
    (await ask<Analytics & { truncated: boolean }>('GET', `${stint.url}/analytics${query}`, undefined, bob.headers))
      .body
  const all = await figures()
  assert.deepEqual([all.total.runs, all.total.completed, all.total.successRate, all.truncated], [3, 3, 1, false])
  assert.ok(all.total.costUsd > 0 && all.total.inputTokens > 0 && (all.total.cacheHitRate ?? 0) > 0)
  assert.deepEqual(all.users.map(({ user, runs }) => `${user} ${runs}`).sort(), ['ann 2', 'bob 1'])
  assert.deepEqual(all.repos.map(({ repo }) => repo).sort(), ['', folder])
  assert.equal(all.days.length, 1)
  assert.deepEqual(all.tools.map(({ tool, calls, failed, errorRate }) => [tool, calls, failed, errorRate]).sort(), [
    ['list_files', 1, 0, 0],
    ['read_file', 1, 1, 1],
  ])
  assert.equal((await figures(`?repo=${encodeURIComponent(folder)}`)).total.runs, 1)
  assert.equal((await figures('?user=bob')).total.runs, 1)
  assert.equal((await figures('?model=other')).total.runs, 0)
  assert.equal((await figures('?from=2020-01-01&to=2020-02-01')).total.runs, 0)
  for (const query of ['?from=2024-02-01&to=2024-01-01', '?from=yesterday', '?user='])
    problem(await ask('GET', `${stint.url}/analytics${query}`, undefined, bob.headers), 422)
  problem(await ask('GET', `${stint.url}/analytics`), 401)
})
