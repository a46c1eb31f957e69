/** What follows a model answer and its tool results: the next call, the next turn, the check, or the end. */
import { recorded } from './delivery.ts'
import { CHECKS_MAX, FORMAT_ERRORS_MAX, WAIT_MS_DEFAULT } from './limits.ts'
import { end, lastSeen, type Move, to, wait } from './moves.ts'
import type { AssistantMessage, Message, Outcome, PendingCall, Run, Verdict } from './types.ts'
import { answerTo, mustAsk, refusal } from './verdicts.ts'

/**
 * Takes the pending calls in the order the model made them: refuses what may not run, holds what a person must see,
 * and sends the rest to the tools, reads side by side and everything else alone. No call left: the next turn.
 */
export const schedule = (run: Run, outcome: Outcome, messages: Message[]): Move =>
  recorded(scheduleCalls(run, outcome, messages))

function scheduleCalls(run: Run, outcome: Outcome, messages: Message[]): Move {
  const said = [...messages]
  for (let pending = run.pending; pending[0]; pending = pending.slice(1)) {
    const first = pending[0]
    const error = refusal(first, run)
    if (error) {
      said.push(answerTo(first, { error }))
      continue
    }
    const left = { ...run, pending }
    if (mustAsk(first, run)) return hold(left, outcome, first, said)
    return to(left, { type: 'run_tools', callIds: group(pending, run).map((call) => call.callId) }, said)
  }
  const rested = { ...run, pending: [] }
  if (run.kind === 'tool') return end({ ...rested, answer: '' }, outcome, 'done', said)
  // A word that came meanwhile is work again; it is delivered anew.
  const heard = outcome.inbox.some((entry) => entry.type === 'message')
  if (run.delivery && !heard) return end(rested, outcome, 'done', said)
  return nextTurn({ ...rested, delivery: undefined }, outcome, said)
}

/** Asks the model again, with what people said meanwhile at the end, unless a limit of the run is reached. */
export function nextTurn(run: Run, outcome: Outcome, messages: Message[]): Move {
  if (run.turns >= run.limits.turns) return end(run, outcome, 'turns_limit', messages)
  if (run.workedMs + outcome.workedMs >= run.limits.seconds * 1000) return end(run, outcome, 'time_limit', messages)
  if (run.usage.costUsd >= run.limits.costUsd) return end(run, outcome, 'cost_limit', messages)
  const people = outcome.inbox.flatMap((entry): Message[] =>
    entry.type === 'message' ? [{ role: 'user', content: entry.text, from: 'person' }] : [],
  )
  return to({ ...run, inboxSeen: lastSeen(run, outcome) }, { type: 'call_model' }, [...messages, ...people])
}

/** An answer without calls: an empty or cut one is sent back, otherwise it is checked once files changed, then final. */
export function finishTurn(run: Run, outcome: Outcome, message?: AssistantMessage): Move {
  if (outcome.type === 'model_response' && message) {
    if (message.content.trim() === '') return sendBack(run, outcome, [], EMPTY_ANSWER)
    if (outcome.truncated) return sendBack(run, outcome, [message], CUT_ANSWER)
  }
  const said: Message[] = message ? [message] : []
  const answered = message ? { ...run, answer: message.content.trim() } : run
  if (outcome.inbox.some((entry) => entry.type === 'message')) return nextTurn(answered, outcome, said)
  if (outcome.type === 'checked' && !outcome.passed && run.checks < CHECKS_MAX)
    return nextTurn(answered, outcome, [
      note(`The tests (${run.tests?.label}) passed before your last change and fail now:\n${outcome.output}`),
    ])
  if (message && answered.tests?.passed && answered.tests.stale && answered.checks < CHECKS_MAX)
    return to({ ...answered, checks: answered.checks + 1 }, { type: 'check' }, said)
  if (answered.deliver) return to(answered, { type: 'deliver' }, said)
  return end(answered, outcome, 'done', said)
}

/** The model is told what was wrong with its answer; after three in a row the run ends as stuck. */
export function sendBack(run: Run, outcome: Outcome, messages: Message[], feedback: string): Move {
  const formatErrors = run.formatErrors + 1
  if (formatErrors >= FORMAT_ERRORS_MAX)
    return end(run, outcome, 'stuck', messages, `${formatErrors} answers in a row could not be used. ${feedback}`)
  return nextTurn({ ...run, formatErrors }, outcome, [...messages, note(feedback)])
}

