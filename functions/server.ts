/**
 * The whole system in one process: API, worker and timer, the sandbox as its child. What `npm start`, containers and
 * the terminal run.
 */
import { pathToFileURL } from 'node:url'
import { serve } from '@hono/node-server'
import { openBackend } from './backend.ts'
import { SWEEP_AGAIN_MS, TIDY_EVERY_MS } from './core/limits.ts'
import type { AICodeAgent } from './engine/agent.ts'
import { type Env, InvalidEnvironment, isKeyless, readEnv } from './env.ts'
import { faceOf } from './face.ts'
import type { Clock, Wake } from './ports.ts'
import { jsonLog, type Log } from './telemetry/log.ts'

export type System = {
  agent: AICodeAgent
  /** How the next stint is woken, for people. */
  wakes: string
  /** The HTTP interface, without a port. */
  fetch: (request: Request) => Response | Promise<Response>
  /** Lets each stint end at its next step, waits at most `graceMs`, and closes everything. */
  stop(graceMs?: number): Promise<void>
}

/** `only` limits the worker to some runs: a terminal advances its own and leaves others to the server. */
export async function startSystem(env: Env, log: Log, only?: (wake: Wake) => boolean): Promise<System> {
  const backend = await openBackend(env, log, only)
  const { agent, wired, work, tidy, stop } = backend
  const { ports, queue } = wired
  const timer = new AbortController()
  // A terminal does both for its own runs, whatever a server here would do.
  const api = only !== undefined || env.STINT_ROLE !== 'worker'
  const works = only !== undefined || env.STINT_ROLE !== 'api'
  if (!queue.start) void sweepOften(agent, timer.signal, log)
  else if (works) queue.start(work)
  if (!only) void tidyOften(tidy, ports.clock, timer.signal)
  return {
    agent,
    wakes: queue.how,
    fetch: faceOf(backend, { api, works }).fetch as System['fetch'],
    async stop(graceMs) {
      timer.abort()
      await stop(graceMs)
    },
  }
}

/** Where others work on the wake-ups, this process still sees to it that none is lost, as long as it runs. */
async function sweepOften(agent: AICodeAgent, signal: AbortSignal, log: Log): Promise<void> {
  while (!signal.aborted) {
    await agent.sweep().catch((error: Error) => log('error', 'no look at what is due', { error: error.message }))
    await agent.ports.clock.sleep(SWEEP_AGAIN_MS, signal)
  }
}

async function tidyOften(tidy: () => Promise<void>, clock: Clock, signal: AbortSignal): Promise<void> {
  // Not at the start: many processes are gone before it matters.
  for (let pauseMs = TIDY_EVERY_MS / 10; !signal.aborted; pauseMs = TIDY_EVERY_MS) {
    await clock.sleep(pauseMs, signal)
    if (!signal.aborted) await tidy()
  }
}

/** Starts the system on its port and stays until told to go. */
export async function main(): Promise<void> {
  // Whoever read our output may leave; the server stays.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})
  const env = readEnv()
  const log = jsonLog(env.LOG_LEVEL)
  const system = await startSystem(env, log)
  const server = serve({ fetch: system.fetch as never, port: env.PORT, hostname: env.HOST }, ({ port }) => {
    const host = env.HOST.includes(':') ? `[${env.HOST}]` : env.HOST
    process.stdout.write(`stint listening on http://${host}:${port}\n`)
    if (env.SQS_QUEUE_URL || env.QSTASH_TOKEN) process.stdout.write(`the next stint is woken by ${system.wakes}\n`)
    if (!env.GROQ_API_KEY && !env.GROQ_BASE_URL)
      process.stdout.write('no model yet: set GROQ_API_KEY to use Groq; model "scripted" works without\n')
    if (isKeyless(env)) process.stdout.write('no API key is needed from this machine\n')
  })
  server.on('error', (error: NodeJS.ErrnoException) => {
    const why =
      error.code === 'EADDRINUSE'
        ? `port ${env.PORT} is taken; set PORT to another one, or stop what listens there`
        : error.code === 'EACCES'
          ? `port ${env.PORT} needs rights this user has not; set PORT to one above 1023`
          : error.message
    process.stderr.write(`stint cannot listen: ${why}\n`)
    void system.stop(500).finally(() => process.exit(1))
  })
  let asked = 0
  const leave = () => {
    if (++asked > 1) process.exit(130)
    server.close()
    void system.stop().finally(() => process.exit(0))
  }
  process.on('SIGINT', leave).on('SIGTERM', leave)
}

/** Prints what stopped the start, one line each, and no stack. */
export function explainStart(error: unknown): never {
  const lines = error instanceof InvalidEnvironment ? error.lines : [(error as Error).message]
  for (const line of lines) process.stderr.write(`stint cannot start: ${line}\n`)
  process.exit(1)
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) main().catch(explainStart)
