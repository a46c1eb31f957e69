/** A store and the archive behind it: what has expired in Redis is answered as before, and nothing else expires. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { Redis } from 'ioredis'
import { folderSnapshots } from '../functions/adapters/folder-snapshots.ts'
import { postgres } from '../functions/adapters/postgres.ts'
import { redisCache } from '../functions/adapters/redis-cache.ts'
import { redisStore } from '../functions/adapters/redis-store.ts'
import { redisTcp } from '../functions/adapters/redis-tcp.ts'
import { sqliteLongTerm } from '../functions/adapters/sqlite-longterm.ts'
import { sqliteStore } from '../functions/adapters/sqlite-store.ts'
import { systemClock } from '../functions/adapters/system.ts'
import { startedEvent } from '../functions/core/events.ts'
import { step } from '../functions/core/step.ts'
import type { Layer, Message, Outcome, Run } from '../functions/core/types.ts'
import { archiveRun } from '../functions/engine/archive.ts'
import { archivedStore } from '../functions/memory/archived-store.ts'
import { ShortTermMemory } from '../functions/memory/short-term.ts'
import type { Archive, LongTerm, Ports, Store } from '../functions/ports.ts'
import { begin, makeRun, next, post, sessionOf, storeContract } from './contract/store.ts'
import { ownSchema, postgresMissing, psql } from './support/postgres.ts'
import { ownPrefix, REDIS_URL, redisMissing } from './support/redis.ts'
import { pause, tempFolder } from './support/world.ts'

const clock = systemClock
const poorer = () => {}

storeContract('sqlite before an archive', async (t) => {
  const folder = tempFolder(t)
  const longTerm = sqliteLongTerm(join(folder, 'longterm.db'), clock)
  t.after(() => longTerm.close())
  const dead = new Set<string>()
  const open = async () => {
    const store = sqliteStore({ path: join(folder, 'stint.db'), mayLive: (owner) => !dead.has(owner) })
    t.after(() => store.close())
    return archivedStore({ store, archive: longTerm.archive, clock, poorer })
  }
  return { store: await open(), again: open, dead }
})

storeContract(
  'redis before an archive',
  async (t) => {
    const [prefix, folder] = [ownPrefix(t), tempFolder(t)]
    const longTerm = sqliteLongTerm(join(folder, 'longterm.db'), clock)
    t.after(() => longTerm.close())
    const open = async () => {
      const objects = folderSnapshots(join(folder, 'objects'))
      const store = redisStore({ transport: redisTcp(REDIS_URL), objects, prefix })
      t.after(() => store.close())
      return archivedStore({ store, archive: longTerm.archive, clock, poorer })
    }
    return { store: await open(), again: open }
  },
  redisMissing,
)

const missing = redisMissing ?? postgresMissing
const skip = missing ? { skip: missing } : {}
const DAYS_MS = 24 * 3600_000

type Made = {
  store: Store
  /** Redis alone. */
  hot: Store
  longTerm: LongTerm
  archive: Archive
  objects: ReturnType<typeof folderSnapshots>
  redis: Redis
  prefix: string
  url: string
}

/** Redis before a real Postgres. What is archived expires after `keptMs`. */
async function made(t: TestContext, keptMs = 40): Promise<Made> {
  const [prefix, url] = [ownPrefix(t), await ownSchema(t)]
  const objects = folderSnapshots(join(tempFolder(t), 'objects'))
  const kept = { run: keptMs, session: keptMs }
  const hot = redisStore({ transport: redisTcp(REDIS_URL), objects, prefix, kept })
  const longTerm = postgres(url, clock)
  const redis = new Redis(REDIS_URL)
  t.after(() => Promise.all([hot.close(), longTerm.close(), redis.disconnect()]))
  const { archive } = longTerm
  return {
    store: archivedStore({ store: hot, archive, clock, poorer }),
    hot,
    longTerm,
    archive,
    objects,
    redis,
    prefix,
    url,
  }
}

const said = (content: string): Message => ({ role: 'user', content, from: 'person' })

