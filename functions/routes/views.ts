/** Stored records as the HTTP face shows them, and the schemas that say so: ISO times, absent instead of null. */
import { z } from '@hono/zod-openapi'
import { hasEnded } from '../core/inbox.ts'
import {
  ApprovalMode,
  DiffStat,
  type Event,
  EventType,
  type Feedback,
  type Message,
  PlanItem,
  type Run,
  RunStatus,
  type Session,
  StopReason,
  TestRecord,
  Usage,
} from '../core/types.ts'

const time = z.iso.datetime().openapi({ example: '2026-11-23T09:30:00.000Z' })
const iso = (ms: number): string => new Date(ms).toISOString()

export const RunId = z.object({ runId: z.string().openapi({ param: { name: 'runId', in: 'path' } }) })
/** True for a text of at most `max` bytes. */
export const shorterThan = (max: number) => (text: string) => Buffer.byteLength(text) <= max

export const Problem = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    code: z.string(),
    detail: z.string().optional(),
    hint: z.string().optional(),
    errors: z.array(z.object({ field: z.string(), message: z.string() })).optional(),
    instance: z.string(),
    requestId: z.string(),
  })
  .openapi('Problem')

export const RepoInput = z.strictObject({
  url: z
    .string()
    .min(1)
    .max(2000)
    .openapi({ description: 'An https or ssh git address of an allowed host, or a local path where that is allowed.' }),
  ref: z
    .string()
    .min(1)
    .max(250)
    .regex(/^[^-\s][^\s~^:?*[\\]*$/, 'is no branch, tag or commit')
    .optional(),
  subdir: z
    .string()
    .min(1)
    .max(500)
    .refine((path) => !path.startsWith('/') && !path.split(/[\\/]/).includes('..'), 'must be a folder inside the repo')
    .optional(),
})

export const Links = z.object({ self: z.string(), events: z.string(), messages: z.string(), diff: z.string() })
export const linksOf = (runId: string): z.infer<typeof Links> => ({
  self: `/runs/${runId}`,
  events: `/runs/${runId}/events`,
  messages: `/runs/${runId}/messages`,
  diff: `/runs/${runId}/diff`,
})

export const RunView = z
  .object({
    runId: z.string(),
    sessionId: z.string(),
    kind: z.enum(['agent', 'tool']),
    task: z.string(),
    status: RunStatus,
    stopReason: StopReason.optional(),
    answer: z.string().optional(),
    plan: z.array(PlanItem),
    step: z.int(),
    turns: z.int(),
    usage: Usage,
    limits: z.object({ turns: z.int(), costUsd: z.number(), seconds: z.number() }),
    waitingFor: z
      .looseObject({ kind: z.enum(['approval', 'question', 'rate_limit', 'budget']), until: time })
      .optional(),
    diffStat: DiffStat,
    tests: TestRecord.pick({ label: true, passed: true, summary: true, firstPassed: true, stale: true }).optional(),
    approval: ApprovalMode,
    model: z.string(),
    repo: z.object({ url: z.string(), ref: z.string().optional(), subdir: z.string().optional() }).optional(),
    attempt: z.int(),
    trouble: z.object({ code: z.string(), message: z.string(), at: time }).optional(),
    callback: z
      .object({ state: z.enum(['pending', 'delivered', 'failed']), tries: z.int(), detail: z.string().optional() })
      .optional(),
    mended: z
      .array(z.object({ model: z.string(), tool: z.string(), calls: z.int() }))
      .optional()
      .openapi({ description: 'Calls of the model that were mended before they were performed.' }),
    preferences: z
      .array(z.object({ name: z.string(), value: z.union([z.string(), z.number()]), from: z.string() }))
      .optional()
      .openapi({ description: 'What preferences decided for this run, and whose they are.' }),
    learned: z
      .enum(['pending', 'done', 'failed'])
      .optional()
      .openapi({ description: 'Whether what it taught was kept for later runs; absent: there was nothing to learn.' }),
    forkedFrom: z.object({ runId: z.string(), step: z.int() }).optional(),
    feedback: z
      .object({ score: z.union([z.literal(-1), z.literal(1)]), comment: z.string().optional(), at: time })
      .optional(),
    workedSeconds: z.number(),
    createdAt: time,
    updatedAt: time,
    endedAt: time.optional(),
    links: Links,
  })
  .openapi('Run')
export type RunView = z.infer<typeof RunView>

export function runView(run: Run, feedback?: Feedback): RunView {
  const {
    runId,
    sessionId,
    kind,
    task,
    status,
    stopReason,
    answer,
    plan,
    step,
    turns,
    usage,
    limits,
    diffStat,
    approval,
    model,
  } = run
  const { waitingFor, tests, repo, workedMs, createdAt, updatedAt, endedAt } = run
  return {
    runId,
    sessionId,
    kind,
    task,
    status,
    ...(stopReason ? { stopReason } : {}),
    ...(answer === undefined ? {} : { answer }),
    plan,
    step,
    turns,
    limits,
    usage: { ...usage, costUsd: Number(usage.costUsd.toFixed(8)) },
    ...(waitingFor ? { waitingFor: { ...waitingFor, until: iso(waitingFor.until) } } : {}),
    diffStat,
    ...(tests
      ? {
          tests: {
            label: tests.label,
            passed: tests.passed,
            summary: tests.summary,
            firstPassed: tests.firstPassed,
            stale: tests.stale,
          },
        }
      : {}),
    approval,
    model,
    ...(repo ? { repo } : {}),
    attempt: run.attempt,
    ...(run.trouble ? { trouble: { ...run.trouble, at: iso(run.trouble.at) } } : {}),
    ...(run.callbackUrl && hasEnded(run) ? { callback: callbackView(run) } : {}),
    ...(run.mended ? { mended: run.mended } : {}),
    ...(run.preferences?.length ? { preferences: run.preferences } : {}),
    ...(learnedView(run) ? { learned: learnedView(run) } : {}),
    ...(run.forkedFrom ? { forkedFrom: run.forkedFrom } : {}),
    ...(feedback ? { feedback: { ...feedback, at: iso(feedback.at) } } : {}),
    workedSeconds: Math.round(workedMs) / 1000,
    createdAt: iso(createdAt),
    updatedAt: iso(updatedAt),
    ...(endedAt === undefined ? {} : { endedAt: iso(endedAt) }),
    links: linksOf(runId),
  }
}

const learnedView = ({ learn, action }: Run): RunView['learned'] =>
  learn === 'done' || learn === 'failed'
    ? learn
    : learn === 'due' && action.type !== 'stop' && action.type !== 'archive'
      ? 'pending'
      : undefined

function callbackView({ callback, attempt, trouble }: Run): NonNullable<RunView['callback']> {
  if (!callback) return { state: 'pending', tries: attempt, ...(trouble ? { detail: trouble.message } : {}) }
  const { state, tries, detail } = callback
  return { state, tries, ...(detail ? { detail } : {}) }
}

export const EventView = z
  .object({
    seq: z.int().optional(),
    runId: z.string(),
    at: time,
    type: EventType,
    data: z.record(z.string(), z.unknown()),
  })
  .openapi('Event')
export const eventView = ({ seq, runId, at, type, data }: Event): z.infer<typeof EventView> => ({
  ...(seq === undefined ? {} : { seq }),
  runId,
  at: iso(at),
  type,
  data: typeof data.until === 'number' ? { ...data, until: iso(data.until) } : data,
})

export const MessageView = z
  .object({
    seq: z.int(),
    role: z.enum(['system', 'user', 'assistant', 'tool']),
    content: z.string(),
    from: z.enum(['task', 'person', 'harness']).optional(),
    model: z.string().optional(),
    usage: Usage.optional(),
    calls: z
      .array(z.object({ callId: z.string(), tool: z.string(), input: z.record(z.string(), z.unknown()) }))
      .optional(),
    callId: z.string().optional(),
    tool: z.string().optional(),
    ok: z.boolean().optional(),
    error: z.object({ code: z.string(), message: z.string(), hint: z.string().optional() }).optional(),
    data: z.unknown().optional(),
    durationMs: z.number().optional(),
    truncated: z.boolean().optional(),
  })
  .openapi('Message')

export function messageView(message: Message, seq: number): z.infer<typeof MessageView> {
  switch (message.role) {
    case 'system':
      return { seq, role: 'system', content: message.content }
    case 'user':
      return { seq, role: 'user', content: message.content, from: message.from }
    case 'assistant': {
      const calls = message.calls.map(({ callId, tool, arguments: args }) => ({
        callId,
        tool,
        input: JSON.parse(args) as Record<string, unknown>,
      }))
      return {
        seq,
        role: 'assistant',
        content: message.content,
        ...(message.model ? { model: message.model, usage: message.usage } : {}),
        ...(calls.length > 0 ? { calls } : {}),
      }
    }
    case 'tool': {
      const { callId, tool, ok, output, error, data, durationMs, truncated } = message.result
      return {
        seq,
        role: 'tool',
        content: output,
        callId,
        tool,
        ok,
        durationMs,
        truncated,
        ...(error ? { error } : {}),
        ...(data === undefined ? {} : { data }),
      }
    }
  }
}

export const SessionView = z
  .object({
    sessionId: z.string(),
    repo: z.object({ url: z.string(), ref: z.string().optional(), subdir: z.string().optional() }).optional(),
    createdAt: time,
    updatedAt: time,
    runs: z.array(RunView.extend({ messages: z.array(MessageView) })),
  })
  .openapi('Session')
export const sessionView = (
  session: Session,
  runs: z.infer<typeof SessionView>['runs'],
): z.infer<typeof SessionView> => ({
  sessionId: session.sessionId,
  ...(session.repo ? { repo: session.repo } : {}),
  createdAt: iso(session.createdAt),
  updatedAt: iso(session.updatedAt),
  runs,
})
