/** Worst case first: a call is made only when what it could cost at most still fits what the run was given. */
import { ANSWER_TOKENS_MAX, MODEL_CALL_MS_MAX } from '../core/limits.ts'
import { profileOf } from './catalogue.ts'

/** An answer shorter than this is not worth asking for. */
export const ANSWER_TOKENS_MIN = 256

/**
 * How many tokens the answer may have so that prompt and answer together cost no more than `leftUsd`; undefined when
 * not even a short answer fits. `promptTokens` is an estimate from above; `roomTokens` is what the
 * server takes at once beside the prompt.
 */
export function affordableTokens(
  model: string,
  promptTokens: number,
  leftUsd: number,
  roomTokens = ANSWER_TOKENS_MAX,
): number | undefined {
  const { usdPerMillion, outputTokens, contextTokens } = profileOf(model)
  const room = Math.min(ANSWER_TOKENS_MAX, roomTokens, outputTokens, contextTokens - promptTokens)
  const leftForAnswer = leftUsd - (promptTokens * usdPerMillion.input) / 1_000_000
  const payable = usdPerMillion.output === 0 ? room : Math.floor((leftForAnswer * 1_000_000) / usdPerMillion.output)
  const tokens = Math.min(room, payable)
  return tokens < Math.min(ANSWER_TOKENS_MIN, room) || tokens <= 0 ? undefined : tokens
}

/** How long an answer may take: a queue, and its tokens at less than half the speed that is known. */
export function answerMs(model: string, tokens: number): number {
  const { speed } = profileOf(model)
  return speed === undefined
    ? MODEL_CALL_MS_MAX
    : Math.min(MODEL_CALL_MS_MAX, 20_000 + Math.ceil((2500 * tokens) / speed))
}

/** Dollars that a call costs at most: nothing of its prompt is cached, and its answer is as long as it may be. */
export function worstCost(model: string, promptTokens: number, answerTokens: number): number {
  const { input, output } = profileOf(model).usdPerMillion
  return (promptTokens * input + answerTokens * output) / 1_000_000
}
