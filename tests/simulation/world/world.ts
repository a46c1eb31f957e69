/**
 * One simulated world: two API processes, two or three workers, a queue between them, one store and everything outside.
 * The engine in it is the real one.
 */
import { sandboxOver } from '../../../functions/adapters/sandbox-client.ts'
import { awaitedTopic, topicOf } from '../../../functions/core/inbox.ts'
import type { Run } from '../../../functions/core/types.ts'
import { AICodeAgent } from '../../../functions/engine/agent.ts'
import type { Ports, Wake } from '../../../functions/ports.ts'
import { Checker, type Seen } from '../checker.ts'
import { Faults } from '../faults.ts'
import type { Random } from '../random.ts'
import { randomOf } from '../random.ts'
import { EPOCH_MS, Scheduler } from '../scheduler.ts'
import type { RunPlan } from '../script.ts'
import { Trace } from '../trace.ts'
import type { Backend } from './backend.ts'
import { SimulatedModel } from './model.ts'
import { ConnectionLost, Network, type Process } from './network.ts'
import { actingOutside, callbacksOf, Outside } from './outside.ts'
import { People } from './people.ts'
import { type Settled, SimulatedQueue } from './queue.ts'
import { SandboxMachines, transportTo } from './sandbox.ts'
import { watchedStore } from './store.ts'

type Kind = 'api' | 'worker'
type Member = { name: string; kind: Kind; starts: number; process: Process; agent: AICodeAgent; working: number }

const WORKS_AT_ONCE_MAX = 2
const RESTART_MS_MAX = 15_000
const REQUEST_MS_MAX = 30_000
const SWEEP_MS = 5000
const SKEW_MS_MAX = 5000

export class World {
  readonly seed: string
  readonly random: Random
  readonly faults: Faults
  readonly scheduler: Scheduler
  readonly trace: Trace
  readonly checker: Checker
  readonly backend: Backend
  readonly outside: Outside
  readonly people: People
  readonly queue: SimulatedQueue
  /** Owner names of processes that died. */
  readonly dead = new Set<string>()
  readonly replies = new Map<string, number>()
  private readonly network: Network
  private readonly machines: SandboxMachines
  private readonly model: SimulatedModel
  private readonly members: Member[] = []
  private readonly stintMs: number
  private serial = 0
  private stir = new AbortController()
  private sleepsLong = false

  constructor(
    seed: string,
    backend: Backend,
    plans: RunPlan[],
    options: { verbose: boolean; mayLive: (dead: Set<string>) => (owner: string) => boolean },
  ) {
    this.seed = seed
    this.backend = backend
    this.random = randomOf(seed)
    this.faults = new Faults(this.random.fork('faults'))
    this.scheduler = new Scheduler(this.random.fork('scheduler'))
    this.trace = new Trace(() => this.scheduler.now - EPOCH_MS, options.verbose)
    this.checker = new Checker(backend, options.mayLive(this.dead))
    this.outside = new Outside(this.faults, (runId, token) => token < (this.checker.runs.get(runId)?.token ?? 0))
    const note = (who: string, what: string): void => this.trace.add(who, what)
    const { random, faults, scheduler } = this
    this.network = new Network({
      scheduler,
      faults,
      random: random.fork('network'),
      note,
      died: (one) => this.rise(one),
    })
    this.stintMs = random.pick([3000, 15_000, 60_000, 300_000])
    this.model = new SimulatedModel(new Map(plans.map((plan) => [plan.label, plan])), random.fork('model'), faults)
    const pause = (ms: number, label: string): Promise<void> =>
      new Promise((resolve) => void scheduler.later(ms, label, () => resolve()))
    const onCall = this.checker.performs.bind(this.checker)
    this.machines = new SandboxMachines({
      random: random.fork('sandbox'),
      faults,
      pause,
      onCall: (runId, _token, call) => this.guarded(() => onCall(runId, call)),
    })
    this.queue = new SimulatedQueue({
      ...{ scheduler, faults, note, random: random.fork('queue') },
      deliver: (wake, settle) => this.deliver(wake, settle),
      bury: (wake, why) => this.bury(wake, why),
    })
    this.people = new People({
      ...{ random: random.fork('people'), faults, pause, note },
      request: (label, work) => this.request(label, work),
      ended: (runId) => !['queued', 'running', 'waiting'].includes(this.checker.runs.get(runId)?.run.status ?? 'gone'),
      fail: (error) => scheduler.fail(error),
    })
    for (const [kind, count] of [
      ['api', 2],
      ['worker', random.int(2, 3)],
    ] as const)
      for (let n = 1; n <= count; n++) this.start(`${kind}${n}`, kind)
  }

  /** A violation found where nobody would hear of it ends the simulation. */
  private guarded(check: () => void): void {
    try {
      check()
    } catch (error) {
      this.scheduler.fail(error)
    }
  }

