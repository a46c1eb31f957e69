/** The model: says what the script of the run says next, after a while, and sometimes fails as real ones do. */
import type { AgentContext, ChatMessage } from '../../../functions/core/context.ts'
import { DISTIL_PROMPT } from '../../../functions/core/distil.ts'
import type { ModelAnswer, ModelRefusal } from '../../../functions/ports.ts'
import type { Faults } from '../faults.ts'
import type { Random } from '../random.ts'
import { isNoise, NOISE, type RunPlan } from '../script.ts'

/** Failures that one answer may meet, so that no run ends because of them. */
const FAILURES_MAX = 4
const NOISES_MAX = 1

export class SimulatedModel {
  private readonly plans: Map<string, RunPlan>
  private readonly random: Random
  private readonly faults: Faults
  private readonly failed = new Map<string, number>()
  private calls = 0

  constructor(plans: Map<string, RunPlan>, random: Random, faults: Faults) {
    this.plans = plans
    this.random = random
    this.faults = faults
  }

  /** How long the next answer takes. */
  takesMs(): number {
    return this.random.int(100, 3000)
  }

  answer({ messages, model }: AgentContext): ModelAnswer | ModelRefusal {
    if (messages[0]?.content === DISTIL_PROMPT) return this.distilled(String(messages[1]?.content), model)
    const { label, count } = placeOf(messages)
    const plan = this.plans.get(label)
    if (!plan) throw new Error(`the model was asked for ${label}`)
    const trouble = this.trouble(`${label} ${count}`, model)
    if (trouble) return trouble
    const said = plan.answers[Math.min(count, plan.answers.length - 1)]
    if (!said) throw new Error(`${label} has no answers`)
    return this.said(
      model,
      said.text,
      said.calls.map(({ name, args }) => ({ name, arguments: JSON.stringify(args) })),
    )
  }

  /** What the run taught; each time it is asked in other words, so that a second asking shows. */
  private distilled(record: string, model: string): ModelAnswer | ModelRefusal {
    const label = /^task: (\w+):/.exec(record)?.[1] ?? '?'
    const trouble = this.trouble(`${label} distilled`, model)
    if (trouble) return trouble
    const text = `${label} taught this, as answer ${this.calls} tells`
    return this.said(model, JSON.stringify({ facts: [{ kind: 'command', text, confidence: 0.8 }] }), [])
  }

  private said(model: string, content: string, calls: { name: string; arguments: string }[], truncated = false) {
    const id = ++this.calls
    const usage = { inputTokens: 2000, cachedTokens: 0, outputTokens: 300 }
    return {
      ok: true as const,
      model,
      content,
      truncated,
      usage,
      calls: calls.map((call, i) => ({ id: `m${id}.${i}`, ...call })),
    }
  }

  private trouble(place: string, model: string): ModelAnswer | ModelRefusal | undefined {
    const { faults, random } = this
    const may = (kind: string, most: number): boolean => {
      const seen = this.failed.get(`${place} ${kind}`) ?? 0
      this.failed.set(`${place} ${kind}`, seen + 1)
      return seen < most
    }
    if (faults.happens('model_429') && may('429', FAILURES_MAX))
      return refusal(429, 'rate_limit_exceeded', 'too many tokens', random.int(100, 4000))
    if (faults.happens('model_429_long') && may('429', FAILURES_MAX))
      return refusal(429, 'rate_limit_exceeded', 'too many tokens today', random.int(6000, 90_000))
    if (faults.happens('model_5xx') && may('5xx', FAILURES_MAX))
      return refusal(random.pick([0, 500, 503]), 'server_error', 'the model server failed')
    if (faults.happens('model_truncated') && may('noise', NOISES_MAX)) return this.said(model, `${NOISE}cut`, [], true)
    if (faults.happens('model_bad_call') && may('noise', NOISES_MAX))
      return { ...refusal(400, 'tool_use_failed', 'Failed to call a function'), failedGeneration: '{"name": ' }
    if (faults.happens('model_bad_arguments') && may('noise', NOISES_MAX))
      return this.said(model, `${NOISE}arguments`, [{ name: 'edit_file', arguments: '{"path": "a.txt", "oldT' }])
    return undefined
  }
}

/** Which run asks, and how many answers of the script its transcript holds. */
function placeOf(messages: ChatMessage[]): { label: string; count: number } {
  const begin = messages.findLastIndex(
    (message) => message.role === 'user' && message.content.includes('\n---\nWorkspace: '),
  )
  const label = /^(\w+):/.exec(String(messages[begin]?.content))?.[1] ?? '?'
  const answers = messages
    .slice(begin + 1)
    .filter((message) => message.role === 'assistant' && !isNoise(message.content))
  return { label, count: answers.length }
}

const refusal = (status: number, code: string, message: string, retryAfterMs?: number): ModelRefusal => ({
  ok: false,
  status,
  code,
  message,
  ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
})
