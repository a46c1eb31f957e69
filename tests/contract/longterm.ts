/** What every long-term memory must do, whatever it is made of. An adapter's test calls this with a way to make one. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Fact } from '../../functions/core/records.ts'
import type { Event, Layer, Message, Run } from '../../functions/core/types.ts'
import type { EndedRun, LongTerm } from '../../functions/ports.ts'
import { makeRun, sessionOf } from './store.ts'

export type LongTermMaker = (
  t: { after(done: () => unknown): void },
  clock: { now(): number; sleep(ms: number): Promise<void> },
) => Promise<{
  memory: LongTerm
  /** Another process's view of the same data. */
  again: () => Promise<LongTerm>
}>

const text = (i: number): string => `message ${i} "quoted" \\u0000 wörd \u0000 \ud800 end`
const said = (content: string): Message => ({ role: 'user', content, from: 'person' })
const answered = (model: string, inputTokens: number): Message => ({
  role: 'assistant',
  content: 'yes',
  calls: [{ callId: 'c', modelCallId: 'm', tool: 'read_file', arguments: '{"b":1,"a":2}' }],
  model,
  usage: { inputTokens, cachedTokens: 5, outputTokens: 7, costUsd: 0.25 },
})
const result = (tool: string, ok: boolean): Message => ({
  role: 'tool',
  modelCallId: 'm',
  result: {
    callId: 'c',
    tool,
    ok,
    output: 'out \u0000',
    ...(ok ? {} : { error: { code: 'failed', message: 'no' } }),
    risk: 'read',
    durationMs: 12,
    truncated: false,
  },
})

/** A run that has ended, with something of everything. */
export function endedRun(part: Partial<Run> = {}, messages: Message[] = [said(text(1)), said(text(2))]): EndedRun {
  const run = makeRun({
    status: 'completed',
    stopReason: 'done',
    action: { type: 'stop' },
    step: 2,
    answer: 'done \u0000',
    head: { id: 's2', count: 2 },
    messageSeq: messages.length,
    eventSeq: 3,
    endedAt: 5000,
    ...part,
  })
  const { runId, workspaceId, head } = run
  const events: Event[] = [1, 2, 3].map((seq) => ({
    seq,
    runId,
    at: 1000,
    type: 'run.started',
    data: { seq, text: text(seq) },
  }))
  const layers: Layer[] = [1, 2].map((count) => ({
    id: `${workspaceId}-${count}`,
    snapshot: { id: `s${count}`, count },
    bytes: 3,
    ...(count === 1 ? { inline: 'AAAA' } : {}),
  }))
  return {
    run,
    session: { ...sessionOf(run), ...(head ? { head } : {}) },
    messages,
    events,
    marks: [
      { step: 0, messageSeq: 0 },
      { step: 2, messageSeq: messages.length, head: { id: 's2', count: 2 } },
    ],
    layers,
  }
}

const fact = (part: Partial<Fact> = {}): Fact => ({
  id: `fact_${Math.random().toString(36).slice(2)}`,
  scope: 'user:ann',
  createdAt: 1,
  updatedAt: 1,
  kind: 'convention',
  text: 'tabs',
  confidence: 0.5,
  ...part,
})