/** A run that has ended and is to be archived, with a transcript, a layer of each kind and a large body. */
async function ended({ store, objects }: Made, part: Partial<Run> = {}, first = 1) {
  const run = makeRun({ archive: 'wanted', ...part })
  const messages = [said('hello'), said('large '.repeat(20_000))]
  const id = await objects.put(Buffer.from(`layer of ${run.runId}`))
  const layers: Layer[] = [
    {
      id: createHash('sha256').update(run.runId).digest('hex'),
      snapshot: { id: `s${first}`, count: first },
      bytes: 3,
      inline: 'AAAA',
    },
    { id, snapshot: { id: `s${first + 1}`, count: first + 1 }, bytes: 9 },
  ]
  const session = sessionOf(run)
  const known = await store.session(run.sessionId)
  const reply = await store.start({
    run,
    session: known ?? session,
    goesOn: known !== undefined,
    messages: [],
    events: [startedEvent(run)],
    layers: [],
    now: 1000,
  })
  assert.ok(reply.ok, JSON.stringify(reply))
  const claim = await store.claim({ runId: run.runId, owner: 'me', leaseMs: 5000, now: 1000 })
  assert.ok(claim.ok)
  const head = { id: `s${first + 1}`, count: first + 1 }
  const one = next(claim.run, claim.token, { messages, layers, change: { head } })
  assert.ok((await store.commit(one)).ok)
  const end = next(one.run, claim.token, {
    change: { status: 'completed', stopReason: 'done', action: { type: 'archive' }, answer: 'yes', endedAt: 1000 },
  })
  assert.ok((await store.commit(end)).ok)
  return { run: end.run, token: claim.token, messages, layers }
}

/** What the engine does with the action `archive`. */
async function archived(made: Made, { run, token, messages }: { run: Run; token: number; messages: Message[] }) {
  const held = { run, messages, token, signal: new AbortController().signal, commits: 9 }
  const outcome = await archiveRun(held, { store: made.store, archive: made.archive } as Ports)
  const given = { ...outcome, at: 7777, workedMs: 55, inbox: [] } as Outcome
  const { run: closed } = step(run, given)
  const { dueAt: _, ...commit } = next(run, token, { keepMs: 0 })
  assert.ok((await made.store.commit({ ...commit, run: closed })).ok)
  return closed
}

async function seen(store: Store, { runId, sessionId, workspaceId }: Run) {
  return {
    run: await store.run(runId),
    messages: await store.messages(runId, 0),
    second: await store.messages(runId, 1, 1),
    events: await store.events(runId, 0),
    noMore: await store.events(runId, 99),
    marks: await store.marks(runId),
    feedback: await store.feedback(runId),
    session: await store.session(sessionId),
    layers: await store.layers(workspaceId),
    runs: await store.runs({ sessionId, limit: 9 }),
    post: await post(store, { runId, entry: { type: 'message', at: 1, text: 'late' }, now: 1 }),
  }
}
const keysOf = async ({ redis, prefix }: Made): Promise<string[]> =>
  (await redis.keys(`${prefix}*`)).map((key) => key.slice(prefix.length)).sort()

test('what has expired is answered by the archive, word for word', skip, async (t) => {
  const all = await made(t)
  const { store, hot } = all
  const work = await ended(all)
  await store.rate(work.run.runId, { score: 1, comment: 'fine', at: 3 })
  const run = await archived(all, work)
  const before = await seen(store, run)
  assert.equal(before.run?.archive, 'done')
  assert.equal(before.marks.at(-1)?.step, run.step, 'the closing step is there too')
  await pause(60)
  assert.equal(await hot.run(run.runId), undefined, 'it has expired')
  assert.equal(await hot.session(run.sessionId), undefined)
  assert.deepEqual(await seen(store, run), before)
  assert.deepEqual(before.layers, work.layers)
  assert.deepEqual(before.messages, work.messages)
  assert.equal(await store.rate(run.runId, { score: -1, at: 4 }), true)
  assert.equal((await store.feedback(run.runId))?.score, -1)
  assert.equal((await store.claim({ runId: run.runId, owner: 'me', leaseMs: 1, now: 9e12 })).ok, false)
})