  private start(name: string, kind: Kind): void {
    const starts = (this.members.find((one) => one.name === name)?.starts ?? 0) + 1
    const process: Process = {
      name: `${name}.${starts}`,
      alive: true,
      frozenUntil: 0,
      skewMs: this.faults.happens('clock_skew') ? this.random.int(-SKEW_MS_MAX, SKEW_MS_MAX) : 0,
      deaths: new Set(),
    }
    const member: Member = { name, kind, starts, process, agent: new AICodeAgent(this.portsOf(process)), working: 0 }
    const at = this.members.findIndex((one) => one.name === name)
    if (at === -1) this.members.push(member)
    else this.members[at] = member
    if (name === 'api1' || name === 'worker1') void this.sweeps(member)
  }

  private rise(process: Process): void {
    this.dead.add(process.name)
    const member = this.members.find((one) => one.process === process)
    if (!member) return
    this.scheduler.later(this.random.int(100, RESTART_MS_MAX), 'starts again', () =>
      this.start(member.name, member.kind),
    )
  }

  private portsOf(process: Process): Ports {
    const { network, model, outside, checker } = this
    const store = watchedStore(this, network, process)
    const over = (label: string, work: () => Promise<unknown>) => network.start(process, label, work)
    const onCall = (runId: string, _token: number, call: Parameters<typeof checker.performs>[1]) =>
      this.guarded(() => checker.performs(runId, call))
    return {
      settings: {
        owner: process.name,
        models: { strong: 'openai/gpt-oss-120b', fast: 'openai/gpt-oss-20b', fallbacks: [] },
        costUsdMax: 1,
      },
      clock: {
        now: () => this.scheduler.now + process.skewMs,
        sleep: (ms, signal) => network.sleep(process, ms, signal),
      },
      ids: {
        next: (kind, after) => {
          const now = this.scheduler.now + process.skewMs
          return `${kind}_${timePart(Math.max(now, after === undefined ? 0 : timeIn(after) + 1))}${this.idRest()}`
        },
      },
      store,
      queue: {
        send: (wake, delayMs) =>
          network.ask(process, `queue.send ${wake.runId}@${wake.step}`, async () => this.queue.send(wake, delayMs)),
      },
      feed: {
        publish: (events) =>
          this.guarded(() => {
            for (const event of events) checker.published(event)
          }),
        subscribe: () => () => {},
        watched: () => false,
      },
      model: {
        complete: (context, { signal }) => this.asksModel(process, () => model.answer(context), signal),
        list: async () => ({ ok: true, ids: [] }),
      },
      sandbox: actingOutside(sandboxOver(transportTo(this.machines, over), 'none'), {
        ...{ outside, network, process, store, onCall },
      }),
      snapshots: { put: async () => '', get: async () => undefined, delete: async () => {} },
      callbacks: callbacksOf(outside, network, process),
    }
  }

  private asksModel<T>(process: Process, answer: () => T, signal: AbortSignal): Promise<T | typeof ABORTED> {
    const answered = this.network.start(process, 'model', async () => {
      await new Promise<void>(
        (resolve) => void this.scheduler.later(this.model.takesMs(), 'model thinks', () => resolve()),
      )
      return answer()
    })
    if (signal.aborted) return Promise.resolve(ABORTED)
    return Promise.race([
      answered,
      new Promise<typeof ABORTED>((resolve) =>
        signal.addEventListener('abort', () => resolve(ABORTED), { once: true }),
      ),
    ])
  }

  private async sweeps(member: Member): Promise<void> {
    const { process, agent } = member
    for (;;) {
      const quietMs = this.quietMs()
      this.sleepsLong ||= quietMs > SWEEP_MS
      await this.network.sleep(process, quietMs + this.random.int(1, 2) * SWEEP_MS, this.stir.signal)
      if (this.faults.happens('two_sweepers'))
        void this.alive()
          ?.agent.sweep()
          .catch(() => {})
      await agent.sweep().catch(() => {})
    }
  }

  /** Somebody did something: sweepers that slept long look again. */
  stirred(): void {
    if (!this.sleepsLong) return
    this.sleepsLong = false
    this.stir.abort()
    this.stir = new AbortController()
  }

  /** True when nobody works. */
  resting(): boolean {
    return this.members.every(({ working }) => working === 0)
  }

  /** Why a run that should move does not; `from`: when faults ended. */
  stuck(from: number, afterMs: number): string | undefined {
    const { now } = this.scheduler
    for (const seen of this.checker.runs.values()) {
      const { run, changedAt, wokenAt } = seen
      if (run.action.type === 'stop') continue
      const since = Math.max(from, changedAt, isAnswered(seen) ? wokenAt : mayRestUntil(run))
      if (now - since > afterMs)
        return `${run.runId} (${run.task.slice(0, 2)}) is ${run.status} at step ${run.step} ${run.action.type} and has not moved for ${Math.round((now - since) / 1000)} s`
    }
    return undefined
  }

