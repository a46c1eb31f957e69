/** What is only read of the store on Redis. */
import { Event, Feedback, Layer, Message, Run, Session } from '../core/types.ts'
import type { Mark, Store } from '../ports.ts'
import { placeOf, type RedisRecords, shards } from './redis-records.ts'

type Reads = Pick<
  Store,
  'run' | 'runs' | 'session' | 'messages' | 'events' | 'marks' | 'feedback' | 'remembered' | 'layers'
>

const RUNS_LOOKED_AT_MAX = 2000

export function redisReads({ key, all, ask, unpack, unpackAll }: RedisRecords): Reads {
  async function runOf(runId: string): Promise<Run | undefined> {
    const text = await ask<string | null>('HGET', key('run', runId), 'run')
    return text === null ? undefined : Run.parse(await unpack(text))
  }

  /** Ids newest first, beyond the cursor. */
  async function newest(sessionId: string | undefined, limit: number, cursor: string | undefined): Promise<string[]> {
    const zsets = sessionId ? [key('session', sessionId, 'runs')] : shards().map((shard) => key('index', shard))
    const found = await all(
      zsets.map((zset) => ['ZREVRANGEBYLEX', zset, cursor ? `(${cursor}` : '+', '-', 'LIMIT', 0, limit]),
    )
    return (found.flat() as string[]).sort((a, b) => (a < b ? 1 : -1)).slice(0, limit)
  }

  return {
    run: runOf,

    async runs({ sessionId, status, limit, cursor }) {
      const items: Run[] = []
      let [from, looked] = [cursor, 0]
      while (items.length <= limit && looked < RUNS_LOOKED_AT_MAX) {
        const ids = await newest(sessionId, limit + 1, from)
        if (ids.length === 0) break
        looked += ids.length
        from = ids.at(-1)
        const found = await all(ids.map((id) => ['HMGET', key('run', id), 'run', 'status']))
        for (const [text, its] of found as [string | null, string | null][])
          if (text !== null && (!status || its === status)) items.push(Run.parse(await unpack(text)))
        if (ids.length <= limit) break
      }
      const page = items.slice(0, limit)
      const last = page.at(-1)
      return items.length > limit && last ? { items: page, nextCursor: last.runId } : { items: page }
    },

    async session(sessionId) {
      const found = await ask<(string | null)[]>('HMGET', key('session', sessionId), 'session', 'head', 'updated')
      const [session, head, updated] = found
      if (!session) return undefined
      const moved = head ? { head: JSON.parse(head) as unknown, updatedAt: Number(updated) } : {}
      return Session.parse({ ...JSON.parse(session), ...moved })
    },

    async messages(runId, after, limit) {
      const texts = await ask<string[]>('LRANGE', key('run', runId, 'messages'), after, limit ? after + limit - 1 : -1)
      return (await unpackAll(texts)).map((message) => Message.parse(message))
    },

    async events(runId, after, limit) {
      const texts = await ask<string[]>('LRANGE', key('run', runId, 'events'), after, limit ? after + limit - 1 : -1)
      return (await unpackAll(texts)).map((event) => Event.parse(event))
    },

    async marks(runId) {
      const texts = await ask<string[]>('LRANGE', key('run', runId, 'marks'), 0, -1)
      return texts.map((text) => JSON.parse(text) as Mark)
    },

    async feedback(runId) {
      const text = await ask<string | null>('HGET', key('run', runId), 'feedback')
      return text ? Feedback.parse(JSON.parse(text)) : undefined
    },

    async remembered({ sessionId, repo }) {
      const places = [sessionId, ...(repo === undefined ? [] : [placeOf(repo)])]
      return (await all(places.map((place) => ['SMEMBERS', key('remembered', place)]))).flat() as string[]
    },

    async layers(workspaceId) {
      const texts = await ask<string[]>('HVALS', key('layers', workspaceId))
      return texts.map((text) => Layer.parse(JSON.parse(text))).sort((a, b) => a.snapshot.count - b.snapshot.count)
    },
  }
}
