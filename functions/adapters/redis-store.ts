/**
 * The Store on Redis, over any transport (TCP or Upstash's REST). A claim is one round trip and so is a commit. Records
 * are opaque to the scripts; what is over 64 KB goes to the object store first and leaves its hash here. Only what has
 * ended and is archived expires: a run, and a session once all its runs are (idempotency keys do after a day).
 *
 *     run:{id} hash · run:{id}:messages|events|marks|inbox lists · :sent :journal hashes · :objects set
 *     session:{id} hash, :runs zset · layers:{workspace} hash · remembered:{place} set · object:{sha} set of its users
 *     gone:{shard} zset of runs that expire and leave objects behind
 *     due:{shard}, index:{shard} zsets of 16 shards, so that runs do not queue for one key · idempotency:{key}
 */
import { awaitedTopic, isClosed, topicOf } from '../core/inbox.ts'
import { RUN_KEPT_MS, SESSION_KEPT_MS, WAKE_GRACE_MS } from '../core/limits.ts'
import { InboxEntry, type Layer, type Message, Run } from '../core/types.ts'
import type { Mark, Owner, Snapshots, Store } from '../ports.ts'
import { redisReads } from './redis-reads.ts'
import { partOf, placeOf, redisRecords, SHARDS, shards } from './redis-records.ts'
import { redisRemoval } from './redis-removal.ts'
import type { RedisTransport } from './redis-transport.ts'

export type RedisStoreOptions = {
  transport: RedisTransport
  /** Holds bodies that are too large for Redis. */
  objects: Snapshots
  /** Begins every key. */
  prefix?: string
  /** False when a lease's process is known to be gone: its runs go on at once. Unset: leases simply run out. */
  mayLive?: (owner: Owner) => boolean
  /** How long what is archived stays, in milliseconds. */
  kept?: { run: number; session: number }
}

const IDEMPOTENCY_MS = 24 * 3600_000
const KEPT = { run: RUN_KEPT_MS, session: SESSION_KEPT_MS }

