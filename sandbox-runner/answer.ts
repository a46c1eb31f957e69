/** What every home of the runner does with a request: read it by the protocol, have it handled, or say what is wrong. */
import type { Isolation } from './exec/isolation.ts'
import { failure } from './faults.ts'
import { Request } from './protocol.ts'
import { git } from './workspace/git.ts'

/** Whoever answers requests: the runner, or the carrier. */
export type Handler = {
  /** Requests under way. */
  readonly busy: number
  readonly isolation: Isolation
  /** Never rejects. */
  handle(request: Exclude<Request, { op: 'health' }>): Promise<object>
  endOrphans(): Promise<void>
}

export type Answer = { status: number; body: object }

export const refusal = (status: number, code: string, message: string): Answer => ({
  status,
  body: failure(code, message, false),
})

/** `content` is the request as JSON, read or not. */
export async function answerTo(handler: Handler, content: unknown): Promise<Answer> {
  const parsed = Request.safeParse(typeof content === 'string' ? parse(content) : content)
  if (!parsed.success) return refusal(400, 'bad_request', parsed.error.issues[0]?.message ?? 'not a request')
  const { data } = parsed
  if (data.op !== 'health') return { status: 200, body: await handler.handle(data) }
  const body = {
    ok: true,
    version: process.version,
    isolation: handler.isolation.kind,
    holds: handler.isolation.words,
    git: (await git(['--version'], { cwd: '/', repo: 'none' })).stdout.trim(),
  }
  return { status: 200, body }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
