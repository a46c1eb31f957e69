/**
 * Upstash Redis over its REST interface, by fetch. A client of our own, because the vendor's sends a command up to six
 * times, answers an aborted one as if it had succeeded, and puts whole commands (prompts, secrets) into its errors.
 * Here: one request a round trip, sent once more when no answer came (no script of ours does a thing twice), and errors
 * that say what the server said. Protocol: upstash.com/docs/redis/features/restapi.
 */
import { RedisError, type RedisTransport } from './redis-transport.ts'

const REQUEST_MS_MAX = 10_000
const TRIES = 2

export type UpstashOptions = { url: string; token: string; tries?: number; requestMsMax?: number }

export function redisUpstash(options: UpstashOptions): RedisTransport {
  const { url, token, tries = TRIES, requestMsMax = REQUEST_MS_MAX } = options
  const pipeline = `${url.replace(/\/$/, '')}/pipeline`
  /** Echoed, so that a read sees this client's own writes whichever replica answers. */
  let seen: string | undefined

  async function once(body: string): Promise<unknown[]> {
    const response = await fetch(pipeline, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        ...(seen ? { 'upstash-sync-token': seen } : {}),
      },
      body,
      signal: AbortSignal.timeout(requestMsMax),
    })
    const text = await response.text()
    if (!response.ok) throw new Refused(`Upstash Redis answered ${response.status}: ${saidIn(text)}`)
    seen = response.headers.get('upstash-sync-token') ?? seen
    const replies = JSON.parse(text) as { result?: unknown; error?: string }[]
    return replies.map(({ result, error }) =>
      error === undefined ? result : new RedisError(`Redis: ${error.slice(0, 300)}`),
    )
  }

  return {
    // Without it every script would lock the whole database (upstash.com/docs/redis/features/key-locking).
    scriptHeader: '#!lua flags=allow-key-locking',
    async send(commands) {
      const body = JSON.stringify(commands)
      for (let tried = 1; ; tried++) {
        try {
          return await once(body)
        } catch (error) {
          if (error instanceof Refused) throw error
          // Whether it was done is not known; nothing of ours minds being asked again.
          if (tried >= tries) throw new RedisError(`Upstash Redis cannot be reached: ${causeOf(error as Error)}`)
        }
      }
    },
    async close() {},
  }
}

class Refused extends RedisError {}

function saidIn(text: string): string {
  try {
    const { error } = JSON.parse(text) as { error?: unknown }
    if (typeof error === 'string') return error.slice(0, 300)
  } catch {
    // No JSON: a proxy's page, say.
  }
  return text.slice(0, 100)
}

const causeOf = ({ name, message, cause }: Error): string =>
  name === 'TimeoutError'
    ? name
    : cause instanceof Error
      ? ((cause as NodeJS.ErrnoException).code ?? cause.message)
      : message
