/** What happens to a run that has ended: who asked to be told is told, again and again for a day if need be. */
import { CALLBACK_DELAYS_MS } from './limits.ts'
import { type Move, stay } from './moves.ts'
import type { Outcome, Run } from './types.ts'

export function close(run: Run, outcome: Outcome): Move {
  if (run.action.type !== 'notify') return stay(run)
  const tries = run.attempt + 1
  const { at } = outcome
  if (outcome.type === 'no_progress') return told(run, { state: 'failed', tries, at, detail: outcome.detail })
  if (outcome.type !== 'notified') return stay(run)
  const { state, again, detail } = outcome
  const delay = CALLBACK_DELAYS_MS[run.attempt]
  if (state === 'delivered' || !again || delay === undefined) return told(run, { state, tries, at, detail })
  return {
    run: {
      ...run,
      attempt: tries,
      trouble: { code: 'callback_failed', message: detail, at },
      action: { type: 'notify', notBefore: at + delay },
    },
    messages: [],
  }
}

const told = (run: Run, callback: NonNullable<Run['callback']>): Move => ({
  run: { ...run, callback, trouble: undefined, action: { type: 'stop' } },
  messages: [],
})
