/** What must hold once faults have ended: every run comes to its end, the queue drains, transcripts equal their scripts. */
import type { Message } from '../../functions/core/types.ts'
import type { Seen } from './rows.ts'
import { isNoise, type RunPlan } from './script.ts'
import { Violation } from './violation.ts'
import type { SimulatedForge } from './world/forge.ts'
import type { Outside } from './world/outside.ts'

/** Longer than any lease, visibility and sweep together. */
export const STUCK_MS = 400_000

/** What a run that has ended must look like. */
export function checkEnd(
  seen: Seen,
  plan: RunPlan,
  { outside, forge }: { outside: Outside; forge: SimulatedForge },
  known: { rolledBack: boolean; buried: boolean; claimsMax: number },
): void {
  const { run } = seen
  const messages = seen.messages.map((text) => JSON.parse(text) as Message)
  checkEnding(seen, plan, known)
  checkScript(seen, plan, messages)
  if (run.status === 'completed') checkHeard(seen, messages)
  checkOutside(seen, outside, known.rolledBack)
  checkCallback(seen, outside, known.rolledBack)
  checkLessons(seen, outside, known.rolledBack)
  checkForge(seen, forge)
}

function checkEnding(
  { run, posts, claimsMax }: Seen,
  plan: RunPlan,
  known: { buried: boolean; claimsMax: number },
): void {
  const { stopReason } = run
  if (stopReason === 'done') return
  if (stopReason === 'cancelled' && posts.some((entry) => entry.type === 'cancel')) return
  if (stopReason === 'cost_limit' && plan.costUsd !== undefined) return
  if (stopReason === 'stuck' && (known.buried || claimsMax > known.claimsMax)) return
  throw new Violation('I12', `${run.runId} ended as ${stopReason} for no reason: ${run.answer}`)
}

/** Answers come in the script's order, each once, with the script's calls. */
function checkScript({ run, label }: Seen, { answers }: RunPlan, messages: Message[]): void {
  const begin = messages.findLastIndex((message) => message.role === 'user' && message.from === 'task')
  const said = messages
    .slice(begin + 1)
    .flatMap((message) => (message.role === 'assistant' && !isNoise(message.content) ? [message] : []))
  for (const [i, { content, calls }] of said.entries()) {
    const expected = answers[Math.min(i, answers.length - 1)]
    const same =
      content === expected?.text &&
      calls.map(({ tool, arguments: args }) => `${tool} ${args}`).join() ===
        expected.calls.map(({ name, args }) => `${name} ${JSON.stringify(args)}`).join()
    if (!same)
      throw new Violation('I12', `answer ${i} of ${label} is ${JSON.stringify(content)}, not ${expected?.text}`)
  }
  if (run.stopReason === 'done' && said.length < answers.length)
    throw new Violation('I12', `${label} is done after ${said.length} of ${answers.length} answers`)
}

/** What people said while the run was under way is in the transcript, once. */
function checkHeard({ posts, label }: Seen, messages: Message[]): void {
  const heard = messages.flatMap((message) =>
    message.role === 'user' && message.from === 'person'
      ? [message.content]
      : message.role === 'tool' && message.result.tool === 'ask_user'
        ? [message.result.output]
        : [],
  )
  for (const entry of posts) {
    if (entry.type !== 'message') continue
    const at = heard.indexOf(entry.text)
    if (at === -1) throw new Violation('I12', `${label} never heard ${JSON.stringify(entry.text)}`)
    heard.splice(at, 1)
  }
}

/** What the transcript tells to be done outside was done once; what it does not tell was not done. */
function checkOutside({ run, told, label }: Seen, { effects }: Outside, rolledBack: boolean): void {
  for (const { callId, text, state } of told.outside) {
    const done = effects.filter((effect) => effect.callId === callId && effect.kind !== 'push' && !effect.late)
    const pushed = effects.some((effect) => effect.callId === callId && effect.kind === 'push')
    const times = pushed ? 1 : done.length
    if (state === 'done' && times === 0 && !effects.some((effect) => effect.callId === callId))
      throw new Violation('I5', `${text} of ${label} is told as done and was not`)
    if (times > 1) throw new Violation('I5', `${text} of ${label} was done ${times} times`)
  }
  if (rolledBack || run.stopReason !== 'done') return
  const told_ = new Set(told.outside.map(({ callId }) => callId))
  const stray = effects.find((effect) => effect.runId === run.runId && !told_.has(effect.callId))
  if (stray) throw new Violation('I5', `${stray.kind} ${stray.text} of ${label} was done and is not told`)
}

/** What is told as pushed or proposed is there, once. */
function checkForge({ told, label }: Seen, { branches, pulls }: SimulatedForge): void {
  for (const { branch, commit, number } of told.published) {
    const stood = (branches.get(branch) ?? []).filter((one) => one.commit === commit)
    if (commit !== undefined && stood.length !== 1)
      throw new Violation('I5', `${branch} of ${label} is told as pushed and was, ${stood.length} times`)
    const proposed = pulls.filter((pull) => pull.branch === branch)
    if (number !== undefined && (proposed.length !== 1 || proposed[0]?.number !== number))
      throw new Violation('I5', `${branch} of ${label} is proposed ${proposed.length} times, told as #${number}`)
  }
}

/** Whoever asked to be told was told, with the same words each time. */
function checkCallback({ run, label }: Seen, { callbacks }: Outside, rolledBack: boolean): void {
  const bodies = callbacks.get(`msg_${run.runId.slice('run_'.length)}`)
  if (run.callback?.state === 'delivered' && !bodies)
    throw new Violation('I5', `${label} told nobody that it has ended`)
  if (bodies && bodies.size > 1 && !rolledBack) throw new Violation('I5', `${label} told its end in different words`)
  if (run.callbackUrl && !run.callback) throw new Violation('I12', `${label} has ended and told nobody`)
}

/** What a run taught was asked for once, and kept as it was said then. */
function checkLessons({ run, label }: Seen, { lessons }: Outside, rolledBack: boolean): void {
  const said = lessons.get(run.runId)
  if (said && said.size > 1 && !rolledBack) throw new Violation('I5', `${label} was asked twice what it taught`)
  if (said && !run.learn) throw new Violation('I5', `${label} taught something and was not asked`)
}
