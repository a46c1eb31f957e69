/** The command as people start it: a process of its own with a clean environment, in a pipe or in a real terminal. */
import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { ROOT, tempFolder, until } from './world.ts'

export const STINT = join(ROOT, 'cli/stint.js')
export type Done = { code: number | null; out: string; err: string }
export type Given = { env?: Record<string, string | undefined>; cwd?: string; input?: string; node?: string }
export type Running = { child: ChildProcess; done: Promise<Done>; so_far: () => Done }
export type Cli = {
  home: string
  env: Record<string, string>
  /** Runs the command to its end. */
  (args: string[], given?: Given): Promise<Done>
  /** Starts it and leaves it running. */
  start(args: string[], given?: Given): Running
  /** Done before the folders go. */
  atEnd(work: () => unknown): void
}

/** A `stint` with a STINT_HOME and HOME of its own; nothing of this process's environment but PATH reaches it. */
export function cli(t: Pick<TestContext, 'after'>, base: Record<string, string> = {}): Cli {
  const atEnd: (() => unknown)[] = []
  t.after(() => Promise.all(atEnd.map((work) => work())))
  const home = tempFolder(t, 'stint-home-')
  const env = {
    PATH: process.env.PATH ?? '',
    HOME: home,
    STINT_HOME: join(home, 'stint'),
    STINT_ISOLATION: 'none',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_AUTHOR_NAME: 'Test',
    GIT_AUTHOR_EMAIL: 'test@localhost',
    GIT_COMMITTER_NAME: 'Test',
    GIT_COMMITTER_EMAIL: 'test@localhost',
    ...base,
  }
  const start = (args: string[], given: Given = {}): Running => {
    const child = spawn(given.node ?? process.execPath, [STINT, ...args], {
      cwd: given.cwd ?? home,
      env: { ...env, ...given.env },
      stdio: 'pipe',
    })
    const seen: Done = { code: null, out: '', err: '' }
    child.stdout.setEncoding('utf8').on('data', (part: string) => (seen.out += part))
    child.stderr.setEncoding('utf8').on('data', (part: string) => (seen.err += part))
    child.stdin.on('error', () => {})
    child.stdin.end(given.input ?? '')
    const done = new Promise<Done>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', (code) => resolve({ ...seen, code }))
    })
    atEnd.push(() => child.kill('SIGKILL') && done)
    return { child, done, so_far: () => seen }
  }
  return Object.assign((args: string[], given?: Given) => start(args, given).done, {
    home: env.STINT_HOME,
    env,
    start,
    atEnd: (work: () => unknown) => void atEnd.push(work),
  })
}

/** Fails with all that was printed. */
export function ended(done: Done, code: number): Done {
  assert.equal(done.code, code, `exit code; it printed:\n${done.out}\n${done.err}`)
  return done
}

/** The id of the run that an output speaks of. */
export const runIn = (text: string): string => /run_[0-9a-z]{26}/.exec(text)?.[0] ?? assert.fail(`no run in:\n${text}`)
export const callIn = (text: string): string =>
  /call_[0-9a-z]{26}/.exec(text)?.[0] ?? assert.fail(`no call in:\n${text}`)

/** Every byte below a folder, `.git` included, as one hash per path. */
export function fingerprint(folder: string): Record<string, string> {
  const found: Record<string, string> = {}
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    if (entry.isSymbolicLink()) found[path] = readlinkSync(path)
    else if (entry.isFile()) found[path] = createHash('sha256').update(readFileSync(path)).digest('hex')
    else found[path] = 'folder'
  }
  return found
}

export const NO_TMUX: string | false = (() => {
  if (process.env.STINT_TEST_REQUIRE === 'all') return false
  try {
    execFileSync('tmux', ['-V'], { stdio: 'ignore' })
    return false
  } catch {
    return 'needs tmux'
  }
})()

export type Terminal = {
  /** Keys as tmux names them: text, `Enter`, `C-c`. */
  keys(...keys: string[]): void
  /** What stands on the screen, with colours when `escapes`. */
  screen(escapes?: boolean): string
  /** Waits until the screen shows it. */
  shows(pattern: RegExp, ms?: number): Promise<string>
  title(): string
}

/** A terminal of its own that runs `stint args` and then prints `exit=CODE`. */
export function terminal(stint: Cli, args: string[], given: Given & { columns?: number } = {}): Terminal {
  const folder = join(stint.home, '..', `tmux-${Math.random().toString(36).slice(2)}`)
  mkdirSync(folder)
  const tmux = (...words: string[]): string =>
    execFileSync('tmux', ['-S', join(folder, 'socket'), '-f', '/dev/null', ...words], {
      encoding: 'utf8',
      env: { PATH: process.env.PATH ?? '', HOME: folder, LANG: 'C.UTF-8', SHELL: '/bin/sh' },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
  const quoted = [process.execPath, STINT, ...args].map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ')
  const size = ['-x', String(given.columns ?? 120), '-y', '60']
  const settings = Object.entries({ ...stint.env, LANG: 'C.UTF-8', ...given.env }).flatMap(([name, value]) => [
    '-e',
    `${name}=${value}`,
  ])
  tmux(
    '-u',
    'new-session',
    '-d',
    ...size,
    '-c',
    given.cwd ?? folder,
    ...settings,
    `trap : INT; ${quoted}; echo exit=$?; exec sleep 600`,
  )
  stint.atEnd(() => tmux('kill-server'))
  const screen = (escapes = false) => tmux('capture-pane', '-p', '-J', '-S', '-', ...(escapes ? ['-e'] : [])).trimEnd()
  return {
    keys: (...keys) => void tmux('send-keys', ...keys),
    screen,
    async shows(pattern, ms = 15_000) {
      try {
        return await until(String(pattern), () => pattern.test(screen()) && screen(), ms)
      } catch (error) {
        throw new Error(`${(error as Error).message}; the screen is\n${screen()}`)
      }
    },
    title: () => tmux('display-message', '-p', '#{pane_title}').trim(),
  }
}
