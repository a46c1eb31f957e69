/**
 * The sandbox, and the carrier, as children of this process, each over a local socket. The child is in a session of its
 * own and outlives us until its calls are done, so that our death in the middle of a command does not repeat it. One
 * that died is started again by the next request.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { Agent, request as httpRequest } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Sandbox, Snapshots } from '../ports.ts'
import { type Packing, sandboxOver, type Transport } from './sandbox-client.ts'

export type ChildOptions = {
  /** The runner's entry file. */
  entry: string
  home: string
  /** The folder where both find large layers; left out where an object store lends addresses. */
  objects?: string | undefined
  /** `none`: commands are not held in, even where they could be. */
  isolation?: 'auto' | 'none'
  /** Started by its first request, not at once. */
  lazily?: boolean
}

type Runner = { child: ChildProcess; socket: string; token: string; ready: Promise<void> }

const START_MS_MAX = 15_000
const NODE_FLAGS = ['--disable-warning=ExperimentalWarning']

export const childSandbox = (options: ChildOptions, lend?: Snapshots['lend']): Sandbox & Packing =>
  sandboxOver(childRunner(options), { lend })

/** A runner of its own process, whichever entry it has. */
export function childRunner(options: ChildOptions): Transport {
  const agent = new Agent({ keepAlive: true, maxSockets: 64 })
  const folder = mkdtempSync(join(tmpdir(), 'stint-'))
  let runner: Runner | undefined = options.lazily ? undefined : start()

  function start(): Runner {
    const token = randomBytes(24).toString('base64url')
    const socket = join(folder, randomBytes(4).toString('hex'))
    const child = spawn(process.execPath, [...NODE_FLAGS, options.entry], {
      detached: true,
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    child.stdin?.on('error', () => {})
    const { home, objects, isolation = 'auto' } = options
    child.stdin?.write(`${JSON.stringify({ socket, token, home, objects, isolation })}\n`)
    const ready = new Promise<void>((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`the sandbox-runner did not start within ${START_MS_MAX} ms`)),
        START_MS_MAX,
      )
      const done = (settle: () => void) => {
        clearTimeout(timer)
        settle()
      }
      child.stdout?.once('data', () => done(resolve))
      child.once('error', (error) => done(() => reject(error)))
      child.once('exit', (code, signal) =>
        done(() => reject(new Error(`the sandbox-runner ended (${signal ?? `code ${code}`})`))),
      )
    })
    ready.catch(() => {})
    const started = { child, socket, token, ready }
    child.once('exit', () => {
      if (runner === started) runner = undefined
    })
    // The child does not keep us alive; requests do.
    child.unref()
    for (const pipe of [child.stdin, child.stdout]) (pipe as unknown as { unref?: () => void } | null)?.unref?.()
    return started
  }

  return {
    async send(body, { timeoutMs = 30_000 } = {}) {
      runner ??= start()
      const { socket, token, ready } = runner
      await ready
      return post(agent, socket, token, JSON.stringify(body), timeoutMs)
    },
    async close() {
      const last = runner
      runner = undefined
      agent.destroy()
      last?.child.stdin?.end()
      if (last && last.child.exitCode === null && last.child.signalCode === null) {
        last.child.ref()
        await new Promise<void>((resolve) => last.child.once('exit', () => resolve()))
      }
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function post(agent: Agent, socketPath: string, token: string, body: string, timeoutMs: number): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const headers = {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
    }
    const request = httpRequest({ socketPath, agent, method: 'POST', path: '/', headers }, (response) => {
      const parts: Buffer[] = []
      response.on('data', (part: Buffer) => parts.push(part))
      response.once('error', reject)
      response.once('end', () => {
        try {
          resolve(JSON.parse(Buffer.concat(parts).toString()))
        } catch {
          reject(new Error('the sandbox-runner broke off its answer'))
        }
      })
    })
    request.setTimeout(timeoutMs, () =>
      request.destroy(new Error(`the sandbox-runner did not answer within ${timeoutMs} ms`)),
    )
    request.once('error', reject)
    request.end(body)
  })
}
