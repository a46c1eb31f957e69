/** What every handler may use, and how routes are declared: one zod schema serves checking, types and OpenAPI. */
import { OpenAPIHono } from '@hono/zod-openapi'
import type { AICodeAgent } from '../engine/agent.ts'
import type { Clock, Wake, Work } from '../ports.ts'
import { problem } from './problem.ts'
import { Problem as ProblemView } from './views.ts'

export type Scope = 'run' | 'read' | 'approve' | 'admin'
/** Who asks. Without any key everybody on loopback is `local` and may do all. */
export type Caller = { id: string; scopes: Scope[] }

/** What a queue that delivers over HTTP may ask for. */
export type WakeDoor = {
  /** Why the request is not the queue's; undefined when it is. */
  verify(signature: string | undefined, path: string, body: string): string | undefined
  work: Work
  sweep(): Promise<Wake[]>
  clock: Clock
  log: (level: 'error', message: string, fields?: Record<string, unknown>) => void
}

export type Face = {
  agent: AICodeAgent
  /** False: a worker, which tells only how it is and takes wake-ups. */
  api: boolean
  /** API keys; none means a keyless server, which is on loopback. */
  keys: { id: string; scopes: string[]; hash: string }[]
  ratePerMinute: number
  repoRoots: string[]
  repoHosts: string[]
  corsOrigins: string[]
  /** False: there is no key for a model server, only the scripted model can be asked for. */
  modelConfigured: boolean
  /** Where the queue delivers over HTTP. */
  wakes?: WakeDoor
  /** Is each needed service there? */
  checks: () => Promise<Record<string, { ok: boolean; detail: string }>>
  version: string
  /** The console's files by path. */
  page: (path: string) => { type: string; body: string } | undefined
  log: (level: 'debug' | 'info' | 'warn' | 'error', message: string, fields?: Record<string, unknown>) => void
}

export type Vars = { Variables: { requestId: string; caller: Caller } }

export const makeRouter = (): OpenAPIHono<Vars> =>
  new OpenAPIHono<Vars>({
    defaultHook: (result, c) => {
      if (result.success) return undefined
      const errors = result.error.issues.flatMap((issue) => wording(issue, result.target))
      return problem(c, 'invalid_request', {
        detail: errors.map(({ field, message }) => `${field}: ${message}`).join('; '),
        errors,
      })
    },
  })

type Issue = {
  code?: string
  path: PropertyKey[]
  message: string
  keys?: string[]
  minimum?: unknown
  maximum?: unknown
  origin?: string
  expected?: string
  input?: unknown
}

/** What is wrong with each field, in words for the person who sent it. */
function wording(issue: Issue, target: string): { field: string; message: string }[] {
  const field = issue.path.map(String).join('.') || (target === 'json' ? 'body' : target)
  if (issue.code === 'unrecognized_keys')
    return (issue.keys ?? []).map((key) => ({
      field: [...issue.path.map(String), key].join('.'),
      message: 'is not known here',
    }))
  const unit = issue.origin === 'string' ? ' characters' : issue.origin === 'array' ? ' items' : ''
  if (issue.code === 'too_small' && /^Too small/.test(issue.message))
    return [{ field, message: `must be at least ${String(issue.minimum)}${unit}` }]
  if (issue.code === 'too_big' && /^Too big/.test(issue.message))
    return [{ field, message: `must be at most ${String(issue.maximum)}${unit}` }]
  if (issue.code === 'invalid_type')
    return [{ field, message: /undefined$/.test(issue.message) ? 'is missing' : `must be a ${issue.expected}` }]
  return [{ field, message: issue.message }]
}

/** The answers every route may give besides its own. */
export const failures = {
  default: { description: 'An error', content: { 'application/problem+json': { schema: ProblemView } } },
} as const

export const json = <T>(schema: T, description: string) => ({
  description,
  content: { 'application/json': { schema } },
})
