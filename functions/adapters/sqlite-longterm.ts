/**
 * Long-term memory in one SQLite file of its own: the embedded default. WAL with synchronous=FULL, so what was answered
 * is on disk; several processes may share it. The file is opened by the first statement, not by the start.
 */
import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import type { Clock, LongTerm } from '../ports.ts'
import { Conflict, type Row, type SqlClient, type Statement, type Value } from './sql/client.ts'
import { sqlLongTerm } from './sql/longterm.ts'

const BUSY_MS_MAX = 10_000
const BUSY_PAUSE_MS = 15
/** Longer ones insert many rows at once, and are seldom the same twice. */
const KEPT_CHARS_MAX = 2000

export const sqliteLongTerm = (path: string, clock: Pick<Clock, 'now' | 'sleep'>): LongTerm =>
  sqlLongTerm(sqliteClient(path, clock), clock)

export function sqliteClient(path: string, clock: Pick<Clock, 'sleep'>): SqlClient {
  let opening: Promise<DatabaseSync> | undefined
  const kept = new Map<string, StatementSync>()
  const database = (): Promise<DatabaseSync> => {
    opening ??= openFile(path, clock).catch((error: unknown) => {
      opening = undefined
      throw error
    })
    return opening
  }

  function perform(on: DatabaseSync, sql: string, values: Value[] = []): Row[] {
    const known = kept.get(sql) ?? on.prepare(sql)
    if (sql.length <= KEPT_CHARS_MAX) kept.set(sql, known)
    const named = Object.fromEntries(values.map((value, i) => [`$${i + 1}`, bound(value)]))
    return (values.length > 0 ? known.all(named) : known.all()) as Row[]
  }

  return {
    async query(sql, values) {
      const on = await database()
      return told(path, () => perform(on, sql, values))
    },
    async transaction(statements: Statement[]) {
      const on = await database()
      return told(path, () => {
        on.exec('BEGIN IMMEDIATE')
        try {
          const answers = statements.map(({ sql, values }) => perform(on, sql, values))
          on.exec('COMMIT')
          return answers
        } catch (error) {
          if (on.isTransaction) on.exec('ROLLBACK')
          throw error
        }
      })
    },
    async purge() {
      // Removed rows are overwritten in the file, but older pages of it are in the log beside it.
      const on = await database()
      told(path, () => on.exec('PRAGMA wal_checkpoint(TRUNCATE)'))
    },
    async close() {
      const on = await opening?.catch(() => undefined)
      if (on?.isOpen) on.close()
    },
  }
}

const bound = (value: Value): string | number | null =>
  value === undefined ? null : typeof value === 'boolean' ? Number(value) : value

const SQLITE_BUSY = 5
const TAKEN = new Set([1555 /* SQLITE_CONSTRAINT_PRIMARYKEY */, 2067 /* SQLITE_CONSTRAINT_UNIQUE */])

/** A file of memory, with nothing in it yet that its owner did not put there. @throws Error that names it and what to do. */
export async function openFile(path: string, clock: Pick<Clock, 'sleep'>): Promise<DatabaseSync> {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  for (let waited = 0; ; waited += BUSY_PAUSE_MS) {
    let database: DatabaseSync | undefined
    try {
      database = new DatabaseSync(path, { timeout: BUSY_MS_MAX })
      // secure_delete: what is removed is overwritten, not only unlinked.
      database.exec('PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA secure_delete=ON')
      return database
    } catch (error) {
      if (database?.isOpen) database.close()
      // Several processes that make a new file at once: switching to WAL does not wait for the others by itself.
      if ((error as { errcode?: number }).errcode !== SQLITE_BUSY || waited > BUSY_MS_MAX)
        throw new Error(
          `the database ${path} cannot be used: ${(error as Error).message}; move it away to begin anew, or set STINT_HOME`,
        )
    }
    await clock.sleep(BUSY_PAUSE_MS)
  }
}

function told<T>(path: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    const { errcode, message } = error as { errcode?: number; message: string }
    if (errcode !== undefined && TAKEN.has(errcode)) throw new Conflict(message)
    throw new Error(`the database ${path}: ${message}`)
  }
}
