/**
 * One simulated world: two API processes, two or three workers, a queue between them, one store and everything outside.
 * The engine in it is the real one, and so is the store.
 */
import { Checker, type MayLive } from '../checker.ts'
import { Faults } from '../faults.ts'
import { type Random, randomOf } from '../random.ts'
import { EPOCH_MS, Scheduler } from '../scheduler.ts'
import type { RunPlan } from '../script.ts'
import { Trace } from '../trace.ts'
import type { Backend } from './backend.ts'
import { Crew } from './crew.ts'
import { SimulatedForge } from './forge.ts'
import { SimulatedModel } from './model.ts'
import { Network } from './network.ts'
import { Outside } from './outside.ts'
import { People } from './people.ts'
import { type PortsWorld, portsOf } from './ports.ts'
import { SimulatedQueue } from './queue.ts'
import { quietMs, stuck } from './quiet.ts'
import { SandboxMachines } from './sandbox.ts'

export type WorldOptions = {
  /** Keeps all of the trace. */
  verbose: boolean
  /** What the store is told of owners, of which some have died. */
  mayLive: (dead: Set<string>) => MayLive
}

export class World {
  readonly backend: Backend
  readonly faults: Faults
  readonly scheduler: Scheduler
  readonly trace: Trace
  readonly checker: Checker
  readonly outside: Outside
  readonly forge: SimulatedForge
  readonly people: People
  readonly queue: SimulatedQueue
  readonly crew: Crew
  /** How many replies of each kind the store gave. */
  readonly replies = new Map<string, number>()

  constructor(seed: string, backend: Backend, plans: RunPlan[], options: WorldOptions) {
    const random = randomOf(seed)
    const faults = new Faults(random.fork('faults'))
    const scheduler = new Scheduler(random.fork('scheduler'))
    const trace = new Trace(() => scheduler.now - EPOCH_MS, options.verbose)
    const note = (who: string, what: string): void => trace.add(who, what)
    const pause = (ms: number, label: string): Promise<void> =>
      new Promise((resolve) => void scheduler.later(ms, label, () => resolve()))
    const died: ConstructorParameters<typeof Network>[0]['died'] = (process) => this.crew.died(process)
    const network = new Network({ scheduler, faults, note, died, random: random.fork('network') })

    this.backend = backend
    this.faults = faults
    this.scheduler = scheduler
    this.trace = trace
    this.crew = new Crew({
      ...{ scheduler, network, faults, note, random: random.fork('crew') },
      portsOf: (process) => portsOf(ports, process),
      quietMs: () => this.quietMs(),
      buries: ({ runId }) => void this.checker.buried.add(runId),
    })
    this.checker = new Checker(backend, options.mayLive(this.crew.dead))
    this.outside = new Outside(faults, (runId, token) => token < (this.checker.runs.get(runId)?.token ?? 0))
    this.forge = new SimulatedForge(faults, (push) => {
      try {
        this.checker.pushes(push)
      } catch (error) {
        scheduler.fail(error)
      }
    })
    this.queue = new SimulatedQueue({
      ...{ scheduler, faults, note, random: random.fork('queue') },
      deliver: (wake, settle) => this.crew.deliver(wake, settle),
      bury: (wake, why) => this.crew.bury(wake, why),
    })
    this.people = new People({
      ...{ faults, pause, note, random: random.fork('people') },
      request: (label, work) => this.crew.request(label, work),
      ended: (runId) => !['queued', 'running', 'waiting'].includes(this.checker.runs.get(runId)?.run.status ?? 'gone'),
      fail: (error) => scheduler.fail(error),
    })
    const ports = this.portsWorld(random, network, pause, plans)
    this.crew.begin()
  }

  /** For how long nothing has to happen. */
  quietMs(): number {
    return this.queue.size > 0 ? 0 : quietMs(this.checker.runs.values(), this.scheduler.now)
  }

  /** Why a run that should move does not; `from`: when faults ended. */
  stuck(from: number, afterMs: number): string | undefined {
    return stuck(this.checker.runs.values(), this.scheduler.now, from, afterMs)
  }

  private portsWorld(
    random: Random,
    network: Network,
    pause: (ms: number, label: string) => Promise<void>,
    plans: RunPlan[],
  ): PortsWorld {
    const { backend, checker, faults, trace, scheduler, outside, forge, queue } = this
    const guarded = (check: () => void): void => {
      try {
        check()
      } catch (error) {
        scheduler.fail(error)
      }
    }
    const labelled = new Map(plans.map((plan) => [plan.label, plan]))
    let serial = 0
    return {
      ...{ backend, checker, faults, trace, scheduler, outside, forge, queue, network, guarded },
      random: random.fork('ids'),
      model: new SimulatedModel(labelled, random.fork('model'), faults),
      machines: new SandboxMachines({
        ...{ faults, pause, random: random.fork('sandbox') },
        onCall: (runId, call) => guarded(() => checker.performs(runId, call)),
      }),
      saw: (reply) => void this.replies.set(reply, (this.replies.get(reply) ?? 0) + 1),
      stirred: () => this.crew.stirred(),
      serial: () => ++serial,
    }
  }
}
