/** The shared buckets of one process. */
import { type Bucket, book, costMs, type Place, settled, turnOf } from '../core/bucket.ts'
import { BUCKET_KEPT_MS } from '../core/limits.ts'
import type { Rates } from '../ports.ts'

type Kept = { bucket: Bucket; booked: Map<string, Place>; touchedAt: number }

export function localRates(): Rates {
  const all = new Map<string, Kept>()
  function kept(name: string, now: number): Kept {
    for (const [other, { touchedAt }] of all) if (touchedAt + BUCKET_KEPT_MS < now) all.delete(other)
    const found = all.get(name) ?? { bucket: { limit: 0, base: 0, sold: 0 }, booked: new Map(), touchedAt: now }
    found.touchedAt = now
    all.set(name, found)
    return found
  }
  return {
    async book({ bucket: name, id, tokens, now }) {
      const own = kept(name, now)
      if (own.bucket.limit === 0) return now
      let place = own.booked.get(id)
      if (!place) {
        const made = book(own.bucket, costMs(tokens, own.bucket.limit), now)
        place = made.place
        own.bucket = made.bucket
        own.booked.set(id, place)
      }
      return turnOf(own.bucket, place, now)
    },
    async settle({ bucket: name, id, tokens, now, said, blockedMs }) {
      const own = kept(name, now)
      const { cost } = own.booked.get(id) ?? { cost: 0 }
      own.booked.delete(id)
      const used = cost === 0 ? 0 : costMs(tokens, said?.limit ?? own.bucket.limit)
      own.bucket = settled(own.bucket, { cost, used, said, blockedMs, now })
    },
  }
}
