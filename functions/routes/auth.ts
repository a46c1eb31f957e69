/**
 * Who may ask what. With keys: a bearer token whose hash is known, and a scope per route. Without keys the server is on
 * loopback, and it must not be reachable by a web page either: `Host` must be loopback and `Origin`, if sent, its own.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { Context, MiddlewareHandler } from 'hono'
import type { Caller, Face, Scope, Vars } from './context.ts'
import { problem } from './problem.ts'

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$/i
const ALL: Scope[] = ['run', 'read', 'approve', 'admin']
/** Anybody may ask these, for probes and readers of the interface. */
const OPEN = new Set(['/health', '/ready', '/openapi.json', '/docs', '/docs.js', '/', '/console.js', '/console.css'])

/** Finds out who asks; refuses nobody yet, so that even a refusal is counted and says so in its headers. */
export function identify(face: Face): MiddlewareHandler<Vars> {
  return async (c, next) => {
    if (face.keys.length === 0) c.set('caller', { id: 'local', scopes: ALL })
    else {
      const caller = callerOf(face, c.req.header('authorization'))
      if (caller) c.set('caller', caller)
    }
    return next()
  }
}

/** Refuses who may not ask at all. */
export function admitCaller(face: Face): MiddlewareHandler<Vars> {
  return async (c, next) => {
    if (face.keys.length === 0) {
      const refused = foreign(c)
      if (refused) return problem(c, 'origin_refused', { detail: refused })
    } else if (!c.get('caller') && !OPEN.has(c.req.path))
      return problem(
        c,
        'unauthorized',
        { detail: 'Send "Authorization: Bearer sk_stint_…".' },
        { 'www-authenticate': 'Bearer' },
      )
    return next()
  }
}

/** Lets the request pass when its caller has the scope; `admin` has all. */
export const needs =
  (scope: Scope): MiddlewareHandler<Vars> =>
  async (c, next) => {
    const { scopes } = c.get('caller')
    if (scopes.includes(scope) || scopes.includes('admin')) return next()
    return problem(c, 'forbidden', {
      detail: `This needs the scope ${scope}; the key has ${scopes.join(', ') || 'none'}.`,
    })
  }

export const mayAdmin = (caller: Caller): boolean => caller.scopes.includes('admin')

function callerOf(face: Face, header: string | undefined): Caller | undefined {
  const token = /^Bearer (\S+)$/i.exec(header ?? '')?.[1]
  if (!token) return undefined
  const given = createHash('sha256').update(token).digest()
  // Every key is compared, so that the time taken tells nothing of which one came near.
  let found: Caller | undefined
  for (const { id, scopes, hash } of face.keys) {
    if (timingSafeEqual(given, Buffer.from(hash, 'hex')))
      found = { id, scopes: scopes.filter((scope): scope is Scope => ALL.includes(scope as Scope)) }
  }
  return found
}

function foreign(c: Context): string | undefined {
  const host = c.req.header('host') ?? new URL(c.req.url).host
  if (!LOOPBACK.test(host)) return `Host is ${host.slice(0, 100)}; a server without keys answers only as localhost.`
  const origin = c.req.header('origin')
  const own = `${new URL(c.req.url).protocol}//${host}`
  if (origin !== undefined && origin !== own) return `Origin is ${origin.slice(0, 100)}, not this server's own.`
  return undefined
}
