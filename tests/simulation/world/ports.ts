/** The ports of one simulated process: real adapters where there is something to prove, the simulated world behind all. */
import { sandboxOver } from '../../../functions/adapters/sandbox-client.ts'
import type { IdKind, Model, Ports, Wake } from '../../../functions/ports.ts'
import type { Random } from '../random.ts'
import type { Scheduler } from '../scheduler.ts'
import { portsToForge, type SimulatedForge } from './forge.ts'
import { memoryOf } from './memory.ts'
import type { SimulatedModel } from './model.ts'
import type { Network, Process } from './network.ts'
import { actingOutside, callbacksOf, type Outside } from './outside.ts'
import { type SandboxMachines, transportTo } from './sandbox.ts'
import { type StoreWorld, watchedStore } from './store.ts'

export type PortsWorld = StoreWorld & {
  scheduler: Scheduler
  network: Network
  random: Random
  model: SimulatedModel
  machines: SandboxMachines
  outside: Outside
  forge: SimulatedForge
  queue: { send(wake: Wake, delayMs: number): void }
  /** Ends the simulation when the check finds a violation. */
  guarded(check: () => void): void
  /** A number that nobody else got. */
  serial(): number
}

export function portsOf(world: PortsWorld, process: Process): Ports {
  const { network, outside, checker, scheduler } = world
  const now = (): number => scheduler.now + process.skewMs
  const store = watchedStore(world, network, process)
  const over = (label: string, work: () => Promise<unknown>) => network.start(process, label, work)
  const machines = sandboxOver(transportTo(world.machines, over), { isolation: 'none' })
  return {
    ...portsToForge(world.forge, machines, network, process),
    settings: {
      owner: process.name,
      models: { strong: 'openai/gpt-oss-120b', fast: 'openai/gpt-oss-20b', fallbacks: [] },
      costUsdMax: 1,
      learns: true,
    },
    clock: { now, sleep: (ms, signal) => network.sleep(process, ms, signal) },
    ids: { next: (kind, after) => idOf(kind, after === undefined ? now() : Math.max(now(), timeIn(after) + 1), world) },
    store,
    queue: {
      send: (wake, delayMs) =>
        network.ask(process, `queue.send ${wake.runId}@${wake.step}`, async () => world.queue.send(wake, delayMs)),
    },
    feed: {
      publish: (events) =>
        world.guarded(() => {
          for (const event of events) checker.published(event)
        }),
      subscribe: () => () => {},
      watched: () => false,
    },
    model: modelOf(world, process),
    sandbox: actingOutside(machines, {
      ...{ outside, network, process, store },
      onCall: (runId, call) => world.guarded(() => checker.performs(runId, call)),
    }),
    snapshots: {
      where: 'nowhere',
      put: async () => '',
      get: async () => undefined,
      delete: async () => {},
      list: async () => ({ items: [] }),
      isOnlyUser: async () => true,
    },
    callbacks: callbacksOf(outside, network, process),
    memory: memoryOf(outside, network, process),
  }
}

function modelOf({ network, scheduler, model }: PortsWorld, process: Process): Model {
  return {
    complete(context, { signal }) {
      const answered = network.start(process, 'model', async () => {
        await new Promise<void>((resolve) => void scheduler.later(model.takesMs(), 'model thinks', () => resolve()))
        return model.answer(context)
      })
      if (signal.aborted) return Promise.resolve(ABORTED)
      const aborted = new Promise<typeof ABORTED>((resolve) =>
        signal.addEventListener('abort', () => resolve(ABORTED), { once: true }),
      )
      return Promise.race([answered, aborted])
    },
    list: async () => ({ ok: true, ids: [] }),
  }
}

const ABORTED = { ok: false as const, status: 0, code: 'aborted', message: 'aborted' }

/** Ten characters of time, as the real ones have them, and a rest that tells it from all others. */
const idOf = (kind: IdKind, ms: number, { random, serial }: PortsWorld): string =>
  `${kind}_${ms.toString(32).padStart(10, '0')}${random.int(1000, 9999)}n${serial()}`
const timeIn = (id: string): number => Number.parseInt(id.split('_')[1]?.slice(0, 10) ?? '', 32)
