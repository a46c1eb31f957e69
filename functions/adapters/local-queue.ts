/**
 * The queue of one process: wake-ups are timers, and what is lost with the process is found again in the store. It
 * looks there at the start and every second after, so that runs of a process that died go on here.
 */
import { WAKE_ATTEMPTS_MAX, WAKE_LATER_MS } from '../core/limits.ts'
import { retryDelayMs } from '../core/wake.ts'
import type { Clock, Wake, Work, WorkQueue } from '../ports.ts'

const SWEEP_MS = 1000
const RETRY_MS_FIRST = 500
const TIMER_MS_MAX = 2_147_483_647

export type LocalQueueOptions = {
  atOnceMax: number
  onError: (error: unknown, wake?: Wake) => void
  attemptsMax?: number
  retryMsFirst?: number
  laterMs?: number
}

export function localQueue(clock: Clock, options: LocalQueueOptions): WorkQueue {
  const { atOnceMax, onError, attemptsMax = WAKE_ATTEMPTS_MAX } = options
  const { retryMsFirst = RETRY_MS_FIRST, laterMs = WAKE_LATER_MS } = options
  const underWay = new Map<string, Promise<void>>()
  const again = new Set<string>()
  const waiting: Wake[] = []
  /** Deliveries in vain in a row, by run, and where the run stood at the first of them. */
  const broken = new Map<string, { tries: number; first: Wake; why: string }>()
  const stopping = new AbortController()
  let work: Work | undefined

  function deliver(wake: Wake): void {
    if (stopping.signal.aborted || !work) return
    // A wake-up that comes while its run is under way is kept: what it told of may have come too late for that stint.
    if (underWay.has(wake.runId)) return void again.add(wake.runId)
    if (underWay.size >= atOnceMax) {
      if (!waiting.some((other) => other.runId === wake.runId)) waiting.push(wake)
      return
    }
    const attempted = attempt(wake, work).finally(() => {
      underWay.delete(wake.runId)
      if (again.delete(wake.runId)) deliver(wake)
      const next = waiting.shift()
      if (next) deliver(next)
    })
    underWay.set(wake.runId, attempted)
  }

  /** Never rejects: what came to nothing is tried again, each time later, and given up in the end. */
  async function attempt(wake: Wake, { handle, bury }: Work): Promise<void> {
    const before = broken.get(wake.runId)
    const tries = (before?.tries ?? 0) + 1
    const note = (why: string) => broken.set(wake.runId, { tries, first: before?.first ?? wake, why })
    try {
      if (before && tries > attemptsMax) await bury(before.first, before.why)
      else if ((await handle(wake)) === 'later') {
        note('the store does not know this step')
        return later(wake, laterMs)
      }
      broken.delete(wake.runId)
    } catch (error) {
      onError(error, wake)
      note((error as Error).message)
      // Wherever it got to meanwhile.
      later({ runId: wake.runId }, retryDelayMs(tries, retryMsFirst))
    }
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
    start(given) {
      work = given
      const sweep = async () => {
        while (!stopping.signal.aborted) {
          try {
            // Named every time: a run that is under way here is not begun twice.
            for (const wake of await given.due(0)) deliver(wake)
          } catch (error) {
            onError(error)
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