test('what has ended but is not archived, and what is under way, expires never', skip, async (t) => {
  const all = await made(t, 7 * DAYS_MS)
  const { redis, prefix } = all
  const withTtl = async () => {
    const keys = await redis.keys(`${prefix}*`)
    const ttls = await Promise.all(keys.map((key) => redis.pttl(key)))
    return keys
      .filter((_, i) => (ttls[i] ?? -1) >= 0)
      .map((key) => key.slice(prefix.length))
      .sort()
  }
  const first = await ended(all)
  assert.deepEqual(await withTtl(), [])
  const { sessionId, workspaceId, runId } = first.run
  const second = await ended(all, { sessionId, workspaceId }, 3)
  await archived(all, first)
  const ofFirst = (await withTtl()).filter((key) => !key.startsWith(`run:${runId}`))
  assert.deepEqual(ofFirst, [], 'the session has a run that is not archived')
  assert.ok((await withTtl()).includes(`run:${runId}`))
  await archived(all, second)
  assert.deepEqual(
    (await withTtl()).filter((key) => !key.startsWith('run:')),
    [`layers:${workspaceId}`, `session:${sessionId}`, `session:${sessionId}:runs`],
  )
  // The next run of the session keeps it.
  const third = await ended(all, { sessionId, workspaceId }, 5)
  assert.deepEqual(
    (await withTtl()).filter((key) => !key.startsWith('run:')),
    [],
  )
  await archived(all, third)
  assert.equal((await withTtl()).filter((key) => !key.startsWith('run:')).length, 3)
  const ttls = await Promise.all((await withTtl()).map((key) => redis.pttl(prefix + key)))
  assert.ok(
    ttls.every((ttl) => ttl > 6.9 * DAYS_MS),
    String(ttls),
  )
  assert.deepEqual((await redis.keys(`${prefix}index:*`)).length, 0, 'lists of all runs hold only what is not archived')
})

test('a session that has expired goes on: its next run begins where it stood', skip, async (t) => {
  const all = await made(t)
  const { store, hot } = all
  const first = await ended(all)
  const { sessionId, workspaceId } = first.run
  await archived(all, first)
  await pause(60)
  assert.equal(await hot.session(sessionId), undefined)
  const session = await store.session(sessionId)
  assert.deepEqual(session?.head, first.run.head)
  const twins = await Promise.all(
    [1, 2, 3].map(() => {
      const run = makeRun({ sessionId, workspaceId, archive: 'wanted' })
      return store.start({
        run,
        session: session ?? sessionOf(run),
        goesOn: true,
        messages: [],
        events: [startedEvent(run)],
        layers: [],
        now: 1000,
      })
    }),
  )
  assert.deepEqual(twins.map((reply) => (reply.ok ? 'ok' : reply.code)).sort(), ['ok', 'session_busy', 'session_busy'])
  const started = twins.find((reply) => reply.ok)
  assert.ok(started?.ok)
  const claim = await store.claim({ runId: started.run.runId, owner: 'me', leaseMs: 5000, now: 1000 })
  assert.ok(claim.ok)
  const layer: Layer = { id: 'third', snapshot: { id: 's3', count: 3 }, bytes: 3, inline: 'AAAA' }
  const one = next(claim.run, claim.token, { layers: [layer], change: { head: { id: 's3', count: 3 } } })
  assert.ok((await store.commit(one)).ok)
  assert.deepEqual(
    await store.layers(workspaceId),
    [...first.layers, layer],
    'those from the archive, then the new ones',
  )
  await pause(60)
  assert.ok(await hot.session(sessionId), 'it does not expire under its run')
  const end = next(one.run, claim.token, {
    change: { status: 'completed', stopReason: 'done', action: { type: 'archive' }, endedAt: 2000 },
  })
  assert.ok((await store.commit(end)).ok)
  await archived(all, { run: end.run, token: claim.token, messages: [] })
  await pause(60)
  assert.equal(await hot.session(sessionId), undefined)
  assert.deepEqual(await store.layers(workspaceId), [...first.layers, layer])
  assert.equal((await store.session(sessionId))?.head?.id, 's3')
  assert.deepEqual(
    (await store.runs({ sessionId, limit: 9 })).items.map(({ runId }) => runId),
    [end.run.runId, first.run.runId],
  )
})

test('lists are one list, whoever has the runs', skip, async (t) => {
  const all = await made(t)
  const { store } = all
  const ids: string[] = []
  for (let i = 0; i < 7; i++) {
    const work = await ended(all)
    ids.unshift(work.run.runId)
    if (i % 3 !== 1) await archived(all, work)
  }
  for (const wait of [0, 60]) {
    await pause(wait)
    for (const limit of [1, 2, 3, 9]) {
      const found: string[] = []
      for (let cursor: string | undefined; ; ) {
        const page = await store.runs({ limit, status: 'completed', ...(cursor ? { cursor } : {}) })
        found.push(...page.items.map(({ runId }) => runId))
        cursor = page.nextCursor
        if (!cursor) break
      }
      assert.deepEqual(found, ids, `${limit} at a time`)
    }
  }
  assert.deepEqual(await store.runs({ limit: 9, status: 'running' }), { items: [] })
})

