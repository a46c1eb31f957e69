/**
 * One request to the model: the router says which one and how, the worst case is reserved, the answer is read in whatever
 * dialect it came. A refusal that holds a call is an answer; any other is told as what it means for the run.
 */
import { type AgentContext, chatMessages, estimateTokens } from '../core/context.ts'
import type { AssistantMessage, Message, Outcome, Run } from '../core/types.ts'
import { actionRequest, actionSchema, readAction } from '../model/action.ts'
import { ANSWER_TOKENS_MIN, answerMs } from '../model/budget.ts'
import { costOf, profileOf } from '../model/catalogue.ts'
import { type Read, type Rescued, readAnswer, readRefusal } from '../model/dialect/answer.ts'
import { feedbackFor, meaningOf, requestedIn } from '../model/failures.ts'
import { type Route, route } from '../model/route.ts'
import type { ModelAnswer, ModelRefusal, Ports } from '../ports.ts'
import { type ReadCall, readCalls } from '../tools/pipeline.ts'
import { offeredTools } from '../tools/registry.ts'
import type { Held } from './held.ts'
import { policingOf } from './policing.ts'
import { reserve } from './spending.ts'

export type Bare<T> = T extends unknown ? Omit<T, 'at' | 'workedMs' | 'inbox'> : never
type Counted = Omit<AssistantMessage['usage'], 'costUsd'>

/** Undefined: it was broken off by `signal`, and there is nothing to report. */
export async function callModel(
  { run, messages, token, signal }: Held,
  ports: Ports,
): Promise<Bare<Outcome> | undefined> {
  const { model: port, ids, settings, feed, clock } = ports
  const tools = [...offeredTools()]
  const chat = chatMessages(messages)
  const promptTokens = promptTokensOf(
    run,
    messages,
    () => Buffer.byteLength(JSON.stringify(tools)) + Buffer.byteLength(JSON.stringify(chat)),
  )
  const chosen = route(run, messages, { models: settings.models, offered: ports.offered?.(), promptTokens })
  const spender = {
    sessionId: run.sessionId,
    id: `${run.runId}.${run.step}.${token}`,
    place: `${run.runId}.${run.turns}`,
    leftUsd: run.limits.costUsd - run.usage.costUsd,
  }
  const roomTokens = roomFor(run, messages, promptTokens)
  if (roomTokens !== undefined && roomTokens < ANSWER_TOKENS_MIN) return tooLong(run, promptTokens)
  const reserved = await reserve(spender, { model: chosen.model, promptTokens, roomTokens }, ports)
  if (!reserved.ok) return reserved.outcome
  const { maxTokens, settle } = reserved
  const started = clock.now()
  const onText =
    feed.watched(run.runId) && chosen.mode === 'native'
      ? (text: string) => feed.publish([{ runId: run.runId, at: clock.now(), type: 'message.delta', data: { text } }])
      : undefined
  const answer = await port.complete(request(chosen, { chat, tools, maxTokens }, settings.modelTimeoutMs), {
    signal,
    ...(onText ? { onText } : {}),
  })
  if (answer.ok) {
    await settle(answer)
    // Some servers say that a call is whole when it ran into the limit.
    const truncated = answer.truncated || answer.usage.outputTokens >= maxTokens
    const read = chosen.mode === 'action' ? readAction({ ...answer, truncated }) : readAnswer({ ...answer, truncated })
    return response(chosen, read, readCalls(read.calls, ids, await policingOf(ports, run)), answer.usage, truncated)
  }
  const meaning = answer.code === 'aborted' ? undefined : meaningOf(answer, chosen)
  const saved: Rescued = meaning?.kind === 'format' ? readRefusal(answer) : { ok: false }
  const calls = saved.ok ? readCalls(saved.calls, ids, await policingOf(ports, run)) : []
  const wrong = saved.ok ? calls.find(({ pending }) => pending.refusal)?.pending.refusal?.message : saved.why
  if (saved.ok && wrong === undefined) {
    const usage = estimated(answer, promptTokens, maxTokens)
    await settle(counted(answer, chosen, usage))
    return response(chosen, saved, calls, usage, false)
  }
  await settle(answer)
  if (!meaning) return timeIsUp(run, clock.now() - started) ? OUT_OF_TIME : undefined
  if (meaning.kind === 'smaller') {
    const requestTokensMax = meaning.requestTokensMax ?? promptTokens + Math.floor(maxTokens / 2)
    // The server counts more than we did: that much less is asked for.
    const miscounted = Math.max(0, (requestedIn(answer.message) ?? 0) - promptTokens - maxTokens)
    return { type: 'model_failure', ...meaning, requestTokensMax: requestTokensMax - miscounted }
  }
  const feedback = meaning.kind === 'format' ? { feedback: feedbackFor(answer, wrong) } : {}
  return { type: 'model_failure', ...meaning, ...feedback }
}

