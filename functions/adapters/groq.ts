/**
 * The Model port over groq-sdk. Its own retries are off: a try is an attempt of the run, stored with its time. Every
 * failure is a value that names what the server said and holds no key. Any server that speaks the protocol will do.
 */
import Groq, { APIConnectionTimeoutError, APIError, APIUserAbortError } from 'groq-sdk'
import type {
  ChatCompletion,
  ChatCompletionChunk,
  ChatCompletionCreateParamsBase,
} from 'groq-sdk/resources/chat/completions'
import type { AgentContext } from '../core/context.ts'
import { estimateTokens } from '../core/context.ts'
import { MODEL_CALL_MS_MAX, MODEL_SILENCE_MS_MAX } from '../core/limits.ts'
import { redact } from '../core/redact.ts'
import type { Model, ModelAnswer, ModelRefusal } from '../ports.ts'

export type GroqOptions = { apiKey: string; baseUrl?: string }

export function groqModel({ apiKey, baseUrl }: GroqOptions): Model {
  const client = new Groq({
    apiKey,
    ...(baseUrl ? { baseURL: baseUrl } : {}),
    maxRetries: 0,
    timeout: MODEL_CALL_MS_MAX,
    logLevel: 'off',
  })
  /** A server may repeat the key it refused. */
  const hide = (refusal: ModelRefusal): ModelRefusal => ({
    ...refusal,
    message: refusal.message.replaceAll(apiKey, '[secret]'),
  })
  const refused = new Set<Extra>()
  return {
    async complete(context, { signal, onText }) {
      // What this server refused to be asked for, it is not asked for again.
      for (;;) {
        const asked = without(context, refused)
        try {
          return onText ? await streamed(client, asked, signal, onText) : await whole(client, asked, signal)
        } catch (error) {
          const refusal = hide(refusalOf(error))
          const word = unknownWord(refusal, asked)
          if (word === undefined) return refusal
          refused.add(word)
        }
      }
    },
    async list(signal) {
      try {
        const { data } = await client.models.list({ signal, timeout: 10_000 })
        return Array.isArray(data) ? { ok: true, ids: data.map((model) => model.id) } : nonsense('no list of models')
      } catch (error) {
        return hide(refusalOf(error))
      }
    },
  }
}

/** Fields that Groq has and other servers of the protocol may refuse; without them the request means the same. */
const EXTRAS = { reasoning_effort: 'effort', disable_tool_validation: 'unchecked' } as const
type Extra = (typeof EXTRAS)[keyof typeof EXTRAS]

const without = (context: AgentContext, refused: Set<Extra>): AgentContext =>
  Object.fromEntries(Object.entries(context).filter(([key]) => !refused.has(key as Extra))) as AgentContext

/** The field of ours that a refusal names. */
function unknownWord({ status, message }: ModelRefusal, asked: AgentContext): Extra | undefined {
  if (status !== 400 && status !== 422) return undefined
  const word = Object.entries(EXTRAS).find(([name]) => message.includes(name))?.[1]
  return word !== undefined && asked[word] !== undefined ? word : undefined
}

function bodyOf({
  model,
  messages,
  tools,
  maxTokens,
  effort,
  schema,
  unchecked,
}: AgentContext): ChatCompletionCreateParamsBase {
  const functions = tools.map((tool) => ({ type: 'function' as const, function: { ...tool } }))
  // The order of the fields is part of the bytes that a server may cache.
  return {
    model,
    ...(functions.length > 0 ? { tools: functions } : {}),
    messages,
    max_completion_tokens: maxTokens,
    ...(effort ? { reasoning_effort: effort } : {}),
    ...(schema
      ? { response_format: { type: 'json_schema' as const, json_schema: { name: 'action', strict: true, schema } } }
      : {}),
    ...(unchecked && functions.length > 0 ? { disable_tool_validation: true } : {}),
  }
}

