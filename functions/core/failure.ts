/** What a failed action leads to: another try, a wait, another model, a word to the model, or the end. */
import {
  BACKOFF_MS_FIRST,
  BACKOFF_MS_MAX,
  BUDGET_WAIT_MS,
  MODEL_ATTEMPTS_MAX,
  RATE_LIMIT_WAITS_MAX,
  SANDBOX_ATTEMPTS_MAX,
  SMALLER_ATTEMPTS_MAX,
} from './limits.ts'
import { again, end, type Move, stay, to } from './moves.ts'
import { sendBack } from './turn.ts'
import type { Outcome, Run } from './types.ts'

export function afterModelFailure(run: Run, outcome: Extract<Outcome, { type: 'model_failure' }>): Move {
  const why = `${outcome.code}: ${outcome.message}`
  const attempt = run.attempt + 1
  switch (outcome.kind) {
    case 'format':
      return sendBack(run, outcome, [], outcome.feedback ?? outcome.message)
    case 'cost':
      return end(run, outcome, 'cost_limit', [], outcome.message)
    case 'fatal':
      return end(run, outcome, 'model_error', [], why)
    case 'next_model':
      if (!outcome.model) return end(run, outcome, 'model_error', [], why)
      return to({ ...run, fallback: outcome.model }, { type: 'call_model' })
    case 'time':
      return end(run, outcome, 'time_limit', [], outcome.message)
    case 'rate_limit': {
      if (run.rateWaits + 1 > RATE_LIMIT_WAITS_MAX) return end(run, outcome, 'model_error', [], why)
      const waitMs = outcome.retryAfterMs ?? backoffMs(run.rateWaits)
      return again({ ...run, rateWaits: run.rateWaits + 1 }, outcome, waitMs, {
        kind: 'rate_limit',
        code: outcome.code,
        reason: outcome.message,
      })
    }
    case 'budget': {
      if (run.rateWaits + 1 > RATE_LIMIT_WAITS_MAX) return end(run, outcome, 'cost_limit', [], outcome.message)
      const waits = { ...run, rateWaits: run.rateWaits + 1 }
      const why = { kind: 'budget' as const, code: outcome.code, reason: outcome.message }
      return again(waits, outcome, outcome.retryAfterMs ?? BUDGET_WAIT_MS, why)
    }
    case 'smaller': {
      if (attempt >= SMALLER_ATTEMPTS_MAX) return end(run, outcome, 'model_error', [], why)
      const smaller = { ...run, attempt, requestTokensMax: outcome.requestTokensMax }
      return again(smaller, outcome, 0, { kind: 'retry', code: outcome.code, reason: outcome.message })
    }
    case 'retry':
      if (attempt >= MODEL_ATTEMPTS_MAX) return end(run, outcome, 'model_error', [], `${attempt} tries failed. ${why}`)
      return again({ ...run, attempt }, outcome, backoffMs(run.attempt), {
        kind: 'retry',
        code: outcome.code,
        reason: outcome.message,
      })
  }
}

export function afterSandboxFailure(run: Run, outcome: Extract<Outcome, { type: 'sandbox_failure' }>): Move {
  if (run.action.type === 'call_model' || run.action.type === 'wait') return stay(run)
  const why = `${outcome.code}: ${outcome.message}`
  const attempt = run.attempt + 1
  if (!outcome.retry || attempt >= SANDBOX_ATTEMPTS_MAX) return end(run, outcome, 'sandbox_error', [], why)
  return again({ ...run, attempt }, outcome, backoffMs(run.attempt), {
    kind: 'retry',
    code: outcome.code,
    reason: outcome.message,
  })
}

/** 0.5 s, 1 s, 2 s … 30 s. The retry is stored with its time, so it is the same after a restart. */
const backoffMs = (failures: number): number => Math.min(BACKOFF_MS_FIRST * 2 ** failures, BACKOFF_MS_MAX)
