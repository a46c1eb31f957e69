/**
 * One attempt at a task: a run like any other, then the check in the files it left. Both go over the HTTP contract, so
 * the check runs in the sandbox and the same code serves this machine and a deployment.
 */
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Client } from '../client.ts'
import type { MessageView, RunView } from '../contract.ts'
import type { Row } from './results.ts'
import { withScript } from './script.ts'
import type { Files, Task } from './tasks.ts'

export type Where = {
  client: Client
  /** Where repositories of tasks are made. */
  folder: string
  name: string
  model?: string
  maxCostUsd?: number
  signal: AbortSignal
}
type Place = { sessionId: string } | { repo: { url: string; ref?: string } }
type Checked = { passed: boolean; said: string; sessionId: string }

const SAID_CHARS_MAX = 2000
const PATCH_FILE = '.stint-check.patch'
const LOOK_MS = 250

/** Started twice it is the same run: the key names the evaluation, the task and the attempt. */
export async function attemptAt(task: Task, attempt: number, where: Where): Promise<Row> {
  const { client, name, model } = where
  const limits = { ...task.limits, ...(where.maxCostUsd === undefined ? {} : { costUsd: where.maxCostUsd }) }
  const { runId } = await client.post<{ runId: string }>(
    '/execute',
    {
      task: model === 'scripted' ? withScript(task) : task.task,
      repo: repoOf(task, where.folder),
      approval: 'auto',
      ...(model ? { model } : {}),
      ...(Object.keys(limits).length > 0 ? { limits } : {}),
    },
    { 'idempotency-key': `eval:${name}:${task.name}:${attempt}` },
  )
  const run = await endOf(runId, where)
  const { passed, said } = await check(task, { sessionId: run.sessionId }, where)
  const messages = await messagesOf(client, runId)
  const tools = messages.filter(({ role }) => role === 'tool')
  const { inputTokens, cachedTokens, outputTokens, costUsd } = run.usage
  return {
    task: task.name,
    ...(task.language ? { language: task.language } : {}),
    attempt,
    model: messages.findLast((message) => message.model)?.model ?? run.model,
    runId,
    status: run.status,
    ...(run.stopReason ? { stopReason: run.stopReason } : {}),
    passed,
    check: said,
    turns: run.turns,
    toolCalls: tools.length,
    toolErrors: tools.filter(({ ok }) => ok === false).length,
    ...{ inputTokens, cachedTokens, outputTokens, costUsd },
    seconds: run.workedSeconds,
    diffLines: run.diffStat.additions + run.diffStat.deletions,
    at: new Date().toISOString(),
  }
}

/** Whether the check fails at the start and passes with the solution; the reason where it is otherwise. */
export async function verify(task: Task, where: Where): Promise<string | undefined> {
  const repo = repoOf(task, where.folder)
  const untouched = await check(task, { repo }, where)
  if (untouched.passed) return 'the check passes before anything was done'
  if (task.solution.length === 0) return undefined
  const { sessionId } = await tool('list_files', { limit: 1 }, { repo }, where)
  await lay(task.solution, { sessionId }, where)
  const solved = await check(task, { sessionId }, where)
  return solved.passed ? undefined : `the check fails on the solution: ${solved.said.slice(-400)}`
}

/** Which programs the sandbox does not find. */
export async function programsMissing(programs: string[], task: Task, where: Where): Promise<Set<string>> {
  const command = programs.map((one) => `command -v ${one} >/dev/null || echo "missing:${one}:"`).join('; ')
  const { output } = await tool('run_command', { command }, { repo: repoOf(task, where.folder) }, where)
  return new Set(programs.filter((one) => output.includes(`missing:${one}:`)))
}

/** Files of the check are laid over what is there; what the agent wrote at their places does not count. */
async function check(task: Task, place: Place, where: Where): Promise<Checked> {
  const patch = task.checkPatch === undefined ? [] : [{ path: PATCH_FILE, content: task.checkPatch }]
  const laid = await lay([...task.checkFiles, ...patch], place, where)
  const command = patch.length > 0 ? `git apply --whitespace=nowarn ${PATCH_FILE} && ${task.check}` : task.check
  const input = { command, timeoutSec: task.checkSeconds }
  const { ok, output, sessionId } = await tool('run_command', input, laid, where)
  return { passed: ok, said: output.slice(-SAID_CHARS_MAX), sessionId }
}

async function lay(files: Files, place: Place, where: Where): Promise<Place> {
  let here = place
  for (const file of files) {
    const { ok, output, sessionId } = await tool('write_file', file, here, where)
    if (!ok) throw new Error(`${file.path} cannot be laid over the result: ${output}`)
    here = { sessionId }
  }
  return here
}

type ToolView = { runId: string; sessionId: string; ok: boolean; output: string }

async function tool(name: string, input: object, place: Place, where: Where): Promise<ToolView> {
  const { client } = where
  const body = { tool: name, input, ...place, approval: 'auto' }
  const answer = await client.post<Partial<ToolView> & { runId: string; sessionId: string }>('/tool/execute', body)
  if (answer.ok !== undefined) return answer as ToolView
  await endOf(answer.runId, where)
  const last = (await messagesOf(client, answer.runId)).findLast(({ role }) => role === 'tool')
  return { ...answer, ok: last?.ok ?? false, output: last?.content ?? 'the call was not performed' }
}

/** An evaluation asks nobody: a run that waits for a person is cancelled, and counts as it stands. */
async function endOf(runId: string, { client, signal }: Where): Promise<RunView> {
  for (;;) {
    signal.throwIfAborted()
    const run = await client.run(runId)
    if (['completed', 'failed', 'cancelled'].includes(run.status)) return run
    const kind = run.status === 'waiting' ? run.waitingFor?.kind : undefined
    if (kind === 'approval' || kind === 'question')
      await client.post(`/runs/${runId}/cancel`, { reason: 'an evaluation has nobody to ask' })
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
  }
}

async function messagesOf(client: Client, runId: string): Promise<MessageView[]> {
  const all: MessageView[] = []
  for (let cursor = ''; ; ) {
    const { items, nextCursor } = await client.get<{ items: MessageView[]; nextCursor?: string }>(
      `/runs/${runId}/messages?limit=200${cursor}`,
    )
    all.push(...items)
    if (!nextCursor) return all
    cursor = `&cursor=${encodeURIComponent(nextCursor)}`
  }
}

/** The repository of a task: its own, or one made of its files, whole or not at all, with the same commit every time. */
function repoOf(task: Task, folder: string): { url: string; ref?: string } {
  if (task.repo) return task.repo
  const place = join(folder, task.name)
  if (existsSync(place)) return { url: place }
  const making = `${place}.${process.pid}.part`
  rmSync(making, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  cpSync(join(task.folder, 'repo'), making, { recursive: true })
  const at = '2026-01-01T00:00:00Z'
  const git = (...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=Stint', '-c', 'user.email=stint@localhost', '-C', making, ...args], {
      env: { PATH: process.env.PATH, GIT_CONFIG_NOSYSTEM: '1', GIT_AUTHOR_DATE: at, GIT_COMMITTER_DATE: at },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
  git('init', '-q', '-b', 'main')
  git('add', '-A', '-f')
  git('commit', '-q', '-m', 'The start of the task')
  renameSync(making, place)
  return { url: place }
}
