/**
 * Reserve before you spend: what a call to the model may cost at most is taken from the run's own limit and from every
 * account it shares, and settled when the price is known. A call whose price nobody learns counts at its worst.
 */
import { accountsOf, budgetRefusal } from '../core/accounts.ts'
import type { Outcome } from '../core/types.ts'
import { ANSWER_TOKENS_MIN, affordableTokens, worstCost } from '../model/budget.ts'
import type { Ports } from '../ports.ts'

type Failed = Omit<Extract<Outcome, { type: 'model_failure' }>, 'at' | 'workedMs' | 'inbox'>
type Spender = {
  sessionId: string /** of this one try: another try of the same call is paid for again */
  id: string
  leftUsd: number
}

/** `settle` is told the price in dollars, or `unknown`. It never throws: what is not settled counts as spent in full. */
export type Reserved =
  | { ok: true; maxTokens: number; settle(usd: number | 'unknown'): Promise<void> }
  | { ok: false; outcome: Failed }

/** @throws when the ledger cannot be reached: a call that nobody counts is not made. */
export async function reserve(
  { sessionId, id, leftUsd }: Spender,
  { model, promptTokens }: { model: string; promptTokens: number },
  { ledger, settings, clock }: Ports,
): Promise<Reserved> {
  const own = affordableTokens(model, promptTokens, leftUsd)
  if (own === undefined) return tooLittle(leftUsd)
  const accounts = accountsOf(sessionId, settings.shared ?? {}, clock.now())
  const usd = worstCost(model, promptTokens, own)
  if (!ledger || accounts.length === 0 || usd === 0) return { ok: true, maxTokens: own, settle: async () => {} }

  const leastUsd = Math.min(usd, worstCost(model, promptTokens, ANSWER_TOKENS_MIN))
  const held = await ledger.reserve({ id, accounts, usd, leastUsd, now: clock.now() })
  if (!held.ok) {
    const account = accounts.find(({ name }) => name === held.account) ?? { name: held.account, limitUsd: 0 }
    const { message, retryAfterMs } = budgetRefusal(account, { ...held, leastUsd }, clock.now())
    return { ok: false, outcome: { type: 'model_failure', kind: 'budget', code: 'budget', message, retryAfterMs } }
  }
  return {
    ok: true,
    maxTokens: affordableTokens(model, promptTokens, held.usd) ?? ANSWER_TOKENS_MIN,
    settle: (spent) =>
      ledger
        .settle({ id, accounts, usd: spent === 'unknown' ? held.usd : spent, now: clock.now() })
        .catch(() => undefined),
  }
}

const tooLittle = (leftUsd: number): Reserved => ({
  ok: false,
  outcome: {
    type: 'model_failure',
    kind: 'cost',
    code: 'cost_limit',
    message: `The next call could cost more than the $${leftUsd.toFixed(6)} that are left.`,
  },
})