  /** For how long nothing has to happen. */
  quietMs(): number {
    if (this.queue.size > 0) return 0
    const { now } = this.scheduler
    let ms = QUIET_MS_MAX
    for (const seen of this.checker.runs.values()) {
      if (seen.run.action.type === 'stop') continue
      ms = Math.min(ms, isAnswered(seen) ? 0 : mayRestUntil(seen.run) - now)
    }
    return Math.max(0, ms)
  }

  private alive(kind?: Kind): Member | undefined {
    const found = this.members.filter((one) => one.process.alive && (!kind || one.kind === kind))
    return found.length > 0 ? this.random.pick(found) : undefined
  }

  private deliver(wake: Wake, settle: (settled: Settled) => void): boolean {
    const free = this.members.filter(
      ({ kind, process, working }) => kind === 'worker' && process.alive && working < WORKS_AT_ONCE_MAX,
    )
    if (free.length === 0) return false
    const member = this.random.pick(free)
    member.working++
    void this.work(member, wake, settle)
    return true
  }

  /** What a worker's entry does with a wake-up. */
  private async work(member: Member, wake: Wake, settle: (settled: Settled) => void): Promise<void> {
    const { agent, process } = member
    const name = `${wake.runId}@${wake.step}`
    try {
      const until = agent.ports.clock.now() + this.stintMs
      const stint = await agent.advance(wake, () => until)
      this.trace.add(process.name, `stint of ${name}: ${stint}`)
      settle(stint === 'future' ? { ack: false, againMs: FUTURE_MS } : { ack: true })
    } catch (error) {
      this.trace.add(process.name, `stint of ${name} broke off: ${(error as Error).message}`)
      settle({ ack: false, againMs: BROKEN_MS })
    } finally {
      member.working--
    }
  }

  private bury(wake: Wake, why: string): void {
    const member = this.alive('worker')
    if (!member) return
    this.checker.buried.add(wake.runId)
    const burying = member.agent.bury(wake, why)
    burying.then(
      (buried) => {
        this.trace.add(member.process.name, `${wake.runId}@${wake.step} ${buried}`)
      },
      () => {},
    )
  }

  /** One request of a person to some API process; the connection breaks when that dies or takes too long. */
  private request<T>(label: string, work: (agent: AICodeAgent) => Promise<T>): Promise<T> {
    const member = this.alive('api')
    if (!member) return Promise.reject(new ConnectionLost('nobody answers'))
    const { process, agent } = member
    return new Promise((resolve, reject) => {
      const lost = (): void => {
        process.deaths.delete(lost)
        this.scheduler.later(1, 'connection lost', () => reject(new ConnectionLost('no answer')))
      }
      process.deaths.add(lost)
      const timer = this.scheduler.later(REQUEST_MS_MAX, 'no answer', lost)
      this.trace.add('people', `${label} at ${process.name}`)
      const done = (settle: () => void) => {
        process.deaths.delete(lost)
        this.scheduler.remove(timer)
        settle()
      }
      work(agent).then(
        (answer) => done(() => resolve(answer)),
        (error: unknown) => done(() => reject(error)),
      )
    })
  }

  /** Sixteen characters of chance in the real one; here a count and a little chance. */
  private idRest(): string {
    return `${this.random.int(1000, 9999)}n${++this.serial}`
  }

  /** How many replies of each kind the store gave. */
  saw(reply: string): void {
    this.replies.set(reply, (this.replies.get(reply) ?? 0) + 1)
  }

  kill(process: Process): void {
    this.network.kill(process)
  }
}

const FUTURE_MS = 30_000
const BROKEN_MS = 2000
const QUIET_MS_MAX = 6 * 3600_000
/** What the run waits for was sent. */
const isAnswered = ({ run, posts }: Seen): boolean =>
  posts.some((entry) => entry.seq > run.inboxSeen && (entry.type === 'cancel' || topicOf(entry) === awaitedTopic(run)))
/** A run that waits for a time may wait until then. */
const mayRestUntil = ({ status, waitingFor, action }: Run): number =>
  status === 'waiting' ? (waitingFor?.until ?? 0) : 'notBefore' in action ? (action.notBefore ?? 0) : 0
const ABORTED = { ok: false as const, status: 0, code: 'aborted', message: 'aborted' }

const timeIn = (id: string): number => Number.parseInt(id.split('_')[1]?.slice(0, 10) ?? '', 32)
const timePart = (ms: number): string => ms.toString(32).padStart(10, '0')
