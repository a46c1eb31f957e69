/**
 * How a request becomes a run, and how what people send reaches one. Everything here is one atomic write in the store,
 * then a wake-up; a wake-up that gets lost is found by the sweep.
 */
import { createHash } from 'node:crypto'
import { startedEvent } from '../core/events.ts'
import type { Whose } from '../core/facts.ts'
import { freshRun, NOTHING_USED } from '../core/fresh.ts'
import { PREFERENCES_MS_MAX, RUN_LIMITS_DEFAULT } from '../core/limits.ts'
import { chosen, type Preferred } from '../core/preferences.ts'
import type {
  ApprovalMode,
  Decision,
  Deliver,
  Limits,
  Message,
  PendingCall,
  Repo,
  Run,
  Session,
} from '../core/types.ts'
import { isScripted } from '../model/catalogue.ts'
import type { Ports } from '../ports.ts'
import { readCall } from '../tools/pipeline.ts'
import { policingOf } from './policing.ts'

export type RunRequest = {
  task: string
  sessionId?: string | undefined
  repo?: Repo | undefined
  approval?: ApprovalMode | undefined
  limits?: Partial<Limits> | undefined
  model?: string | undefined
  callbackUrl?: string | undefined
  /** Who asks: the id of a key. */
  by?: string | undefined
  deliver?: Deliver | undefined
}
export type ToolRequest = {
  tool: string
  input: Record<string, unknown>
  sessionId?: string | undefined
  repo?: Repo | undefined
  approval?: ApprovalMode | undefined
  by?: string | undefined
}
export type Idempotency = { key: string; hash: string }

export type Admitted = { ok: true; run: Run; existed: boolean } | Refused
export type Refused = {
  ok: false
  code:
    | 'idempotency_mismatch'
    | 'session_busy'
    | 'session_not_found'
    | 'run_not_found'
    | 'repo_mismatch'
    | 'run_ended'
    | 'not_waiting'
    | 'step_not_found'
    | 'fork_refused'
    | 'deliver_refused'
  message: string
  runId?: string
}

/** A run of the agent. Same key and same body: the same run again. */
export const admitRun = async (request: RunRequest, ports: Ports, idempotency?: Idempotency): Promise<Admitted> =>
  admit(request, { kind: 'agent', messages: [], pending: [] }, ports, idempotency)

/** One tool call as a run of its own: the same engine, no model. */
export async function admitTool(
  { tool, input, ...rest }: ToolRequest,
  ports: Ports,
): Promise<Admitted & { callId?: string }> {
  const { call, pending } = readCall(
    { id: '', name: tool, arguments: JSON.stringify(input) },
    ports.ids,
    await policingOf(ports),
  )
  const message: Message = { role: 'assistant', content: '', calls: [call], model: '', usage: NOTHING_USED }
  const request = { task: `${tool} ${pending.preview}`.slice(0, 200), ...rest }
  const admitted = await admit(request, { kind: 'tool', messages: [message], pending: [pending] }, ports)
  return { ...admitted, callId: call.callId }
}

async function admit(
  request: RunRequest,
  begin: { kind: Run['kind']; messages: Message[]; pending: PendingCall[] },
  ports: Ports,
  idempotency?: Idempotency,
): Promise<Admitted> {
  const { store, ids, clock, queue, settings } = ports
  const now = clock.now()
  const known = request.sessionId ? await store.session(request.sessionId) : undefined
  if (request.sessionId && !known) return refuse('session_not_found', `there is no session ${request.sessionId}`)
  if (known && request.repo && request.repo.url !== known.repo?.url)
    return refuse(
      'repo_mismatch',
      `session ${known.sessionId} works on ${known.repo?.url ?? 'no repo'}; start another session for ${request.repo.url}`,
    )
  const repo = known?.repo ?? request.repo
  const delivers = request.deliver?.branch !== undefined || (request.deliver?.pullRequest ?? 'none') !== 'none'
  if (delivers && !ports.carrier?.remote(repo))
    return refuse('deliver_refused', 'deliver needs a repo of a forge that is configured here; take the diff instead')
  const session: Session = known ?? {
    sessionId: ids.next('ses'),
    ...(request.repo ? { repo: request.repo } : {}),
    workspaceId: ids.next('wsp'),
    createdAt: now,
    updatedAt: now,
  }
  // The sandbox takes the run with the later id for the later one, and clocks of several machines differ.
  const last = known && (await store.runs({ sessionId: known.sessionId, limit: 1 })).items[0]?.runId
  const whose = { by: request.by, repo: session.repo?.url }
  const preferred = begin.kind === 'agent' ? await preferredBy(whose, ports) : []
  const { model: wanted, approval, costUsd: most, used } = chosen(preferred, { ...request, ...request.limits })
  const model = wanted ?? 'auto'
  const { turns, seconds } = { ...RUN_LIMITS_DEFAULT, ...request.limits }
  const costUsd = most ?? RUN_LIMITS_DEFAULT.costUsd
  const run = freshRun({
    runId: ids.next('run', last),
    sessionId: session.sessionId,
    kind: begin.kind,
    task: request.task,
    pending: begin.pending,
    limits: { turns, seconds, costUsd: Math.min(costUsd, settings.costUsdMax) },
    approval: approval ?? 'ask',
    model,
    remembered: await store.remembered({
      sessionId: session.sessionId,
      ...(session.repo ? { repo: session.repo.url } : {}),
    }),
    ...(session.repo ? { repo: session.repo } : {}),
    ...(request.by ? { by: request.by } : {}),
    ...(used.length > 0 ? { preferences: used } : {}),
    ...(delivers && request.deliver ? { deliver: request.deliver } : {}),
    ...(request.callbackUrl ? { callbackUrl: request.callbackUrl } : {}),
    ...(learnsFrom(begin.kind, model, ports) ? { learn: 'wanted' as const } : {}),
    ...(ports.archive ? { archive: 'wanted' as const } : {}),
    workspaceId: session.workspaceId,
    ...(session.head ? { head: session.head } : {}),
    messageSeq: begin.messages.length,
    createdAt: now,
  })
  const reply = await store.start({
    run,
    session,
    goesOn: known !== undefined,
    messages: begin.messages,
    events: [startedEvent(run)],
    layers: [],
    now,
    ...(idempotency ? { idempotency } : {}),
  })
  if (reply.ok) {
    if (!reply.existed) await queue.send({ runId: reply.run.runId, step: reply.run.step }, 0)
    return reply
  }
  switch (reply.code) {
    case 'session_moved':
      // A run of it ended while this one was made: this one begins with what that one left.
      return admit(request, begin, ports, idempotency)
    case 'session_not_found':
      return refuse(reply.code, `there is no session ${session.sessionId}`)
    default:
      return refuse(reply.code, REFUSALS[reply.code](reply.runId), reply.runId)
  }
}

