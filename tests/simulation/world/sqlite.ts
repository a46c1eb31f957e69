/** The embedded store on a file in memory; a second handle on it reads and restores rows. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import { sqliteStore } from '../../../functions/adapters/sqlite-store.ts'
import type { Layer, Run } from '../../../functions/core/types.ts'
import type { Owner } from '../../../functions/ports.ts'
import type { Backend } from './backend.ts'

type Values = Record<string, SQLInputValue>

/** `mayLive`: as the adapter takes it; may change from seed to seed. */
export function sqliteBackend(mayLive: (owner: Owner) => boolean): Backend & { database: DatabaseSync } {
  const folder = mkdtempSync(join(inMemory(), 'stint-simulation-'))
  const path = join(folder, 'stint.db')
  const store = sqliteStore({ path, mayLive })
  const database = new DatabaseSync(path)
  database.exec('PRAGMA synchronous=OFF')
  const statements = new Map<string, StatementSync>()
  const sql = (text: string): StatementSync => {
    const known = statements.get(text) ?? database.prepare(text)
    statements.set(text, known)
    return known
  }
  const tables = tablesOf(database)

  return {
    name: 'sqlite',
    store,
    database,
    async row(runId) {
      const found = sql('SELECT run, status, step, token FROM runs WHERE run_id = ?').get(runId)
      if (!found) return undefined
      const count = (table: string): number =>
        Number(sql(`SELECT count(*) AS n FROM ${table} WHERE run_id = ?`).get(runId)?.n)
      return {
        run: JSON.parse(String(found.run)) as Run,
        status: String(found.status),
        step: Number(found.step),
        token: Number(found.token),
        messages: count('messages'),
        events: count('events'),
      }
    },
    async messages(runId, after) {
      const text = 'SELECT message FROM messages WHERE run_id = ? AND seq > ? ORDER BY seq'
      return sql(text)
        .all(runId, after)
        .map(({ message }) => String(message))
    },
    async events(runId, after) {
      const text = 'SELECT event FROM events WHERE run_id = ? AND seq > ? ORDER BY seq'
      return sql(text)
        .all(runId, after)
        .map(({ event }) => String(event))
    },
    async layers(workspaceId) {
      const text = 'SELECT layer FROM layers WHERE workspace_id = ? ORDER BY count'
      return sql(text)
        .all(workspaceId)
        .map(({ layer }) => JSON.parse(String(layer)) as Layer)
    },
    async save(run) {
      const kept = tables.flatMap(({ name, key }) => {
        const value = run[key]
        return [
          { name, key, value, rows: sql(`SELECT * FROM ${name} WHERE ${COLUMN[key]} = ?`).all(value) as Values[] },
        ]
      })
      return async () => {
        database.exec('BEGIN IMMEDIATE')
        for (const { name, key, value, rows } of kept) {
          sql(`DELETE FROM ${name} WHERE ${COLUMN[key]} = ?`).run(value)
          for (const row of rows) insert(sql, name, row)
        }
        database.exec('COMMIT')
      }
    },
    async dump() {
      return Object.fromEntries(allTables(database).map((name) => [name, sql(`SELECT * FROM ${name}`).all()]))
    },
    async load(rows) {
      for (const [name, found] of Object.entries(rows)) for (const row of found) insert(sql, name, row as Values)
    },
    async wipe() {
      database.exec('BEGIN IMMEDIATE')
      for (const name of allTables(database)) sql(`DELETE FROM ${name}`).run()
      database.exec('COMMIT')
    },
    async close() {
      database.close()
      await store.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

export function insert(sql: (text: string) => StatementSync, table: string, row: Values): void {
  const names = Object.keys(row)
  sql(`INSERT INTO ${table} (${names.join(', ')}) VALUES (${names.map(() => '?').join(', ')})`).run(
    ...Object.values(row),
  )
}

export const allTables = (database: DatabaseSync): string[] =>
  database
    .prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name")
    .all()
    .map(({ name }) => String(name))

const COLUMN = { runId: 'run_id', sessionId: 'session_id', workspaceId: 'workspace_id' } as const

/** Every table with rows of a run, by the column that tells whose they are. */
function tablesOf(database: DatabaseSync): { name: string; key: keyof typeof COLUMN }[] {
  return allTables(database).flatMap((name) => {
    const columns = database.prepare(`SELECT name FROM pragma_table_info('${name}')`).all()
    const key = (['runId', 'sessionId', 'workspaceId'] as const).find((one) =>
      columns.some((column) => column.name === COLUMN[one]),
    )
    return key && name !== 'idempotency' ? [{ name, key }] : []
  })
}

const inMemory = (): string => (existsSync('/dev/shm') ? '/dev/shm' : tmpdir())
