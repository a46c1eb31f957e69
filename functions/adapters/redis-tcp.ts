/** Redis over TCP (or TLS), through ioredis. A reply that got lost is asked for again: no script does a thing twice. */
import { Redis } from 'ioredis'
import { RedisError, type RedisTransport } from './redis-transport.ts'

export function redisTcp(url: string): RedisTransport {
  const client = new Redis(url, {
    maxRetriesPerRequest: 3,
    connectTimeout: 5000,
    retryStrategy: (times) => Math.min(50 * 2 ** times, 2000),
  })
  // Every command that meets the broken connection reports it; this one would only report it again.
  client.on('error', () => {})
  return {
    async send(commands) {
      const replies = await client
        .pipeline(commands.map(([name, ...args]) => [String(name).toLowerCase(), ...args]))
        .exec()
      return (replies ?? []).map(([error, reply]) => (error ? new RedisError(plain(error)) : reply))
    },
    async close() {
      client.disconnect()
    },
  }
}

/** What the server said, without the command that it was said to. */
const plain = ({ message }: Error): string => `Redis: ${message.split('\n')[0]?.slice(0, 300)}`
