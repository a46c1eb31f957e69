/**
 * Brings a database up to date: each migration once, alone, and whole or not at all. They only add, so that processes of
 * an older Stint go on beside a newer one. A migration that was released is never changed; the next one mends it.
 */
import { RUNS } from './0001-runs.ts'
import { RECORDS } from './0002-records.ts'
import { Conflict, type SqlClient, statement } from './client.ts'

const MIGRATIONS = [RUNS, RECORDS]

const LEDGER = 'CREATE TABLE IF NOT EXISTS stint_migrations (id integer PRIMARY KEY, at bigint NOT NULL)'

/** `now` in epoch milliseconds, for the ledger. */
export async function migrate(client: SqlClient, now: number): Promise<void> {
  const done = await highest(client)
  for (const [i, text] of MIGRATIONS.entries()) {
    const id = i + 1
    if (id <= done) continue
    try {
      await client.transaction([
        ...(client.alone ? [client.alone] : []),
        statement(LEDGER),
        statement('INSERT INTO stint_migrations (id, at) VALUES ($1, $2)', id, now),
        ...statementsIn(text).map((sql) => statement(sql)),
      ])
    } catch (error) {
      // Another process was faster.
      if (!(error instanceof Conflict)) throw error
    }
  }
}

/** 0 for a database that has never seen a migration. One read where all is done, as at almost every start. */
async function highest(client: SqlClient): Promise<number> {
  try {
    const [found] = await client.query('SELECT max(id) AS id FROM stint_migrations')
    return Number(found?.id ?? 0)
  } catch (error) {
    if (/stint_migrations/.test((error as Error).message)) return 0
    throw error
  }
}

const statementsIn = (text: string): string[] =>
  text
    .replace(/^--.*$/gm, '')
    .split(/;\s*(?:\n|$)/)
    .map((sql) => sql.trim())
    .filter(Boolean)
