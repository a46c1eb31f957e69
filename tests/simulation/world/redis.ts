/** The Redis store on a real server, under a prefix of its own; a second connection reads and restores keys. */
import { randomBytes } from 'node:crypto'
import { Redis } from 'ioredis'
import { redisStore } from '../../../functions/adapters/redis-store.ts'
import { redisTcp } from '../../../functions/adapters/redis-tcp.ts'
import type { Layer, Run } from '../../../functions/core/types.ts'
import type { Snapshots } from '../../../functions/ports.ts'
import type { Backend, Rows } from './backend.ts'

export const REDIS_URL = process.env.STINT_TEST_REDIS_URL ?? 'redis://127.0.0.1:6379'

/** Why it cannot be used; undefined when it answers. */
export async function redisMissing(url: string): Promise<string | undefined> {
  const client = new Redis(url, { lazyConnect: true, retryStrategy: () => null, connectTimeout: 1000 })
  client.on('error', () => {})
  try {
    await client.connect()
    return undefined
  } catch {
    return `no Redis at ${url}`
  } finally {
    client.disconnect()
  }
}

export async function redisBackend(url: string): Promise<Backend> {
  const prefix = `stint-sim-${randomBytes(6).toString('hex')}:`
  const objects = objectsInMemory()
  const store = redisStore({ transport: redisTcp(url), objects, prefix })
  const client = new Redis(url)
  const keysLike = async (part: string): Promise<string[]> => {
    const keys: string[] = []
    for (let cursor = '0'; ; ) {
      const [next, found] = await client.scan(cursor, 'MATCH', `${prefix}*${part}*`, 'COUNT', 1000)
      keys.push(...found)
      cursor = next
      if (cursor === '0') return keys
    }
  }
  const key = (...parts: string[]): string => prefix + parts.join(':')

  return {
    name: 'redis',
    store,
    async row(runId) {
      const run = key('run', runId)
      const [text, status, step, token] = await client.hmget(run, 'run', 'status', 'step', 'token')
      if (!text) return undefined
      const [messages, events] = await Promise.all([client.llen(`${run}:messages`), client.llen(`${run}:events`)])
      return {
        run: JSON.parse(text) as Run,
        status: String(status),
        step: Number(step),
        token: Number(token),
        messages,
        events,
      }
    },
    messages: (runId, after) => client.lrange(`${key('run', runId)}:messages`, after, -1),
    events: (runId, after) => client.lrange(`${key('run', runId)}:events`, after, -1),
    async layers(workspaceId) {
      const texts = await client.hvals(key('layers', workspaceId))
      return texts.map((text) => JSON.parse(text) as Layer).sort((a, b) => a.snapshot.count - b.snapshot.count)
    },
    async save({ runId, sessionId, workspaceId }) {
      const own = async (): Promise<string[]> =>
        [...new Set((await Promise.all([runId, sessionId, workspaceId].map(keysLike))).flat())].sort()
      const kept = await Promise.all(
        (await own()).map(async (name) => ({ name, bytes: await client.dumpBuffer(name) })),
      )
      const dues = await keysLike('due:')
      const scores = await Promise.all(dues.map(async (name) => ({ name, score: await client.zscore(name, runId) })))
      return async () => {
        await client.del(await own())
        for (const { name, bytes } of kept) await client.restore(name, 0, bytes)
        for (const name of await keysLike('due:')) await client.zrem(name, runId)
        for (const { name, score } of scores) if (score !== null) await client.zadd(name, score, runId)
      }
    },
    async dump() {
      const rows: Rows = {}
      for (const name of (await keysLike('')).sort()) rows[name.slice(prefix.length)] = [await contentOf(client, name)]
      return rows
    },
    async load(rows) {
      for (const [name, values] of Object.entries(rows))
        for (const value of values as string[][]) await putValue(client, prefix + name, value)
    },
    async wipe() {
      const keys = await keysLike('')
      if (keys.length > 0) await client.del(keys)
    },
    async close() {
      const keys = await keysLike('')
      if (keys.length > 0) await client.del(keys)
      client.disconnect()
      await store.close()
    },
  }
}

/** A key's type and what is in it, field after field. */
async function contentOf(client: Redis, name: string): Promise<string[]> {
  const type = await client.type(name)
  switch (type) {
    case 'hash':
      return [type, ...Object.entries(await client.hgetall(name)).flat()]
    case 'list':
      return [type, ...(await client.lrange(name, 0, -1))]
    case 'set':
      return [type, ...(await client.smembers(name))]
    case 'zset':
      return [type, ...pairs((await client.call('ZRANGE', name, '0', '-1', 'WITHSCORES')) as string[])]
    default:
      return [type, (await client.get(name)) ?? '']
  }
}

async function putValue(client: Redis, name: string, [type, ...rest]: string[]): Promise<void> {
  if (rest.length === 0) return
  if (type === 'hash') await client.hset(name, ...rest)
  else if (type === 'list') await client.rpush(name, ...rest)
  else if (type === 'set') await client.sadd(name, ...rest)
  else if (type === 'zset') await client.zadd(name, ...rest)
  else await client.set(name, rest[0] ?? '')
}

/** Score before member, as they are put. */
const pairs = (found: string[]): string[] => found.flatMap((text, i) => (i % 2 ? [text, found[i - 1] ?? ''] : []))

function objectsInMemory(): Snapshots {
  const kept = new Map<string, Uint8Array>()
  let serial = 0
  return {
    where: 'memory',
    list: async () => ({ items: [] }),
    isOnlyUser: async () => true,
    async put(bytes) {
      const id = `object${++serial}`
      kept.set(id, bytes)
      return id
    },
    get: async (id) => kept.get(id),
    delete: async (ids) => {
      for (const id of ids) kept.delete(id)
    },
  }
}
