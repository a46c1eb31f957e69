/**
 * The cache on Redis: a string for each value, which expires, and a set of keys for each group, which outlives them. One
 * round trip each, over a transport of the store's kind.
 */
import { CACHE_MS_MAX } from '../core/limits.ts'
import type { Cache } from '../ports.ts'
import { accepted, type RedisTransport } from './redis-transport.ts'

export function redisCache(transport: RedisTransport, prefix = 'stint:'): Cache {
  const send = async (commands: (string | number)[][]): Promise<unknown[]> => accepted(await transport.send(commands))
  const keyOf = (key: string): string => `${prefix}cache:${key}`
  const groupOf = (group: string): string => `${prefix}cache-of:${group}`
  return {
    async get(key) {
      const [value] = await send([['GET', keyOf(key)]])
      return typeof value === 'string' ? value : undefined
    },
    async set(key, value, { ttlMs, group }) {
      await send([
        ['SADD', groupOf(group), keyOf(key)],
        ['PEXPIRE', groupOf(group), CACHE_MS_MAX],
        ['SET', keyOf(key), value, 'PX', ttlMs],
      ])
    },
    async deleteGroup(group) {
      const [keys] = await send([['SMEMBERS', groupOf(group)]])
      await send([['DEL', groupOf(group), ...(keys as string[])]])
    },
    close: () => transport.close(),
  }
}
