/** The hot tier of memory in process, on Redis over TCP, and on Upstash's protocol. */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { Redis } from 'ioredis'
import { localCache } from '../functions/adapters/local-cache.ts'
import { redisCache } from '../functions/adapters/redis-cache.ts'
import { redisTcp } from '../functions/adapters/redis-tcp.ts'
import { upstashCache } from '../functions/adapters/upstash-cache.ts'
import { ShortTermMemory } from '../functions/memory/short-term.ts'
import type { Cache } from '../functions/ports.ts'
import { cacheContract } from './contract/cache.ts'
import { ownPrefix, REDIS_URL, redisMissing, upstashBridge } from './support/redis.ts'
import { pause } from './support/world.ts'

cacheContract('in process', async () => {
  const clock = { at: 0, now: () => clock.at }
  return {
    cache: localCache(clock),
    async pass(ms) {
      clock.at += ms
    },
  }
})

cacheContract(
  'redis over TCP',
  async (t) => {
    const cache = redisCache(redisTcp(REDIS_URL), ownPrefix(t))
    t.after(() => cache.close())
    return { cache, pass: pause }
  },
  redisMissing,
)

cacheContract(
  'redis over the Upstash protocol',
  async (t) => ({ cache: upstashCache(await upstashBridge(t), ownPrefix(t)), pass: pause }),
  redisMissing,
)

const skip = redisMissing ? { skip: redisMissing } : {}

test('what is kept lives between one hour and a day, whatever was asked for', skip, async (t) => {
  const prefix = ownPrefix(t)
  const cache = redisCache(redisTcp(REDIS_URL), prefix)
  const redis = new Redis(REDIS_URL)
  t.after(() => Promise.all([cache.close(), redis.disconnect()]))
  const HOUR_MS = 3600_000
  for (const [asked, hours] of [
    [1, 1],
    [undefined, 6],
    [12 * HOUR_MS, 12],
    [999 * HOUR_MS, 24],
  ] as const) {
    const memory = new ShortTermMemory({ cache, ...(asked ? { ttlMs: asked } : {}) })
    await memory.keep('s', 'n', 1)
    const [key] = await redis.keys(`${prefix}cache:*`)
    const ttl = await redis.pttl(key ?? '')
    assert.ok(ttl > hours * HOUR_MS - 60_000 && ttl <= hours * HOUR_MS, `${asked}: ${ttl}`)
  }
  for (const key of await redis.keys(`${prefix}*`)) assert.ok((await redis.pttl(key)) > 0, `${key} stays for good`)
})

test('upstash: one request each, sent once, and an error instead of a made-up answer', skip, async (t) => {
  const bridge = await upstashBridge(t)
  const cache = upstashCache(bridge, ownPrefix(t))
  await cache.set('k', 'v', { ttlMs: 60_000, group: 'g' })
  await cache.get('k')
  assert.equal(bridge.requests.length, 2)
  bridge.deaf = 1
  await assert.rejects(cache.get('k'), /cannot be reached/)
  assert.equal(bridge.requests.length, 3, 'not sent again')
  await assert.rejects(upstashCache({ url: bridge.url, token: 'wrong' }).get('k'), (error: Error) => {
    assert.match(error.message, /answered 401/)
    assert.doesNotMatch(String(error.stack), /wrong/)
    return true
  })
  await assert.rejects(upstashCache({ url: 'http://127.0.0.1:1', token: 'x' }).get('k'), /cannot be reached/)
})

test('upstash: an answer that never comes is an error within seconds, and no empty success', async (t) => {
  const server = createServer(() => {})
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  await assert.rejects(upstashCache({ url, token: 'x' }).get('k'), /cannot be reached: TimeoutError/)
})

test('a cache that is down makes memory poorer and says so; a removal that failed is no removal', async () => {
  const down = () => Promise.reject(new Error('down'))
  const cache: Cache = { get: down, set: down, deleteGroup: down, close: async () => {} }
  const told: string[] = []
  const memory = new ShortTermMemory({ cache, poorer: (error) => told.push(error.message) })
  await memory.keep('s', 'n', 1)
  assert.equal(await memory.recall('s', 'n'), undefined)
  assert.deepEqual(told, ['down', 'down'])
  await assert.rejects(memory.forget('s'), /down/)
})

test('in process: the least recently used goes when it is full', async () => {
  const cache = localCache({ now: () => 0 }, 3000)
  const set = (key: string) => cache.set(key, 'x'.repeat(400), { ttlMs: 9, group: 'g' })
  for (const key of ['a', 'b', 'c']) await set(key)
  await cache.get('a')
  await set('d')
  assert.equal(await cache.get('b'), undefined)
  assert.ok((await cache.get('a')) && (await cache.get('c')) && (await cache.get('d')))
})
