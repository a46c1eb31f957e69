/**
 * The simulation from the command line:
 *
 *     npm run simulate -- --seeds N [--seed S] [--store sqlite|redis|both] [--mutant NAME] [--jobs N] [--verbose]
 *     npm run simulate -- --list-mutants
 *
 * Exit 1 on a violation, 2 when asked wrongly. Without `--store` seeds run on the embedded store, and on a real Redis
 * where there is one; a mutant or a single seed on the embedded one alone. `--seed S` replays one seed and prints its
 * trace; `--from N` begins the batch at another seed than 1; `--jobs` is one process per processor unless told otherwise.
 */
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { MUTANTS } from './mutants.ts'
import { mutate } from './mutate.ts'

const USAGE = `usage: npm run simulate -- --seeds N [--seed S] [--from N] [--store sqlite|redis|both] [--mutant NAME] [--jobs N] [--verbose] | --list-mutants`

function asked() {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string' },
      seed: { type: 'string' },
      from: { type: 'string' },
      store: { type: 'string' },
      jobs: { type: 'string' },
      mutant: { type: 'string' },
      verbose: { type: 'boolean', default: false },
      'list-mutants': { type: 'boolean', default: false },
    },
  })
  const alone = values.seed !== undefined || values.mutant !== undefined
  const store = values.store ?? (alone ? 'sqlite' : 'both')
  if (store !== 'sqlite' && store !== 'redis' && store !== 'both') throw new Error(`there is no store ${store}`)
  const whole = (text: string | undefined, otherwise: number): number => {
    const number = text === undefined ? otherwise : Number(text)
    if (!Number.isInteger(number) || number < 0) throw new Error(`${text} is no number of seeds`)
    return number
  }
  const jobs = Math.max(1, whole(values.jobs, availableParallelism()))
  return { ...values, store, jobs, seeds: whole(values.seeds, 100), from: whole(values.from, 1) } as const
}

let options: ReturnType<typeof asked>
try {
  options = asked()
  if (options.mutant !== undefined) mutate(options.mutant)
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n${USAGE}\n`)
  process.exit(2)
}
if (options['list-mutants']) {
  process.stdout.write(`${Object.keys(MUTANTS).join('\n')}\n`)
} else {
  // Only now: a mutant must be in place before the engine is loaded.
  const { batch } = await import('./batch.ts')
  process.exitCode = await batch(options)
}
