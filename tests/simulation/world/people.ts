/**
 * People and their programs: they ask for runs, again when no answer came, look at them, decide, answer, say things and
 * cancel, at moments of their own. They reach some API process over a connection that may break.
 */
import type { Run } from '../../../functions/core/types.ts'
import { hashOf } from '../../../functions/engine/admit.ts'
import type { AICodeAgent } from '../../../functions/engine/agent.ts'
import type { Faults } from '../faults.ts'
import type { Random } from '../random.ts'
import type { Decider, RunPlan } from '../script.ts'
import { REPO_URL } from './forge.ts'

export type PeopleWorld = {
  random: Random
  faults: Faults
  pause(ms: number, label: string): Promise<void>
  /** Asks some API process; throws when no answer came. */
  request<T>(label: string, work: (agent: AICodeAgent) => Promise<T>): Promise<T>
  note(who: string, what: string): void
  /** The run as it is stored, for people who need not look to know when to go. */
  ended(runId: string): boolean
  fail(error: unknown): void
}

const RETRY_MS_MAX = 5000
const LOOKS_SELDOM_MS = 3600_000

export class People {
  /** Runs that were asked for, by their label. */
  readonly asked = new Map<string, { runId: string; sessionId: string }>()
  /** The call that nobody answers, by run. */
  private readonly left = new Map<string, string>()
  /** People who still have something to do. */
  busy = 0
  private readonly world: PeopleWorld

  constructor(world: PeopleWorld) {
    this.world = world
  }

  begin(plans: RunPlan[]): void {
    for (const plan of plans) this.goes(() => this.runs(plan))
    this.goes(() => this.strangers())
  }

  /** For a run that was there before. */
  watch(plan: RunPlan, runId: string, sessionId: string): void {
    this.asked.set(plan.label, { runId, sessionId })
    for (const decider of plan.deciders) this.goes(() => this.decides(plan, runId, decider))
  }

  private goes(work: () => Promise<void>): void {
    this.busy++
    work().then(
      () => void this.busy--,
      (error: unknown) => this.world.fail(error),
    )
  }

  private async runs(plan: RunPlan): Promise<void> {
    await this.world.pause(plan.startsAtMs, 'starts')
    const before = plan.follows === undefined ? undefined : await this.until(() => this.asked.get(plan.follows ?? ''))
    const posts = Array.from({ length: plan.posts }, () => this.post(plan, before?.sessionId))
    if (plan.posts > 1) this.world.faults.saw('post_repeated')
    await Promise.all(posts)
    if (plan.otherBody) {
      this.world.faults.saw('post_other_body')
      await this.try(`${plan.label} other body`, (agent) =>
        agent.execute({ task: 'something else' }, { key: plan.label, hash: 'another' }),
      )
    }
    const { runId = '', sessionId = '' } = this.asked.get(plan.label) ?? {}
    for (const decider of plan.deciders) this.goes(() => this.decides(plan, runId, decider))
    for (const atMs of plan.saysAtMs) this.goes(() => this.says(plan, runId, atMs))
    const { cancelAtMs } = plan
    if (cancelAtMs !== undefined) for (let n = 0; n < 2; n++) this.goes(() => this.cancels(runId, cancelAtMs))
    const { forkAtMs } = plan
    if (forkAtMs !== undefined) this.goes(() => this.forks(plan, runId, forkAtMs))
    if (plan.removedAfterwards) this.goes(() => this.removes(runId, sessionId))
  }

  /** Sends the request until there is an answer; a session that is busy is waited for. */
  private async post(plan: RunPlan, sessionId: string | undefined): Promise<void> {
    const { label, approval, costUsd } = plan
    const request = {
      task: `${label}: do what the script says`,
      approval,
      repo: { url: REPO_URL },
      ...(sessionId ? { sessionId } : {}),
      ...(costUsd === undefined ? {} : { limits: { costUsd } }),
      ...(plan.callback ? { callbackUrl: `https://example.com/${label}` } : {}),
    }
    const idempotency = { key: label, hash: hashOf(request) }
    for (;;) {
      const reply = await this.try(`POST ${label}`, (agent) => agent.execute(request, idempotency))
      if (reply?.ok) {
        this.asked.set(label, { runId: reply.run.runId, sessionId: reply.run.sessionId })
        return
      }
      if (reply && reply.code !== 'session_busy') throw new Error(`${label} was refused: ${reply.code}`)
      await this.world.pause(this.world.random.int(100, RETRY_MS_MAX), 'asks again')
    }
  }

