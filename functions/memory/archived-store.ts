/**
 * A store and the archive behind it as one Store: what the store has let go of is answered by the archive, in the same
 * words. The archive is asked only for what the store does not have, so that a run under way never waits for it; when it
 * cannot be reached, what it alone knows is an error and not an empty answer. What was read of it stays in the hot tier
 * for some hours, where there is one: an archived run and its transcript never change.
 */
import { hasEnded } from '../core/inbox.ts'
import type { Layer, Run } from '../core/types.ts'
import type { Archive, Clock, Page, Store } from '../ports.ts'
import type { ShortTermMemory } from './short-term.ts'

export type ArchivedStoreOptions = {
  store: Store
  archive: Archive
  clock: Pick<Clock, 'now'>
  /** One that all processes share: whoever removes a session must reach all that is kept of it. */
  hot?: ShortTermMemory
  /** Told when an answer had to do without the archive. */
  poorer(error: Error): void
}

export function archivedStore({ store, archive: cold, clock, hot, poorer }: ArchivedStoreOptions): Store {
  const archive = hot ? warmed(cold, hot) : cold
  const isHere = async (runId: string): Promise<boolean> => (await store.run(runId)) !== undefined

  /**
   * What follows entry `after`. The store is asked for that entry too: its answer is empty then only when it has nothing
   * of the run, and somebody who watches a run that does nothing costs no second question.
   */
  async function behind<T>(
    runId: string,
    after: number,
    limit: number | undefined,
    read: (after: number, limit?: number) => Promise<T[]>,
    kept: (runId: string, after: number, limit?: number) => Promise<T[]>,
  ): Promise<T[]> {
    const seen = after > 0 ? 1 : 0
    const own = await read(after - seen, limit && limit + seen)
    if (own.length > 0) return own.slice(seen)
    return (await isHere(runId)) ? [] : kept(runId, after, limit)
  }

  return {
    ...store,

    async start(request) {
      const reply = await store.start(request)
      if (reply.ok || reply.code !== 'session_not_found') return reply
      const session = await archive.session(request.session.sessionId)
      return session ? store.start({ ...request, archived: true }) : reply
    },

    async post(post) {
      const reply = await store.post(post)
      if (reply.ok || reply.why !== 'gone') return reply
      return (await archive.run(post.runId)) ? { ok: false, why: 'ended' } : reply
    },

    async rate(runId, feedback) {
      const own = await store.rate(runId, feedback)
      const run = own ? await store.run(runId) : undefined
      // Whoever archives it looks for feedback once more afterwards.
      if (run && run.action.type !== 'archive' && run.archive !== 'done') return true
      return (await archive.rate(runId, feedback)) || own
    },

    run: async (runId) => (await store.run(runId)) ?? archive.run(runId),
    session: async (sessionId) => (await store.session(sessionId)) ?? archive.session(sessionId),
    messages: (runId, after, limit) =>
      behind(runId, after, limit, (...from) => store.messages(runId, ...from), archive.messages),
    events: (runId, after, limit) =>
      behind(runId, after, limit, (...from) => store.events(runId, ...from), archive.events),

    async marks(runId) {
      const own = await store.marks(runId)
      return own.length > 0 ? own : archive.marks(runId)
    },

    async feedback(runId) {
      const own = await store.feedback(runId)
      return own || (await isHere(runId)) ? own : archive.feedback(runId)
    },

    async idle(before, limit) {
      const [own, kept] = [(await store.idle?.(before, limit)) ?? [], await archive.idle(before, limit)]
      return [...new Set([...own, ...kept])].slice(0, limit)
    },

    async runs(filter) {
      if (filter.status && !hasEnded({ status: filter.status })) return store.runs(filter)
      const [own, kept] = await Promise.all([store.runs(filter), settled(archive.runs(filter))])
      if (!(kept instanceof Error)) return merged(own, kept, filter.limit)
      // What a run is told of earlier ones may be less; a list that people turn the pages of may not.
      if (!filter.sessionId || !(await store.session(filter.sessionId))) throw kept
      poorer(kept)
      return own
    },

    async layers(workspaceId) {
      const own = await store.layers(workspaceId)
      // Layers go all at once, and later runs go on behind them: what is missing is missing from the beginning.
      if (own[0]?.snapshot.count === 1) return own
      const byCount = new Map<number, Layer>()
      for (const layer of [...(await archive.layers(workspaceId)), ...own]) byCount.set(layer.snapshot.count, layer)
      return [...byCount.values()].sort((a, b) => a.snapshot.count - b.snapshot.count)
    },

    // Of a store that cannot tell, nothing is known to be unnamed.
    async unnamed(objectIds) {
      const here = (await store.unnamed?.(objectIds)) ?? []
      return here.length === 0 ? [] : archive.unnamed(here)
    },

    async deleteSession(sessionId) {
      const kept = await archive.session(sessionId)
      const layers = kept ? await archive.layers(kept.workspaceId) : []
      const own = await store.deleteSession(sessionId)
      if (!own.ok && (own.why === 'busy' || !kept)) return own
      const large = layers.filter(({ inline }) => inline === undefined).map(({ id }) => id)
      const free = kept && store.release ? await store.release(kept.workspaceId, large) : undefined
      // Also where nothing is archived yet: a run of it may be on its way there at this moment.
      const removed = await archive.deleteSession(sessionId)
      if (!own.ok) await store.tidy?.(clock.now())
      const workspaceId = own.ok ? own.workspaceId : (kept?.workspaceId ?? '')
      // Who uses an object the store knows, as long as it has anything of the session; the archive lags behind.
      const left = own.ok || !removed.ok ? [] : removed.layerIds
      const layerIds = [...(own.ok ? own.layerIds : []), ...(free ?? left)]
      return { ok: true, workspaceId, layerIds: [...new Set(layerIds)] }
    },
  }
}

/** The archive, with what never changes in it kept for a while. */
function warmed(archive: Archive, hot: ShortTermMemory): Archive {
  const run = (runId: string) =>
    hot.through(
      `run:${runId}`,
      () => archive.run(runId),
      ({ sessionId }) => sessionId,
    )
  return {
    ...archive,
    run,
    async messages(runId, after, limit) {
      const known = await run(runId)
      if (!known) return []
      const name = `messages:${runId}:${after}:${limit ?? ''}`
      const load = () => archive.messages(runId, after, limit)
      return (await hot.through(name, load, () => known.sessionId)) ?? []
    },
  }
}

/** Newest first; what both have is there once. */
function merged(own: Page<Run>, kept: Page<Run>, limit: number): Page<Run> {
  const known = new Set(own.items.map(({ runId }) => runId))
  const all = [...own.items, ...kept.items.filter(({ runId }) => !known.has(runId))].sort((a, b) =>
    a.runId < b.runId ? 1 : -1,
  )
  const items = all.slice(0, limit)
  const last = items.at(-1)
  const more = all.length > limit || own.nextCursor !== undefined || kept.nextCursor !== undefined
  return more && last ? { items, nextCursor: last.runId } : { items }
}

const settled = <T>(work: Promise<T>): Promise<T | Error> => work.catch((error: Error) => error)
