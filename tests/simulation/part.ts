/** One of several processes that a batch is shared among: seeds come in as messages, reports go out, traces stay short. */
import { MUTANTS } from './mutants.ts'
import { mutate } from './mutate.ts'
import type { Report } from './run.ts'

/** To a part, and what it answers: every report of its share, up to the first violation. */
export type Share = { store: 'sqlite' | 'redis'; seeds: string[] }
export type Answer = { reports: Report[] }

const [mutant] = process.argv.slice(2)
if (mutant !== undefined && mutant in MUTANTS) mutate(mutant)
// Only now: a mutant must be in place before the engine is loaded.
const { openWorlds } = await import('./worlds.ts')
const open = new Map<Share['store'], ReturnType<typeof openWorlds>>()

process.on('message', async ({ store, seeds }: Share) => {
  const made = open.get(store) ?? openWorlds(store)
  open.set(store, made)
  const { run } = await made
  const reports: Report[] = []
  for (const seed of seeds) {
    const report = await run(seed)
    reports.push({ ...report, trace: report.violation ? report.trace : [] })
    if (report.violation) break
  }
  process.send?.({ reports } satisfies Answer)
})
process.on('disconnect', async () => {
  for (const made of open.values()) await (await made).close()
  process.exit(0)
})
