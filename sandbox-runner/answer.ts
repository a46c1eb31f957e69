/** What every home of the runner does with a request: read it by the protocol, have it handled, or say what is wrong. */
import { z } from 'zod'
import type { Isolation } from './exec/isolation.ts'
import { failure } from './faults.ts'
import { ANSWER_MS_RESERVED } from './limits.ts'
import type { LongRequests } from './long.ts'
import { Request } from './protocol.ts'
import { git } from './workspace/git.ts'

/** Whoever answers requests: the runner, or the carrier. */
export type Handler = {
  /** Requests under way. */
  readonly busy: number
  readonly isolation: Isolation
  /** Never rejects. What is unfinished at `untilMs` (Unix time) ends then, and comes back as a result. */
  handle(request: Exclude<Request, { op: 'health' }>, untilMs?: number): Promise<object>
  endOrphans(): Promise<void>
}

export type Answer = { status: number; body: object }

export const refusal = (status: number, code: string, message: string): Answer => ({
  status,
  body: failure(code, message, false),
})

/** How long whoever asks waits: for the whole of it, and for this answer, if the runner may say `running`. */
const Patience = z.object({ withinMs: z.number().positive().optional(), waitMs: z.number().positive().optional() })

export type ReadRequest = { request: Request; untilMs: number | undefined; answerWithinMs: number | undefined }

/** `content` is the request as JSON, read or not. */
export function readRequest(content: unknown): ReadRequest | Answer {
  const raw = typeof content === 'string' ? parse(content) : content
  const parsed = Request.safeParse(raw)
  const patience = Patience.safeParse(raw)
  if (!parsed.success) return refusal(400, 'bad_request', parsed.error.issues[0]?.message ?? 'not a request')
  if (!patience.success) return refusal(400, 'bad_request', 'withinMs and waitMs are milliseconds')
  const { withinMs, waitMs } = patience.data
  const untilMs = withinMs && Date.now() + withinMs - Math.min(ANSWER_MS_RESERVED, withinMs / 5)
  // `code` has a wait of its own by that name: it is for the index.
  return { request: parsed.data, untilMs, answerWithinMs: parsed.data.op === 'code' ? undefined : waitMs }
}

/** `long`: of a home where work goes on after an answer. */
export async function answerTo(
  handler: Handler,
  { request, untilMs, answerWithinMs }: ReadRequest,
  long?: LongRequests,
): Promise<Answer> {
  if (request.op === 'health') return { status: 200, body: await health(handler) }
  if (!long || answerWithinMs === undefined) return { status: 200, body: await handler.handle(request, untilMs) }
  const key = JSON.stringify({ ...request, layers: undefined })
  return { status: 200, body: await long.ask(key, answerWithinMs, () => handler.handle(request, untilMs)) }
}

const health = async ({ isolation }: Handler): Promise<object> => ({
  ok: true,
  version: process.version,
  isolation: isolation.kind,
  holds: isolation.words,
  git: (await git(['--version'], { cwd: '/', repo: 'none' })).stdout.trim(),
})

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
