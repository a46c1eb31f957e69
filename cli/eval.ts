/**
 * `stint eval`: tasks with checks, N attempts each, on a Stint of its own under STINT_HOME/eval/NAME, so that no memory
 * flows in and none flows out. Every attempt that is known is on disk; the same command goes on where it broke off.
 */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { readEnv } from '../functions/env.ts'
import { connect } from './connect.ts'
import { attemptAt, programsMissing, verify, type Where } from './eval/attempt.ts'
import { importTasks } from './eval/import.ts'
import { addRow, endLine, mustHaveRows, type Row, readRows } from './eval/results.ts'
import { comparisonTable, table } from './eval/table.ts'
import { readTasks, type Task } from './eval/tasks.ts'
import { dim, dollars, green, red, Screen, seconds, yellow } from './output.ts'
import { amount, type Given, UsageError } from './usage.ts'

const ATTEMPTS_MAX = 100
const JOBS_MAX = 64

type Wanted = {
  attempts: number
  jobs: number
  model?: string
  budgetUsd?: number
  json: boolean
  predictions?: string
}
type Attempt = { task: Task; attempt: number }

export async function evaluate({ values, words: [dir, more] }: Given): Promise<number> {
  const text = (name: string) => values[name] as string | undefined
  const home = join(readEnv({ STINT_HOME: process.env.STINT_HOME, HOME: process.env.HOME }).STINT_HOME, 'eval')
  const resultsOf = (name: string) => join(home, name, 'results.jsonl')
  if (text('compare') !== undefined) return comparison(text('compare') ?? '', resultsOf, Boolean(values.json))
  if (dir === undefined || more !== undefined) throw new UsageError('name one folder of tasks: stint eval DIR')
  if (text('import') !== undefined) return brought(text('import') ?? '', dir, text('check'))
  const tasks = readTasks(dir, text('only'))
  const wanted: Wanted = {
    attempts: whole('--attempts', text('attempts') ?? '1', ATTEMPTS_MAX),
    jobs: whole('--jobs', text('jobs') ?? '1', JOBS_MAX),
    json: Boolean(values.json),
    ...(text('model') === undefined ? {} : { model: text('model') as string }),
    ...(text('budget') === undefined ? {} : { budgetUsd: amount('--budget', text('budget') ?? '') }),
    ...(text('predictions') === undefined ? {} : { predictions: text('predictions') as string }),
  }
  const name = text('name') ?? nameOf(dir, wanted.model)
  if (!/^[\w.-]{1,100}$/.test(name)) throw new UsageError('--name takes letters, digits, ".", "_" and "-"')
  keepSettings(join(home, name), { dir: resolve(dir), model: wanted.model ?? 'auto' })

  const server = text('server')
  const connection = await connect(server, { env: aside(join(home, name, 'home')), every: true })
  const stop = new AbortController()
  const interrupt = () => stop.abort(new Error('interrupted'))
  process.once('SIGINT', interrupt)
  const where: Where = {
    client: connection.client,
    folder: join(home, name, 'repos'),
    name,
    signal: stop.signal,
    ...(wanted.model ? { model: wanted.model } : {}),
    ...(text('max-cost') === undefined ? {} : { maxCostUsd: amount('--max-cost', text('max-cost') ?? '') }),
  }
  try {
    const able = await withPrograms(tasks, where)
    if (values.verify) return await verified(able, where)
    return await all(able, wanted, where, resultsOf(name))
  } finally {
    process.off('SIGINT', interrupt)
    await connection.close()
  }
}

/** All attempts that are not known yet, `jobs` at a time, then the table. */
async function all(tasks: Task[], wanted: Wanted, where: Where, file: string): Promise<number> {
  const usable = where.model === 'scripted' ? tasks.filter(({ solution }) => solution.length > 0) : tasks
  for (const { name } of tasks.filter((task) => !usable.includes(task)))
    process.stderr.write(`left out: ${name} has no solution/ for the scripted model\n`)
  const before = readRows(file)
  endLine(file)
  const known = new Set(before.map(({ task, attempt }) => `${task} ${attempt}`))
  const left = Array.from({ length: wanted.attempts }, (_, i) => usable.map((task) => ({ task, attempt: i + 1 })))
    .flat()
    .filter(({ task, attempt }) => !known.has(`${task.name} ${attempt}`))
  const names = new Set(usable.map(({ name }) => name))
  const rows = before.filter(({ task, attempt }) => names.has(task) && attempt <= wanted.attempts)
  if (rows.length > 0) process.stderr.write(dim(`${rows.length} attempts are known already and are not made again\n`))
  const screen = new Screen()
  const total = rows.length + left.length
  const spent = () => rows.reduce((sum, { costUsd }) => sum + costUsd, 0)
  const under = new Set<string>()
  if (!wanted.json) screen.begin(() => `${rows.length} of ${total} · ${dollars(spent())} · ${[...under].join(', ')}`)
  const failures: string[] = []
  const worker = async () => {
    for (let next = left.shift(); next; next = left.shift()) {
      if (where.signal.aborted || (wanted.budgetUsd !== undefined && spent() >= wanted.budgetUsd)) return
      const label = `${next.task.name} ${next.attempt}`
      under.add(label)
      const row = await one(next, where, failures)
      under.delete(label)
      if (!row) continue
      addRow(file, row)
      rows.push(row)
      if (wanted.predictions) await predict(wanted.predictions, row, where)
      if (wanted.json) process.stdout.write(`${JSON.stringify(row)}\n`)
      else screen.print(told(row))
    }
  }
  await Promise.all(Array.from({ length: wanted.jobs }, worker))
  screen.end()
  for (const failure of failures) process.stderr.write(`stint: ${failure}\n`)
  if (!wanted.json && rows.length > 0) process.stdout.write(`\n${table(rows)}\n${dim(`rows    ${file}`)}\n`)
  if (rows.length === total) return 0
  const why = where.signal.aborted
    ? 'interrupted'
    : failures.length > 0
      ? `${failures.length} attempts could not be made`
      : 'the budget is spent'
  process.stderr.write(`stint: ${rows.length} of ${total} attempts are done (${why}); the same command goes on\n`)
  return failures.length > 0 ? 1 : 3
}

