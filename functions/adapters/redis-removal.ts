/** What goes: a session with all that is stored of it, and what runs that have expired left behind. */
import type { Snapshots, Store } from '../ports.ts'
import { partOf, type RedisRecords, RUN_PARTS, shards } from './redis-records.ts'

const GONE_AT_ONCE_MAX = 100

export function redisRemoval(
  { key, dueKey, indexKey, goneKey, all, ask, script }: RedisRecords,
  reads: Pick<Store, 'session' | 'layers'>,
  objects: Snapshots,
): Required<Pick<Store, 'deleteSession' | 'release' | 'tidy' | 'unnamed'>> {
  /** Takes a user off each object; answers those that have none left. */
  async function unused(used: { id: string; user: string }[]): Promise<string[]> {
    if (used.length === 0) return []
    const left = await all(
      used.flatMap(({ id, user }) => [
        ['SREM', key('object', id), user],
        ['SCARD', key('object', id)],
      ]),
    )
    return used.filter((_, i) => Number(left[2 * i + 1]) === 0).map(({ id }) => id)
  }

  return {
    async deleteSession(sessionId) {
      for (;;) {
        const session = await reads.session(sessionId)
        if (!session) return { ok: false, why: 'gone' }
        const ids = await ask<string[]>('ZRANGE', key('session', sessionId, 'runs'), 0, -1)
        const idempotency = ids.length === 0 ? [] : await all(ids.map((id) => ['HGET', key('run', id), 'idem']))
        const bodies = ids.length === 0 ? [] : await all(ids.map((id) => ['SMEMBERS', key('run', id, 'objects')]))
        const layers = await reads.layers(session.workspaceId)
        const gone = [
          key('session', sessionId),
          key('session', sessionId, 'runs'),
          key('layers', session.workspaceId),
          key('remembered', sessionId),
          ...ids.flatMap((id) => RUN_PARTS.map((part) => partOf(key('run', id), part))),
          ...(idempotency as (string | null)[]).filter((text): text is string => !!text),
        ]
        const keys = [...gone, ...ids.flatMap((id) => [indexKey(id), dueKey(id), goneKey(id)])]
        const [code] = await script('FORGET', keys, [ids.length, gone.length, ...ids])
        if (code === 'AGAIN') continue
        if (code !== 'OK') return { ok: false, why: code === 'BUSY' ? 'busy' : 'gone' }
        const used = [
          ...layers.map(({ id, inline }) => ({ id, user: session.workspaceId, counted: inline === undefined })),
          ...ids.flatMap((runId, i) => (bodies[i] as string[]).map((id) => ({ id, user: runId, counted: true }))),
        ]
        const own = used.filter((object) => !object.counted).map(({ id }) => id)
        const free = await unused(used.filter((object) => object.counted))
        return { ok: true, workspaceId: session.workspaceId, layerIds: [...new Set([...own, ...free])] }
      }
    },

    release: (workspaceId, objectIds) => unused(objectIds.map((id) => ({ id, user: workspaceId }))),

    async unnamed(objectIds) {
      if (objectIds.length === 0) return []
      const users = await all(objectIds.map((id) => ['SCARD', key('object', id)]))
      return objectIds.filter((_, i) => Number(users[i]) === 0)
    },

    async tidy(now) {
      for (const shard of shards()) {
        const ids = await ask<string[]>('ZRANGEBYSCORE', key('gone', shard), '-inf', now, 'LIMIT', 0, GONE_AT_ONCE_MAX)
        for (const runId of ids) {
          const bodies = await ask<string[]>('SMEMBERS', key('run', runId, 'objects'))
          // The record of whose they are goes last: whatever breaks off here is taken up by the next.
          await objects.delete(await unused(bodies.map((id) => ({ id, user: runId }))))
          await all([
            ['DEL', key('run', runId, 'objects')],
            ['ZREM', key('gone', shard), runId],
          ])
        }
      }
    },
  }
}
