/**
 * Retention: removes what is kept no longer. Several processes may do it at once, and whatever breaks off is found by the
 * next: a session goes by the same way as when a person removes it.
 */
import { hasEnded } from '../core/inbox.ts'
import { OBJECT_GRACE_MS } from '../core/limits.ts'
import type { Clock, LongTerm, Snapshots, Store } from '../ports.ts'

export type Retention = {
  /** A session goes so long after its last run. Undefined: it stays. */
  sessionMs?: number
  /** An entry of the audit log. Undefined: it stays. */
  auditMs?: number
}
export type Tidied = { sessions: number; audit: number; records: number; objects: number }

/** At once; what is more waits for the next time. */
const SESSIONS_MAX = 200
const RECORDS_MAX = 5000
const OBJECTS_PER_PAGE = 500

export async function tidy(
  {
    store,
    clock,
    longTerm,
    snapshots,
  }: {
    store: Store
    clock: Pick<Clock, 'now'>
    longTerm: LongTerm
    /** Left out where objects may be named by somebody else. */
    snapshots?: Snapshots
  },
  { sessionMs, auditMs }: Retention,
  forget: (sessionId: string) => Promise<unknown>,
): Promise<Tidied> {
  const now = clock.now()
  const tidied: Tidied = { sessions: 0, audit: 0, records: 0, objects: 0 }
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
  if (snapshots) tidied.objects = await sweep(store, snapshots, now - OBJECT_GRACE_MS)
  return tidied
}

/**
 * Removes objects that nothing names: those of steps that were never committed, and of removals that broke off. What a
 * step under way has stored is younger than `before`; who stores again what is there makes it young again. Whatever the
 * store cannot tell stays.
 */
async function sweep(store: Store, snapshots: Snapshots, before: number): Promise<number> {
  if (!store.unnamed) return 0
  let removed = 0
  let cursor: string | undefined
  do {
    const page = await snapshots.list(OBJECTS_PER_PAGE, cursor)
    cursor = page.nextCursor
    const old = page.items.filter(({ at }) => at < before).map(({ id }) => id)
    const unnamed = old.length === 0 ? [] : await store.unnamed(old)
    await snapshots.delete(unnamed)
    removed += unnamed.length
  } while (cursor !== undefined)
  return removed
}
