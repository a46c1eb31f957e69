/**
 * Long-term memory on any SQL database, behind a client of three methods. The database is brought up to date before the
 * first statement; a try that failed is made again by the next.
 */
import { ApiKey, AuditEntry, CustomTool, Fact, Preference, Schedule } from '../../core/records.ts'
import type { LongTerm } from '../../ports.ts'
import { sqlArchive } from './archive.ts'
import type { SqlClient } from './client.ts'
import { migrate } from './migrations.ts'
import { sqlRecords } from './records.ts'
import { usageFigures } from './usage.ts'

/** Whoever archives a run of a session that was removed has heard of it after this long. */
const REMOVED_KEPT_MS = 7 * 24 * 3600_000
const TABLES = ['facts', 'preferences', 'schedules', 'api_keys', 'audit', 'custom_tools']

export function sqlLongTerm(client: SqlClient, { now }: { now(): number }): LongTerm {
  let ready: Promise<void> | undefined
  const migrated = (): Promise<void> => {
    ready ??= migrate(client, now()).catch((error: unknown) => {
      ready = undefined
      throw error
    })
    return ready
  }
  const db: Pick<SqlClient, 'query' | 'transaction' | 'purge'> = {
    ...(client.purge ? { purge: client.purge } : {}),
    query: async (sql, values) => {
      await migrated()
      return client.query(sql, values)
    },
    transaction: async (statements) => {
      await migrated()
      return client.transaction(statements)
    },
  }
  const parser =
    <T>(schema: { parse(value: unknown): T }) =>
    (value: unknown) =>
      schema.parse(value)

  return {
    archive: sqlArchive(db, now),
    facts: sqlRecords(db, now, { table: 'stint_facts', parse: parser(Fact), key: (fact) => fact.fingerprint }),
    preferences: sqlRecords(db, now, {
      table: 'stint_preferences',
      parse: parser(Preference),
      key: (preference) => preference.name,
    }),
    schedules: sqlRecords(db, now, {
      table: 'stint_schedules',
      parse: parser(Schedule),
      dueAt: (schedule) => schedule.nextAt,
    }),
    keys: sqlRecords(db, now, { table: 'stint_api_keys', parse: parser(ApiKey), key: (known) => known.hash }),
    audit: sqlRecords(db, now, { table: 'stint_audit', parse: parser(AuditEntry) }),
    tools: sqlRecords(db, now, { table: 'stint_custom_tools', parse: parser(CustomTool), key: (tool) => tool.name }),
    usage: (range) => usageFigures(db, range),

    async tidy(limit) {
      let gone = 0
      for (const name of TABLES) {
        const table = `stint_${name}`
        const sql = `DELETE FROM ${table} WHERE id IN (SELECT id FROM ${table} WHERE expires_at <= $1 LIMIT $2) RETURNING id`
        gone += (await db.query(sql, [now(), limit])).length
      }
      await db.query('DELETE FROM stint_removed WHERE at > 0 AND at < $1', [now() - REMOVED_KEPT_MS])
      return gone
    },

    async check() {
      await db.query('SELECT 1 AS ok')
    },

    close: () => client.close(),
  }
}