async function whole(client: Groq, context: AgentContext, signal: AbortSignal): Promise<ModelAnswer | ModelRefusal> {
  // The client's own time-out ends with the headers of the answer; this one with its last byte.
  const late = AbortSignal.timeout(context.timeoutMs ?? MODEL_CALL_MS_MAX)
  const { data, response } = await client.chat.completions
    .create({ ...bodyOf(context), stream: false }, { signal: AbortSignal.any([signal, late]) })
    .withResponse()
    .catch((error: unknown) => {
      throw late.aborted && !signal.aborted ? new TooLate() : error
    })
  const answer = data as ChatCompletion
  const choice = answer?.choices?.[0]
  if (!choice?.message) return nonsense('an answer without a choice')
  const { content, tool_calls: calls = [] } = choice.message
  return {
    ok: true,
    model: answer.model || context.model,
    content: typeof content === 'string' ? content : '',
    calls: (calls ?? []).map((call) => ({
      id: call.id ?? '',
      name: call.function?.name ?? '',
      arguments: asText(call.function?.arguments),
    })),
    truncated: choice.finish_reason === 'length',
    usage: usageOf(answer.usage, context, content ?? ''),
    ...rateIn(response.headers),
  }
}

async function streamed(
  client: Groq,
  context: AgentContext,
  outer: AbortSignal,
  onText: (text: string) => void,
): Promise<ModelAnswer | ModelRefusal> {
  const silence = new AbortController()
  const silenceMs = Math.min(MODEL_SILENCE_MS_MAX, context.timeoutMs ?? MODEL_SILENCE_MS_MAX)
  const quiet = () => silence.abort(new SilentStream())
  let timer = setTimeout(quiet, silenceMs)
  const signal = AbortSignal.any([outer, silence.signal])
  const calls: { id: string; name: string; arguments: string }[] = []
  let content = ''
  let finish: string | null = null
  let model = context.model
  let usage: ChatCompletion['usage']
  let rate: ReturnType<typeof rateIn> = {}
  try {
    const made = await client.chat.completions.create({ ...bodyOf(context), stream: true }, { signal }).withResponse()
    rate = rateIn(made.response.headers)
    for await (const chunk of made.data as AsyncIterable<ChatCompletionChunk>) {
      clearTimeout(timer)
      timer = setTimeout(quiet, silenceMs)
      model = chunk.model || model
      usage = chunk.x_groq?.usage ?? (chunk as { usage?: ChatCompletion['usage'] }).usage ?? usage
      const choice = chunk.choices?.[0]
      if (!choice) continue
      const { content: text, tool_calls: parts } = choice.delta ?? {}
      if (typeof text === 'string' && text !== '') {
        content += text
        onText(text)
      }
      // Groq sends a call whole; other servers send it in parts that belong together by their index.
      for (const part of parts ?? []) {
        const call = calls[part.index] ?? { id: '', name: '', arguments: '' }
        calls[part.index] = call
        call.id ||= part.id ?? ''
        call.name += part.function?.name ?? ''
        call.arguments += asText(part.function?.arguments)
      }
      finish = choice.finish_reason ?? finish
    }
  } finally {
    clearTimeout(timer)
  }
  if (silence.signal.aborted)
    return {
      ok: false,
      status: 0,
      code: 'model_timeout',
      message: `the model sent nothing for ${silenceMs} ms`,
    }
  if (outer.aborted) return ABORTED
  if (finish === null)
    return { ok: false, status: 0, code: 'stream_cut', message: 'the model server broke off its answer' }
  return {
    ok: true,
    model,
    content,
    calls: calls.filter(Boolean),
    truncated: finish === 'length',
    usage: usageOf(usage, context, content),
    ...rate,
  }
}

/** Tokens a minute as Groq's headers tell them (console.groq.com/docs/rate-limits); nothing where a server tells none. */
function rateIn(headers: Headers | undefined): { rate?: { limit: number; remaining: number } } {
  const [limit, remaining] = ['limit', 'remaining'].map((what) =>
    Number(headers?.get(`x-ratelimit-${what}-tokens`) ?? Number.NaN),
  ) as [number, number]
  if (!(limit > 0 && remaining >= 0)) return {}
  return { rate: { limit, remaining: Math.min(limit, remaining) } }
}

