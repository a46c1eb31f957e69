/**
 * Which model is asked next, how hard it is to think, and how it may answer. Pure: from the run and its transcript.
 *
 * Two tiers: `fast` looks up and explains, `strong` plans and edits. A run stays with its model and its effort as long as
 * it goes well, for both are part of the prefix that Groq caches; it goes up after answers that could not be used,
 * calls that failed one after the other or calls of the server in vain, and comes back once things went well again.
 */
import type { Message, Run } from '../core/types.ts'
import { profileOf } from './catalogue.ts'
import type { Effort } from './models.ts'
import { choose, listed } from './offer.ts'

export type Tier = 'fast' | 'strong'
export type Route = {
  model: string
  tier: Tier
  /** Left out where the model does it unasked. */
  effort?: Effort
  /** `action`: one call as JSON by a strict schema, because calls could not be read. */
  mode: 'native' | 'action'
  /** For people: why this one. */
  why: string
  /** The models after it, in order. */
  next: string[]
}
export type Models = { strong: string; fast: string; fallbacks: readonly string[] }

/** Small work beside a run that one question to the fast tier does. */
export const HELPERS = ['title', 'summary', 'commit_message', 'triage'] as const
/** The model for a helper's question. */
export const helperModel = (_: (typeof HELPERS)[number], models: Models, offered?: ReadonlySet<string>): string =>
  choose([models.fast, models.strong, ...models.fallbacks], offered).model

/** Calls that failed one after the other, and those that must go well before the run comes back. */
const FAILED_IN_A_ROW = 2
const GOOD_IN_A_ROW = 3
/** A question whose answer needs so much is no small one. */
const FAST_PROMPT_TOKENS_MAX = 32_000
const FAST_TURNS_MAX = 15
/** It was told that it goes round in circles, and went on. */
const CIRCLING_BEFORE_NEXT = 2
/** Calls of the server in vain before another model is tried. */
const ATTEMPTS_BEFORE_NEXT = 3

export function route(
  run: Run,
  messages: Message[],
  {
    models,
    offered,
    promptTokens,
  }: { models: Models; offered?: ReadonlySet<string> | undefined; promptTokens: number },
): Route {
  const troubled = trouble(messages)
  const { tier, why } =
    run.model === 'auto' ? tierOf(run, promptTokens, troubled) : { tier: 'strong' as const, why: 'pinned' }
  const order = orderOf(run, tier, models)
  const first = choose(order, offered)
  // A list may lack what is served after all: those come last.
  const next = [...new Set([...listed(order, offered), ...order])].filter((id) => id !== first.model && id !== order[0])
  const chosen = run.fallback
    ? { model: run.fallback, why: `${order[0]} is not offered; ${run.fallback} stands in` }
    : first
  const after = next.slice(run.fallback ? next.indexOf(run.fallback) + 1 : 0)
  const said = { tier, why: chosen.why ?? why, next: after }
  const second = after[0]
  if (run.attempt >= ATTEMPTS_BEFORE_NEXT && second !== undefined)
    return { ...said, ...how(second, run, tier, troubled), why: `${chosen.model} did not answer ${run.attempt} times` }
  if ((run.circling ?? 0) >= CIRCLING_BEFORE_NEXT && second !== undefined)
    return { ...said, ...how(second, run, tier, true), why: `${chosen.model} goes round in circles` }
  if (run.formatErrors >= 2) {
    // Asked in vain for such an answer before, or never able to give one: another model then.
    const able = profileOf(chosen.model).strictSchema && run.attempt === 0
    if (able)
      return {
        ...said,
        ...how(chosen.model, run, tier, troubled),
        mode: 'action',
        why: 'two answers could not be used: one call by a strict schema',
      }
    if (second !== undefined)
      return { ...said, ...how(second, run, tier, troubled), why: `two answers of ${chosen.model} could not be used` }
  }
  return { ...said, ...how(chosen.model, run, tier, troubled) }
}

function orderOf({ model }: Run, tier: Tier, { strong, fast, fallbacks }: Models): string[] {
  if (model !== 'auto') return [model]
  return [...new Set(tier === 'fast' ? [fast, strong, ...fallbacks] : [strong, ...fallbacks])]
}

function tierOf(run: Run, promptTokens: number, troubled: boolean): { tier: Tier; why: string } {
  if (taskClass(run.task) === 'change') return { tier: 'strong', why: 'plans and edits' }
  if (run.formatErrors > 0) return { tier: 'strong', why: 'the last answer could not be used' }
  if (troubled) return { tier: 'strong', why: 'calls failed one after the other' }
  if (run.diffStat.files > 0 || run.plan.length > 0) return { tier: 'strong', why: 'the question became work' }
  if (promptTokens > FAST_PROMPT_TOKENS_MAX || run.turns > FAST_TURNS_MAX)
    return { tier: 'strong', why: 'the question grew long' }
  return { tier: 'fast', why: 'a question' }
}

function how(model: string, run: Run, tier: Tier, troubled: boolean): Pick<Route, 'model' | 'effort' | 'mode'> {
  const { efforts, usualEffort } = profileOf(model)
  const wanted: Effort = run.model === 'auto' && tier === 'fast' ? 'low' : troubled ? 'high' : 'medium'
  return { model, mode: 'native', ...(efforts.includes(wanted) && wanted !== usualEffort ? { effort: wanted } : {}) }
}

/** True from the second failure in a row on, until three calls in a row went well. */
function trouble(messages: Message[]): boolean {
  let troubled = false
  let [bad, good] = [0, 0]
  for (const message of messages) {
    if (message.role !== 'tool') continue
    bad = message.result.ok ? 0 : bad + 1
    good = message.result.ok ? good + 1 : 0
    if (bad >= FAILED_IN_A_ROW) troubled = true
    if (good >= GOOD_IN_A_ROW) troubled = false
  }
  return troubled
}

const ASKS =
  /^\s*(?:please\s+)?(?:what|where|which|who|when|why|how|is|are|does|do|did|can|could|should|explain|describe|summari[sz]e|list|show|find out|tell|name)\b|\?\s*$/i
const CHANGES =
  /\b(?:fix|add|change|implement|refactor|write|create|make|remove|update|rename|migrate|mend|build|generate|delete|replace|bump|upgrade|improve|optimi[sz]e|convert|commit|push|open a (?:pull request|pr)|repair|extend|move|split|clean ?up)\b/i

/** A question is asked and changes nothing; everything else may. */
export const taskClass = (task: string): 'question' | 'change' =>
  ASKS.test(task) && !CHANGES.test(task) ? 'question' : 'change'
