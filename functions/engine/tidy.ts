/**
 * Retention: removes what is kept no longer. Several processes may do it at once, and whatever breaks off is found by the
 * next: a session goes by the same way as when a person removes it.
 */
import { hasEnded } from '../core/inbox.ts'
import type { Clock, LongTerm, Store } from '../ports.ts'

export type Retention = {
  /** A session goes so long after its last run. Undefined: it stays. */
  sessionMs?: number
  /** An entry of the audit log. Undefined: it stays. */
  auditMs?: number
}
export type Tidied = { sessions: number; audit: number; records: number }

/** At once; what is more waits for the next time. */
const SESSIONS_MAX = 200
const RECORDS_MAX = 5000

export async function tidy(
  { store, clock, longTerm }: { store: Store; clock: Pick<Clock, 'now'>; longTerm: LongTerm },
  { sessionMs, auditMs }: Retention,
  forget: (sessionId: string) => Promise<unknown>,
): Promise<Tidied> {
  const now = clock.now()
  const tidied: Tidied = { sessions: 0, audit: 0, records: 0 }
  if (sessionMs !== undefined)
    for (const sessionId of (await store.idle?.(now - sessionMs, SESSIONS_MAX)) ?? []) {
      // The archive may not know of its newest run yet.
      const [last] = (await store.runs({ sessionId, limit: 1 })).items
      if (last && (!hasEnded(last) || last.updatedAt >= now - sessionMs)) continue
      if ((await forget(sessionId)) === 'forgotten') tidied.sessions++
    }
  await store.tidy?.(now)
  if (auditMs !== undefined) tidied.audit = await longTerm.audit.deleteBefore(now - auditMs, RECORDS_MAX)
  tidied.records = await longTerm.tidy(RECORDS_MAX)
  return tidied
}
