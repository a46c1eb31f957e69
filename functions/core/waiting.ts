/** Waits: a stored row, a deadline, a default. What people send is read here; no process waits. */
import { WAIT_MS_DEFAULT } from './limits.ts'
import { end, type Move, stay, to, wait } from './moves.ts'
import { chargeTurn, foldResults, schedule } from './turn.ts'
import type { Decision, Message, Outcome, PendingCall, Run } from './types.ts'
import { answerTo } from './verdicts.ts'

/** A tool asked the person something; its call stays pending until there is an answer. */
export function ask(run: Run, outcome: Extract<Outcome, { type: 'tool_results' }>): Move {
  if (!outcome.question) return stay(run)
  const waitingFor = { kind: 'question' as const, ...outcome.question, until: outcome.at + WAIT_MS_DEFAULT }
  return wait({ ...run, action: { type: 'wait' } }, waitingFor, outcome.results)
}

/** A run woke: by a decision, by an answer, or by its deadline. Anything else leaves it as it was. */
export function resume(run: Run, outcome: Outcome): Move {
  const { waitingFor } = run
  if (!waitingFor) return stay(run)
  const expired = outcome.at >= waitingFor.until
  if (waitingFor.kind === 'rate_limit' || waitingFor.kind === 'budget') return expired ? to(run, run.action) : stay(run)

  const [call, ...rest] = run.pending
  if (!call) return stay(run)
  if (waitingFor.kind === 'approval') {
    const entry = outcome.inbox.find(
      (found) => found.type === 'decision' && found.decision.callId === waitingFor.callId,
    )
    if (entry?.type === 'decision') return decide(run, outcome, call, rest, entry.decision)
    const timedOut: Decision = {
      callId: call.callId,
      approved: false,
      remember: 'call',
      reason: 'nobody decided in time',
    }
    return expired ? decide(run, outcome, call, rest, timedOut) : stay(run)
  }
  const reply = outcome.inbox.find((entry) => entry.type === 'message')
  if (!reply && !expired) return stay(run)
  const text = reply?.type === 'message' ? reply.text : waitingFor.default
  const answer = text === undefined ? { error: NO_ANSWER } : { text }
  const read = { ...run, pending: rest, inboxSeen: reply?.seq ?? run.inboxSeen }
  const waitedMs = outcome.at - waitingFor.until + WAIT_MS_DEFAULT
  return schedule(read, { ...outcome, inbox: outcome.inbox.filter((entry) => entry !== reply) }, [
    answerTo(call, answer, waitedMs),
  ])
}

/** Ends the run at once. What the outcome brought is kept: it was paid for, or it is already in the workspace. */
export function cancel(run: Run, outcome: Outcome): Move {
  const { reason } = outcome.inbox.find((entry) => entry.type === 'cancel') ?? {}
  if (outcome.type === 'model_response' && outcome.message.role === 'assistant')
    return end(chargeTurn(run, outcome.message), outcome, 'cancelled', [outcome.message], reason)
  const messages: Message[] = outcome.type === 'tool_results' ? outcome.results : []
  return end(foldResults(run, outcome), outcome, 'cancelled', messages, reason)
}

function decide(run: Run, outcome: Outcome, call: PendingCall, rest: PendingCall[], decision: Decision): Move {
  if (!decision.approved) {
    const message = `A person refused this call${decision.reason ? `: ${decision.reason}` : '.'}`
    const error = { code: 'approval_denied', message, hint: 'Do not repeat it; find another way, or ask.' }
    return schedule({ ...run, pending: rest }, outcome, [answerTo(call, { error })])
  }
  const allowed: PendingCall = { ...call, verdict: { decision: 'allow', reason: 'approved' } }
  const remembered = decision.remember === 'call' ? run.remembered : [...run.remembered, call.hash]
  const move = schedule({ ...run, remembered, pending: [allowed, ...rest] }, outcome, [])
  const { remember: scope } = decision
  return scope === 'session' || scope === 'repo' ? { ...move, remember: [{ scope, hash: call.hash }] } : move
}

const NO_ANSWER = {
  code: 'no_answer',
  message: 'nobody answered in time',
  hint: 'Go on with your best assumption and say so in the answer.',
}