export function redisStore(options: RedisStoreOptions): Store {
  const { transport, objects, prefix = 'stint:', mayLive = () => true, kept = KEPT } = options
  const records = redisRecords({ transport, objects, prefix })
  const { key, dueKey, indexKey, goneKey, all, run1, script, pack, packAll, unpack, unpackAll } = records
  const reads = redisReads(records)

  /** Entries as they lie in the list from `seen` on: a topic, a line end, the entry without its number. */
  const inboxOf = (entries: string[], seen: string): InboxEntry[] =>
    entries.map((entry, i) =>
      InboxEntry.parse({ ...JSON.parse(entry.slice(entry.indexOf('\n') + 1)), seq: Number(seen) + i + 1 }),
    )
  const layerFields = async (layers: Layer[], workspaceId: string): Promise<string[]> => {
    // A large layer lies in the object store, and its users are counted, because a fork shares it.
    const large = layers.filter(({ inline }) => inline === undefined)
    if (large.length > 0) await all(large.map(({ id }) => ['SADD', key('object', id), workspaceId]))
    return layers.flatMap((layer) => [String(layer.snapshot.count), JSON.stringify(layer)])
  }
  const markOf = ({ step, messageSeq, head }: Run): string =>
    JSON.stringify({ step, messageSeq, ...(head ? { head } : {}) } satisfies Mark)

  /** Runs whose lease is held by a process that is known to be gone. */
  async function orphans(now: number, limit: number): Promise<string[]> {
    const found = await all(
      shards().map((shard) => ['ZRANGEBYSCORE', key('due', shard), now, '+inf', 'LIMIT', 0, limit]),
    )
    const ids = found.flat() as string[]
    if (ids.length === 0) return []
    const held = (await all(ids.map((id) => ['HMGET', key('run', id), 'owner', 'until']))) as (string | null)[][]
    return ids.filter((_, i) => {
      const [owner, until] = held[i] ?? []
      return owner && Number(until) > now && !mayLive(owner)
    })
  }

  return {
    ...reads,
    ...redisRemoval(records, reads, objects),

    async start({ run, session, goesOn, archived, messages, events, layers, idempotency, now }) {
      const { runId, sessionId, workspaceId } = run
      const record = await pack(run, runId)
      const said = await packAll(messages, runId)
      const seen = await packAll(events, runId)
      const large = [...said.objects, ...seen.objects, ...(record.object ? [record.object] : [])]
      const fields = await layerFields(layers, workspaceId)
      const [code, other = ''] = await script(
        'START',
        [
          key('run', runId),
          ...['messages', 'events', 'marks'].map((part) => key('run', runId, part)),
          key('idempotency', idempotency?.key ?? ''),
          key('session', sessionId),
          key('session', sessionId, 'runs'),
          key('layers', workspaceId),
          dueKey(runId),
          indexKey(runId),
          key('run', runId, 'objects'),
          key('remembered', sessionId),
        ],
        [
          ...[runId, now, now + WAKE_GRACE_MS, idempotency?.hash ?? '', now + IDEMPOTENCY_MS],
          ...[
            run.status,
            isClosed(run) ? 1 : 0,
            run.step,
            sessionId,
            JSON.stringify(session),
            record.text,
            goesOn ? (archived ? 'archived' : 'yes') : '',
            session.head?.id ?? '',
            markOf(run),
          ],
          ...[said.texts.length, ...said.texts, seen.texts.length, ...seen.texts],
          ...[fields.length / 2, ...fields, large.length, ...large],
        ],
      )
      if (code === 'BUSY') return { ok: false, code: 'session_busy', runId: other }
      if (code === 'MISMATCH') return { ok: false, code: 'idempotency_mismatch', runId: other }
      if (code === 'NOT_FOUND') return { ok: false, code: 'session_not_found' }
      if (code === 'MOVED') return { ok: false, code: 'session_moved' }
      if (code === 'OK') return { ok: true, run, existed: false }
      const first = await reads.run(other)
      if (!first) throw new Error(`run ${other} is being removed`)
      return { ok: true, run: first, existed: true }
    },

    async claim({ runId, owner, leaseMs, now, step }) {
      const keys = [...['run', 'messages', 'inbox'].map((part) => partOf(key('run', runId), part)), dueKey(runId)]
      const claim = (gone: string) =>
        script('CLAIM', keys, [runId, owner, now, leaseMs, WAKE_GRACE_MS, step ?? '', gone])
      let reply = await claim('')
      const [, , holder] = reply
      if (reply[0] === 'BUSY' && holder && !mayLive(holder)) reply = await claim(holder)
      const [code, first] = reply
      if (code === 'WAITING') return { ok: false, why: 'waiting', ...(first ? { until: Number(first) } : {}) }
      if (code === 'BUSY') return { ok: false, why: 'busy', until: Number(first) }
      if (code !== 'OK')
        return { ok: false, why: (code ?? 'gone').toLowerCase() as 'gone' | 'ended' | 'stale' | 'future' }
      const [, token, claims, record, seen, messages, inbox] = reply as unknown as [
        'OK',
        number,
        number,
        string,
        string,
        string[],
        string[],
      ]
      return {
        ok: true,
        token: Number(token),
        claims: Number(claims),
        run: Run.parse(await unpack(record)),
        messages: (await unpackAll(messages)) as Message[],
        inbox: inboxOf(inbox, seen),
      }
    },

    async commit({ runId, id, token, after, run, messages, events, layers, remember, inboxRead, keepMs, dueAt, now }) {
      const record = await pack(run, runId)
      const said = await packAll(messages, runId)
      const seen = await packAll(events, runId)
      const large = [...said.objects, ...seen.objects, ...(record.object ? [record.object] : [])]
      const fields = await layerFields(layers, run.workspaceId)
      const hashes = (scope: string) => remember.filter((entry) => entry.scope === scope).map(({ hash }) => hash)
      const [bySession, byRepo] = [hashes('session'), run.repo ? hashes('repo') : []]
      const reply = await script(
        'COMMIT',
        [
          ...['run', 'messages', 'events', 'marks', 'inbox'].map((part) => partOf(key('run', runId), part)),
          key('session', run.sessionId),
          key('layers', run.workspaceId),
          dueKey(runId),
          key('remembered', run.sessionId),
          key('remembered', placeOf(run.repo?.url ?? '')),
          key('run', runId, 'objects'),
          key('session', run.sessionId, 'runs'),
          indexKey(runId),
          key('run', runId, 'sent'),
          key('run', runId, 'journal'),
          goneKey(runId),
        ],
        [
          ...[runId, token, after, id, now, keepMs, dueAt ?? '', run.status, isClosed(run) ? 1 : 0, run.step],
          ...[run.inboxSeen, inboxRead, awaitedTopic(run) ?? ''],
          ...(isClosed(run) && run.archive === 'done' ? [kept.run, kept.session] : ['', '']),
          record.text,
          ...[run.step > after ? markOf(run) : '', run.head ? JSON.stringify(run.head) : ''],
          ...[said.texts.length, ...said.texts, seen.texts.length, ...seen.texts, fields.length / 2, ...fields],
          ...[bySession.length, ...bySession, byRepo.length, ...byRepo, large.length, ...large],
        ],
      )
      const [code, from = '0', news] = reply as unknown as [string, string, string[]]
      if (code === 'OK') return { ok: true, inbox: inboxOf(news, from) }
      if (code === 'UNREAD') return { ok: false, why: 'unread', inbox: inboxOf(news, from) }
      return { ok: false, why: code.toLowerCase() as 'fenced' | 'stale' | 'gone' }
    },

    async renew({ runId, token, leaseMs, now }) {
      const keys = [key('run', runId), key('run', runId, 'inbox'), dueKey(runId)]
      const reply = await script('RENEW', keys, [runId, token, now, leaseMs, WAKE_GRACE_MS])
      const [code, seen = '0', news] = reply as unknown as [string, string, string[]]
      return code === 'OK' ? inboxOf(news, seen) : undefined
    },

    async intend({ runId, token, effectId }) {
      const [code, known] = await script('INTEND', [key('run', runId), key('run', runId, 'journal')], [token, effectId])
      if (code === 'LOST') return undefined
      return { begun: code === 'BEGUN', ...(known ? { outcome: JSON.parse(known) as unknown } : {}) }
    },

    async settle({ runId, effectId, outcome }) {
      const [stands] = await script('SETTLE', [key('run', runId, 'journal')], [effectId, JSON.stringify(outcome)])
      return stands ? JSON.parse(stands) : undefined
    },

    async post({ runId, id, entry, now }) {
      const keys = [...['run', 'inbox', 'sent'].map((part) => partOf(key('run', runId), part)), dueKey(runId)]
      const decision = entry.type === 'decision'
      const args = [runId, now, id, topicOf(entry), JSON.stringify(entry), decision ? 1 : 0]
      const [code, ...rest] = await script('POST', keys, args)
      if (code === 'OK') return { ok: true, seq: Number(rest[0]), wake: Number(rest[1]) === 1, step: Number(rest[2]) }
      if (code !== 'DECIDED')
        return { ok: false, why: (code ?? 'gone').toLowerCase() as 'gone' | 'ended' | 'not_waiting' }
      const made = JSON.parse(rest[0] ?? '{}') as { decision: { approved: boolean } }
      return { ok: false, why: 'decided', approved: made.decision.approved }
    },

    async due({ now, limit, againMs = 0 }) {
      // Whatever is found is put off, so nothing that is found may be left out of the answer.
      const each = againMs > 0 ? Math.ceil(limit / SHARDS) : limit
      const found = await run1(
        'DUE',
        shards().map((shard) => ({ keys: [key('due', shard)], args: [now, each, againMs] })),
      )
      const late = (found as string[][])
        .flatMap((pairs) => pairs.flatMap((id, i) => (i % 2 ? [] : [{ id, at: Number(pairs[i + 1]) }])))
        .sort((a, b) => a.at - b.at)
      const ids = (againMs > 0 ? late : late.slice(0, limit)).map(({ id }) => id)
      const wakes = [...new Set([...ids, ...(options.mayLive ? await orphans(now, limit) : [])])]
      if (wakes.length === 0) return []
      const steps = await all(wakes.map((id) => ['HGET', key('run', id), 'step']))
      return wakes.flatMap((runId, i) => (steps[i] === null ? [] : [{ runId, step: Number(steps[i]) }]))
    },

    async rate(runId, feedback) {
      return Number(await script('RATE', [key('run', runId)], [JSON.stringify(feedback)])) === 1
    },

    close: () => transport.close(),
  }
}
