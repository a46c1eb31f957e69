/**
 * The cache on Redis: a string for each value, which expires, and a set of keys for each group, which outlives them. One
 * round trip each, over a transport of the store's kind.
 */
import { CACHE_MS_MAX } from '../core/limits.ts'
import type { Cache } from '../ports.ts'
import type { RedisTransport } from './redis-transport.ts'

/** Commands in order, in one round trip; throws when one was refused. */
type Send = (commands: (string | number)[][]) => Promise<unknown[]>

export function redisCache(transport: RedisTransport, prefix = 'stint:'): Cache {
  const send: Send = async (commands) => {
    const replies = await transport.send(commands)
    for (const reply of replies) if (reply instanceof Error) throw reply
    return replies
  }
  return cacheOver(send, prefix, () => transport.close())
}

function cacheOver(send: Send, prefix: string, close: () => Promise<void>): Cache {
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
    close,
  }
}
