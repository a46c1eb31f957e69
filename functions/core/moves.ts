/** The few ways a run moves on; `step` counts the move and derives its events. */
import { handover } from './handover.ts'
import { NAP_MS_MAX } from './limits.ts'
import type { Action, Message, Outcome, Remembered, Run, StopReason, WaitingFor } from './types.ts'

/** `remember`: approvals that hold beyond this run. */
export type Move = { run: Run; messages: Message[]; remember?: Remembered[] }

/** Nothing changes: the outcome did not belong to the action. `step` recognises the same object. */
export const stay = (run: Run): Move => ({ run, messages: [] })

/** On to the next action; tries of the last one are forgotten. */
export const to = (run: Run, action: Action, messages: Message[] = []): Move => ({
  run: { ...run, status: 'running', action, attempt: 0, trouble: undefined, waitingFor: undefined },
  messages,
})

/** The same action once more, not before `notBefore` (ms). A short pause is a nap, a long one is a stored wait. */
export function again(
  run: Run,
  outcome: Outcome,
  waitMs: number,
  why: { kind: 'retry' | 'rate_limit' | 'budget'; code: string; reason: string },
): Move {
  const notBefore = outcome.at + waitMs
  const action = { ...run.action, notBefore } as Action
  const { kind, reason } = why
  if (kind !== 'retry' && waitMs > NAP_MS_MAX) return wait({ ...run, action }, { kind, reason, until: notBefore })
  const trouble = { code: why.code, message: why.reason, at: outcome.at }
  return { run: { ...run, status: 'running', action, trouble }, messages: [] }
}

/** A stored row with a deadline; no process waits. The action tells what goes on afterwards. */
export const wait = (run: Run, waitingFor: WaitingFor, messages: Message[] = []): Move => ({
  run: { ...run, status: 'waiting', waitingFor },
  messages,
})

/** The end. Only `done` completes; every other reason leaves a hand-over note as the answer. */
export function end(
  run: Run,
  outcome: Outcome,
  stopReason: StopReason,
  messages: Message[] = [],
  detail?: string,
): Move {
  const status = stopReason === 'done' ? 'completed' : stopReason === 'cancelled' ? 'cancelled' : 'failed'
  const answer = stopReason === 'done' ? run.answer : handover(run, stopReason, messages, detail)
  return {
    run: {
      ...run,
      status,
      stopReason,
      answer,
      action: closingAction({ ...run, status }),
      attempt: 0,
      pending: [],
      waitingFor: undefined,
      trouble: undefined,
      inboxSeen: lastSeen(run, outcome),
      endedAt: outcome.at,
    },
    messages,
  }
}

/** What is left to do for a run that has ended: to tell who asked, then to learn from it, then to archive it. */
export function closingAction({ callbackUrl, callback, learn, archive, status }: Run): Action {
  if (callbackUrl && !callback) return { type: 'notify' }
  if (learn === 'due' && status !== 'cancelled') return { type: 'learn' }
  return archive === 'wanted' ? { type: 'archive' } : { type: 'stop' }
}

/** The newest inbox entry this outcome brought. */
export const lastSeen = (run: Run, outcome: Outcome): number => outcome.inbox.at(-1)?.seq ?? run.inboxSeen