/** Counts an answer; one that could be used (a call, or a whole text) makes the failed ones before it forgotten. */
export const chargeTurn = (run: Run, message: AssistantMessage, truncated = false): Run => {
  const { usage, content, calls } = message
  return {
    ...run,
    ...countMended(run, message),
    turns: run.turns + 1,
    attempt: 0,
    rateWaits: 0,
    formatErrors: calls.length > 0 || (content.trim() !== '' && !truncated) ? 0 : run.formatErrors,
    usage: {
      inputTokens: run.usage.inputTokens + usage.inputTokens,
      cachedTokens: run.usage.cachedTokens + usage.cachedTokens,
      outputTokens: run.usage.outputTokens + usage.outputTokens,
      // To the nano-dollar: sums of floats would carry noise into every answer.
      costUsd: Number((run.usage.costUsd + usage.costUsd).toFixed(9)),
    },
  }
}

function countMended(run: Run, { model, calls }: AssistantMessage): Pick<Run, 'mended'> {
  const mended = [...(run.mended ?? [])]
  for (const { tool } of calls.filter((call) => call.mended)) {
    const at = mended.findIndex((count) => count.model === model && count.tool === tool)
    if (at === -1) mended.push({ model, tool, calls: 1 })
    else mended[at] = { model, tool, calls: (mended[at]?.calls ?? 0) + 1 }
  }
  return mended.length > 0 ? { mended } : {}
}

/** What tools left behind: answered calls go, the pointer moves, the plan and the tests are remembered. */
export function foldResults(run: Run, outcome: Outcome): Run {
  if (outcome.type !== 'tool_results' && outcome.type !== 'checked') return run
  const { change } = outcome
  const moved = change ? { ...run, head: change.head, diffStat: change.diffStat } : run
  const aged = change && moved.tests ? { ...moved, tests: { ...moved.tests, stale: true } } : moved
  if (outcome.type === 'checked') {
    if (!aged.tests) return aged
    return { ...aged, tests: { ...aged.tests, passed: outcome.passed, summary: outcome.summary, stale: false } }
  }
  const answered = new Set(
    outcome.results.flatMap((message) => (message.role === 'tool' ? [message.result.callId] : [])),
  )
  const { tests, plan, looked } = outcome
  const known = ({ look: _, ...call }: PendingCall): PendingCall =>
    looked
      ? {
          ...call,
          verdict: verdictOf(call, looked.verdict),
          hash: looked.hash,
          preview: looked.preview,
          looked: looked.key,
        }
      : call
  return {
    ...aged,
    pending: run.pending
      .filter((call) => !answered.has(call.callId))
      .map((call) => (call.callId === looked?.callId ? known(call) : call)),
    ...(plan ? { plan } : {}),
    ...(tests ? { tests: { ...tests, firstPassed: run.tests?.firstPassed ?? tests.passed, stale: false } } : {}),
  }
}

/** What was agreed to beforehand stays so, unless it must always be asked about. */
const verdictOf = ({ verdict }: PendingCall, found: Verdict): Verdict =>
  verdict.decision === 'deny' || (verdict.decision === 'allow' && !found.always) ? verdict : found

/** Holds a call until somebody decides, or its time is up and it counts as refused. */
const hold = (run: Run, outcome: Outcome, call: PendingCall, messages: Message[]): Move => {
  const { callId, tool, preview, hash, verdict } = call
  const until = outcome.at + WAIT_MS_DEFAULT
  const waitingFor = {
    kind: 'approval' as const,
    callId,
    tool,
    preview,
    hash,
    reason: verdict.reason,
    part: verdict.part,
    until,
  }
  return wait({ ...run, action: { type: 'wait' } }, waitingFor, messages)
}

/** The first call, or as many leading reads as may run side by side with it. */
function group(pending: PendingCall[], run: Run): PendingCall[] {
  const together = (call: PendingCall) => !call.alone && !refusal(call, run) && !mustAsk(call, run)
  const stop = pending.findIndex((call) => !together(call))
  return pending.slice(0, Math.max(1, stop === -1 ? pending.length : stop))
}

const note = (content: string): Message => ({ role: 'user', content, from: 'harness' })

const EMPTY_ANSWER =
  'Your last answer had neither text nor a tool call. Call a tool to go on, or answer in text when the task is done.'
const CUT_ANSWER = 'Your last answer was cut off because it was too long. Go on from there in smaller parts.'