async function one({ task, attempt }: Attempt, where: Where, failures: string[]): Promise<Row | undefined> {
  try {
    return await attemptAt(task, attempt, where)
  } catch (error) {
    if (!where.signal.aborted) failures.push(`${task.name} ${attempt}: ${(error as Error).message}`)
    return undefined
  }
}

async function verified(tasks: Task[], where: Where): Promise<number> {
  let wrong = 0
  for (const task of tasks) {
    const why = await verify(task, where)
    if (why !== undefined) wrong++
    process.stdout.write(`${why === undefined ? green('✓') : red('✗')} ${task.name}${why ? ` ${why}` : ''}\n`)
  }
  process.stdout.write(`${tasks.length - wrong} of ${tasks.length} tasks hold\n`)
  return wrong === 0 ? 0 : 1
}

/** Tasks whose programs the sandbox has. */
async function withPrograms(tasks: Task[], where: Where): Promise<Task[]> {
  const first = tasks.find(({ needs }) => needs.length > 0)
  if (!first) return tasks
  const missing = await programsMissing([...new Set(tasks.flatMap(({ needs }) => needs))], first, where)
  for (const { name, needs } of tasks)
    for (const program of needs.filter((one) => missing.has(one)))
      process.stderr.write(yellow(`left out: ${name} needs ${program}, which the sandbox has not\n`))
  return tasks.filter(({ needs }) => !needs.some((one) => missing.has(one)))
}

function comparison(names: string, resultsOf: (name: string) => string, json: boolean): number {
  const [first, second, more] = names.split(',')
  if (!first || !second || more !== undefined) throw new UsageError('--compare takes two names: --compare before,after')
  const [a, b] = [first, second].map((name) => mustHaveRows(resultsOf(name), name)) as [Row[], Row[]]
  process.stdout.write(comparisonTable([first, a], [second, b], json))
  return 0
}

function brought(spec: string, dir: string, check: string | undefined): number {
  const { made, left } = importTasks(spec, dir, check)
  for (const line of left) process.stderr.write(`left out: ${line}\n`)
  process.stdout.write(`${made} tasks in ${dir}\n`)
  return made > 0 ? 0 : 1
}

/** A row in the form that the graders of SWE-bench read. */
async function predict(file: string, { task, runId, model }: Row, { client }: Where): Promise<void> {
  const patch = await client.text(`/runs/${runId}/diff`)
  const line = JSON.stringify({ instance_id: task, model_name_or_path: `stint-${model}`, model_patch: patch })
  writeFileSync(file, `${line}\n`, { flag: 'a' })
}

const told = (row: Row): string =>
  [
    `${row.passed ? green('✓') : red('✗')} ${row.task}`,
    ...(row.attempt > 1 ? [dim(`attempt ${row.attempt}`)] : []),
    dim(
      `${row.turns} turns, ${dollars(row.costUsd)}, ${seconds(row.seconds * 1000)}${row.status === 'completed' ? '' : `, ${row.stopReason ?? row.status}`} · ${row.runId}`,
    ),
  ].join(' ')

/** What the evaluation shares with nobody: its state is in its own home, on the embedded defaults. */
const aside = (home: string): Record<string, string | undefined> => ({
  STINT_HOME: home,
  ...Object.fromEntries(
    Object.keys(process.env)
      .filter((name) =>
        /^(UPSTASH_|REDIS_URL|DATABASE_URL|CHROMA_|SQS_|QSTASH_|SNAPSHOT_BUCKET|STINT_REPO_ROOTS)/.test(name),
      )
      .map((name) => [name, undefined]),
  ),
})

/** Rows of two configurations under one name would be no evaluation of either. */
function keepSettings(folder: string, settings: { dir: string; model: string }): void {
  const file = join(folder, 'settings.json')
  mkdirSync(folder, { recursive: true })
  const text = `${JSON.stringify(settings)}\n`
  if (!existsSync(file)) writeFileSync(file, text)
  else if (readFileSync(file, 'utf8') !== text)
    throw new UsageError(`this name is taken by ${readFileSync(file, 'utf8').trim()}; give another by --name`)
}

/** One folder and model, one name: the same command finds its rows again. */
function nameOf(dir: string, model = 'auto'): string {
  const hash = createHash('sha256').update(resolve(dir)).digest('hex').slice(0, 6)
  return `${resolve(dir).split(/[\\/]/).at(-1)}-${model}-${hash}`.replace(/[^\w.-]/g, '-')
}

function whole(option: string, value: string, max: number): number {
  const number = Number(value)
  if (!Number.isInteger(number) || number < 1 || number > max)
    throw new UsageError(`${option} takes a whole number from 1 to ${max}; not ${value}`)
  return number
}
