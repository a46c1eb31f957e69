/** What runs spend from together, and what a run is told that found too little left. Days are UTC's. Pure. */
import { BUDGET_HELD_WAIT_MS, BUDGET_WAIT_MS } from './limits.ts'

/** The name says whose it is and for how long: `session:ses_…`, `day:2026-11-24`. */
export type Account = { name: string; limitUsd: number }
export type SharedLimits = { sessionUsd?: number; dayUsd?: number }

/** Accounts are kept in whole nano-dollars, so that sums are exact; 9 million dollars are still a safe integer. */
export const NANO = 1e9
/** Never too few; what floating point adds at the end does not count. */
export const nanoOf = (usd: number): number => Math.ceil(Number((usd * NANO).toFixed(3)))

const DAY_MS = 24 * 3600_000

export function accountsOf(sessionId: string, { sessionUsd, dayUsd }: SharedLimits, now: number): Account[] {
  return [
    ...(sessionUsd === undefined ? [] : [{ name: sessionAccount(sessionId), limitUsd: sessionUsd }]),
    ...(dayUsd === undefined
      ? []
      : [{ name: `day:${new Date(now).toISOString().slice(0, 'YYYY-MM-DD'.length)}`, limitUsd: dayUsd }]),
  ]
}

export const sessionAccount = (sessionId: string): string => `session:${sessionId}`

/** Why a call is not made, and when to look again. `leastUsd` is what even a short answer may cost. */
export function budgetRefusal(
  { name, limitUsd }: Account,
  { spentUsd, heldUsd, leastUsd }: { spentUsd: number; heldUsd: number; leastUsd: number },
  now: number,
): { message: string; retryAfterMs: number } {
  const ofDay = name.startsWith('day:')
  const whose = ofDay ? "the day's" : "the session's"
  const variable = ofDay ? 'STINT_MAX_COST_DAY_USD' : 'STINT_MAX_COST_SESSION_USD'
  const left = `$${spentUsd.toFixed(4)} of ${whose} $${limitUsd} (${variable}) are spent`
  // What others reserved is more than they will need, as a rule.
  if (heldUsd > 0 && spentUsd + leastUsd <= limitUsd)
    return {
      message: `${left} and $${heldUsd.toFixed(4)} are promised to other calls`,
      retryAfterMs: BUDGET_HELD_WAIT_MS,
    }
  if (ofDay) return { message: `${left}; it goes on when the day ends (UTC)`, retryAfterMs: DAY_MS - (now % DAY_MS) }
  return { message: `${left}; raise it, or begin another session`, retryAfterMs: BUDGET_WAIT_MS }
}
