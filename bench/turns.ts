/**
 * `npm run bench`: what a turn of Stint costs beyond the bare loop, how much memory server and sandbox take, how long a
 * start takes until the first model request, and whether a late turn costs more than an early one. Stint and the bare
 * loop take turns in one sitting; read the differences and ratios, not single milliseconds.
 */
import { fork, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { makeRepo } from './scenario.ts'

type Stats = {
  gaps: number[]
  first: number
  requests: number
  refused: unknown[]
  reuse: number
  firstBytes: number
  promptBytes: number
}
const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url))
const rounds = Number(process.argv[2] ?? 5)

const results = {
  floor: [] as number[],
  stint: [] as number[],
  start: [] as number[],
  memory: [] as number[],
  late: [] as number[],
  floorLate: [] as number[],
}
let last: Stats | undefined
for (let round = 0; round < rounds; round++) {
  const bare = await floor('40')
  const agent = await stint('40')
  results.floor.push(mean(bare.gaps))
  results.stint.push(mean(agent.stats.gaps))
  results.start.push(agent.startMs)
  results.memory.push(agent.memoryMb)
  last = agent.stats
}
for (let round = 0; round < Math.min(rounds, 3); round++) {
  const bare = (await floor('200')).gaps
  const long = (await stint('200')).stats.gaps
  results.late.push(mean(long.slice(-20)) / mean(long.slice(5, 25)))
  results.floorLate.push(mean(bare.slice(-20)) / mean(bare.slice(5, 25)))
}

const beyond = results.stint.map((gap, i) => gap - (results.floor[i] ?? 0))
print('turn, bare loop (ms)', results.floor)
print('turn, stint (ms)', results.stint)
print('beyond the bare loop (ms a turn, bound 10)', beyond)
print('start to first model request (ms, bound 600)', results.start)
print('peak memory, server + sandbox-runner (MB, bound 250)', results.memory)
print('turn 180-200 / turn 5-25, stint (bound 1.3)', results.late)
print('turn 180-200 / turn 5-25, bare loop', results.floorLate)
if (last)
  process.stdout.write(
    `requests ${last.requests}, refused ${last.refused.length}, prompt bytes reused ${(100 * last.reuse).toFixed(1)} %, first prompt ${last.firstBytes} B, all prompts ${(last.promptBytes / 1000).toFixed(0)} kB\n`,
  )

async function withModel<T>(kind: string, use: (url: string) => Promise<T>): Promise<{ used: T; stats: Stats }> {
  const child = fork(here('./model-server.ts'), [kind], { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })
  try {
    const url = (await firstLine(child.stdout)).trim()
    const used = await use(url)
    const stats = await new Promise<Stats>((resolve) => {
      child.once('message', (message) => resolve(message as Stats))
      child.send('stats')
    })
    return { used, stats }
  } finally {
    child.kill()
  }
}

async function floor(kind: string): Promise<Stats> {
  const repo = mkdtempSync(join(tmpdir(), 'stint-bench-'))
  makeRepo(repo)
  const { stats } = await withModel(kind, async (url) => {
    const child = spawn(process.execPath, [here('./floor.ts'), url, repo], { stdio: ['ignore', 'inherit', 'inherit'] })
    await new Promise((resolve) => child.once('exit', resolve))
  })
  rmSync(repo, { recursive: true, force: true })
  return stats
}

async function stint(kind: string): Promise<{ stats: Stats; startMs: number; memoryMb: number }> {
  const folder = mkdtempSync(join(tmpdir(), 'stint-bench-'))
  const repo = join(folder, 'repo')
  makeRepo(repo)
  // As after a first start: compiled code is kept under STINT_HOME from then on.
  const home = join(tmpdir(), `stint-bench-home-${process.pid}`)
  const { used, stats } = await withModel(kind, async (url) => {
    const startedAt = performance.timeOrigin + performance.now()
    const env = {
      ...process.env,
      STINT_HOME: home,
      PORT: '0',
      GROQ_BASE_URL: url,
      GROQ_API_KEY: 'bench',
      LOG_LEVEL: 'error',
    }
    const server = spawn(process.execPath, [here('../cli/stint.js'), 'serve'], {
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    try {
      const base = /http:\S+/.exec(await firstLine(server.stdout))?.[0] ?? ''
      const accepted = await post(`${base}/execute`, {
        task: 'Fix the failing test.',
        repo: { url: repo },
        approval: 'auto',
        limits: { turns: 300 },
      })
      for (;;) {
        const run = (await (await fetch(`${base}/runs/${accepted.runId}`)).json()) as {
          status: string
          answer?: string
          diffStat: { files: number }
        }
        if (run.status === 'completed') break
        if (!['queued', 'running'].includes(run.status)) throw new Error(`the run ended ${run.status}: ${run.answer}`)
        await new Promise((resolve) => setTimeout(resolve, 200))
      }
      return { startedAt, memoryMb: peakMb(server.pid ?? 0) }
    } finally {
      server.kill('SIGTERM')
      await new Promise((resolve) => server.once('exit', resolve))
    }
  })
  rmSync(folder, { recursive: true, force: true })
  return { stats, startMs: stats.first - used.startedAt, memoryMb: used.memoryMb }
}

/** Highest resident memory of the server and of the sandbox-runner it started, added up. */
function peakMb(pid: number): number {
  const children = readdirSync('/proc').filter(
    (name) => /^\d+$/.test(name) && new RegExp(`^PPid:\\s+${pid}$`, 'm').test(statusOf(name)),
  )
  return [String(pid), ...children].reduce(
    (sum, name) => sum + Number(/^VmHWM:\s+(\d+)/m.exec(statusOf(name))?.[1] ?? 0) / 1024,
    0,
  )
}

function statusOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8')
  } catch {
    return ''
  }
}

async function post(url: string, body: object): Promise<{ runId: string }> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  if (!response.ok) throw new Error(await response.text())
  return (await response.json()) as { runId: string }
}

function firstLine(stream: NodeJS.ReadableStream | null): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    stream?.on('data', (chunk: Buffer) => {
      text += chunk
      if (text.includes('\n')) resolve(text)
    })
    stream?.once('end', () => resolve(text))
  })
}

function mean(values: number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length)
}

function print(name: string, values: number[]): void {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (share: number) =>
    (sorted[Math.round((sorted.length - 1) * share)] ?? 0).toFixed(sorted[0] && sorted[0] < 10 ? 2 : 1)
  process.stdout.write(
    `${name.padEnd(54)} median ${at(0.5).padStart(7)}   min ${at(0).padStart(7)}   max ${at(1).padStart(7)}\n`,
  )
}
