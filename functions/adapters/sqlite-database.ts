/**
 * One SQLite file as this process uses it: opened, brought up to date, its statements kept. WAL with synchronous=FULL:
 * what was committed is on disk. Several processes may share the file.
 */
import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import { COLUMNS_ADDED, SCHEMA, SCHEMA_VERSION } from './sqlite-schema.ts'

const BUSY_MS_MAX = 10_000

export type Database = ReturnType<typeof openDatabase>

/** @throws Error that names the file and what to do. */
export function openDatabase(path: string) {
  const database = open(path)

  const statements = new Map<string, StatementSync>()
  const sql = (text: string): StatementSync => {
    const known = statements.get(text)
    if (known) return known
    const made = database.prepare(text)
    statements.set(text, made)
    return made
  }
  const row = <T>(text: string, ...values: SQLInputValue[]): T | undefined => sql(text).get(...values) as T | undefined
  const rows = <T>(text: string, ...values: SQLInputValue[]): T[] => sql(text).all(...values) as T[]
  const run = (text: string, ...values: SQLInputValue[]): void => void sql(text).run(...values)

  /** All or nothing, alone among writers. */
  function atomically<T>(work: () => T): T {
    database.exec('BEGIN IMMEDIATE')
    try {
      const answer = work()
      database.exec('COMMIT')
      return answer
    } catch (error) {
      if (database.isTransaction) database.exec('ROLLBACK')
      throw error
    }
  }

  return { database, sql, row, rows, run, atomically }
}

/** Opens the file and brings its tables up to date. @throws Error that names the file and what to do. */
function open(path: string): DatabaseSync {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  for (const end = performance.now() + BUSY_MS_MAX; ; ) {
    let database: DatabaseSync | undefined
    try {
      database = new DatabaseSync(path, { timeout: BUSY_MS_MAX })
      refuseNewer(database, path)
      // secure_delete: what is removed is overwritten, not only unlinked.
      database.exec(
        'PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA secure_delete=ON; PRAGMA temp_store=MEMORY',
      )
      migrate(database)
      return database
    } catch (error) {
      if (database?.isOpen) database.close()
      const { errcode, message } = error as { errcode?: number; message: string }
      // Several processes that make a new file at once: switching to WAL does not wait for the others by itself.
      if (errcode === SQLITE_BUSY && performance.now() < end) {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 15)
        continue
      }
      if (message.includes(path)) throw error
      throw new Error(`the database ${path} cannot be used: ${message}; move it away to begin anew, or set STINT_HOME`)
    }
  }
}

const SQLITE_BUSY = 5

/** Before anything is changed: a file of a newer Stint is left as it is. */
function refuseNewer(database: DatabaseSync, path: string): void {
  const version = versionOf(database)
  if (version > SCHEMA_VERSION)
    throw new Error(
      `the database ${path} was written by a newer Stint (schema ${version}, this one knows ${SCHEMA_VERSION}); update Stint, or set STINT_HOME to another folder`,
    )
}

function migrate(database: DatabaseSync): void {
  if (versionOf(database) === SCHEMA_VERSION) return
  database.exec('BEGIN IMMEDIATE')
  database.exec(SCHEMA)
  for (const [table, column, declaration] of COLUMNS_ADDED) {
    const known = database.prepare(`SELECT name FROM pragma_table_info('${table}')`).all() as { name: string }[]
    if (!known.some(({ name }) => name === column))
      database.exec(`ALTER TABLE ${table} ADD COLUMN ${column} ${declaration}`)
  }
  database.exec(`PRAGMA user_version = ${SCHEMA_VERSION}`)
  database.exec('COMMIT')
}

const versionOf = (database: DatabaseSync): number =>
  (database.prepare('PRAGMA user_version').get() as { user_version: number }).user_version