/** What the server counted; a count that is missing or makes no sense is estimated, so that limits still hold. */
function usageOf(usage: ChatCompletion['usage'], context: AgentContext, content: string): ModelAnswer['usage'] {
  const sent = () =>
    Buffer.byteLength(JSON.stringify(context.messages)) + Buffer.byteLength(JSON.stringify(context.tools))
  const details = (usage as { prompt_tokens_details?: { cached_tokens?: unknown } | null } | undefined)
    ?.prompt_tokens_details
  const inputTokens = count(usage?.prompt_tokens) ?? estimateTokens(sent())
  const outputTokens = count(usage?.completion_tokens) ?? estimateTokens(Buffer.byteLength(content)) + 32
  return { inputTokens, cachedTokens: Math.min(count(details?.cached_tokens) ?? 0, inputTokens), outputTokens }
}

const count = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined

function refusalOf(error: unknown): ModelRefusal {
  if (error instanceof SilentStream || error instanceof TooLate)
    return { ok: false, status: 0, code: 'model_timeout', message: error.message }
  if (error instanceof APIUserAbortError || (error as Error)?.name === 'AbortError') return ABORTED
  if (error instanceof APIConnectionTimeoutError)
    return {
      ok: false,
      status: 0,
      code: 'model_timeout',
      message: `the model did not answer within ${MODEL_CALL_MS_MAX} ms`,
    }
  if (error instanceof APIError) {
    // An error inside a stream comes without a status; its body has one.
    const body = (error.error as { error?: ErrorBody } & ErrorBody) ?? {}
    const { code, type, message, failed_generation: failed, status_code: inner } = body.error ?? body
    const retryAfterMs = retryAfter(error.headers as Headers | undefined)
    return {
      ok: false,
      status: error.status ?? inner ?? 0,
      code:
        (typeof code === 'string' && code) ||
        (typeof type === 'string' && type) ||
        (error.status === undefined ? 'model_unreachable' : `http_${error.status}`),
      message: redact(String(message ?? causeOf(error))),
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
      ...rateIn(error.headers as Headers | undefined),
      ...(failed ? { failedGeneration: String(failed) } : {}),
    }
  }
  return {
    ok: false,
    status: 0,
    code: 'model_nonsense',
    message: `the model server's answer could not be read: ${causeOf(error)}`,
  }
}

type ErrorBody = {
  code?: string | null
  type?: string
  message?: string
  failed_generation?: string
  status_code?: number
}

/** Milliseconds from `retry-after` (seconds or a date) or Groq's own `retry-after-ms`. */
function retryAfter(headers: Headers | undefined): number | undefined {
  const ms = Number(headers?.get('retry-after-ms') ?? Number.NaN)
  if (Number.isFinite(ms)) return Math.max(0, ms)
  const text = headers?.get('retry-after')
  if (!text) return undefined
  const seconds = Number(text)
  if (Number.isFinite(seconds)) return Math.max(0, seconds * 1000)
  const date = Date.parse(text)
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now())
}

function causeOf(error: unknown): string {
  const { message, cause } = error as Error & { cause?: Error }
  const inner = cause instanceof Error ? (cause.cause instanceof Error ? cause.cause.message : cause.message) : ''
  return (inner && inner !== message ? `${message} (${inner})` : message || 'no reason given').slice(0, 300)
}

class SilentStream extends Error {}
class TooLate extends Error {
  constructor() {
    super('the model did not answer in time')
  }
}

const asText = (value: unknown): string =>
  typeof value === 'string' ? value : value === undefined || value === null ? '' : JSON.stringify(value)
const nonsense = (what: string): ModelRefusal => ({
  ok: false,
  status: 0,
  code: 'model_nonsense',
  message: `the model server sent ${what}`,
})
const ABORTED: ModelRefusal = { ok: false, status: 0, code: 'aborted', message: 'the call was ended' }
