/**
 * What the environment names, opened: the agent and the work a queue gives it. Server, worker and timer share it; it has
 * no HTTP face, so that whoever needs none does not load one.
 */
import { STINT_MS_MAX, TIDY_EVERY_MS } from './core/limits.ts'
import { redact } from './core/redact.ts'
import { AICodeAgent } from './engine/agent.ts'
import { type Retention, tidy } from './engine/tidy.ts'
import { type Env, readEnv } from './env.ts'
import type { Wake, Work } from './ports.ts'
import { jsonLog, type Log } from './telemetry/log.ts'
import { type Wired, wire } from './wire.ts'

export type Backend = {
  agent: AICodeAgent
  wired: Wired
  work: Work
  env: Env
  log: Log
  /** Removes what is kept no longer, once an hour in this process at most. Never throws. */
  tidy(): Promise<void>
  /** Lets each stint end at its next step, waits at most `graceMs`, and closes everything. */
  stop(graceMs?: number): Promise<void>
}

/** `only` limits the work to some runs: a terminal advances its own, here, and leaves others to the server. */
export async function openBackend(env: Env, log: Log, only?: (wake: Wake) => boolean): Promise<Backend> {
  const wired = await wire(env, log, { alone: only !== undefined })
  const { ports, queue, close } = wired
  const agent = new AICodeAgent(ports)
  let stopping = false
  let tidyAt = 0
  const oneAtATime = inTurn()
  const work: Work = {
    async handle(wake, until = ports.clock.now() + STINT_MS_MAX) {
      if (only && !only(wake)) return 'done'
      const stint = await oneAtATime(wake.runId, () => agent.advance(wake, () => (stopping ? 0 : until)))
      log('debug', 'stint', { runId: wake.runId, stint })
      // Busy is done as well: whoever holds the run reads what this wake-up told of, and the lease has a due time. Only
      // for a step that the store does not know yet it must come again: the store has lost a commit, or lags.
      return stint === 'future' ? 'later' : 'done'
    },
    async bury(wake, why) {
      const buried = await agent.bury(wake, `Its work broke off again and again and was given up. Last: ${redact(why)}`)
      log('error', 'a wake-up was given up', { runId: wake.runId, step: wake.step, why, run: buried })
    },
    due: (againMs) => ports.store.due({ now: ports.clock.now(), limit: 100, againMs }),
  }
  return {
    agent,
    wired,
    work,
    env,
    log,
    async tidy() {
      if (ports.clock.now() < tidyAt) return
      tidyAt = ports.clock.now() + TIDY_EVERY_MS
      try {
        const { store, clock, snapshots } = ports
        const known = {
          store,
          clock,
          longTerm: await wired.longTerm(),
          ...((await wired.sweeps()) ? { snapshots } : {}),
        }
        const tidied = await tidy(known, retentionOf(env), (sessionId) => agent.forget(sessionId))
        await ports.memory?.tidy()
        if (Object.values(tidied).some(Boolean)) log('info', 'what is kept no longer was removed', tidied)
      } catch (error) {
        log('error', 'what is kept no longer was not removed', { error: (error as Error).message })
      }
    },
    async stop(graceMs = 3000) {
      stopping = true
      const done = new AbortController()
      const grace = () => ports.clock.sleep(graceMs, done.signal)
      await Promise.race([queue.stop(), grace()])
      await Promise.race([close(), grace()])
      done.abort()
    },
  }
}

const DAY_MS = 24 * 3600_000
const retentionOf = ({ STINT_KEEP_SESSIONS_DAYS: sessions, STINT_KEEP_AUDIT_DAYS: audit }: Env): Retention => ({
  ...(sessions ? { sessionMs: sessions * DAY_MS } : {}),
  ...(audit ? { auditMs: audit * DAY_MS } : {}),
})

/**
 * Work on one run goes in turn within this process, whatever brings two wake-ups at once. The store would let the second
 * in, because a holder that asks again has lost its stint as a rule, and the first would have worked for nothing.
 */
function inTurn() {
  const last = new Map<string, Promise<unknown>>()
  return async <T>(runId: string, perform: () => Promise<T>): Promise<T> => {
    const mine = (last.get(runId) ?? Promise.resolve()).then(perform, perform)
    last.set(runId, mine)
    try {
      return await mine
    } finally {
      if (last.get(runId) === mine) last.delete(runId)
    }
  }
}

let opened: Promise<Backend> | undefined

/** One for all invocations of a process. A start that failed is tried anew by the next. */
export function backendHere(): Promise<Backend> {
  const open = async () => {
    const env = readEnv()
    return openBackend(env, jsonLog(env.LOG_LEVEL))
  }
  opened ??= open().catch((error: unknown) => {
    opened = undefined
    throw error
  })
  return opened
}
