/**
 * The cache on Upstash, by the vendor's client, but not by its way of asking: that one sends a command up to six times and
 * answers an aborted one as if it had succeeded. Ours sends each request once and fails when it has no answer. For the
 * loop's state even that client is not used (redis-upstash.ts says why); what may be gone at any moment can have it.
 */
import { Redis } from '@upstash/redis'
import type { Cache } from '../ports.ts'
import { cacheOver } from './redis-cache.ts'

const REQUEST_MS_MAX = 3000
/** The client reads whatever looks like JSON; a text that begins so does not. */
const TEXT = '='

type Requester = Extract<ConstructorParameters<typeof Redis>[0], { request: unknown }>
type Answer = Awaited<ReturnType<Requester['request']>>

export function upstashCache({ url, token }: { url: string; token: string }, prefix = 'stint:'): Cache {
  const base = url.replace(/\/$/, '')
  const requester: Requester = {
    async request<T>({ path = [], body }: { path?: string[]; body?: unknown }) {
      const response = await fetch([base, ...path].join('/'), {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(REQUEST_MS_MAX),
      }).catch((error: Error) => {
        throw new Error(`Upstash Redis cannot be reached: ${error.name}`)
      })
      if (!response.ok) throw new Error(`Upstash Redis answered ${response.status}`)
      return (await response.json()) as Answer as { result?: T; error?: string }
    },
  }
  const client = new Redis(requester)
  return cacheOver(
    async (commands) => {
      const pipeline = client.pipeline()
      for (const command of commands) add(pipeline, command)
      return (await pipeline.exec<unknown[]>()).map((reply) =>
        typeof reply === 'string' && reply.startsWith(TEXT) ? reply.slice(TEXT.length) : reply,
      )
    },
    prefix,
    async () => {},
  )
}

/** The few commands of a cache, in the client's words. */
function add(pipeline: ReturnType<Redis['pipeline']>, [name, key, ...rest]: (string | number)[]): void {
  const to = String(key)
  if (name === 'GET') pipeline.get(to)
  else if (name === 'SET') pipeline.set(to, TEXT + rest[0], { px: Number(rest[2]) })
  else if (name === 'SADD') pipeline.sadd(to, String(rest[0]))
  else if (name === 'PEXPIRE') pipeline.pexpire(to, Number(rest[0]))
  else if (name === 'SMEMBERS') pipeline.smembers(to)
  else if (name === 'DEL') pipeline.del(to, ...rest.map(String))
  else throw new Error(`the cache knows no ${name}`)
}