  /** Looks at the run now and then, and decides or answers what it waits for. */
  private async decides(plan: RunPlan, runId: string, decider: Decider): Promise<void> {
    const { random } = this.world
    const answered = new Set<string>()
    while (!this.world.ended(runId)) {
      await this.world.pause(
        this.left.has(plan.label) && plan.nobody ? LOOKS_SELDOM_MS : random.int(300, decider.looksEveryMs),
        'looks',
      )
      const run = await this.try(`GET ${plan.label}`, (agent) => agent.ports.store.run(runId))
      const waitingFor = run?.waitingFor
      if (!run || !waitingFor || (waitingFor.kind !== 'approval' && waitingFor.kind !== 'question')) continue
      if (this.isLeft(plan, waitingFor.callId)) continue
      if (waitingFor.kind === 'question') {
        if (answered.has(waitingFor.callId)) continue
        const reply = await this.try('answer', (agent) => agent.say(runId, `${plan.label} answer`))
        if (reply) answered.add(waitingFor.callId)
      } else await this.decide(plan, run, waitingFor.callId, decider)
    }
  }

  /** Of some runs nobody answers the first thing that they wait for. */
  private isLeft({ nobody, label }: RunPlan, callId: string): boolean {
    if (!nobody) return false
    if (!this.left.has(label)) this.world.faults.saw('nobody_decided')
    this.left.set(label, this.left.get(label) ?? callId)
    return this.left.get(label) === callId
  }

  private async decide(plan: RunPlan, run: Run, callId: string, decider: Decider): Promise<void> {
    const { random, faults } = this.world
    const approved = random.chance(decider.approves)
    const decision = { callId, approved, remember: decider.remember }
    const clicks = Array.from({ length: random.chance(0.3) ? 2 : 1 }, () =>
      this.try(`decide ${plan.label}`, (agent) => agent.decide(run.runId, decision)),
    )
    for (const reply of await Promise.all(clicks))
      if (reply && !reply.ok && reply.code === 'decided') faults.saw('decision_race')
  }

  private async says(plan: RunPlan, runId: string, atMs: number): Promise<void> {
    await this.world.pause(atMs, 'speaks')
    const reply = await this.try(`say ${plan.label}`, (agent) => agent.say(runId, `${plan.label} word ${atMs}`))
    if (reply?.ok) this.world.faults.saw('message_at_any_moment')
  }

  private async cancels(runId: string, atMs: number): Promise<void> {
    await this.world.pause(atMs, 'cancels')
    const reply = await this.try(`cancel ${runId}`, (agent) => agent.cancel(runId, 'enough'))
    if (reply?.ok) this.world.faults.saw('cancel_race')
  }

  /** The second run has people of its own. */
  private async forks(plan: RunPlan, from: string, atMs: number): Promise<void> {
    await this.world.pause(atMs, 'forks')
    const run = await this.try(`GET ${plan.label}`, (agent) => agent.ports.store.run(from))
    if (!run) return
    const step = this.world.random.int(0, run.step)
    const made = await this.try(`fork ${plan.label} at ${step}`, (agent) => agent.fork({ runId: from, step }))
    if (!made?.ok) return
    this.world.faults.saw('run_forked')
    for (const decider of plan.deciders) this.goes(() => this.decides(plan, made.run.runId, decider))
  }

  private async removes(runId: string, sessionId: string): Promise<void> {
    await this.until(() => (this.world.ended(runId) ? true : undefined))
    const removed = await this.try(`DELETE ${sessionId}`, (agent) => agent.forget(sessionId))
    if (removed !== 'forgotten') return
    this.world.faults.saw('session_removed')
  }

  /** Somebody with an id that is wrong. */
  private async strangers(): Promise<void> {
    await this.world.pause(this.world.random.int(0, 20_000), 'strays')
    await this.try('say to nobody', (agent) => agent.say('run_nobody', 'hello'))
    await this.try('decide for nobody', (agent) =>
      agent.decide(this.asked.get('R1')?.runId ?? 'run_nobody', {
        callId: 'call_nobody',
        approved: true,
        remember: 'call',
      }),
    )
    await this.try('a wake-up for nobody', (agent) => agent.ports.queue.send({ runId: 'run_nobody', step: 0 }, 0))
  }

  /** Undefined when no answer came. */
  private async try<T>(label: string, work: (agent: AICodeAgent) => Promise<T>): Promise<T | undefined> {
    try {
      return await this.world.request(label, work)
    } catch (error) {
      this.world.note('people', `${label}: ${(error as Error).message}`)
      return undefined
    }
  }

  private async until<T>(known: () => T | undefined): Promise<T> {
    for (let ms = 1000; ; ms = Math.min(Math.ceil(ms * 1.1), LOOKS_SELDOM_MS)) {
      const found = known()
      if (found !== undefined) return found
      await this.world.pause(ms, 'waits')
    }
  }
}
