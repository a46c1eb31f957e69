/**
 * Tasks as folders, so that a task can be read, reviewed and changed like any code:
 *
 *     NAME/task.json     what is asked, how it is checked (the schema below)
 *     NAME/repo/         the files at the start, unless task.json names a repository
 *     NAME/check/        laid over the result before the check: tests that the agent never sees
 *     NAME/check.patch   the same as a patch
 *     NAME/solution/     files of one right answer: `--verify` and the scripted model use them
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { z } from 'zod'
import { UsageError } from '../usage.ts'

export const TaskFile = z.strictObject({
  task: z.string().min(1).max(100_000),
  /** Shown in the table and counted apart. */
  language: z.string().min(1).max(40).optional(),
  repo: z.strictObject({ url: z.string().min(1), ref: z.string().min(1).optional() }).optional(),
  /** Run in the sandbox after the agent has ended: exit code 0 means that the task is solved. */
  check: z.string().min(1).max(20_000),
  checkSeconds: z.int().min(1).max(600).default(120),
  /** Programs that the check needs; where one is missing the task is left out, and it is said. */
  needs: z.array(z.string().regex(/^[\w.+-]+$/)).default([]),
  limits: z
    .strictObject({
      turns: z.int().positive().optional(),
      costUsd: z.number().positive().optional(),
      seconds: z.int().positive().optional(),
    })
    .optional(),
})

export type Files = { path: string; content: string }[]
export type Task = z.infer<typeof TaskFile> & {
  name: string
  folder: string
  /** Undefined for a task on a repository of its own. */
  start?: Files
  checkFiles: Files
  checkPatch?: string
  solution: Files
}

/** Every folder of `folder` with a task.json, by name; a mistake in one names the file and the field. */
export function readTasks(folder: string, only: string | undefined): Task[] {
  if (!existsSync(folder)) throw new UsageError(`there is no folder ${folder}`)
  const names = readdirSync(folder)
    .filter((name) => existsSync(join(folder, name, 'task.json')))
    .filter((name) => only === undefined || name.includes(only))
    .sort()
  if (names.length === 0)
    throw new UsageError(
      only === undefined
        ? `${folder} holds no task: a task is a folder with a task.json`
        : `no task in ${folder} has "${only}" in its name`,
    )
  return names.map((name) => readTask(join(folder, name), name))
}

function readTask(folder: string, name: string): Task {
  const file = join(folder, 'task.json')
  let json: unknown
  try {
    json = JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    throw new UsageError(`${file} is no JSON: ${(error as Error).message}`)
  }
  const parsed = TaskFile.safeParse(json)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    throw new UsageError(`${file}: ${issue?.path.join('.') || 'task.json'}: ${issue?.message}`)
  }
  const start = existsSync(join(folder, 'repo')) ? filesIn(join(folder, 'repo')) : undefined
  if ((start === undefined) === (parsed.data.repo === undefined))
    throw new UsageError(`${file}: a task has either a folder repo/ or a field repo`)
  const patch = join(folder, 'check.patch')
  return {
    ...parsed.data,
    name,
    folder,
    ...(start ? { start } : {}),
    checkFiles: filesIn(join(folder, 'check')),
    ...(existsSync(patch) ? { checkPatch: readFileSync(patch, 'utf8') } : {}),
    solution: filesIn(join(folder, 'solution')),
  }
}

/** Every file below, by its path with `/`; nothing where the folder is not. */
function filesIn(folder: string): Files {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .map((path) => ({ path: relative(folder, path).split(sep).join('/'), content: readFileSync(path, 'utf8') }))
}