test('DELETE removes every trace in both, whatever of it has expired', skip, async (t) => {
  for (const wait of [0, 60]) {
    const all = await made(t)
    const { store, objects, url } = all
    const first = await ended(all)
    const { sessionId, workspaceId, runId } = first.run
    const fork = await ended(all)
    const shared = first.layers[1] as Layer
    // A fork's workspace shares the large layer.
    const run = makeRun({ archive: 'wanted' })
    await store.start({
      run,
      session: sessionOf(run),
      messages: [],
      events: [startedEvent(run)],
      layers: [shared],
      now: 1,
    })
    await all.longTerm.facts.put({
      id: 'f1',
      scope: 'user:a',
      sessionId,
      createdAt: 1,
      updatedAt: 1,
      kind: 'other',
      text: 'x',
      confidence: 1,
    })
    await archived(all, first)
    await archived(all, fork)
    await pause(wait)
    const removed = await store.deleteSession(sessionId)
    assert.ok(removed.ok && removed.workspaceId === workspaceId)
    assert.ok(!removed.layerIds.includes(shared.id), 'the fork still needs it')
    await objects.delete(removed.layerIds)
    assert.deepEqual(
      [
        await store.run(runId),
        await store.session(sessionId),
        await store.layers(workspaceId),
        await store.messages(runId, 0),
      ],
      [undefined, undefined, [], []],
    )
    assert.deepEqual(await store.deleteSession(sessionId), { ok: false, why: 'gone' })
    const names = [runId, sessionId, workspaceId]
    const dump = await everything(all, url)
    for (const name of names) assert.doesNotMatch(dump, new RegExp(name), `${name} after ${wait} ms`)
    assert.deepEqual(await seen(store, fork.run).then(({ messages }) => messages), fork.messages)
    assert.ok(await objects.get(shared.id))
  }
})

/** All that is stored, as text. */
async function everything({ redis, prefix }: Made, url: string): Promise<string> {
  const found: string[] = []
  for (const key of await redis.keys(`${prefix}*`)) {
    const type = await redis.type(key)
    if (type === 'none') continue
    const all: Record<string, () => Promise<unknown>> = {
      string: () => redis.get(key),
      hash: () => redis.hgetall(key),
      list: () => redis.lrange(key, 0, -1),
      set: () => redis.smembers(key),
      zset: () => redis.zrangebyscore(key, '-inf', '+inf'),
    }
    found.push(key, JSON.stringify(await all[type]?.()))
  }
  const tables = await psql('SELECT tablename FROM pg_tables WHERE schemaname = current_schema()', url)
  for (const { tablename } of tables) found.push(JSON.stringify(await psql(`SELECT * FROM ${tablename}`, url)))
  return found.join('\n')
}

test('what was read of the archive stays in the hot tier for a while, and goes with its session', skip, async (t) => {
  const all = await made(t)
  const cache = redisCache(redisTcp(REDIS_URL), all.prefix)
  t.after(() => cache.close())
  const asked: string[] = []
  const { run, messages } = all.archive
  const archive: Archive = {
    ...all.archive,
    run: (runId) => {
      asked.push('run')
      return run(runId)
    },
    messages: (...of) => {
      asked.push('messages')
      return messages(...of)
    },
  }
  const hot = new ShortTermMemory({ cache, poorer: assert.fail })
  const store = archivedStore({ store: all.hot, archive, clock, hot, poorer })
  const work = await ended(all, { task: 'a task with the word planted-marker' })
  const { runId, sessionId } = await archived(all, work)
  await pause(60)
  for (let i = 0; i < 3; i++) {
    assert.equal((await store.run(runId))?.runId, runId)
    assert.deepEqual(await store.messages(runId, 0), work.messages)
    assert.deepEqual(await store.messages(runId, 1, 1), work.messages.slice(1))
  }
  assert.deepEqual(asked, ['run', 'messages', 'messages'])
  assert.match(await everything(all, all.url), /planted-marker/)
  assert.ok((await store.deleteSession(sessionId)).ok)
  await hot.forget(sessionId)
  assert.equal(await store.run(runId), undefined)
  assert.doesNotMatch(await everything(all, all.url), new RegExp(`planted-marker|${runId}|${sessionId}`))
})

