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
import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { awaitedTopic, isClosed, topicOf } from '../core/inbox.ts'
import { RUN_KEPT_MS, SESSION_KEPT_MS, WAKE_GRACE_MS } from '../core/limits.ts'
import { Event, Feedback, InboxEntry, Layer, Message, Run, Session } from '../core/types.ts'
import type { Mark, Owner, Snapshots, Store } from '../ports.ts'
import { SCRIPTS } from './redis-scripts.ts'

export type RedisTransport = {
  /** Sends commands in one round trip and answers in order; a refused command is an Error in its place. May throw. */
  send(commands: (string | number)[][]): Promise<unknown[]>
  /** First line of every script, where the server needs one. */
  scriptHeader?: string
  close(): Promise<void>
}

/** What Redis refused, or that it cannot be reached: never with the command, which may hold prompts and secrets. */
export class RedisError extends Error {
  readonly code = 'store_unavailable'
}

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

const SHARDS = 16
const IDEMPOTENCY_MS = 24 * 3600_000
const BODY_BYTES_MAX = 64 * 1024
/** Begins a body that is elsewhere; no JSON text begins so. */
const ELSEWHERE = '\u0001'
const RUNS_LOOKED_AT_MAX = 2000
const GONE_AT_ONCE_MAX = 100
const KEPT = { run: RUN_KEPT_MS, session: SESSION_KEPT_MS }

