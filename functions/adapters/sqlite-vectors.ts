/**
 * Vectors in one SQLite file: the embedded default. Every vector on the shelves asked for is compared, so the answer is
 * exact. Losing the file costs time alone: whoever keeps the texts makes the vectors again.
 */
import type { DatabaseSync, SQLInputValue } from 'node:sqlite'
import { setImmediate } from 'node:timers/promises'
import type { Clock, VectorRecord, Vectors } from '../ports.ts'
import { VectorSizeError } from '../ports.ts'
import { openFile } from './sqlite-longterm.ts'

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS vector_collections (name text PRIMARY KEY, size integer NOT NULL);
  CREATE TABLE IF NOT EXISTS vectors (
    collection text NOT NULL, id text NOT NULL, ref text NOT NULL, shelf text NOT NULL, session_id text,
    vector blob NOT NULL, PRIMARY KEY (collection, id)
  );
  CREATE INDEX IF NOT EXISTS vectors_shelf ON vectors (collection, shelf);
  CREATE INDEX IF NOT EXISTS vectors_session ON vectors (session_id);
`
const UPSERT = `INSERT INTO vectors (collection, id, ref, shelf, session_id, vector) VALUES (?, ?, ?, ?, ?, ?)
  ON CONFLICT (collection, id) DO UPDATE SET ref = excluded.ref, shelf = excluded.shelf,
  session_id = excluded.session_id, vector = excluded.vector`
/** Between so many others get their turn. */
const ROWS_AT_ONCE = 5000
/** Longer lists of ids are asked for in parts. */
const IDS_AT_ONCE = 500

export function sqliteVectors(path: string, clock: Pick<Clock, 'sleep'>): Vectors {
  let opening: Promise<DatabaseSync> | undefined
  const database = (): Promise<DatabaseSync> => {
    opening ??= openFile(path, clock)
      .then((opened) => {
        opened.exec(SCHEMA)
        return opened
      })
      .catch((error: unknown) => {
        opening = undefined
        throw error
      })
    return opening
  }
  const marks = (count: number): string => Array.from({ length: count }, () => '?').join(', ')

  return {
    async upsert(collection, records) {
      const [first] = records
      if (!first) return
      const on = await database()
      atomically(on, () => {
        on.prepare('INSERT INTO vector_collections (name, size) VALUES (?, ?) ON CONFLICT DO NOTHING').run(
          collection,
          first.vector.length,
        )
        const known = on.prepare('SELECT size FROM vector_collections WHERE name = ?').get(collection) as {
          size: number
        }
        const put = on.prepare(UPSERT)
        for (const { id, ref, shelf, sessionId, vector } of records) {
          if (vector.length !== known.size) throw new VectorSizeError(collection, known.size, vector.length)
          put.run(collection, id, ref, shelf, sessionId ?? null, bytesOf(vector))
        }
      })
    },

    async nearest(collection, { vector, shelves, limit }) {
      if (shelves.length === 0 || limit < 1) return []
      const on = await database()
      const wanted = Float32Array.from(vector)
      const best = new Best(limit)
      const sql = `SELECT rowid, vector FROM vectors WHERE collection = ? AND shelf IN (${marks(shelves.length)})
        AND rowid > ? ORDER BY rowid LIMIT ${ROWS_AT_ONCE}`
      for (let after = 0; ; await setImmediate()) {
        const rows = on.prepare(sql)
        rows.setReturnArrays(true)
        const read = rows.all(collection, ...shelves, after) as unknown as [number, Uint8Array][]
        for (const [row, bytes] of read) {
          if (bytes.byteLength !== wanted.byteLength)
            throw new VectorSizeError(collection, bytes.byteLength / 4, wanted.length)
          best.offer(cosine(wanted, numbersOf(bytes)), row)
        }
        after = read.at(-1)?.[0] ?? after
        if (read.length < ROWS_AT_ONCE) break
      }
      // Others may have written meanwhile, and a row's number is given again.
      const named = on.prepare(
        `SELECT id, ref FROM vectors WHERE rowid = ? AND collection = ? AND shelf IN (${marks(shelves.length)})`,
      )
      return best.found.flatMap(({ row, score }) => {
        const of = named.get(row, collection, ...shelves) as { id: string; ref: string } | undefined
        return of ? [{ id: of.id, ref: of.ref, score }] : []
      })
    },

    async ids(collection) {
      const rows = (await database()).prepare('SELECT id FROM vectors WHERE collection = ?').all(collection)
      return rows.map(({ id }) => String(id))
    },

    async known(collection, ids) {
      const on = await database()
      return parts(ids).flatMap((some) =>
        on
          .prepare(`SELECT id FROM vectors WHERE collection = ? AND id IN (${marks(some.length)})`)
          .all(collection, ...some)
          .map(({ id }) => String(id)),
      )
    },

    async delete(collection, ids) {
      const on = await database()
      for (const some of parts(ids))
        run(on, `DELETE FROM vectors WHERE collection = ? AND id IN (${marks(some.length)})`, collection, ...some)
    },

    async forget(sessionId) {
      const on = await database()
      run(on, 'DELETE FROM vectors WHERE session_id = ?', sessionId)
      on.exec('PRAGMA wal_checkpoint(TRUNCATE)')
    },

    async check() {
      await database()
    },

    async close() {
      const on = await opening?.catch(() => undefined)
      if (on?.isOpen) on.close()
    },
  }
}

const run = (on: DatabaseSync, sql: string, ...values: SQLInputValue[]): void => void on.prepare(sql).run(...values)

function atomically(on: DatabaseSync, work: () => void): void {
  on.exec('BEGIN IMMEDIATE')
  try {
    work()
    on.exec('COMMIT')
  } catch (error) {
    if (on.isTransaction) on.exec('ROLLBACK')
    throw error
  }
}

const parts = (ids: string[]): string[][] =>
  Array.from({ length: Math.ceil(ids.length / IDS_AT_ONCE) }, (_, i) =>
    ids.slice(i * IDS_AT_ONCE, (i + 1) * IDS_AT_ONCE),
  )

const bytesOf = (vector: VectorRecord['vector']): Uint8Array => new Uint8Array(Float32Array.from(vector).buffer)
const numbersOf = (bytes: Uint8Array): Float32Array =>
  bytes.byteOffset % 4 === 0
    ? new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4)
    : new Float32Array(bytes.slice().buffer)

/** Both have length 1. */
function cosine(a: Float32Array, b: Float32Array): number {
  let sum = 0
  for (let at = 0; at < a.length; at++) sum += (a[at] as number) * (b[at] as number)
  return sum
}

/** The best few of many, without keeping the many. */
class Best {
  readonly found: { row: number; score: number }[] = []
  readonly #limit: number
  constructor(limit: number) {
    this.#limit = limit
  }

  offer(score: number, row: number): void {
    const worst = this.found[this.#limit - 1]
    if (worst && worst.score >= score) return
    const at = this.found.findIndex((near) => near.score < score)
    this.found.splice(at === -1 ? this.found.length : at, 0, { row, score })
    if (this.found.length > this.#limit) this.found.pop()
  }
}
