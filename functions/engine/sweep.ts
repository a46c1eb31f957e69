/** Finds runs that somebody must look at and wakes a worker for each. It only re-enqueues; it never performs. */
import { SWEEP_AGAIN_MS } from '../core/limits.ts'
import type { Ports, Wake } from '../ports.ts'

const SWEEP_RUNS_MAX = 100

/** The wake-ups it sent. One that could not be sent does not stop the others. */
export async function sweep({ store, clock, queue }: Pick<Ports, 'store' | 'clock' | 'queue'>): Promise<Wake[]> {
  const wakes = await store.due({ now: clock.now(), limit: SWEEP_RUNS_MAX, againMs: SWEEP_AGAIN_MS })
  const sent: Wake[] = []
  for (const wake of wakes) {
    try {
      await queue.send(wake, 0)
      sent.push(wake)
    } catch {
      // It stays due, and a later sweep finds it again.
    }
  }
  return sent
}
