/**
 * `npm run bench:fleet -- [RUNS] [KILL_EVERY_S]`: many runs of 20 turns at once on two servers that share one real Redis,
 * while one of the two is killed every few seconds. Afterwards every run has ended once, every transcript equals its
 * script, no event is missing, and no answer was paid for twice but those in flight at a kill. Prints throughput and
 * the time of a step. Needs REDIS_URL (default redis://127.0.0.1:6379); its keys have a prefix of their own.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Json } from '../functions/scripted/protocol.ts'
import { startScriptedServer, type Turn } from '../functions/scripted/server.ts'

const TURNS = 20
const SERVERS = 2
const DEADLINE_MS = 3_600_000

export type FleetResult = {
  runs: number
  kills: number
  seconds: number
  stepsPerSecond: number
  stepMsP50: number
  stepMsP95: number
  answersPaidTwice: number
}

/** @throws AssertionError that names the run when anything was lost or done twice. */
export async function fleet(runs: number, killEveryMs: number, redisUrl: string): Promise<FleetResult> {
  const folder = mkdtempSync(join(tmpdir(), 'stint-fleet-'))
  const repo = makeRepo(join(folder, 'repo'))
  const paid = new Map<string, number>()
  const model = await startScriptedServer({
    script: ({ messages }) => turnOf(tagOf(messages), answersIn(messages)),
    intercept(body) {
      const messages = body.messages as Json[]
      const key = `${tagOf(messages)} ${answersIn(messages)}`
      paid.set(key, (paid.get(key) ?? 0) + 1)
      return false
    },
  })
  const env = {
    PATH: process.env.PATH ?? '',
    HOME: process.env.HOME ?? '',
    STINT_HOME: join(folder, 'home'),
    REDIS_URL: redisUrl,
    STINT_REDIS_PREFIX: `stint-fleet-${process.pid}:`,
    GROQ_BASE_URL: model.url,
    GROQ_API_KEY: 'fleet',
    PORT: '0',
    LOG_LEVEL: 'error',
  }
  const servers = await Promise.all(Array.from({ length: SERVERS }, () => start(env)))
  let kills = 0
  let working = true
  const killer = (async () => {
    for (let turn = 0; working; turn++) {
      await pause(killEveryMs)
      if (!working) return
      const victim = turn % SERVERS
      servers[victim]?.child.kill('SIGKILL')
      kills++
      servers[victim] = await start(env)
    }
  })()
  try {
    const started = performance.now()
    const ids = await submit(runs, repo, () => servers)
    await untilEnded(ids, () => servers)
    const seconds = (performance.now() - started) / 1000
    working = false
    await killer
    const steps = await check(ids, servers[0]?.url ?? '')
    assert.deepEqual(model.refused, [], 'the model server took every request')
    const twice = [...paid.values()].reduce((sum, times) => sum + times - 1, 0)
    return {
      runs,
      kills,
      seconds,
      stepsPerSecond: steps.length / seconds,
      stepMsP50: quantile(steps, 0.5),
      stepMsP95: quantile(steps, 0.95),
      answersPaidTwice: twice,
    }
  } finally {
    working = false
    await killer
    for (const { child } of servers) child.kill('SIGKILL')
    await model.close()
    execFileSync('sh', [
      '-c',
      `redis-cli -u "$1" --scan --pattern "$2*" | xargs -r -n 500 redis-cli -u "$1" del >/dev/null`,
      'sh',
      redisUrl,
      env.STINT_REDIS_PREFIX,
    ])
    rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
  }
}

type Server = { url: string; child: ChildProcess }

function start(env: Record<string, string>): Promise<Server> {
  const entry = fileURLToPath(new URL('../cli/stint.js', import.meta.url))
  const child = spawn(process.execPath, [entry, 'serve'], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  return new Promise((resolve, reject) => {
    child.stdout?.on('data', (part) => {
      text += part
      const url = /stint listening on (http:\S+)/.exec(text)?.[1]
      if (url) resolve({ url, child })
    })
    child.once('exit', () => reject(new Error(`a server did not start: ${text}`)))
  })
}

/** Each run under an Idempotency-Key, so that a server killed while it answers is simply asked again. */
async function submit(runs: number, repo: string, servers: () => Server[]): Promise<Map<string, string>> {
  const ids = new Map<string, string>()
  const tags = Array.from({ length: runs }, (_, i) => `tag-${String(i).padStart(5, '0')}`)
  const next = tags.values()
  const submitter = async () => {
    for (const tag of next) {
      const body = { task: `Walk through ${tag}.`, repo: { url: repo }, approval: 'auto' }
      const { runId } = await insist<{ runId: string }>(servers, '/execute', {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'idempotency-key': tag },
        body: JSON.stringify(body),
      })
      ids.set(runId, tag)
    }
  }
  await Promise.all(Array.from({ length: 16 }, submitter))
  assert.equal(ids.size, runs, 'one run for each key')
  return ids
}

async function untilEnded(ids: Map<string, string>, servers: () => Server[]): Promise<void> {
  const left = new Set(ids.keys())
  for (const end = Date.now() + DEADLINE_MS; left.size > 0; ) {
    if (Date.now() > end) throw new Error(`${left.size} runs have not ended, ${[...left][0]} among them`)
    for (const runId of [...left].slice(0, 50)) {
      const { status } = await insist<{ status: string }>(servers, `/runs/${runId}`)
      if (['completed', 'failed', 'cancelled'].includes(status)) left.delete(runId)
    }
    await pause(500)
  }
}

