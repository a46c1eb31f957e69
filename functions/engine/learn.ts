/**
 * What a run that has ended taught, for later ones: the fast model reads its record and names a few facts; memory compares
 * them with what it knows. Optional in every way: within what the run may still spend, a few tries, and then without.
 * The answer is in the run's journal once it is there, so that whoever goes on after a crash does not pay for it again.
 */
import { createHash } from 'node:crypto'
import { estimateTokens } from '../core/context.ts'
import { DISTIL_PROMPT, distilledIn, fingerprintText, recordOf } from '../core/distil.ts'
import { ownScope, userScope } from '../core/facts.ts'
import { LEARN_ANSWER_TOKENS_MAX, LEARN_USD_MAX } from '../core/limits.ts'
import type { Outcome, Usage } from '../core/types.ts'
import { costOf } from '../model/catalogue.ts'
import { helperModel } from '../model/route.ts'
import type { Memory, Ports } from '../ports.ts'
import { performOutside } from './effects.ts'
import type { Held } from './held.ts'
import { reserve } from './spending.ts'

type Learned = Omit<Extract<Outcome, { type: 'learned' }>, 'at' | 'workedMs' | 'inbox'>
type Answer = { content: string; usage: Usage }

/** Throws when the run is in other hands by now. */
export async function learn(held: Held, ports: Ports): Promise<Learned> {
  const { memory } = ports
  const { run } = held
  if (!memory) return end('failed', false, 'nothing is remembered here')
  let answer: Answer
  try {
    const done = await performOutside({ id: 'learn', class: 'natural', perform: () => asked(held, ports) }, held, ports)
    if (done.state !== 'done') throw new Error(`the lease of run ${run.runId} is lost`)
    answer = done.outcome
  } catch (error) {
    if (error instanceof NotAsked) return end('failed', error.again, error.message)
    throw error
  }
  const { usage } = answer
  const facts = distilledIn(answer.content)
  if (!facts) return { ...end('failed', false, 'the answer was no list of facts'), usage }
  try {
    return { ...end('done', false, ''), usage, kept: await keep(facts, held, memory) }
  } catch (error) {
    // Told again it is kept once; the price is counted with the try that ends it.
    return { ...end('failed', true, (error as Error).message), usage }
  }
}

async function keep(facts: NonNullable<ReturnType<typeof distilledIn>>, held: Held, memory: Memory): Promise<number> {
  const { runId, sessionId, by, repo } = held.run
  let kept = 0
  for (const { kind, text, confidence, call } of facts) {
    const about = kind === 'dead_end' ? fingerprintText(held.messages, call) : undefined
    const done = await memory.remember(
      // How a person likes to work is no business of one repo.
      kind === 'preference' ? userScope(by) : ownScope({ by, repo: repo?.url }),
      { kind, text, confidence, ...(about ? { fingerprint: hash(about) } : {}) },
      { id: runId, runId, sessionId },
    )
    if (done.what === 'added' || done.what === 'merged') kept++
  }
  return kept
}

/** @throws NotAsked when there is no answer. */
async function asked({ run, messages, token, signal }: Held, ports: Ports): Promise<Answer> {
  const { runId, sessionId, limits, usage } = run
  const model = helperModel('summary', ports.settings.models, ports.offered?.())
  const record = recordOf(run, messages)
  const promptTokens = estimateTokens(Buffer.byteLength(DISTIL_PROMPT) + Buffer.byteLength(record))
  const leftUsd = Math.min(LEARN_USD_MAX, limits.costUsd - usage.costUsd)
  const spender = { sessionId, id: `${runId}.${run.step}.${token}`, place: `${runId}.learn`, leftUsd }
  const reserved = await reserve(spender, { model, promptTokens }, ports)
  if (!reserved.ok) throw new NotAsked(reserved.outcome.message, reserved.outcome.kind === 'rate_limit')
  const answer = await ports.model.complete(
    {
      model,
      messages: [
        { role: 'system', content: DISTIL_PROMPT },
        { role: 'user', content: record },
      ],
      tools: [],
      maxTokens: Math.min(reserved.maxTokens, LEARN_ANSWER_TOKENS_MAX),
      // Others refuse it.
      ...(model.startsWith('openai/gpt-oss') ? { effort: 'low' as const } : {}),
    },
    { signal },
  )
  await reserved.settle(answer)
  if (!answer.ok)
    throw new NotAsked(answer.message, answer.status === 0 || answer.status === 429 || answer.status >= 500)
  return { content: answer.content, usage: { ...answer.usage, costUsd: costOf(model, answer.usage) } }
}

class NotAsked extends Error {
  readonly again: boolean
  constructor(message: string, again: boolean) {
    super(message)
    this.again = again
  }
}

const end = (state: Learned['state'], again: boolean, detail: string): Learned => ({
  ...{ type: 'learned', state, again, detail, kept: 0 },
})
const hash = (text: string): string => createHash('sha256').update(text).digest('hex')
