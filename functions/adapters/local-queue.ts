/**
 * The queue of one process: wake-ups are timers, and what is lost with the process is found again in the store. It
 * looks there at the start and every second after, so that runs of a process that died go on here.
 */
import type { Clock, Queue, Wake } from '../ports.ts'

export type LocalQueue = Queue & {
  /** Begins to deliver. `handle` performs one stint; `due` names runs that somebody must look at. */
  start(handle: (wake: Wake) => Promise<void>, due: () => Promise<Wake[]>): void
  /** Delivers nothing more and resolves when what is under way has ended. */
  stop(): Promise<void>
}

const SWEEP_MS = 1000
const RETRY_MS_FIRST = 500
const RETRY_MS_MAX = 30_000
const TIMER_MS_MAX = 2_147_483_647

export function localQueue(
  clock: Clock,
  options: { atOnceMax: number; onError: (error: unknown, wake?: Wake) => void },
): LocalQueue {
  const underWay = new Map<string, Promise<void>>()
  const again = new Set<string>()
  const waiting: Wake[] = []
  /** Stints that broke off in a row, by run: each is tried again later than the one before. */
  const broken = new Map<string, number>()
  const stopping = new AbortController()
  let handle: ((wake: Wake) => Promise<void>) | undefined

  function deliver(wake: Wake): void {
    if (stopping.signal.aborted || !handle) return
    // A wake-up that comes while its run is under way is kept: what it told of may have come too late for that stint.
    if (underWay.has(wake.runId)) return void again.add(wake.runId)
    if (underWay.size >= options.atOnceMax) {
      if (!waiting.some((other) => other.runId === wake.runId)) waiting.push(wake)
      return
    }
    const work = handle(wake)
      .then(() => void broken.delete(wake.runId))
      .catch((error: unknown) => {
        options.onError(error, wake)
        const failures = broken.get(wake.runId) ?? 0
        broken.set(wake.runId, failures + 1)
        // Wherever it got to meanwhile.
        later({ runId: wake.runId }, Math.min(RETRY_MS_FIRST * 2 ** failures, RETRY_MS_MAX))
      })
      .finally(() => {
        underWay.delete(wake.runId)
        if (again.delete(wake.runId)) deliver(wake)
        const next = waiting.shift()
        if (next) deliver(next)
      })
    underWay.set(wake.runId, work)
  }

  function later(wake: Wake, delayMs: number): void {
    // Beyond what a timer can hold, the store's own due time is relied on.
    if (delayMs <= TIMER_MS_MAX) void clock.sleep(delayMs, stopping.signal).then(() => deliver(wake))
  }

  return {
    async send(wake, delayMs) {
      if (delayMs <= 0) queueMicrotask(() => deliver(wake))
      else later(wake, delayMs)
    },
    start(handler, due) {
      handle = handler
      const sweep = async () => {
        while (!stopping.signal.aborted) {
          try {
            for (const wake of await due()) deliver(wake)
          } catch (error) {
            options.onError(error)
          }
          await clock.sleep(SWEEP_MS, stopping.signal)
        }
      }
      void sweep()
    },
    async stop() {
      stopping.abort()
      await Promise.allSettled(underWay.values())
    },
  }
}
