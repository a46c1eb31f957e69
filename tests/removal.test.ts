/** DELETE /session removes every trace in every tier: files, Redis, Postgres and Chroma are searched for a planted word. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Redis } from 'ioredis'
import { fakeChroma } from './support/chroma.ts'
import { follow, following, type Json } from './support/http.ts'
import { ownSchema, postgresMissing, psql } from './support/postgres.ts'
import { ownPrefix, REDIS_URL, redisMissing } from './support/redis.ts'
import { ask, call, makeRepo, type RunJson, runTask, until } from './support/world.ts'

const filesBelow = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))

/** Files of a server's home that hold one of the words. */
const holding = (home: string, words: string[]): string[] =>
  filesBelow(home).filter((path) => {
    const bytes = existsSync(path) ? readFileSync(path) : Buffer.alloc(0)
    return words.some((word) => bytes.includes(word))
  })

/** Everything of a prefix, keys and values. */
async function inRedis(redis: Redis, prefix: string): Promise<string> {
  const found: string[] = []
  for (const key of await redis.keys(`${prefix}*`)) {
    const dump: Record<string, () => Promise<unknown>> = {
      string: () => redis.get(key),
      hash: () => redis.hgetall(key),
      list: () => redis.lrange(key, 0, -1),
      set: () => redis.smembers(key),
      zset: () => redis.zrangebyscore(key, '-inf', '+inf'),
      stream: () => redis.xrange(key, '-', '+'),
    }
    found.push(key, JSON.stringify(await dump[await redis.type(key)]?.()))
  }
  return found.join('\n')
}

async function inPostgres(url: string): Promise<string> {
  const tables = await psql('SELECT tablename FROM pg_tables WHERE schemaname = current_schema()', url)
  const rows = await Promise.all(tables.map(({ tablename }) => psql(`SELECT * FROM ${tablename}`, url)))
  return JSON.stringify(rows)
}

/** A run that leaves its word in the task, a file, an output, an answer and a fact. */
async function plant(t: Parameters<typeof makeRepo>[0], url: string, word: string): Promise<RunJson> {
  const task = follow(
    call('write_file', { path: 'made.txt', content: `${word} ${'z'.repeat(40_000)}\n` }),
    call('search_text', { pattern: word.slice(0, 12) }),
    call('remember', { fact: `the word of this place is ${word}` }),
    { text: word },
  )
  return runTask(url, { task: `${word}\n${task}`, repo: { url: makeRepo(t, { 'own.txt': `${word}\n` }) } })
}
const forget = (url: string, { sessionId }: RunJson) => ask<Json>('DELETE', `${url}/session/${sessionId}`)

test('on the embedded default', async (t) => {
  const { url, home } = await following(t)
  const [word, other] = [`word-${randomUUID()}`, `other-${randomUUID()}`]
  const run = await plant(t, url, word)
  const bystander = await plant(t, url, other)
  const { body: before } = await ask<{ items: Json[] }>('GET', `${url}/memory`)
  assert.equal(before.items.length, 2)
  assert.ok(holding(home, [word]).some((path) => path.includes('longterm.db')))
  const ids = [run.sessionId, run.runId]
  assert.ok(holding(home, ids).some((path) => path.includes('vectors.db')))
  assert.equal((await forget(url, run)).status, 204)
  await until('every trace to go', () => holding(home, [word, ...ids]).length === 0, 10_000).catch(() =>
    assert.deepEqual(holding(home, [word, ...ids]), []),
  )
  assert.equal((await forget(url, run)).status, 404)
  const { body: after } = await ask<{ items: { text: string }[] }>('GET', `${url}/memory`)
  assert.deepEqual(
    after.items.map(({ text }) => text),
    [`the word of this place is ${other}`],
  )
  assert.equal((await ask('GET', `${url}/session/${bystander.sessionId}`)).status, 200)
  assert.ok(holding(home, [other]).length > 0)
})

const missing = redisMissing ?? postgresMissing
test('on Redis, Postgres and Chroma', missing ? { skip: missing } : {}, async (t) => {
  const [prefix, database, chroma] = [ownPrefix(t), await ownSchema(t), await fakeChroma(t)]
  const redis = new Redis(REDIS_URL)
  t.after(() => redis.disconnect())
  const { url, home } = await following(t, {
    ...{ REDIS_URL, STINT_REDIS_PREFIX: prefix, DATABASE_URL: database, CHROMA_URL: chroma.url },
  })
  const word = `word-${randomUUID()}`
  const run = await plant(t, url, word)
  const vectors = () => JSON.stringify(chroma.collections.map(({ name, records }) => [name, ...records]))
  await until('the archive', async () => (await inPostgres(database)).includes(run.runId))
  const traces = [word, run.sessionId, run.runId]
  const places = {
    redis: () => inRedis(redis, prefix),
    postgres: () => inPostgres(database),
    chroma: async () => vectors(),
    files: async () => holding(home, traces).join(),
  }
  const holdingAny = async () => {
    const found: string[] = []
    for (const [name, read] of Object.entries(places)) {
      const text = await read()
      if (name === 'files' ? text !== '' : traces.some((trace) => text.includes(trace))) found.push(name)
    }
    return found
  }
  assert.deepEqual(await holdingAny(), ['redis', 'postgres', 'chroma', 'files'])
  assert.doesNotMatch(vectors(), new RegExp(word), 'vectors hold no text')
  assert.equal((await forget(url, run)).status, 204)
  await until('every trace to go', async () => (await holdingAny()).length === 0, 10_000).catch(async () =>
    assert.deepEqual(await holdingAny(), []),
  )
})

test(
  'a removal that a tier did not answer fails, and is done when it is asked for again',
  missing ? { skip: missing } : {},
  async (t) => {
    const [prefix, chroma] = [ownPrefix(t), await fakeChroma(t)]
    const { url } = await following(t, { REDIS_URL, STINT_REDIS_PREFIX: prefix, CHROMA_URL: chroma.url })
    const word = `word-${randomUUID()}`
    const run = await plant(t, url, word)
    const records = () => chroma.collections.flatMap((collection) => [...collection.records])
    assert.equal(records().length, 1)
    chroma.faults = Array.from({ length: 6 }, () => 503)
    const { status } = await forget(url, run)
    assert.ok(status >= 500, String(status))
    chroma.faults = []
    await forget(url, run)
    assert.deepEqual(records(), [])
    assert.deepEqual((await ask<{ items: Json[] }>('GET', `${url}/memory`)).body.items, [])
  },
)
