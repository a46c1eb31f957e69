/**
 * What a refusal of the model server means for the run. Codes decide, not prose, but for Groq's tool-call errors, which
 * come as 400 with a text of their own: those are the model's mistake, and it is told.
 */
import type { Outcome } from '../core/types.ts'
import type { ModelRefusal } from '../ports.ts'
import type { Route } from './route.ts'

type Failure = Omit<Extract<Outcome, { type: 'model_failure' }>, 'at' | 'workedMs' | 'inbox' | 'type'>

/** `next` are the models to go on with when this one is not offered; `mode` is how it was asked. */
export function meaningOf(refusal: ModelRefusal, { next: [next], mode }: Pick<Route, 'next' | 'mode'>): Failure {
  const { status, code, retryAfterMs } = refusal
  const message = refusal.message.slice(0, 500)
  if (code === 'blocked_api_access')
    return {
      kind: 'fatal',
      code: 'spend_limit',
      message: `the model account reached its own spending limit: ${message}`,
    }
  if (status === 401 || status === 403)
    return {
      kind: 'fatal',
      code: 'model_auth',
      message: `the model server refused the key (${status}); check GROQ_API_KEY`,
    }
  if (code === 'model_not_found' || code === 'model_decommissioned')
    return { kind: 'next_model', code: 'model_not_found', message, ...(next ? { model: next } : {}) }
  if (status === 404)
    return { kind: 'fatal', code: 'model_not_found', message: `${message}; check GROQ_BASE_URL (without /openai/v1)` }
  const limit = /\bLimit:? (\d+)/i.exec(message)?.[1]
  // No waiting helps a request that is larger than what a minute allows.
  if ((status === 413 || status === 429) && limit !== undefined && (requestedIn(message) ?? 0) > Number(limit))
    return { kind: 'smaller', code: 'request_too_large', message, requestTokensMax: Number(limit) }
  if (status === 413) return { kind: 'smaller', code: 'request_too_large', message }
  if (code === 'context_length_exceeded' || /reduce the length of the messages|maximum context length/i.test(message))
    return {
      kind: 'fatal',
      code: 'context_too_long',
      message: `the conversation is too long for the model: ${message}`,
    }
  if (status === 429) {
    const waitMs = retryAfterMs ?? waitIn(message)
    return {
      kind: 'rate_limit',
      code: 'rate_limited',
      message,
      ...(waitMs === undefined ? {} : { retryAfterMs: waitMs }),
    }
  }
  if (isToolMistake(refusal)) return { kind: 'format', code: 'tool_use_failed', message }
  // A server that knows no schema, or one that is full of words it does not know: asked once more, without.
  if (
    status === 400 &&
    (mode === 'action' || /is unsupported|unrecognized (?:request )?argument|extra inputs/i.test(message))
  )
    return { kind: 'retry', code: 'request_refused', message }
  if (status === 0 || status === 408 || status === 409 || status === 498 || status >= 500)
    return { kind: 'retry', code, message }
  return { kind: 'fatal', code: `model_${status}`, message }
}

/** Tokens that a request was counted with, as Groq says in the words of a refusal. */
export const requestedIn = (message: string): number | undefined => {
  const found = /\bRequested:? (\d+)/i.exec(message)?.[1]
  return found === undefined ? undefined : Number(found)
}

/** `Please try again in 1m2.5s`, where no header says it. */
function waitIn(message: string): number | undefined {
  const [, hours = '0', minutes = '0', amount = '', unit = ''] =
    /try again in (?:(\d+)h)?(?:(\d+)m(?!s))?([\d.]+)(ms|s)/i.exec(message) ?? []
  if (amount === '') return undefined
  const rest = Number(amount) * (unit === 'ms' ? 1 : 1000)
  return Math.ceil((Number(hours) * 60 + Number(minutes)) * 60_000 + rest)
}

/** Groq's own checks of a tool call: the answer was a call that could not be read, or of a tool that was not offered. */
const isToolMistake = ({ code, message, status }: ModelRefusal): boolean =>
  code === 'tool_use_failed' ||
  code === 'json_validate_failed' ||
  status === 422 ||
  /tool call validation failed|failed to call a function|which was not in request\.tools|tool choice is none|output_parse_failed|does not match the expected schema|failed to (?:generate|validate) json|parsing failed/i.test(
    message,
  )

/** What the model is told of a call that could not be used; `why` is what we found wrong with it ourselves. */
export const feedbackFor = ({ message, failedGeneration }: ModelRefusal, why?: string): string =>
  [
    `Your last message was a tool call that could not be read: ${message.slice(0, 300)}`,
    ...(why === undefined ? [] : [`What is wrong: ${why.slice(0, 500)}.`]),
    ...(failedGeneration ? [`It was: ${failedGeneration.slice(0, 1000)}`] : []),
    'Send it again as one call of a tool you were given, with arguments as one JSON object; or answer in text.',
  ].join('\n')
