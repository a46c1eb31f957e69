/** One seed from its start to its rest. */
import { CLAIMS_MAX } from '../../functions/core/limits.ts'
import { type Golden, goldenFor } from './golden.ts'
import { randomOf } from './random.ts'
import { checkEnd, STUCK_MS } from './rest.ts'
import { EPOCH_MS } from './scheduler.ts'
import { planRuns, type RunPlan } from './script.ts'
import { Violation } from './violation.ts'
import type { Backend } from './world/backend.ts'
import { World } from './world/world.ts'

export type Report = {
  seed: string
  store: Backend['name']
  mood: string
  runs: number
  commits: number
  turns: number
  faults: Map<string, number>
  replies: Map<string, number>
  trace: string[]
  violation?: { invariant: string; message: string }
}

const FAULTS_MS = [60_000, 240_000] as const
const LOOK_MS = 30_000
/** A world that goes on and on. */
const TURNS_MAX = 200_000
/** A run that nobody watches waits a week for each of its questions. */
const END_MS = 200 * 24 * 3600_000

export type Owners = { mayLive: (owner: string) => boolean }

export async function simulate(
  seed: string,
  backend: Backend,
  owners: Owners,
  { verbose = false }: { verbose?: boolean } = {},
): Promise<Report> {
  await backend.wipe()
  const random = randomOf(`${seed}/plan`)
  const plans = planRuns(random)
  const golden = random.chance(0.15) ? random.pick(goldenOf(backend.name)) : undefined
  const tells = random.chance(0.5)
  const world = new World(seed, backend, [...plans, ...(golden?.plans ?? [])], {
    verbose,
    mayLive: (dead) => {
      owners.mayLive = (owner) => !tells || !dead.has(owner)
      return owners.mayLive
    },
  })
  const report = (violation?: Report['violation']): Report => ({
    seed,
    store: backend.name,
    mood: world.faults.mood,
    runs: world.checker.runs.size,
    commits: world.checker.commits,
    turns: world.scheduler.turns,
    faults: world.faults.seen,
    replies: world.replies,
    trace: verbose ? world.trace.lines : world.trace.newest(),
    ...(violation ? { violation } : {}),
  })
  try {
    if (golden) await adopt(world, golden)
    await live(world, [...plans, ...(golden?.plans ?? [])], plans, random.int(...FAULTS_MS))
    return report()
  } catch (error) {
    if (error instanceof Violation) return report({ invariant: error.invariant, message: error.message })
    return report({ invariant: 'exception', message: String((error as Error).stack) })
  }
}

const kept = new Map<string, Golden[]>()
function goldenOf(name: Backend['name']): Golden[] {
  const found = kept.get(name) ?? goldenFor(name)
  kept.set(name, found)
  return found
}

/** Rows of before are put into the store, and their people watch them. */
async function adopt({ backend, checker, faults, people }: World, { plans, rows }: Golden): Promise<void> {
  await backend.load(rows)
  for (const plan of plans) {
    const page = await backend.store.runs({ limit: 100 })
    const run = page.items.find(({ task }) => task.startsWith(`${plan.label}:`))
    if (!run) throw new Violation('I1', `${plan.label} is not among the old rows`)
    const [messages, events] = [await backend.messages(run.runId, 0), await backend.events(run.runId, 0)]
    const row = await backend.row(run.runId)
    await checker.adopt(row?.run ?? run, messages, events, row?.token ?? 0)
    people.watch(plan, run.runId, run.sessionId)
    faults.saw('run_of_old_rows')
  }
}

async function live(world: World, plans: RunPlan[], fresh: RunPlan[], faultsMs: number): Promise<void> {
  const { scheduler, checker, people, queue, faults } = world
  const end = EPOCH_MS + faultsMs
  scheduler.later(faultsMs, 'faults end', () => {
    faults.end()
    world.trace.add('world', 'faults end')
  })
  let late: string | undefined
  const look = (): void => {
    late ??= world.stuck(end, STUCK_MS)
    scheduler.later(Math.max(LOOK_MS, world.quietMs()), 'look', look)
  }
  look()
  people.begin(fresh)
  const closed = (): boolean => [...checker.runs.values()].every(({ run }) => run.action.type === 'stop')
  await scheduler.run(
    () =>
      late !== undefined ||
      scheduler.turns > TURNS_MAX ||
      scheduler.now > EPOCH_MS + END_MS ||
      (people.busy === 0 && queue.size === 0 && closed() && world.crew.resting()),
  )
  if (late) throw new Violation('liveness', late)
  if (scheduler.turns > TURNS_MAX) throw new Violation('liveness', `it goes on and on: ${TURNS_MAX} turns`)
  if (!closed() || people.busy > 0 || queue.size > 0)
    throw new Violation(
      'liveness',
      `not at rest after ${END_MS / 3600_000} hours: ${queue.size} wake-ups, ${people.busy} people`,
    )
  await checker.compareAll()
  for (const seen of checker.runs.values()) {
    const plan = plans.find(({ label }) => label === seen.label)
    if (!plan) throw new Violation('I7', `${seen.label} was asked for by nobody`)
    const { runId } = seen.run
    checkEnd(seen, plan, world, {
      rolledBack: checker.rolledBack.has(runId),
      buried: checker.buried.has(runId),
      claimsMax: CLAIMS_MAX,
    })
  }
}