/** The prompt is the same in every mode; what a mode adds comes after it. */
function request(
  { model, effort, mode }: Route,
  { chat, tools, maxTokens }: { chat: AgentContext['messages']; tools: AgentContext['tools']; maxTokens: number },
  timeoutMs = answerMs(model, maxTokens),
): AgentContext {
  const known = { model, maxTokens, timeoutMs, ...(effort ? { effort } : {}) }
  if (mode === 'action')
    return { ...known, messages: [...chat, actionRequest(tools)], tools: [], schema: actionSchema(tools) }
  const unchecked = profileOf(model).dialect === 'harmony' ? { unchecked: true as const } : {}
  return { ...known, messages: chat, tools, ...unchecked }
}

/** Groq does not count what it refused; it was paid for all the same, as far as we know. */
const estimated = ({ failedGeneration = '' }: ModelRefusal, inputTokens: number, maxTokens: number): Counted => ({
  inputTokens,
  cachedTokens: 0,
  outputTokens: Math.min(maxTokens, estimateTokens(Buffer.byteLength(failedGeneration))),
})

/** For who keeps accounts, a call that was read from a refusal is an answer. */
const counted = ({ rate }: ModelRefusal, { model }: Route, usage: Counted): ModelAnswer => ({
  ok: true,
  model,
  content: '',
  calls: [],
  truncated: false,
  usage,
  ...(rate ? { rate } : {}),
})

function response(
  { model, tier, effort, mode, why }: Route,
  { content }: Read,
  read: ReadCall[],
  usage: Counted,
  truncated: boolean,
): Bare<Extract<Outcome, { type: 'model_response' }>> {
  const message: AssistantMessage = {
    role: 'assistant',
    content,
    calls: read.map(({ call }) => call),
    model,
    usage: { ...usage, costUsd: costOf(model, usage) },
    route: { tier, why, ...(effort ? { effort } : {}), ...(mode === 'native' ? {} : { mode }) },
  }
  return { type: 'model_response', message, pending: read.map(({ pending }) => pending), truncated }
}

/** What the answer may have where one request may not be larger than the server said; what it has cached is not counted. */
function roomFor({ requestTokensMax }: Run, messages: Message[], promptTokens: number): number | undefined {
  if (requestTokensMax === undefined) return undefined
  const room = requestTokensMax - promptTokens
  if (room >= ANSWER_TOKENS_MIN) return room
  const last = messages.findLast((message) => message.role === 'assistant')
  return room + (last?.role === 'assistant' ? last.usage.cachedTokens : 0)
}

const tooLong = ({ requestTokensMax }: Run, promptTokens: number): Bare<Outcome> => ({
  type: 'model_failure',
  kind: 'fatal',
  code: 'context_too_long',
  message: `the prompt has about ${promptTokens} tokens, and the model server takes ${requestTokensMax} at once with this key`,
})

export const timeIsUp = (run: Run, workedMs: number): boolean => run.workedMs + workedMs >= run.limits.seconds * 1000
const OUT_OF_TIME = {
  type: 'model_failure' as const,
  kind: 'time' as const,
  code: 'time_limit',
  message: 'The model was still working.',
}

/** From above: what the last answer counted, plus the bytes that came since; all bytes before the first answer. */
function promptTokensOf(run: Run, messages: Message[], allBytes: () => number): number {
  const last = messages.findLastIndex((message) => message.role === 'assistant' && message.usage.inputTokens > 0)
  const counted = messages[last]
  if (last === -1 || counted?.role !== 'assistant') return estimateTokens(allBytes())
  const since = messages.slice(last).reduce((bytes, message) => bytes + Buffer.byteLength(JSON.stringify(message)), 0)
  return counted.usage.inputTokens + estimateTokens(since) + (run.turns > 0 ? 64 : 0)
}
