/** What a step makes visible: derived from the run before and after it and from the messages it appended. */
import { EVENT_TEXT_CHARS_MAX, PREVIEW_CHARS_MAX } from './limits.ts'
import type { Event, EventType, Message, PendingCall, Run } from './types.ts'

type Data = Record<string, unknown>

/** The first event of a run, committed when it is admitted. */
export const startedEvent = (run: Run): Event => ({
  seq: 1,
  runId: run.runId,
  at: run.createdAt,
  type: 'run.started',
  data: {
    task: clip(run.task, EVENT_TEXT_CHARS_MAX),
    sessionId: run.sessionId,
    model: run.model,
    approval: run.approval,
    limits: run.limits,
    ...(run.forkedFrom ? { forkedFrom: run.forkedFrom } : {}),
  },
})

/** In the order a watcher expects: what ended, what changed, what begins. `seq` continues the run's own count. */
export function eventsOf(before: Run, after: Run, messages: Message[]): Event[] {
  const seen: [EventType, Data][] = []
  const { waitingFor } = before
  if (before.status === 'waiting' && after.waitingFor !== waitingFor && waitingFor) {
    if (waitingFor.kind === 'approval')
      seen.push(['approval.decided', { callId: waitingFor.callId, approved: wasApproved(after, waitingFor.callId) }])
    seen.push(['run.resumed', { kind: waitingFor.kind }])
  }
  for (const message of messages) seen.push(...messageEvents(message))
  if (after.plan !== before.plan) seen.push(['plan.updated', { items: after.plan }])
  if (after.head && before.head && after.head.id !== before.head.id)
    seen.push(['workspace.changed', { snapshot: after.head.id, diffStat: after.diffStat }])
  if (after.action.type === 'run_tools' && after.action !== before.action && !sameCalls(before, after.action.callIds))
    for (const { callId, tool, preview } of after.pending.filter((call) => startsNow(after, call)))
      seen.push(['tool.started', { callId, tool, preview: clip(preview, PREVIEW_CHARS_MAX) }])
  if (after.status === 'waiting' && after.waitingFor && after.waitingFor !== waitingFor) {
    if (after.waitingFor.kind === 'approval') seen.push(['approval.requested', { ...after.waitingFor }])
    seen.push(['run.waiting', { ...after.waitingFor }])
  }
  const ended = ENDINGS[after.status]
  if (ended && after.status !== before.status) {
    const { stopReason, answer, usage, turns, diffStat, tests } = after
    seen.push([
      ended,
      {
        stopReason,
        answer: clip(answer ?? '', EVENT_TEXT_CHARS_MAX),
        usage,
        turns,
        diffStat,
        ...(tests ? { tests } : {}),
      },
    ])
  }
  return seen.map(([type, data], i) => ({
    seq: before.eventSeq + 1 + i,
    runId: after.runId,
    at: after.updatedAt,
    type,
    data,
  }))
}

function messageEvents(message: Message): [EventType, Data][] {
  if (message.role === 'assistant') {
    const { content, calls, model, usage, route } = message
    const mended = calls.flatMap(({ callId, tool, mended: how }) => (how ? [{ callId, tool, how }] : []))
    return [
      [
        'message.completed',
        {
          role: 'assistant',
          text: clip(content, EVENT_TEXT_CHARS_MAX),
          calls: calls.length,
          model,
          usage,
          ...(route ? { route } : {}),
          ...(mended.length > 0 ? { mended } : {}),
        },
      ],
    ]
  }
  if (message.role === 'user' && message.from !== 'task')
    return [
      ['message.completed', { role: 'user', from: message.from, text: clip(message.content, EVENT_TEXT_CHARS_MAX) }],
    ]
  if (message.role === 'tool') {
    const { callId, tool, ok, output, error, durationMs, truncated } = message.result
    return [
      [
        'tool.completed',
        {
          callId,
          tool,
          ok,
          preview: clip(output, PREVIEW_CHARS_MAX),
          ...(error ? { error } : {}),
          durationMs,
          truncated,
        },
      ],
    ]
  }
  return []
}

const ENDINGS: Partial<Record<Run['status'], EventType>> = {
  completed: 'run.completed',
  failed: 'run.failed',
  cancelled: 'run.cancelled',
}

/** A call that is looked at begins only afterwards. */
const startsNow = (run: Run, { callId, look }: PendingCall): boolean =>
  !look && run.action.type === 'run_tools' && run.action.callIds.includes(callId)
const sameCalls = (before: Run, callIds: string[]): boolean =>
  before.action.type === 'run_tools' && before.action.callIds.join() === callIds.join() && !before.pending[0]?.look
const wasApproved = (after: Run, callId: string): boolean => after.pending.some((call) => call.callId === callId)
const clip = (text: string, max: number): string => (text.length <= max ? text : `${text.slice(0, max - 1)}…`)