test('a hot tier that is down is one that has nothing', skip, async (t) => {
  const all = await made(t)
  const down = () => Promise.reject(new Error('down'))
  const told = new Set<string>()
  const hot = new ShortTermMemory({
    cache: { get: down, set: down, deleteGroup: down, close: async () => {} },
    poorer: (error) => told.add(error.message),
  })
  const store = archivedStore({ store: all.hot, archive: all.archive, clock, hot, poorer })
  const work = await ended(all)
  const { runId } = await archived(all, work)
  await pause(60)
  assert.deepEqual(await store.messages(runId, 0), work.messages)
  assert.deepEqual([...told], ['down'])
})

test('large bodies of what has expired are removed, those of others stay', skip, async (t) => {
  const all = await made(t)
  const { store, objects, redis, prefix } = all
  const [gone, stays] = [await ended(all), await ended(all)]
  const bodies = async (runId: string) => redis.smembers(`${prefix}run:${runId}:objects`)
  const [old, young] = [await bodies(gone.run.runId), await bodies(stays.run.runId)]
  assert.equal(old.length, 1)
  assert.notDeepEqual(old, young, 'no two runs share a body, though it is the same text')
  await archived(all, gone)
  await store.tidy?.(1000)
  assert.ok(await objects.get(old[0] ?? ''), 'as long as it has not expired')
  await pause(60)
  await store.tidy?.(Date.now())
  assert.equal(await objects.get(old[0] ?? ''), undefined)
  assert.deepEqual(
    (await keysOf(all)).filter((key) => key.includes(gone.run.runId)),
    [],
  )
  assert.ok(await objects.get(young[0] ?? ''))
  assert.deepEqual(await store.messages(stays.run.runId, 0), stays.messages)
  assert.deepEqual(await store.messages(gone.run.runId, 0), gone.messages)
})

test('without the archive a run under way goes on, and what it alone knows is an error', skip, async (t) => {
  const all = await made(t)
  const first = await ended(all)
  const { sessionId, workspaceId } = first.run
  await archived(all, first)
  const down = postgres('postgres://root@127.0.0.1:1/none', clock)
  t.after(() => down.close())
  const told: string[] = []
  const store = archivedStore({
    store: all.hot,
    archive: down.archive,
    clock,
    poorer: (error) => told.push(error.message),
  })
  await pause(60)
  await assert.rejects(store.run(first.run.runId), /cannot be reached/, 'not: there is no such run')
  await assert.rejects(store.runs({ limit: 9 }), /cannot be reached/)
  await assert.rejects(store.deleteSession(sessionId), /cannot be reached/, 'half removed is not removed')
  await assert.rejects(store.layers(workspaceId), /cannot be reached/)

  const run = makeRun({ archive: 'wanted' })
  assert.ok((await begin(store, run)).ok)
  const claim = await store.claim({ runId: run.runId, owner: 'me', leaseMs: 5000, now: 1000 })
  assert.ok(claim.ok)
  assert.ok((await store.commit(next(run, claim.token))).ok)
  assert.equal((await store.run(run.runId))?.step, 1)
  assert.deepEqual(await store.messages(run.runId, 0), [])
  assert.deepEqual(await store.events(run.runId, 5), [])
  assert.equal(await store.feedback(run.runId), undefined)
  assert.equal(await store.rate(run.runId, { score: 1, at: 1 }), true)
  assert.deepEqual(await store.runs({ status: 'running', limit: 9 }).then(({ items }) => items.length), 1)
  assert.equal(told.length, 0)
  assert.equal((await store.runs({ sessionId: run.sessionId, limit: 9 })).items.length, 1)
  assert.equal(told.length, 1, 'and says so')
})

test('feedback that comes while a run is archived is in the archive', skip, async (t) => {
  const all = await made(t)
  for (let i = 0; i < 8; i++) {
    const work = await ended(all)
    const { runId } = work.run
    const rated = pause(i * 3).then(() => all.store.rate(runId, { score: 1, comment: String(i), at: i + 1 }))
    await Promise.all([archived(all, work), rated])
    await pause(60)
    assert.equal(await all.hot.run(runId), undefined)
    assert.equal((await all.store.feedback(runId))?.comment, String(i))
  }
})
