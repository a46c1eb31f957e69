/** What is kept no longer is removed by age, class by class; what is younger, or under way, stays. */
import assert from 'node:assert/strict'
import { utimesSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { folderSnapshots } from '../functions/adapters/folder-snapshots.ts'
import { postgres } from '../functions/adapters/postgres.ts'
import { redisStore } from '../functions/adapters/redis-store.ts'
import { redisTcp } from '../functions/adapters/redis-tcp.ts'
import { sqliteLongTerm } from '../functions/adapters/sqlite-longterm.ts'
import { sqliteStore } from '../functions/adapters/sqlite-store.ts'
import { OBJECT_GRACE_MS } from '../functions/core/limits.ts'
import type { Run } from '../functions/core/types.ts'
import { type Retention, tidy } from '../functions/engine/tidy.ts'
import { readEnv } from '../functions/env.ts'
import { archivedStore } from '../functions/memory/archived-store.ts'
import type { LongTerm, Store } from '../functions/ports.ts'
import { endedRun } from './contract/longterm.ts'
import { begin, makeRun, next, sessionOf } from './contract/store.ts'
import { ownSchema, postgresMissing } from './support/postgres.ts'
import { ownPrefix, REDIS_URL, redisMissing } from './support/redis.ts'
import { tempFolder } from './support/world.ts'

const DAY_MS = 24 * 3600_000
const clock = { at: 100 * DAY_MS, now: () => clock.at, sleep: async () => {} }
const old = { createdAt: 1000, updatedAt: 1000, endedAt: 1000 }
const done = { status: 'completed', stopReason: 'done', action: { type: 'stop' } } as const

type Made = { store: Store; longTerm: LongTerm }

function tidying({ store, longTerm }: Made) {
  const forgotten: string[] = []
  const forget = async (sessionId: string) => {
    const removed = await store.deleteSession(sessionId)
    if (removed.ok) forgotten.push(sessionId)
    return removed.ok ? 'forgotten' : removed.why
  }
  return { forgotten, tidy: (retention: Retention) => tidy({ store, clock, longTerm }, retention, forget) }
}

async function embedded(t: TestContext): Promise<Made> {
  const folder = tempFolder(t)
  const store = sqliteStore({ path: join(folder, 'stint.db'), mayLive: () => true })
  const longTerm = sqliteLongTerm(join(folder, 'longterm.db'), clock)
  t.after(() => Promise.all([store.close(), longTerm.close()]))
  return { store, longTerm }
}

test('embedded: sessions go by the age of their last run, never under one', async (t) => {
  const made = await embedded(t)
  const { store } = made
  const gone = makeRun({ ...old, ...done })
  const young = makeRun({ ...done, createdAt: 1000, updatedAt: clock.at - DAY_MS })
  const working = makeRun(old)
  for (const run of [gone, young, working]) await begin(store, run)
  const { forgotten, tidy: run } = tidying(made)
  assert.deepEqual(await run({}), { sessions: 0, audit: 0, records: 0, objects: 0 }, 'without a word everything stays')
  assert.equal((await run({ sessionMs: 30 * DAY_MS })).sessions, 1)
  assert.deepEqual(forgotten, [gone.sessionId])
  assert.equal(await store.run(gone.runId), undefined)
  assert.ok((await store.run(young.runId)) && (await store.run(working.runId)))
})

test('the audit log goes by age, records by their own time', async (t) => {
  const made = await embedded(t)
  const { audit, facts } = made.longTerm
  const base = { scope: 'all', updatedAt: 1 }
  await audit.put({ ...base, id: 'a1', createdAt: 1, who: 'x', what: 'y' })
  await audit.put({ ...base, id: 'a2', createdAt: clock.at, who: 'x', what: 'y' })
  const fact = { ...base, createdAt: 1, kind: 'other' as const, text: 't', confidence: 1 }
  await facts.put({ ...fact, id: 'f1', expiresAt: clock.at - 1 })
  await facts.put({ ...fact, id: 'f2' })
  const { tidy: run } = tidying(made)
  assert.deepEqual(await run({ auditMs: DAY_MS }), { sessions: 0, audit: 1, records: 1, objects: 0 })
  assert.deepEqual(await run({ auditMs: DAY_MS }), { sessions: 0, audit: 0, records: 0, objects: 0 })
  assert.ok((await audit.get('a2')) && (await facts.get('f2')))
})

test('objects that nothing names go when they are old, and no others', async (t) => {
  const { store, longTerm } = await embedded(t)
  const folder = join(tempFolder(t), 'objects')
  const snapshots = folderSnapshots(folder)
  const [named, orphan, young, again] = await Promise.all(
    ['named', 'orphan', 'young', 'again'].map((text) => snapshots.put(Buffer.from(text))),
  )
  assert.ok(named && orphan && young && again)
  const run = makeRun({ ...done })
  const layers = [{ id: named, snapshot: { id: 's1', count: 1 }, bytes: 5 }]
  await store.start({ run, session: sessionOf(run), messages: [], events: [], layers, now: 1000 })
  const time = { at: Date.now(), now: () => time.at }
  const seconds = (time.at - OBJECT_GRACE_MS - 1000) / 1000
  for (const id of [named, orphan, again]) utimesSync(join(folder, id), seconds, seconds)
  // A step under way stores what was there, and will name it.
  await snapshots.put(Buffer.from('again'))
  const go = () => tidy({ store, clock: time, longTerm, snapshots }, {}, async () => {})
  assert.equal((await go()).objects, 1)
  const left = async () => (await snapshots.list(10)).items.map(({ id }) => id).sort()
  assert.deepEqual(await left(), [named, young, again].sort())
  await store.deleteSession(run.sessionId)
  time.at += 2 * OBJECT_GRACE_MS
  assert.equal((await go()).objects, 3, 'what a removal that broke off left behind, and what was never named')
  assert.deepEqual(await left(), [])
})

const missing = redisMissing ?? postgresMissing

test(
  'redis and an archive: a session goes from both, unless a newer run of it is not archived yet',
  missing ? { skip: missing } : {},
  async (t) => {
    const url = await ownSchema(t)
    const objects = folderSnapshots(join(tempFolder(t), 'objects'))
    const hot = redisStore({ transport: redisTcp(REDIS_URL), objects, prefix: ownPrefix(t) })
    const longTerm = postgres(url, clock)
    t.after(() => Promise.all([hot.close(), longTerm.close()]))
    const { archive } = longTerm
    const store = archivedStore({ store: hot, archive, clock, poorer: () => {} })
    const ends = async (part: Partial<Run> = {}) => {
      const ended = endedRun({ ...old, archive: 'done', ...part })
      await archive.keep(ended)
      return ended.run
    }
    const [gone, goesOn, waits] = [await ends(), await ends(), await ends()]
    const working = makeRun({ sessionId: goesOn.sessionId, workspaceId: goesOn.workspaceId })
    await begin(store, working)
    const recent = makeRun({ sessionId: waits.sessionId, workspaceId: waits.workspaceId })
    await begin(store, recent)
    const claim = await store.claim({ runId: recent.runId, owner: 'me', leaseMs: 9, now: 1 })
    assert.ok(claim.ok)
    const change = { ...done, action: { type: 'archive' as const }, updatedAt: clock.at }
    assert.ok((await store.commit(next(claim.run, claim.token, { change, keepMs: 0 }))).ok)
    const { forgotten, tidy: run } = tidying({ store, longTerm })
    assert.equal((await run({ sessionMs: 30 * DAY_MS })).sessions, 1)
    assert.deepEqual(forgotten, [gone.sessionId])
    assert.ok(await store.session(waits.sessionId))
    assert.ok(await store.session(goesOn.sessionId))
  },
)

test('how long things are kept is said in days, and not where nobody could keep to it', () => {
  const of = (env: Record<string, string>) => () => readEnv({ HOME: '/tmp', ...env })
  assert.equal(of({ STINT_KEEP_SESSIONS_DAYS: '30' })().STINT_KEEP_SESSIONS_DAYS, 30)
  assert.throws(of({ STINT_KEEP_SESSIONS_DAYS: '0' }), /STINT_KEEP_SESSIONS_DAYS must be more than 0/)
  assert.throws(
    of({ STINT_KEEP_SESSIONS_DAYS: '30', REDIS_URL }),
    /DATABASE_URL must be set too, because STINT_KEEP_SESSIONS_DAYS/,
  )
  assert.throws(of({ DATABASE_URL: 'mysql://x' }), /DATABASE_URL must begin with postgres:\/\//)
  assert.throws(of({ DATABASE_URL: 'postgres://u:secret p@:x/' }), (error: Error) => {
    assert.match(error.message, /DATABASE_URL is no address like postgres:/)
    assert.doesNotMatch(error.message, /secret/)
    return true
  })
})
