/**
 * A bucket of tokens a minute that many share, as a queue with a clock. A request books the next free place, now or
 * later, so that who came first goes first and nobody starves; what was booked and not used brings all others forward.
 * After the generic cell rate algorithm (ITU-T I.371), with places that can be booked ahead. Pure; `redis-rates.ts` has
 * it as scripts.
 *
 * Costs are times: what a request takes of the minute in which an empty bucket fills. `sold` is the sum of all costs
 * ever booked, and the bucket will be full again at `base + sold`.
 */
export type Bucket = { limit: number; base: number; sold: number }
export type Place = { cost: number /** `sold` after it */; behind: number }

export const FILL_MS = 60_000
/** Kept free, for what calls under way hold until they end. */
export const SPARE_MS = 3_000

/** One request costs never more than the whole bucket gives. */
export const costMs = (tokens: number, limit: number): number =>
  limit === 0 ? 0 : Math.min(FILL_MS - SPARE_MS, (tokens / limit) * FILL_MS)

export function book({ limit, base, sold }: Bucket, cost: number, now: number): { place: Place; bucket: Bucket } {
  const behind = sold + cost
  return { place: { cost, behind }, bucket: { limit, base: Math.max(base, now - sold), sold: behind } }
}

/** When a place's turn comes, as things stand. */
export const turnOf = ({ base }: Bucket, { behind }: Place, now: number): number =>
  Math.max(now, base + behind - FILL_MS + SPARE_MS)

/**
 * What was booked and not used goes back. The server's word counts where it has less left than we think: others use the
 * same key. `blockedMs`: a request of that cost was refused for so long.
 */
export function settled(bucket: Bucket, { cost, used, said, blockedMs, now }: Settled & Used): Bucket {
  const limit = said?.limit ?? bucket.limit
  const { sold } = bucket
  const given = bucket.base - cost + used
  const known = said ? now + ((said.limit - said.remaining) / said.limit) * FILL_MS - sold : 0
  const blocked = blockedMs === undefined ? 0 : now + blockedMs + FILL_MS - SPARE_MS - cost - sold
  return { limit, base: Math.max(given, known, blocked), sold }
}

type Used = { cost: number; used: number; now: number }
export type Settled = {
  /** Tokens a minute, and how many of them are left, as the server's headers have it. */
  said?: { limit: number; remaining: number } | undefined
  blockedMs?: number | undefined
}

/** Who has long to wait looks again before: places move forward. */
const SURE_MS = 20_000
export const lookAgainMs = (waitMs: number): number => (waitMs <= SURE_MS ? waitMs : Math.ceil(waitMs * 0.75))