export function redisStore(options: RedisStoreOptions): Store {
  const { transport, objects, prefix = 'stint:', mayLive = () => true, kept = KEPT } = options
  const key = (...parts: (string | number)[]): string => prefix + parts.join(':')
  const shardOf = (runId: string): number => crc32(runId) % SHARDS
  const dueKey = (runId: string): string => key('due', shardOf(runId))
  const indexKey = (runId: string): string => key('index', shardOf(runId))
  const goneKey = (shard: number): string => key('gone', shard)
  const shards = Array.from({ length: SHARDS }, (_, shard) => shard)

  /** One round trip; a command that was refused throws, without what was in it. */
  async function all(commands: (string | number)[][]): Promise<unknown[]> {
    const replies = await transport.send(commands)
    for (const reply of replies) if (reply instanceof Error) throw reply
    return replies
  }
  const ask = async <T>(...command: (string | number)[]): Promise<T> => (await all([command]))[0] as T

  const run1 = scriptRunner(transport)
  const script = async (name: keyof typeof SCRIPTS, keys: string[], args: (string | number)[]): Promise<string[]> =>
    (await run1(name, [{ keys, args }]))[0] as string[]

  /** A record as it is stored, and the object it went to when it is large. */
  async function pack(record: unknown, user: string): Promise<{ text: string; object?: string }> {
    const text = JSON.stringify(record)
    if (Buffer.byteLength(text) <= BODY_BYTES_MAX) return { text }
    // Under the name of its user: no two runs share one, so that it goes when its run does, whoever begins meanwhile.
    const object = await objects.put(Buffer.from(`${user}\n${text}`))
    await ask('SADD', key('object', object), user)
    return { text: ELSEWHERE + object, object }
  }
  async function packAll(records: unknown[], user: string): Promise<{ texts: string[]; objects: string[] }> {
    const packed = await Promise.all(records.map((record) => pack(record, user)))
    return { texts: packed.map(({ text }) => text), objects: packed.flatMap(({ object }) => object ?? []) }
  }
  async function unpack(text: string): Promise<unknown> {
    if (!text.startsWith(ELSEWHERE)) return JSON.parse(text)
    const bytes = await objects.get(text.slice(1))
    if (!bytes) throw new Error(`the stored object ${text.slice(1)} is gone`)
    const body = Buffer.from(bytes).toString()
    return JSON.parse(body.startsWith('run_') ? body.slice(body.indexOf('\n')) : body)
  }
  const unpackAll = (texts: string[]): Promise<unknown[]> => Promise.all(texts.map(unpack))

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
  const placeOf = (repo: string): string => createHash('sha256').update(repo).digest('hex')

  async function runOf(runId: string): Promise<Run | undefined> {
    const text = await ask<string | null>('HGET', key('run', runId), 'run')
    return text === null ? undefined : Run.parse(await unpack(text))
  }

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

  /** Ids newest first, beyond the cursor. */
  async function newest(sessionId: string | undefined, limit: number, cursor: string | undefined): Promise<string[]> {
    const zsets = sessionId ? [key('session', sessionId, 'runs')] : shards.map((shard) => key('index', shard))
    const found = await all(
      zsets.map((zset) => ['ZREVRANGEBYLEX', zset, cursor ? `(${cursor}` : '+', '-', 'LIMIT', 0, limit]),
    )
    return (found.flat() as string[]).sort((a, b) => (a < b ? 1 : -1)).slice(0, limit)
  }

  /** Runs whose lease is held by a process that is known to be gone. */
  async function orphans(now: number, limit: number): Promise<string[]> {
    const found = await all(shards.map((shard) => ['ZRANGEBYSCORE', key('due', shard), now, '+inf', 'LIMIT', 0, limit]))
    const ids = found.flat() as string[]
    if (ids.length === 0) return []
    const held = (await all(ids.map((id) => ['HMGET', key('run', id), 'owner', 'until']))) as (string | null)[][]
    return ids.filter((_, i) => {
      const [owner, until] = held[i] ?? []
      return owner && Number(until) > now && !mayLive(owner)
    })
  }

  return {
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
      const first = await runOf(other)
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
          goneKey(shardOf(runId)),
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
      await ask('HSET', key('run', runId, 'journal'), effectId, JSON.stringify(outcome))
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
        shards.map((shard) => ({ keys: [key('due', shard)], args: [now, each, againMs] })),
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

    async deleteSession(sessionId) {
      for (;;) {
        const session = await this.session(sessionId)
        if (!session) return { ok: false, why: 'gone' }
        const ids = await ask<string[]>('ZRANGE', key('session', sessionId, 'runs'), 0, -1)
        const idempotency = ids.length === 0 ? [] : await all(ids.map((id) => ['HGET', key('run', id), 'idem']))
        const bodies = ids.length === 0 ? [] : await all(ids.map((id) => ['SMEMBERS', key('run', id, 'objects')]))
        const layers = await this.layers(session.workspaceId)
        const gone = [
          key('session', sessionId),
          key('session', sessionId, 'runs'),
          key('layers', session.workspaceId),
          key('remembered', sessionId),
          ...ids.flatMap((id) => RUN_PARTS.map((part) => partOf(key('run', id), part))),
          ...(idempotency as (string | null)[]).filter((text): text is string => !!text),
        ]
        const keys = [...gone, ...ids.flatMap((id) => [indexKey(id), dueKey(id), goneKey(shardOf(id))])]
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

    async tidy(now) {
      for (const shard of shards) {
        const ids = await ask<string[]>('ZRANGEBYSCORE', goneKey(shard), '-inf', now, 'LIMIT', 0, GONE_AT_ONCE_MAX)
        for (const runId of ids) {
          const bodies = await ask<string[]>('SMEMBERS', key('run', runId, 'objects'))
          // The record of whose they are goes last: whatever breaks off here is taken up by the next.
          await objects.delete(await unused(bodies.map((id) => ({ id, user: runId }))))
          await all([
            ['DEL', key('run', runId, 'objects')],
            ['ZREM', goneKey(shard), runId],
          ])
        }
      }
    },

    close: () => transport.close(),
  }
}

const RUN_PARTS = ['run', 'messages', 'events', 'marks', 'inbox', 'sent', 'journal', 'objects']
const partOf = (run: string, part: string): string => (part === 'run' ? run : `${run}:${part}`)

type Invocation = { keys: string[]; args: (string | number)[] }

/** Runs scripts by their hash, and sends the text to a server that does not know it yet. */
function scriptRunner(transport: RedisTransport) {
  const made = Object.fromEntries(
    Object.entries(SCRIPTS).map(([name, body]) => {
      const text = transport.scriptHeader ? `${transport.scriptHeader}\n${body}` : body
      return [name, { text, sha: createHash('sha1').update(text).digest('hex') }]
    }),
  ) as Record<keyof typeof SCRIPTS, { text: string; sha: string }>
  return async (name: keyof typeof SCRIPTS, invocations: Invocation[]): Promise<unknown[]> => {
    const { text, sha } = made[name]
    const commands = (verb: string, body: string) =>
      invocations.map(({ keys, args }) => [verb, body, keys.length, ...keys, ...args])
    const replies = await transport.send(commands('EVALSHA', sha))
    const unknown = replies.flatMap((reply, i) => (reply instanceof Error && /NOSCRIPT/.test(reply.message) ? [i] : []))
    if (unknown.length > 0) {
      const texts = commands('EVAL', text)
      const again = await transport.send(unknown.map((i) => texts[i] ?? []))
      for (const [n, i] of unknown.entries()) replies[i] = again[n]
    }
    for (const reply of replies) if (reply instanceof Error) throw reply
    return replies
  }
}
