/**
 * How records lie in Redis: their keys, scripts by their hash, and bodies that are too large and lie in the object store
 * instead. What the store's parts share.
 */
import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import type { Snapshots } from '../ports.ts'
import { scriptRunner } from './redis-script.ts'
import { SCRIPTS } from './redis-scripts.ts'
import { accepted, type RedisTransport } from './redis-transport.ts'

export const SHARDS = 16
const BODY_BYTES_MAX = 64 * 1024
/** Begins a body that is elsewhere; no JSON text begins so. */
const ELSEWHERE = '\u0001'

export type RedisRecords = ReturnType<typeof redisRecords>

export function redisRecords({
  transport,
  objects,
  prefix,
}: {
  transport: RedisTransport
  objects: Snapshots
  prefix: string
}) {
  const key = (...parts: (string | number)[]): string => prefix + parts.join(':')
  const shardOf = (runId: string): number => crc32(runId) % SHARDS

  /** One round trip; a command that was refused throws, without what was in it. */
  const all = async (commands: (string | number)[][]): Promise<unknown[]> => accepted(await transport.send(commands))
  const ask = async <T>(...command: (string | number)[]): Promise<T> => (await all([command]))[0] as T

  const run1 = scriptRunner(transport, SCRIPTS)
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

  return {
    key,
    /** Where the run is due. */
    dueKey: (runId: string): string => key('due', shardOf(runId)),
    /** Where the run is listed. */
    indexKey: (runId: string): string => key('index', shardOf(runId)),
    /** Where a run that expires is told of, for what it leaves behind. */
    goneKey: (runId: string): string => key('gone', shardOf(runId)),
    all,
    ask,
    run1,
    script,
    pack,
    packAll,
    unpack,
    unpackAll,
  }
}

export const shards = (): number[] => Array.from({ length: SHARDS }, (_, shard) => shard)

/** The name under which approvals for a repo are remembered. */
export const placeOf = (repo: string): string => createHash('sha256').update(repo).digest('hex')

export const RUN_PARTS = ['run', 'messages', 'events', 'marks', 'inbox', 'sent', 'journal', 'objects']
export const partOf = (run: string, part: string): string => (part === 'run' ? run : `${run}:${part}`)
