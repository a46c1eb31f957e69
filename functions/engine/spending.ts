/**
 * Reserve before you spend: what a call to the model may cost at most is taken from the run's own limit and from every
 * account it shares, and settled when the price is known. A call whose price nobody learns counts at its worst.
 */
import { accountsOf, budgetRefusal } from '../core/accounts.ts'
import { lookAgainMs } from '../core/bucket.ts'
import type { Outcome } from '../core/types.ts'
import { ANSWER_TOKENS_MIN, affordableTokens, worstCost } from '../model/budget.ts'
import { costOf } from '../model/catalogue.ts'
import type { ModelAnswer, ModelRefusal, Ports } from '../ports.ts'

type Failed = Omit<Extract<Outcome, { type: 'model_failure' }>, 'at' | 'workedMs' | 'inbox'>
type Spender = {
  sessionId: string
  /** Of this one try: another try of the same call is paid for again. */
  id: string
  /** Of the call, whichever try it is: it keeps its place among those who wait. */
  place: string
  leftUsd: number
}
/** `roomTokens` is what the server takes at once beside the prompt, where it said so. */
type Asked = { model: string; promptTokens: number; roomTokens?: number | undefined }

/** `settle` is told how the call ended. It never throws: what is not settled counts as spent in full. */
export type Reserved =
  | { ok: true; maxTokens: number; settle(answer: ModelAnswer | ModelRefusal): Promise<void> }
  | { ok: false; outcome: Failed }

/** @throws when the ledger cannot be reached: a call that nobody counts is not made. */
export async function reserve(spender: Spender, asked: Asked, ports: Ports): Promise<Reserved> {
  const { model, promptTokens, roomTokens } = asked
  const own = affordableTokens(model, promptTokens, spender.leftUsd, roomTokens)
  if (own === undefined) return tooLittle(spender.leftUsd)
  const later = await turn(spender, asked, own, ports)
  if (later) return { ok: false, outcome: later }
  const money = await reserveMoney(spender, asked, own, ports)
  if (!money.ok) return money
  return {
    ok: true,
    maxTokens: money.maxTokens,
    async settle(answer) {
      const { rates, clock } = ports
      const { cachedTokens = 0, inputTokens = 0, outputTokens = 0 } = answer.ok ? answer.usage : {}
      const used = {
        bucket: model,
        id: spender.place,
        tokens: inputTokens - cachedTokens + outputTokens,
        now: clock.now(),
        ...(answer.rate ? { said: answer.rate } : {}),
        ...(!answer.ok && answer.status === 429 ? { blockedMs: answer.retryAfterMs ?? 0 } : {}),
      }
      // What is not told to the bucket makes later calls wait a little longer, or be refused once.
      await Promise.all([money.settle(answer), rates?.settle(used).catch(() => undefined)])
    },
  }
}

/** A call that does not fit into what the key may use in this minute waits for its turn, at no cost. */
async function turn(
  { place }: Spender,
  { model, promptTokens }: Asked,
  answerTokens: number,
  { rates, clock }: Ports,
): Promise<Failed | undefined> {
  if (!rates) return undefined
  const now = clock.now()
  // Without the bucket the server's own refusals are obeyed, as by anybody.
  const at = await rates.book({ bucket: model, id: place, tokens: promptTokens + answerTokens, now }).catch(() => now)
  if (at <= now) return undefined
  const seconds = Math.ceil((at - now) / 1000)
  const message = `the key's tokens a minute for ${model} are shared by all runs; this one's turn comes in about ${seconds} s`
  return {
    type: 'model_failure',
    kind: 'rate_limit',
    code: 'rate_shared',
    message,
    retryAfterMs: lookAgainMs(Math.ceil(at - now)),
  }
}

async function reserveMoney(
  { sessionId, id }: Spender,
  { model, promptTokens }: Asked,
  maxTokens: number,
  { ledger, settings, clock }: Ports,
): Promise<Reserved> {
  const accounts = accountsOf(sessionId, settings.shared ?? {}, clock.now())
  const usd = worstCost(model, promptTokens, maxTokens)
  if (!ledger || accounts.length === 0 || usd === 0) return { ok: true, maxTokens, settle: async () => {} }

  const leastUsd = Math.min(usd, worstCost(model, promptTokens, ANSWER_TOKENS_MIN))
  const held = await ledger.reserve({ id, accounts, usd, leastUsd, now: clock.now() })
  if (!held.ok) {
    const account = accounts.find(({ name }) => name === held.account) ?? { name: held.account, limitUsd: 0 }
    const { message, retryAfterMs } = budgetRefusal(account, { ...held, leastUsd }, clock.now())
    return { ok: false, outcome: { type: 'model_failure', kind: 'budget', code: 'budget', message, retryAfterMs } }
  }
  return {
    ok: true,
    maxTokens: Math.min(maxTokens, affordableTokens(model, promptTokens, held.usd) ?? ANSWER_TOKENS_MIN),
    settle: (answer) =>
      ledger.settle({ id, accounts, usd: priceOf(answer, model, held.usd), now: clock.now() }).catch(() => undefined),
  }
}

/** Nothing is charged for what was refused; what broke off without a word may have been charged in full. */
const priceOf = (answer: ModelAnswer | ModelRefusal, model: string, worstUsd: number): number =>
  answer.ok ? costOf(model, answer.usage) : answer.status >= 400 ? 0 : worstUsd

const tooLittle = (leftUsd: number): Reserved => ({
  ok: false,
  outcome: {
    type: 'model_failure',
    kind: 'cost',
    code: 'cost_limit',
    message: `The next call could cost more than the $${leftUsd.toFixed(6)} that are left.`,
  },
})