/** The scripted model has nothing to say of a run. */
export const learnsFrom = (kind: Run['kind'], model: string, { settings, memory }: Ports): boolean =>
  settings.learns === true && memory !== undefined && kind === 'agent' && !isScripted(model)

/** A run does not wait for what its person likes, nor fail without. */
async function preferredBy(whose: Whose, { memory, clock }: Ports): Promise<Preferred[]> {
  if (!memory) return []
  const over = new AbortController()
  const late = clock.sleep(PREFERENCES_MS_MAX, over.signal).then((): Preferred[] => [])
  const found = await Promise.race([memory.preferences.effective(whose), late])
  over.abort()
  return found
}

export type Sent = { ok: true } | Refused | { ok: false; code: 'decided'; message: string; approved: boolean }

/** A word to a run under way, or the answer to its question. */
export const say = (runId: string, text: string, ports: Ports): Promise<Sent> =>
  post(runId, { type: 'message', at: ports.clock.now(), text }, ports)

export const decide = (runId: string, decision: Decision, ports: Ports): Promise<Sent> =>
  post(runId, { type: 'decision', at: ports.clock.now(), decision }, ports)

export const cancel = (runId: string, reason: string | undefined, ports: Ports): Promise<Sent> =>
  post(runId, { type: 'cancel', at: ports.clock.now(), ...(reason ? { reason } : {}) }, ports)

async function post(
  runId: string,
  entry: Parameters<Ports['store']['post']>[0]['entry'],
  { store, queue, clock, ids }: Ports,
): Promise<Sent> {
  const reply = await store.post({ runId, id: ids.next('req'), entry, now: clock.now() })
  if (reply.ok) {
    if (reply.wake) await queue.send({ runId, step: reply.step }, 0)
    return { ok: true }
  }
  if (reply.why === 'decided')
    return {
      ok: false,
      code: 'decided',
      message: `this call was ${reply.approved ? 'approved' : 'refused'} already`,
      approved: reply.approved,
    }
  if (reply.why === 'gone') return refuse('run_not_found', `there is no run ${runId}`)
  if (reply.why === 'ended') return refuse('run_ended', `run ${runId} has ended`)
  const waitingFor = (await store.run(runId))?.waitingFor
  const what =
    waitingFor?.kind === 'approval'
      ? `an approval of ${waitingFor.callId}`
      : waitingFor
        ? `its ${waitingFor.kind}`
        : 'nothing'
  return refuse('not_waiting', `run ${runId} does not wait for this; it waits for ${what}`)
}

/** Of a request's body, for its idempotency key: the same fields in any order are the same body. */
export const hashOf = (body: unknown): string =>
  createHash('sha256')
    .update(JSON.stringify(sorted(body)))
    .digest('hex')

const sorted = (value: unknown): unknown =>
  Array.isArray(value)
    ? value.map(sorted)
    : typeof value === 'object' && value !== null
      ? Object.fromEntries(
          Object.entries(value)
            .sort(([a], [b]) => (a < b ? -1 : 1))
            .map(([key, inner]) => [key, sorted(inner)]),
        )
      : value

const REFUSALS = {
  idempotency_mismatch: (runId: string) => `this Idempotency-Key was used with another body, for run ${runId}`,
  session_busy: (runId: string) =>
    `run ${runId} of this session is under way; say something to it, cancel it, or start another session`,
}

export const refuse = (code: Refused['code'], message: string, runId?: string): Refused => ({
  ok: false,
  code,
  message,
  ...(runId ? { runId } : {}),
})
