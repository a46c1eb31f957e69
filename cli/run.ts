/** `run`, `watch` and `serve`. */
import { resolve } from 'node:path'
import { main as startServer } from '../functions/server.ts'
import { applyResult, branchResult, checkTarget, type Target } from './apply.ts'
import type { Client } from './client.ts'
import { connect } from './connect.ts'
import type { RunView } from './contract.ts'
import { type Followed, follow, type Style, type Watching } from './follow.ts'
import { bold, colourDiff, dim, oneLine } from './output.ts'
import { exitCode, howToAnswer, summary } from './summary.ts'
import { amount, type Given, suffixOf, UsageError } from './usage.ts'

const DIFF_LINES_SHOWN_MAX = 200

export async function run({ values, words }: Given): Promise<number> {
  const task = words.join(' ').trim()
  if (task === '') throw new UsageError('say what is to be done: stint run "fix the failing test"')
  const style: Style = values.json ? 'json' : values.quiet ? 'quiet' : 'live'
  const server = values.server as string | undefined
  const { url, local } = repoOf(values.repo as string | undefined, server)
  const wanted = Boolean(values.apply) || values.branch !== undefined
  if (wanted && local === undefined) throw new UsageError('--apply and --branch need a local repository')
  const target =
    local !== undefined && wanted ? await checkTarget(local, values.branch as string | undefined) : undefined
  const body = bodyOf(task, url, values)

  const connection = await connect(server)
  const { client } = connection
  try {
    const { runId } = await client.post<{ runId: string }>('/execute', body)
    connection.adopt(runId)
    if (style === 'live')
      process.stdout.write(`${bold(oneLine(task, 120))}\n${dim(`${url ?? 'no repository'} · ${runId}`)}\n`)
    const watching: Watching = { client, runId, style, interrupt: 'cancel', suffix: suffixOf(server) }
    const followed = await follow(watching)
    const code = await report(followed, watching)
    if (followed.run.status === 'completed' && target) await bringHome(client, followed.run, target, values, style)
    return code
  } finally {
    await connection.close()
  }
}

export async function watch({ values, words: [runId, ...more] }: Given): Promise<number> {
  if (!runId || more.length > 0) throw new UsageError('watch one run; "stint runs" lists them')
  const server = values.server as string | undefined
  const connection = await connect(server)
  try {
    await connection.client.run(runId)
    connection.adopt(runId)
    return await followToEnd({
      client: connection.client,
      runId,
      style: values.json ? 'json' : 'live',
      interrupt: 'leave',
      suffix: suffixOf(server),
    })
  } finally {
    await connection.close()
  }
}

/** Follows, reports, and answers the exit code. */
export const followToEnd = async (watching: Watching): Promise<number> => report(await follow(watching), watching)

export async function serve(): Promise<number> {
  await startServer()
  return 0
}

async function report({ run: ended, why }: Followed, { client, style, suffix }: Watching): Promise<number> {
  if (style === 'json') return why === 'ended' ? exitCode(ended) : 3
  if (why === 'left') {
    process.stdout.write(`left; the run goes on where a Stint works on it: stint watch ${ended.runId}${suffix}\n`)
    return 3
  }
  if (why === 'waits') {
    process.stdout.write(`\n${howToAnswer(ended, suffix)}\n`)
    return 3
  }
  if (style === 'quiet') process.stdout.write(`${ended.answer ?? ''}\n`)
  else {
    const diff = ended.diffStat.files > 0 ? await client.text(`/runs/${ended.runId}/diff`) : ''
    const short = diff.split('\n').length <= DIFF_LINES_SHOWN_MAX
    if (diff !== '')
      process.stdout.write(
        `\n${short ? colourDiff(diff).trimEnd() : dim(`the diff is long: stint diff ${ended.runId}${suffix}`)}\n`,
      )
    process.stdout.write(`${summary(ended)}\n`)
  }
  return exitCode(ended)
}

/** The result goes to a branch, to the working tree, or to both. */
async function bringHome(
  client: Client,
  ended: RunView,
  target: Target,
  values: Given['values'],
  style: Style,
): Promise<void> {
  const diff = await client.text(`/runs/${ended.runId}/diff`)
  const said: string[] = []
  if (values.branch !== undefined) said.push(await branchResult(target, diff, values.branch as string, ended))
  if (values.apply) said.push(await applyResult(target, diff, ended.runId))
  if (style === 'live') process.stdout.write(`${said.join('\n')}\n`)
}

/** An address as it is, a path made absolute; the current directory when nothing was said, unless a server is asked. */
function repoOf(given: string | undefined, server: string | undefined): { url?: string; local?: string } {
  if (given === undefined && server !== undefined) return {}
  const repo = given ?? '.'
  if (/^[\w+.-]+:\/\/|^[\w.-]+@[\w.-]+:/.test(repo)) return { url: repo }
  const path = resolve(repo)
  return server === undefined ? { url: path, local: path } : { url: path }
}

function bodyOf(task: string, url: string | undefined, values: Given['values']): object {
  const text = (name: string) => values[name] as string | undefined
  const approval = text('approval')
  if (approval !== undefined && !['ask', 'auto', 'deny'].includes(approval))
    throw new UsageError(`--approval is one of ask, auto, deny; not ${approval}`)
  const ref = text('ref')
  const limits = {
    ...(text('max-cost') === undefined ? {} : { costUsd: amount('--max-cost', text('max-cost') ?? '') }),
    ...(text('max-turns') === undefined ? {} : { turns: Math.trunc(amount('--max-turns', text('max-turns') ?? '')) }),
  }
  return {
    task,
    ...(url === undefined ? {} : { repo: { url, ...(ref ? { ref } : {}) } }),
    ...(approval ? { approval } : {}),
    ...(text('model') ? { model: text('model') } : {}),
    ...(Object.keys(limits).length > 0 ? { limits } : {}),
  }
}
