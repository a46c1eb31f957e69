/** What tests stand on: repos made by real git, a server as its own process, the scripted model over real HTTP. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { Json } from '../../functions/scripted/protocol.ts'
import {
  type ScriptedOptions,
  type ScriptedServer,
  startScriptedServer,
  type Turn,
} from '../../functions/scripted/server.ts'

export const ROOT = fileURLToPath(new URL('../../', import.meta.url))

type Cleaner = Pick<TestContext, 'after'>

/** A folder that goes with the test. */
export function tempFolder(t: Cleaner, name = 'stint-test-'): string {
  const folder = mkdtempSync(join(tmpdir(), name))
  t.after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }))
  return folder
}

export const git = (folder: string, ...args: string[]): string =>
  execFileSync(
    'git',
    ['-c', 'user.name=Test', '-c', 'user.email=test@localhost', '-c', 'commit.gpgsign=false', '-C', folder, ...args],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] },
  ).trim()

/** Writes files by path. */
export function write(folder: string, files: Record<string, string | Uint8Array>): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), content)
  }
}

/** A git repo with one commit. */
export function makeRepo(t: Cleaner, files: Record<string, string | Uint8Array> = { 'README.md': '# Test\n' }): string {
  const folder = join(tempFolder(t), 'repo')
  mkdirSync(folder)
  git(folder, 'init', '-q', '-b', 'main')
  write(folder, files)
  git(folder, 'add', '-A')
  git(folder, 'commit', '-q', '--allow-empty', '-m', 'start')
  return folder
}

/** The scripted model; `turns` are its answers in order of the conversation, the last one repeats. */
export async function scripted(
  t: Cleaner,
  turns: Turn[] | ScriptedOptions['script'],
  options: Partial<ScriptedOptions> = {},
): Promise<ScriptedServer> {
  const script: ScriptedOptions['script'] = Array.isArray(turns)
    ? ({ messages }) => turns[Math.min(answersIn(messages), turns.length - 1)] ?? { text: 'done' }
    : turns
  const server = await startScriptedServer({ script, ...options })
  t.after(() => server.close())
  return server
}

/** How many answers the conversation holds since its last task. */
export function answersIn(messages: Json[]): number {
  const begin = messages.findLastIndex(
    (message) => message.role === 'user' && /\n---\nWorkspace: /.test(String(message.content)),
  )
  return messages.slice(begin + 1).filter((message) => message.role === 'assistant').length
}

export const call = (name: string, args: Json = {}): Turn => ({ calls: [{ name, arguments: args }] })

export type Stint = {
  url: string
  home: string
  child: ChildProcess
  /** What it printed so far. */
  output: () => string
  /** Resolves when it has ended. */
  kill(signal?: NodeJS.Signals): Promise<void>
}

/** A server in a process of its own, as `npm start` runs it. */
export async function startStint(t: Cleaner, env: Record<string, string> = {}): Promise<Stint> {
  const home = env.STINT_HOME ?? mkdtempSync(join(tmpdir(), 'stint-home-'))
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', join(ROOT, 'cli/stint.js'), 'serve'],
    {
      env: {
        PATH: process.env.PATH ?? '',
        HOME: process.env.HOME ?? '',
        PORT: '0',
        LOG_LEVEL: 'warn',
        // What waits for approval is the same on every machine, and what commands do can be looked at.
        STINT_ISOLATION: 'none',
        ...env,
        STINT_HOME: home,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (part: Buffer) => (output += part))
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const kill = async (signal: NodeJS.Signals = 'SIGTERM') => {
    child.kill(signal)
    await exited
  }
  t.after(async () => {
    await kill('SIGKILL')
    // Its runner may still be leaving.
    if (!env.STINT_HOME) rmSync(home, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
  })
  for (;;) {
    const url = /stint listening on (http:\S+)/.exec(output)?.[1]
    if (url) return { url, home, child, output: () => output, kill }
    if (child.exitCode !== null) throw new Error(`the server did not start:\n${output}`)
    await pause(10)
  }
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Waits until `probe` answers something; fails after `ms`. */
export async function until<T>(
  what: string,
  probe: () => Promise<T | undefined | false> | T | undefined | false,
  ms = 20_000,
): Promise<T> {
  for (const end = Date.now() + ms; ; ) {
    const found = await probe()
    if (found) return found
    if (Date.now() > end) throw new Error(`waited ${ms} ms for ${what}`)
    await pause(20)
  }
}

type Answer<T> = { status: number; headers: Headers; body: T }

/** One request with a JSON body and answer. */
export async function ask<T = Json>(
  method: string,
  url: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer<T>> {
  const response = await fetch(url, {
    method,
    headers: {
      accept: 'application/json',
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return {
    status: response.status,
    headers: response.headers,
    body: (text === '' ? undefined : text.startsWith('{') || text.startsWith('[') ? JSON.parse(text) : text) as T,
  }
}

export type RunJson = {
  runId: string
  sessionId: string
  status: string
  stopReason?: string
  answer?: string
  turns: number
  step: number
  usage: { inputTokens: number; costUsd: number }
  diffStat: { files: number }
  waitingFor?: { kind: string; callId?: string; question?: string }
  plan: { text: string; status: string }[]
} & Json

/** The run once it has ended or waits. */
export const settled = (url: string, runId: string, ms = 30_000): Promise<RunJson> =>
  until(
    `run ${runId} to settle`,
    async () => {
      const { body } = await ask<RunJson>('GET', `${url}/runs/${runId}`)
      return ['completed', 'failed', 'cancelled', 'waiting'].includes(body.status) && body
    },
    ms,
  )

/** Asks for a run and waits until it has ended or waits for somebody. */
export async function runTask(url: string, body: Json): Promise<RunJson> {
  const accepted = await ask<{ runId: string }>('POST', `${url}/execute`, body)
  if (accepted.status !== 202) throw new Error(`refused: ${JSON.stringify(accepted.body)}`)
  return settled(url, accepted.body.runId)
}
