/** The processes of the world: API servers, which people ask, and workers, which the queue wakes; two of them sweep. */
import { AICodeAgent } from '../../../functions/engine/agent.ts'
import type { Ports, Wake } from '../../../functions/ports.ts'
import type { Faults } from '../faults.ts'
import type { Random } from '../random.ts'
import type { Scheduler } from '../scheduler.ts'
import { ConnectionLost, type Network, type Process } from './network.ts'
import type { Settled } from './queue.ts'

type Kind = 'api' | 'worker'
type Member = { name: string; kind: Kind; starts: number; process: Process; agent: AICodeAgent; working: number }

export type CrewWorld = {
  scheduler: Scheduler
  network: Network
  random: Random
  faults: Faults
  note(who: string, what: string): void
  portsOf(process: Process): Ports
  /** For how long nothing has to happen. */
  quietMs(): number
  buries(wake: Wake): void
}

const WORKS_AT_ONCE_MAX = 2
const RESTART_MS_MAX = 15_000
const REQUEST_MS_MAX = 30_000
const SWEEP_MS = 5000
const SKEW_MS_MAX = 5000
const FUTURE_MS = 30_000
const BROKEN_MS = 2000

export class Crew {
  /** Owner names of processes that died. */
  readonly dead = new Set<string>()
  private readonly world: CrewWorld
  private readonly members: Member[] = []
  private readonly stintMs: number
  private stir = new AbortController()
  private sleepsLong = false

  constructor(world: CrewWorld) {
    this.world = world
    this.stintMs = world.random.pick([3000, 15_000, 60_000, 300_000])
  }

  begin(): void {
    for (const name of ['api1', 'api2']) this.start(name, 'api')
    const workers = this.world.random.int(2, 3)
    for (let n = 1; n <= workers; n++) this.start(`worker${n}`, 'worker')
  }

  /** A process died; it starts again after a while, as another one. */
  died(process: Process): void {
    this.dead.add(process.name)
    const member = this.members.find((one) => one.process === process)
    if (!member) return
    const { scheduler, random } = this.world
    scheduler.later(random.int(100, RESTART_MS_MAX), 'starts again', () => this.start(member.name, member.kind))
  }

  /** True when nobody works. */
  resting(): boolean {
    return this.members.every(({ working }) => working === 0)
  }

  /** Somebody did something: sweepers that slept long look again. */
  stirred(): void {
    if (!this.sleepsLong) return
    this.sleepsLong = false
    this.stir.abort()
    this.stir = new AbortController()
  }

  /** Gives a wake-up to a worker that has room. */
  deliver(wake: Wake, settle: (settled: Settled) => void): boolean {
    const free = this.members.filter(
      ({ kind, process, working }) => kind === 'worker' && process.alive && working < WORKS_AT_ONCE_MAX,
    )
    if (free.length === 0) return false
    void this.work(this.world.random.pick(free), wake, settle)
    return true
  }

  bury(wake: Wake, why: string): void {
    const member = this.alive('worker')
    if (!member) return
    this.world.buries(wake)
    void member.agent.bury(wake, why).then(
      (buried) => this.world.note(member.process.name, `${wake.runId}@${wake.step} ${buried}`),
      () => {},
    )
  }

  /** One request of a person to some API process; the connection breaks when that dies or takes too long. */
  request<T>(label: string, work: (agent: AICodeAgent) => Promise<T>): Promise<T> {
    const member = this.alive('api')
    if (!member) return Promise.reject(new ConnectionLost('nobody answers'))
    const { process, agent } = member
    const { scheduler } = this.world
    this.world.note('people', `${label} at ${process.name}`)
    return new Promise((resolve, reject) => {
      const lost = (): void => {
        process.deaths.delete(lost)
        scheduler.later(1, 'connection lost', () => reject(new ConnectionLost('no answer')))
      }
      process.deaths.add(lost)
      const timer = scheduler.later(REQUEST_MS_MAX, 'no answer', lost)
      const done = (settle: () => void) => {
        process.deaths.delete(lost)
        scheduler.remove(timer)
        settle()
      }
      work(agent).then(
        (answer) => done(() => resolve(answer)),
        (error: unknown) => done(() => reject(error)),
      )
    })
  }

  private start(name: string, kind: Kind): void {
    const { faults, random } = this.world
    const at = this.members.findIndex((one) => one.name === name)
    const starts = (this.members[at]?.starts ?? 0) + 1
    const process: Process = {
      name: `${name}.${starts}`,
      alive: true,
      frozenUntil: 0,
      skewMs: faults.happens('clock_skew') ? random.int(-SKEW_MS_MAX, SKEW_MS_MAX) : 0,
      deaths: new Set(),
    }
    const agent = new AICodeAgent(this.world.portsOf(process))
    const member: Member = { name, kind, starts, process, agent, working: 0 }
    this.members.splice(at === -1 ? this.members.length : at, 1, member)
    if (name === 'api1' || name === 'worker1') void this.sweeps(member)
  }

  private async sweeps({ process, agent }: Member): Promise<void> {
    const { network, random, faults } = this.world
    for (;;) {
      const quietMs = this.world.quietMs()
      this.sleepsLong ||= quietMs > SWEEP_MS
      await network.sleep(process, quietMs + random.int(1, 2) * SWEEP_MS, this.stir.signal)
      const other = faults.happens('two_sweepers') ? this.alive() : undefined
      void other?.agent.sweep().catch(() => {})
      await agent.sweep().catch(() => {})
    }
  }

  /** What a worker's entry does with a wake-up. */
  private async work(member: Member, wake: Wake, settle: (settled: Settled) => void): Promise<void> {
    const { agent, process } = member
    const note = (what: string): void => this.world.note(process.name, `stint of ${wake.runId}@${wake.step} ${what}`)
    member.working++
    try {
      const until = agent.ports.clock.now() + this.stintMs
      const stint = await agent.advance(wake, () => until)
      note(stint)
      settle(stint === 'future' ? { ack: false, againMs: FUTURE_MS } : { ack: true })
    } catch (error) {
      note(`broke off: ${(error as Error).message}`)
      settle({ ack: false, againMs: BROKEN_MS })
    } finally {
      member.working--
    }
  }

  private alive(kind?: Kind): Member | undefined {
    const found = this.members.filter((one) => one.process.alive && (!kind || one.kind === kind))
    return found.length > 0 ? this.world.random.pick(found) : undefined
  }
}
