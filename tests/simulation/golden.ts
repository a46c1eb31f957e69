/**
 * Rows as an older Stint left them in the middle of its runs, kept for each form that rows ever had: today's code must
 * carry such runs to their end. `node tests/simulation/golden.ts` writes them anew for the form they have now; do so
 * under a new name when that form changes, and keep the old ones.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { SCHEMA_VERSION } from '../../functions/adapters/sqlite-schema.ts'
import type { Run } from '../../functions/core/types.ts'
import { randomOf } from './random.ts'
import { edit, planRuns, type RunPlan, type ScriptedCall } from './script.ts'
import type { Backend, Rows } from './world/backend.ts'

export type Golden = { plans: RunPlan[]; rows: Rows }

const FOLDER = fileURLToPath(new URL('golden/', import.meta.url))

/** All that is kept for this kind of store, in the order of their names. */
export const goldenFor = (name: Backend['name']): Golden[] =>
  readdirSync(FOLDER)
    .filter((file) => file.startsWith(`${name}-`))
    .sort()
    .map((file) => JSON.parse(readFileSync(join(FOLDER, file), 'utf8')) as Golden)

const command = (text: string): ScriptedCall => ({ name: 'run_command', args: { command: text } })

/** Runs in every place where one may be found, each with what tells that it is there. */
const CASES: { label: string; approval: RunPlan['approval']; turns: ScriptedCall[][]; is: (run: Run) => boolean }[] = [
  {
    label: 'G1',
    approval: 'ask',
    turns: [[edit('G1.1')], [command('echo G1.2 >> log.txt'), edit('G1.3')]],
    is: (run) => run.waitingFor?.kind === 'approval',
  },
  {
    label: 'G2',
    approval: 'ask',
    turns: [[{ name: 'ask_user', args: { question: 'G2?', default: 'none' } }], [edit('G2.1')]],
    is: (run) => run.waitingFor?.kind === 'question',
  },
  {
    label: 'G3',
    approval: 'auto',
    turns: [[edit('G3.1')], [edit('G3.2'), command('echo G3.3 >> log.txt')], [command('chat G3.4')]],
    is: (run) => run.action.type === 'run_tools' && run.step > 4,
  },
  {
    label: 'G4',
    approval: 'auto',
    turns: [[edit('G4.1')], [{ name: 'run_tests', args: {} }], [command('push G4.2')]],
    is: (run) => run.action.type === 'call_model' && run.step > 4,
  },
  { label: 'G5', approval: 'auto', turns: [], is: (run) => run.status === 'queued' },
]

function planOf({ label, approval, turns }: (typeof CASES)[number]): RunPlan {
  const [drawn] = planRuns(randomOf('golden'))
  if (!drawn) throw new Error('no plan was drawn')
  const { cancelAtMs: _, follows: _follows, costUsd: _cost, ...plan } = drawn
  return {
    ...plan,
    ...{ label, approval, callback: true, posts: 1, otherBody: false, nobody: false, removedAfterwards: false },
    ...{ startsAtMs: 0, saysAtMs: [], deciders: [] },
    answers: [
      ...turns.map((calls, i) => ({ text: `${label} answer ${i}`, calls })),
      { text: `${label} is done after ${turns.length} answers`, calls: [] },
    ],
  }
}

async function make(backend: Backend): Promise<Golden> {
  const { World } = await import('./world/world.ts')
  const plans: RunPlan[] = []
  const rows: Rows = {}
  for (const one of CASES) {
    await backend.wipe()
    const plan = planOf(one)
    const world = new World(`golden ${one.label}`, backend, [plan], { verbose: false, mayLive: () => () => true })
    world.faults.end()
    world.people.begin([plan])
    await world.scheduler.run(() => [...world.checker.runs.values()].some(({ run }) => one.is(run)))
    for (const [name, found] of Object.entries(await backend.dump())) rows[name] = [...(rows[name] ?? []), ...found]
    plans.push({ ...plan, deciders: [{ approves: 1, remember: 'call', looksEveryMs: 3000 }] })
  }
  return { plans, rows }
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [{ sqliteBackend }, { REDIS_URL, redisBackend }] = await Promise.all([
    import('./world/sqlite.ts'),
    import('./world/redis.ts'),
  ])
  mkdirSync(FOLDER, { recursive: true })
  const files: [string, Backend][] = [
    [`sqlite-${SCHEMA_VERSION}.json`, sqliteBackend(() => true)],
    ['redis-1.json', await redisBackend(REDIS_URL)],
  ]
  for (const [file, backend] of files) {
    writeFileSync(join(FOLDER, file), `${JSON.stringify(await make(backend), null, 1)}\n`)
    await backend.close()
    process.stdout.write(`${file}\n`)
  }
}
