/** Many seeds one after the other, what they showed, and what they did not. */
import { FAULT_NAMES } from './faults.ts'
import type { Report } from './run.ts'
import { shared } from './shared.ts'
import { REDIS_URL, redisMissing } from './world/redis.ts'
import { openWorlds } from './worlds.ts'

export type BatchOptions = {
  seeds: number
  from: number
  seed?: string | undefined
  store: 'sqlite' | 'redis' | 'both'
  /** Processes that the seeds are shared among. */
  jobs: number
  mutant?: string | undefined
  verbose: boolean
}

/** From so many seeds on, every fault and every reply of the store must have been seen: the rarest comes up once in some hundred. */
const SEEDS_FOR_ALL = 500
const REPLIES = [
  ...['ok', 'idempotency_mismatch', 'session_busy'].map((code) => `start ${code}`),
  ...['ok', 'gone', 'ended', 'waiting', 'busy', 'stale', 'future'].map((code) => `claim ${code}`),
  ...['ok', 'unread', 'fenced', 'stale'].map((code) => `commit ${code}`),
  ...['ok', 'gone', 'ended', 'not_waiting', 'decided'].map((code) => `post ${code}`),
  'renew nothing',
]

/** The exit code: 1 for a violation, 2 when it cannot run at all. */
export async function batch(options: BatchOptions): Promise<0 | 1 | 2> {
  const kinds = options.store === 'both' ? (['sqlite', 'redis'] as const) : [options.store]
  let bad = false
  const missing = options.store === 'sqlite' ? undefined : await redisMissing(REDIS_URL)
  if (missing) print(`redis: left out, ${missing}`)
  if (missing && options.store === 'redis') return 2
  for (const kind of kinds.filter((one) => one === 'sqlite' || !missing)) bad = (await oneStore(kind, options)) || bad
  return bad ? 1 : 0
}

async function oneStore(kind: 'sqlite' | 'redis', options: BatchOptions): Promise<boolean> {
  const sum = new Sum(kind)
  const reports = options.seed === undefined ? shared(kind, seedsOf(options), options) : replay(kind, options.seed)
  for await (const report of reports) {
    sum.add(report)
    if (options.seed !== undefined) print(report.trace.join('\n'))
    else if (options.verbose)
      print(`${report.seed} ${report.mood} runs ${report.runs} commits ${report.commits} turns ${report.turns}`)
    if (!report.violation) continue
    explain(report, options)
    return true
  }
  return sum.tell(options)
}

const seedsOf = ({ seeds, from }: BatchOptions): string[] => Array.from({ length: seeds }, (_, i) => String(from + i))

/** One seed again, here, with all of its trace. */
async function* replay(kind: 'sqlite' | 'redis', seed: string): AsyncGenerator<Report> {
  const worlds = await openWorlds(kind)
  try {
    yield await worlds.run(seed, { verbose: true })
  } finally {
    await worlds.close()
  }
}

function explain({ violation, seed, trace, store }: Report, { mutant, seed: replayed }: BatchOptions): void {
  if (replayed === undefined) print(trace.slice(-60).join('\n'))
  print(`seed ${seed} on ${store}: ${violation?.invariant} violated: ${violation?.message}`)
  print(`replay: npm run simulate -- --seed ${seed} --store ${store}${mutant ? ` --mutant ${mutant}` : ''}`)
}

class Sum {
  private readonly store: string
  private readonly began = performance.now()
  private seeds = 0
  private runs = 0
  private commits = 0
  private turns = 0
  private readonly faults = new Map<string, number>()
  private readonly replies = new Map<string, number>()

  constructor(store: string) {
    this.store = store
  }

  add({ runs, commits, turns, faults, replies }: Report): void {
    this.seeds++
    this.runs += runs
    this.commits += commits
    this.turns += turns
    for (const [into, from] of [
      [this.faults, faults],
      [this.replies, replies],
    ] as const)
      for (const [name, count] of from) into.set(name, (into.get(name) ?? 0) + count)
  }

  /** True when something that must be seen was not. */
  tell({ seed, verbose }: BatchOptions): boolean {
    const ms = (performance.now() - this.began) / this.seeds
    const faults = [...this.faults.values()].reduce((a, b) => a + b, 0)
    print(
      `${this.store}: ${this.seeds} seeds, ${this.runs} runs, ${this.commits} commits, ${faults} faults, ${this.turns} turns, 0 violations${seed === undefined ? `, ${ms.toFixed(1)} ms per seed` : ''}`,
    )
    if (verbose) {
      for (const [name, count] of [...this.faults].sort()) print(`  ${name} ${count}`)
      for (const [name, count] of [...this.replies].sort()) print(`  ${name} ${count}`)
    }
    if (this.seeds < SEEDS_FOR_ALL) return false
    const unseen = [
      ...FAULT_NAMES.filter((name) => !this.faults.has(name)),
      ...REPLIES.filter((name) => !this.replies.has(name)),
    ]
    if (unseen.length > 0) print(`never seen: ${unseen.join(', ')}`)
    return unseen.length > 0
  }
}

const print = (text: string): void => void process.stdout.write(`${text}\n`)
