/**
 * What happens to a run that has ended: who asked to be told is told, again and again for a day if need be; what it taught
 * is kept, or not after a few tries; and then it goes to the archive, again and again until it is there.
 */
import { ARCHIVE_DELAYS_MS, CALLBACK_DELAYS_MS, LEARN_DELAYS_MS } from './limits.ts'
import { closingAction, type Move, stay } from './moves.ts'
import type { Outcome, Run, Usage } from './types.ts'

export function close(run: Run, outcome: Outcome): Move {
  if (run.action.type === 'notify') return notified(run, outcome)
  if (run.action.type === 'learn') return learned(run, outcome)
  return run.action.type === 'archive' ? archived(run, outcome) : stay(run)
}

function notified(run: Run, outcome: Outcome): Move {
  const tries = run.attempt + 1
  const { at } = outcome
  if (outcome.type === 'no_progress') return told(run, { state: 'failed', tries, at, detail: outcome.detail })
  if (outcome.type !== 'notified') return stay(run)
  const { state, again, detail } = outcome
  const delay = CALLBACK_DELAYS_MS[run.attempt]
  if (state === 'delivered' || !again || delay === undefined) return told(run, { state, tries, at, detail })
  return later(run, outcome, delay, 'callback_failed', detail)
}

function told(run: Run, callback: NonNullable<Run['callback']>): Move {
  const after = { ...run, callback, attempt: 0, trouble: undefined }
  return { run: { ...after, action: closingAction(after) }, messages: [] }
}

function learned(run: Run, outcome: Outcome): Move {
  if (outcome.type !== 'learned' && outcome.type !== 'no_progress') return stay(run)
  const { detail } = outcome
  const delay = LEARN_DELAYS_MS[run.attempt]
  if (outcome.type === 'learned' && outcome.again && delay !== undefined)
    return later(run, outcome, delay, 'learning_failed', detail)
  const { state, usage } = outcome.type === 'learned' ? outcome : { state: 'failed' as const, usage: undefined }
  const after: Run = {
    ...run,
    learn: state,
    attempt: 0,
    trouble: undefined,
    ...(usage ? { usage: sumOf(run.usage, usage) } : {}),
  }
  return { run: { ...after, action: closingAction(after) }, messages: [] }
}

const sumOf = (a: Usage, b: Usage): Usage => ({
  inputTokens: a.inputTokens + b.inputTokens,
  cachedTokens: a.cachedTokens + b.cachedTokens,
  outputTokens: a.outputTokens + b.outputTokens,
  costUsd: a.costUsd + b.costUsd,
})

function archived(run: Run, outcome: Outcome): Move {
  if (outcome.type === 'archived' && outcome.ok)
    return {
      run: { ...run, archive: 'done', attempt: 0, trouble: undefined, action: { type: 'stop' } },
      messages: [],
    }
  if (outcome.type !== 'archived' && outcome.type !== 'no_progress') return stay(run)
  const delay = ARCHIVE_DELAYS_MS[run.attempt] ?? ARCHIVE_DELAYS_MS.at(-1) ?? 0
  return later(run, outcome, delay, 'archive_failed', outcome.detail)
}

/** The same once more, after a pause. */
const later = (run: Run, { at }: Outcome, delayMs: number, code: string, message: string): Move => ({
  run: {
    ...run,
    attempt: run.attempt + 1,
    trouble: { code, message, at },
    action: { ...run.action, notBefore: at + delayMs } as Run['action'],
  },
  messages: [],
})