export function longTermContract(name: string, make: LongTermMaker, skip?: string): void {
  const clock = {
    at: 10_000,
    now: () => clock.at,
    sleep: (ms: number) => new Promise<void>((done) => setTimeout(done, ms)),
  }
  const check = (what: string, body: (made: Awaited<ReturnType<LongTermMaker>>) => Promise<void>) =>
    test(`${name}: ${what}`, skip ? { skip } : {}, async (t) => {
      clock.at = 10_000
      await body(await make(t, clock))
    })

  check('what was archived comes back as it was, byte by byte', async ({ memory: { archive }, again }) => {
    const ended = endedRun({}, [said(text(1)), answered('m', 10), result('read_file', true)])
    assert.equal(await archive.keep({ ...ended, feedback: { score: 1, comment: text(9), at: 4 } }), 'kept')
    const other = (await again()).archive
    const { runId, sessionId, workspaceId } = ended.run
    const same = (found: unknown, expected: unknown) => assert.equal(JSON.stringify(found), JSON.stringify(expected))
    assert.deepEqual(await other.run(runId), ended.run)
    same(await other.messages(runId, 0), ended.messages)
    same(await other.messages(runId, 1, 1), ended.messages.slice(1, 2))
    same(await other.events(runId, 1), ended.events.slice(1))
    same(await other.events(runId, 0, 2), ended.events.slice(0, 2))
    assert.deepEqual(await other.marks(runId), ended.marks)
    assert.deepEqual(await other.layers(workspaceId), ended.layers)
    assert.deepEqual(await other.session(sessionId), ended.session)
    same(await other.feedback(runId), { score: 1, comment: text(9), at: 4 })
  })

  check('what is not there is undefined or empty', async ({ memory: { archive } }) => {
    assert.equal(await archive.run('run_none'), undefined)
    assert.equal(await archive.session('ses_none'), undefined)
    assert.equal(await archive.feedback('run_none'), undefined)
    assert.deepEqual(await archive.messages('run_none', 0), [])
    assert.deepEqual(await archive.layers('wsp_none'), [])
    assert.deepEqual(await archive.runs({ limit: 5, sessionId: 'ses_none' }), { items: [] })
    assert.equal(await archive.rate('run_none', { score: 1, at: 1 }), false)
    assert.deepEqual(await archive.deleteSession('ses_none'), { ok: false })
  })

  check('the same run again, also by several at once, is there once', async ({ memory: { archive }, again }) => {
    const ended = endedRun({}, [answered('m', 10), result('edit_file', false)])
    const other = (await again()).archive
    await Promise.all(Array.from({ length: 6 }, (_, i) => (i % 2 ? archive : other).keep(ended)))
    await archive.keep(ended)
    assert.equal((await archive.messages(ended.run.runId, 0)).length, 2)
    assert.equal((await archive.events(ended.run.runId, 0)).length, 3)
    assert.equal((await archive.runs({ limit: 9, sessionId: ended.run.sessionId })).items.length, 1)
  })

  check('later runs of a session add what is new, and its newest state stands', async ({ memory: { archive } }) => {
    const first = endedRun()
    const { sessionId, workspaceId } = first.run
    const second = endedRun({ sessionId, workspaceId, head: { id: 's3', count: 3 } })
    second.layers = [...first.layers, { id: 'third', snapshot: { id: 's3', count: 3 }, bytes: 1 }]
    second.session = { ...second.session, updatedAt: 2000 }
    await archive.keep(second)
    await archive.keep(first)
    assert.deepEqual(await archive.layers(workspaceId), second.layers)
    assert.deepEqual(await archive.session(sessionId), second.session)
  })

  check('runs are listed newest first, by session and status, page by page', async ({ memory: { archive } }) => {
    const all = [1, 2, 3, 4, 5].map((i) =>
      endedRun(
        i > 2 ? { sessionId: 'ses_shared', workspaceId: 'wsp_shared' } : { status: 'failed', stopReason: 'stuck' },
      ),
    )
    for (const ended of all) await archive.keep(ended)
    const seen: string[] = []
    for (let cursor: string | undefined; ; ) {
      const page = await archive.runs({ limit: 2, ...(cursor ? { cursor } : {}) })
      seen.push(...page.items.map((run) => run.runId))
      cursor = page.nextCursor
      if (!cursor) break
    }
    assert.deepEqual(seen, all.map(({ run }) => run.runId).reverse())
    assert.equal((await archive.runs({ sessionId: 'ses_shared', limit: 9 })).items.length, 3)
    assert.equal((await archive.runs({ status: 'failed', limit: 9 })).items.length, 2)
    assert.equal((await archive.runs({ sessionId: 'ses_shared', status: 'failed', limit: 9 })).items.length, 0)
  })

  check('the last word of feedback counts', async ({ memory: { archive } }) => {
    const ended = endedRun()
    await archive.keep(ended)
    assert.equal(await archive.rate(ended.run.runId, { score: 1, comment: 'yes', at: 2 }), true)
    assert.equal(await archive.rate(ended.run.runId, { score: -1, at: 1 }), true, 'an older word is taken and not kept')
    assert.deepEqual(await archive.feedback(ended.run.runId), { score: 1, comment: 'yes', at: 2 })
    await archive.keep({ ...ended, feedback: { score: -1, at: 1 } })
    assert.deepEqual(await archive.feedback(ended.run.runId), { score: 1, comment: 'yes', at: 2 })
  })

  check(
    'a removed session leaves nothing, shared layers excepted, and is not archived any more',
    async ({ memory, again }) => {
      const { archive } = memory
      const ended = endedRun()
      const { sessionId, workspaceId, runId } = ended.run
      await archive.keep({ ...ended, feedback: { score: 1, at: 4 } })
      const fork = endedRun()
      fork.layers = [{ ...(ended.layers[1] as Layer), snapshot: { id: 's1', count: 1 } }]
      await archive.keep(fork)
      const [own, theirs, here] = [
        fact({ sessionId }),
        fact({ sessionId: fork.run.sessionId }),
        fact({ scope: `session:${sessionId}` }),
      ]
      for (const record of [own, theirs, here]) await memory.facts.put(record)
      const removed = await archive.deleteSession(sessionId)
      assert.deepEqual(removed, { ok: true, workspaceId, layerIds: [ended.layers[0]?.id] })
      const other = await again()
      assert.equal(await other.archive.run(runId), undefined)
      assert.equal(await other.archive.session(sessionId), undefined)
      assert.equal(await other.archive.feedback(runId), undefined)
      assert.deepEqual(await other.archive.layers(workspaceId), [])
      assert.deepEqual(await other.archive.messages(runId, 0), [])
      assert.equal(await other.facts.get(own.id), undefined)
      assert.equal(await other.facts.get(here.id), undefined)
      assert.deepEqual(await other.facts.get(theirs.id), theirs)
      assert.equal(await other.archive.keep(ended), 'removed', 'whoever was still archiving it comes too late')
      assert.equal(await other.archive.run(runId), undefined)
      assert.deepEqual(await other.archive.messages(runId, 0), [])
      assert.deepEqual(await other.archive.deleteSession(sessionId), { ok: false })
      assert.deepEqual(await other.archive.run(fork.run.runId), fork.run)
    },
  )

  check(
    'removing a session while a run of it is archived leaves all or nothing',
    async ({ memory: { archive }, again }) => {
      const other = (await again()).archive
      for (let i = 0; i < 10; i++) {
        const ended = endedRun(
          {},
          Array.from({ length: 300 }, (_, n) => said(`${n} ${'x'.repeat(12_000)}`)),
        )
        const { runId, sessionId } = ended.run
        const [kept] = await Promise.all([
          archive.keep(ended),
          new Promise((resolve) => setTimeout(resolve, i * 4)).then(() => other.deleteSession(sessionId)),
        ])
        const found = await archive.run(runId)
        assert.equal(found, undefined, `${kept}, yet it is there`)
        assert.deepEqual(await archive.layers(ended.run.workspaceId), [])
      }
    },
  )

  check('huge rows and long transcripts come back whole', async ({ memory: { archive } }) => {
    const huge = 'wörd\n"\\'.repeat(600_000)
    const many = Array.from({ length: 1500 }, (_, i) => said(`${i} ${'y'.repeat(3000)}`))
    const ended = endedRun({}, [said(huge), ...many])
    ended.layers = [{ id: 'big', snapshot: { id: 's1', count: 1 }, bytes: 1, inline: 'A'.repeat(3_000_000) }]
    assert.equal(await archive.keep(ended), 'kept')
    const { runId, workspaceId } = ended.run
    assert.deepEqual(await archive.messages(runId, 0), ended.messages)
    assert.deepEqual(await archive.messages(runId, 700, 450), ended.messages.slice(700, 1150))
    assert.deepEqual(await archive.layers(workspaceId), ended.layers)
  })

  check('idle sessions are named, oldest first', async ({ memory: { archive } }) => {
    const runs = [3000, 1000, 2000].map((endedAt) => endedRun({ endedAt }))
    for (const ended of runs) await archive.keep(ended)
    assert.deepEqual(await archive.idle(3000, 9), [runs[1]?.run.sessionId, runs[2]?.run.sessionId])
    assert.deepEqual(await archive.idle(3000, 1), [runs[1]?.run.sessionId])
  })

  check('usage is counted by model and tool, in a time and a repo', async ({ memory: { archive, usage } }) => {
    const repo = { url: 'https://example.com/r' }
    await archive.keep(
      endedRun({ endedAt: 100, repo }, [answered('a', 10), result('read_file', true), answered('b', 1)]),
    )
    await archive.keep(endedRun({ endedAt: 200, status: 'failed' }, [answered('a', 20), result('read_file', false)]))
    await archive.keep(endedRun({ endedAt: 300 }, [answered('a', 1000)]))
    const figures = await usage({ from: 100, to: 300 })
    assert.deepEqual([figures.runs, figures.completed], [2, 1])
    assert.deepEqual(figures.models, [
      { model: 'a', answers: 2, inputTokens: 30, cachedTokens: 10, outputTokens: 14, costUsd: 0.5 },
      { model: 'b', answers: 1, inputTokens: 1, cachedTokens: 5, outputTokens: 7, costUsd: 0.25 },
    ])
    assert.deepEqual(figures.tools, [{ tool: 'read_file', calls: 2, failed: 1, durationMs: 24 }])
    assert.equal((await usage({ from: 0, to: 999, repo: repo.url })).runs, 1)
    assert.deepEqual(await usage({ from: 999, to: 1000 }), { runs: 0, completed: 0, models: [], tools: [] })
  })

  check('records are put, changed, found, listed and removed', async ({ memory: { facts }, again }) => {
    const made = ['a', 'b', 'c', 'd'].map((id, i) =>
      fact({ id, scope: i < 3 ? 'user:ann' : 'repo:r', fingerprint: `f${i}`, data: { deep: [1, { x: null }] } }),
    )
    for (const record of made) await facts.put(record)
    const other = (await again()).facts
    assert.deepEqual(await other.get('a'), made[0])
    assert.equal(await other.get('nobody'), undefined)
    await other.put({ ...(made[0] as Fact), text: 'spaces', updatedAt: 2 })
    assert.equal((await facts.get('a'))?.text, 'spaces')
    const page = await facts.list({ scopes: ['user:ann'], limit: 2 })
    assert.deepEqual([page.items.map(({ id }) => id), page.nextCursor], [['c', 'b'], 'b'])
    const rest = await facts.list({ scopes: ['user:ann'], limit: 2, cursor: 'b' })
    assert.deepEqual([rest.items.map(({ id }) => id), rest.nextCursor], [['a'], undefined])
    assert.deepEqual(
      (await facts.list({ scopes: ['user:ann', 'repo:r'], limit: 9 })).items.map(({ id }) => id),
      ['d', 'c', 'b', 'a'],
    )
    assert.deepEqual(await facts.list({ scopes: [], limit: 9 }), { items: [] }, 'who is in no scope is shown nothing')
    assert.deepEqual(await facts.list({ scopes: ['user:bob'], limit: 9 }), { items: [] })
    const under = async (scopes: string[], ...begin: string[]) =>
      (await facts.list({ scopes, under: begin, limit: 9 })).items.map(({ id }) => id)
    assert.deepEqual(await under([], 'user:a'), ['c', 'b', 'a'])
    assert.deepEqual(await under(['repo:r'], 'user:annn', 'wörd \u{1F600} %_'), ['d'])
    assert.deepEqual(await under([], 'repo:', 'user:'), ['d', 'c', 'b', 'a'])
    assert.deepEqual(await under([]), [])
    assert.deepEqual((await facts.list({ key: 'f2', limit: 9 })).items, [made[2]])
    assert.equal(await facts.delete('b'), true)
    assert.equal(await facts.delete('b'), false)
    assert.equal(await facts.get('b'), undefined)
  })

  check('what somebody else changed meanwhile is not overwritten', async ({ memory: { facts }, again }) => {
    const record = fact({ id: 'one' })
    assert.equal(await facts.put(record, 0), false, 'it is not there yet')
    await facts.put(record)
    const change = (updatedAt: number) => ({ ...record, text: `at ${updatedAt}`, updatedAt })
    assert.equal(await facts.put(change(2), 1), true)
    assert.equal(await facts.put(change(2), 1), true, 'sent again because the answer got lost')
    assert.equal(await (await again()).facts.put(change(3), 1), false)
    assert.equal((await facts.get('one'))?.text, 'at 2')
  })

  check(
    'nothing is kept that comes from a session which was removed',
    async ({ memory: { facts, archive }, again }) => {
      const record = fact({ id: 'one', sessionId: 'ses_removed' })
      assert.equal(await facts.put(record), true)
      await (await again()).archive.deleteSession('ses_removed')
      assert.equal(await facts.get('one'), undefined)
      assert.equal(await facts.put(record), false)
      assert.equal(await facts.put({ ...record, updatedAt: 9 }, record.updatedAt), false)
      assert.equal(await facts.get('one'), undefined)
      assert.equal(await facts.put(fact({ id: 'two', sessionId: 'ses_other' })), true)
      await Promise.all([
        ...Array.from({ length: 8 }, (_, i) => facts.put(fact({ id: `r${i}`, sessionId: 'ses_race' }))),
        archive.deleteSession('ses_race'),
      ])
      await archive.deleteSession('ses_race')
      assert.deepEqual(
        (await facts.list({ limit: 9 })).items.map(({ id }) => id),
        ['two'],
      )
    },
  )

  check(
    'records are not there any more when their time is over, and are removed',
    async ({ memory: { facts, tidy } }) => {
      await facts.put(fact({ id: 'short', expiresAt: 20_000 }))
      await facts.put(fact({ id: 'long' }))
      assert.ok(await facts.get('short'))
      assert.equal(await tidy(9), 0)
      clock.at = 20_000
      assert.equal(await facts.get('short'), undefined)
      assert.deepEqual(
        (await facts.list({ limit: 9 })).items.map(({ id }) => id),
        ['long'],
      )
      assert.equal(await tidy(9), 1)
      assert.equal(await tidy(9), 0)
      assert.equal(await facts.deleteBefore(2, 9), 1)
      assert.equal(await facts.get('long'), undefined)
    },
  )

  check('each kind of record comes back as it went in', async ({ memory }) => {
    const base = { scope: 'org:acme', createdAt: 1, updatedAt: 1 }
    const preference = { ...base, id: 'p', name: 'style', value: ['a', { b: 1 }] }
    await memory.preferences.put(preference)
    assert.deepEqual((await memory.preferences.list({ key: 'style', limit: 1 })).items, [preference])
    const schedule = { ...base, id: 'sch_1', job: 'deps', cron: '0 3 * * *', nextAt: 500, data: { repo: 'r' } }
    await memory.schedules.put(schedule)
    await memory.schedules.put({ ...base, id: 'sch_2', job: 'rests' })
    assert.deepEqual((await memory.schedules.list({ dueBy: 499, limit: 9 })).items, [])
    assert.deepEqual((await memory.schedules.list({ dueBy: 500, limit: 9 })).items, [schedule])
    const key = { ...base, id: 'key_1', name: 'ci', scopes: ['run'], hash: 'ab', revokedAt: 9 }
    await memory.keys.put(key)
    assert.deepEqual((await memory.keys.list({ key: 'ab', limit: 1 })).items, [key])
    const entry = { ...base, id: 'aud_1', who: 'key_1', what: 'run.start', target: 'run_1', data: { a: 1 } }
    await memory.audit.put(entry)
    assert.deepEqual(await memory.audit.get('aud_1'), entry)
    const tool = { ...base, id: 't', name: 'deploy', description: 'd', data: { schema: {} } }
    await memory.tools.put(tool)
    assert.deepEqual((await memory.tools.list({ scopes: ['org:acme'], key: 'deploy', limit: 1 })).items, [tool])
  })

  check('text that no database holds comes back mended, and SQL stays text', async ({ memory: { facts } }) => {
    const sql = "'; DROP TABLE stint_facts; -- $1 \\' \\\\u0000 %"
    await facts.put(fact({ id: sql, scope: `user:${sql}`, fingerprint: sql, text: `${sql} \0 \ud800 \\u0000` }))
    const found = await facts.get(sql)
    assert.equal(found?.text, `${sql} \uFFFD \uFFFD \\u0000`)
    assert.equal((await facts.list({ scopes: [`user:${sql}`], key: sql, limit: 1 })).items.length, 1)
    await facts.put(fact({ id: 'nul', scope: 'user:a\0b', fingerprint: 'x\0' }))
    assert.equal((await facts.list({ scopes: ['user:a\0b'], key: 'x\0', limit: 1 })).items.length, 1)
  })

  check('several processes that begin with an empty database at once all succeed', async ({ again }) => {
    const all = await Promise.all(Array.from({ length: 5 }, again))
    await Promise.all(all.map((memory) => memory.check()))
    await Promise.all(all.map((memory) => memory.facts.put(fact())))
  })
}