/** Compares each run with its script. Answers how long each step took, in ms, by the times in the events. */
async function check(ids: Map<string, string>, url: string): Promise<number[]> {
  const steps: number[] = []
  for (const [runId, tag] of ids) {
    const run = await get<{ status: string; turns: number; answer?: string; diffStat: Json }>(`${url}/runs/${runId}`)
    assert.deepEqual(
      [run.status, run.turns, run.answer],
      ['completed', TURNS, `Done with ${tag}.`],
      `${runId}: ${run.answer}`,
    )
    const { items } = await get<{
      items: { role: string; tool?: string; ok?: boolean; calls?: { tool: string; input: Json }[] }[]
    }>(`${url}/runs/${runId}/messages`)
    const said = items.flatMap((message) => (message.role === 'assistant' ? [message.calls?.[0]] : []))
    for (const [i, made] of said.entries()) {
      const call = turnOf(tag, i).calls?.[0]
      assert.deepEqual(made && [made.tool, made.input], call && [call.name, call.arguments], `${runId}, answer ${i}`)
    }
    const results = items.filter((message) => message.role === 'tool')
    assert.equal(results.length, TURNS - 1, `${runId} has a result for each call`)
    assert.ok(
      results.every(({ ok }) => ok),
      `${runId}: a call failed`,
    )
    const events = await pages(`${url}/runs/${runId}/events`)
    assert.deepEqual(
      events.map(({ seq }) => seq),
      events.map((_, i) => i + 1),
      `${runId}: events without gaps`,
    )
    const times = events
      .filter(({ type }) => type === 'message.completed' || type === 'tool.completed')
      .map(({ at }) => Date.parse(at))
    steps.push(...times.slice(1).map((at, i) => at - (times[i] ?? at)))
    const diff = await (await fetch(`${url}/runs/${runId}/diff`)).text()
    const lines = diff.split('\n').filter((line) => line.startsWith('+line '))
    assert.deepEqual(
      lines,
      linesOf(tag).map((line) => `+${line}`),
      `${runId}: every effect once, in order`,
    )
  }
  return steps
}

type EventItem = { seq: number; type: string; at: string }
async function pages(url: string): Promise<EventItem[]> {
  const all: EventItem[] = []
  for (;;) {
    const { items, nextCursor } = await get<{ items: EventItem[]; nextCursor?: string }>(
      `${url}?after=${all.length}&limit=200`,
    )
    all.push(...items)
    if (!nextCursor) return all
  }
}

// ---- the script: a write, then reads and edits in turn; each edit adds one line -------------------------------------

const linesOf = (tag: string): string[] =>
  Array.from({ length: TURNS }, (_, i) => i)
    .filter((i) => i < TURNS - 1 && i % 3 === 0)
    .map((i) => `line ${tag} ${i}`)

function turnOf(tag: string, answers: number): Turn {
  if (answers >= TURNS - 1) return { text: `Done with ${tag}.` }
  if (answers === 0)
    return { calls: [{ name: 'write_file', arguments: { path: 'log.txt', content: `line ${tag} 0\n` } }] }
  if (answers % 3 === 0) {
    const last = `line ${tag} ${answers - 3}\n`
    return {
      calls: [
        {
          name: 'edit_file',
          arguments: { path: 'log.txt', oldText: last, newText: `${last}line ${tag} ${answers}\n` },
        },
      ],
    }
  }
  return answers % 3 === 1
    ? { calls: [{ name: 'read_file', arguments: { path: 'log.txt' } }] }
    : { calls: [{ name: 'list_files', arguments: {} }] }
}

const tagOf = (messages: Json[]): string => /tag-\d+/.exec(JSON.stringify(messages))?.[0] ?? '?'
const answersIn = (messages: Json[]): number => messages.filter(({ role }) => role === 'assistant').length

function makeRepo(folder: string): string {
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'README.md'), '# Fleet\n')
  const git = (...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=Fleet', '-c', 'user.email=fleet@localhost', '-C', folder, ...args])
  git('init', '-q')
  git('add', '-A')
  git('commit', '-qm', 'start')
  return folder
}

// ---- the wire ---------------------------------------------------------------------------------------------------------

async function get<T>(url: string): Promise<T> {
  const response = await fetch(url, { headers: { accept: 'application/json' } })
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`)
  return (await response.json()) as T
}

/** Asks one server after the other until one answers: any of them may have been killed a moment ago. */
async function insist<T>(servers: () => Server[], path: string, init?: RequestInit): Promise<T> {
  for (let tries = 0; ; tries++) {
    const { url } = servers()[tries % SERVERS] ?? { url: '' }
    try {
      const response = await fetch(url + path, init)
      if (response.ok) return (await response.json()) as T
      if (response.status < 500 && response.status !== 409) throw new Error(`${path}: ${await response.text()}`)
    } catch (error) {
      if (tries > 200) throw error
    }
    await pause(50)
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
const quantile = (values: number[], share: number): number =>
  [...values].sort((a, b) => a - b)[Math.round((values.length - 1) * share)] ?? 0

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [runs = 1000, everyS = 5] = process.argv.slice(2).map(Number)
  const result = await fleet(runs, everyS * 1000, process.env.REDIS_URL ?? 'redis://127.0.0.1:6379')
  process.stdout.write(`${JSON.stringify(result, undefined, 2)}\n`)
}
