/** Requests per minute and caller, said in every answer (draft-ietf-httpapi-ratelimit-headers-11) and held to where keys exist. */
import type { Context, MiddlewareHandler } from 'hono'
import type { Face, Vars } from './context.ts'
import { problem } from './problem.ts'

const WINDOW_S = 60
const CALLERS_MAX = 10_000

/** Counts in this process: behind several of them each has its own count. */
export function limitRate(face: Face, now: () => number): MiddlewareHandler<Vars> {
  const counts = new Map<string, { from: number; used: number }>()
  return async (c, next) => {
    const at = now()
    const who = identity(c)
    const known = counts.get(who)
    const window = known && at - known.from < WINDOW_S * 1000 ? known : { from: at, used: 0 }
    window.used++
    counts.delete(who)
    counts.set(who, window)
    if (counts.size > CALLERS_MAX) counts.delete(counts.keys().next().value ?? '')
    const left = Math.max(0, face.ratePerMinute - window.used)
    const reset = Math.max(1, Math.ceil((window.from + WINDOW_S * 1000 - at) / 1000))
    const headers = {
      ratelimit: `"default";r=${left};t=${reset}`,
      'ratelimit-policy': `"default";q=${face.ratePerMinute};w=${WINDOW_S}`,
    }
    if (face.keys.length > 0 && window.used > face.ratePerMinute)
      return problem(
        c,
        'rate_limited',
        { detail: `At most ${face.ratePerMinute} requests a minute.` },
        { ...headers, 'retry-after': String(reset) },
      )
    await next()
    for (const [name, value] of Object.entries(headers)) c.res.headers.set(name, value)
    return undefined
  }
}

function identity(c: Context<Vars>): string {
  const caller = c.get('caller') as { id: string } | undefined
  if (caller && caller.id !== 'local') return `key ${caller.id}`
  const { incoming, requestContext } = (c.env ?? {}) as From
  const address =
    incoming?.socket?.remoteAddress ?? requestContext?.identity?.sourceIp ?? requestContext?.http?.sourceIp
  return `address ${address ?? 'in-process'}`
}

/** Who is at the other end: of a socket, of a REST API of API Gateway, of a function URL. */
type From = {
  incoming?: { socket?: { remoteAddress?: string } }
  requestContext?: { identity?: { sourceIp?: string }; http?: { sourceIp?: string } }
}
