/** The sandbox-runner as a process of its own, to be killed, to hang, or to run as somebody else. */
import { type ChildProcess, spawn } from 'node:child_process'
import { chownSync, readdirSync, readFileSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { Box, Door } from './sandbox.ts'
import { ROOT, tempFolder } from './world.ts'

export type RunnerProcess = Door & { child: ChildProcess; kill(signal?: NodeJS.Signals): Promise<void>; socket: string }

export type RunnerProcessOptions = {
  ms?: number
  uid?: number
  entry?: string
  isolation?: 'auto' | 'none'
  env?: Record<string, string | undefined>
  /** Open files that it gets from us. */
  descriptors?: number[]
}

/** `ms` bounds every answer: a runner that hangs fails the test instead of holding it. */
export async function runnerProcess(
  t: Pick<TestContext, 'after'>,
  { home, objects }: Pick<Box, 'home' | 'objects'>,
  {
    ms = 20_000,
    uid,
    entry = join(ROOT, 'sandbox-runner/server.ts'),
    isolation = 'none',
    env,
    descriptors = [],
  }: RunnerProcessOptions = {},
): Promise<RunnerProcess> {
  const folder = tempFolder(t, 'stint-socket-')
  if (uid !== undefined) chownSync(folder, uid, uid)
  const socket = join(folder, 's')
  const token = 'test'
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', entry], {
    stdio: ['pipe', 'pipe', 'inherit', ...descriptors],
    ...(env ? { env } : {}),
    ...(uid === undefined ? {} : { uid, gid: uid, env: { PATH: process.env.PATH, HOME: '/' } }),
  })
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const kill = async (signal: NodeJS.Signals = 'SIGKILL') => {
    child.kill(signal)
    await exited
  }
  t.after(() => kill())
  const ready = new Promise<void>((resolve, reject) => {
    child.stdout?.once('data', () => resolve())
    child.once('exit', (code, signal) => reject(new Error(`the runner ended: ${signal ?? code}`)))
  })
  child.stdin?.write(`${JSON.stringify({ socket, token, home, objects, isolation })}\n`)
  await ready
  const handle: Door['handle'] = (request) =>
    new Promise((resolve, reject) => {
      const body = JSON.stringify(request)
      const headers = { authorization: `Bearer ${token}`, 'content-length': Buffer.byteLength(body) }
      const sent = httpRequest({ socketPath: socket, method: 'POST', path: '/', headers, agent: false }, (response) => {
        const parts: Buffer[] = []
        response.on('data', (part: Buffer) => parts.push(part))
        response.once('error', reject)
        response.once('end', () => resolve(JSON.parse(Buffer.concat(parts).toString())))
      })
      sent.setTimeout(ms, () => sent.destroy(new Error(`no answer within ${ms} ms`)))
      sent.once('error', reject)
      sent.end(body)
    })
  return { handle, child, kill, socket }
}

/** True while the process is there and no zombie. */
export function running(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return !/^ [ZX] /.test(stat.slice(stat.lastIndexOf(')') + 1))
  } catch {
    return false
  }
}

/** Processes that were started by a command of this call and kept its environment. */
export const processesOf = (callId: string): number[] =>
  readdirSync('/proc').flatMap((name) => {
    try {
      if (!/^\d+$/.test(name) || !running(Number(name))) return []
      return readFileSync(`/proc/${name}/environ`).includes(`STINT_CALL=${callId}\0`) ? [Number(name)] : []
    } catch {
      return []
    }
  })
