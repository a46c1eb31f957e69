/**
 * Shared buckets without a round trip while there is plenty: a process that was just told that more than half of a
 * minute's tokens are left books nothing. What it is told when less is left goes to the bucket that all share.
 */
import type { Rates } from '../ports.ts'

const PLENTY = 0.5
/** What a server said is believed for so long. */
const BELIEVED_MS = 10_000

export function sparingRates(shared: Rates): Rates {
  const plenty = new Map<string, number>()
  const booked = new Set<string>()
  return {
    async book(request) {
      const { bucket, id, now } = request
      if ((plenty.get(bucket) ?? Number.NEGATIVE_INFINITY) + BELIEVED_MS > now) return now
      const at = await shared.book(request)
      booked.add(id)
      return at
    },
    async settle(request) {
      const { bucket, id, now, said, blockedMs } = request
      // A server that tells nothing has no limit that we know of.
      const enough = blockedMs === undefined && (!said || said.remaining > said.limit * PLENTY)
      if (enough) plenty.set(bucket, now)
      else plenty.delete(bucket)
      if (booked.delete(id) || !enough) await shared.settle(request)
    },
  }
}
