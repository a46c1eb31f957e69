/** Small records of one kind on any SQL database: all tables have the same columns. */
import type { Page, Records } from '../../ports.ts'
import { clean, fromJson, places, type Row, type SqlClient, type Value } from './client.ts'

type Common = {
  id: string
  scope: string
  sessionId?: string | undefined
  createdAt: number
  updatedAt: number
  expiresAt?: number | undefined
}

export type Kind<T> = {
  table: string
  parse(value: unknown): T
  key?(record: T): string | undefined
  dueAt?(record: T): number | undefined
}

const COLUMNS = 'id, scope, key, due_at, session_id, created_at, updated_at, expires_at, record'
const SET = COLUMNS.split(', ')
  .slice(1)
  .map((column, i) => ({ column, place: `$${i + 2}` }))
const ALIVE = '(expires_at IS NULL OR expires_at > $1)'

export function sqlRecords<T extends Common>(
  db: Pick<SqlClient, 'query'>,
  now: () => number,
  { table, parse, key, dueAt }: Kind<T>,
): Records<T> {
  const recordOf = (row: Row): T => parse(fromJson(row.record))

  return {
    async put(record, unchangedSince) {
      const { id, scope, sessionId, createdAt, updatedAt, expiresAt } = record
      const its = key?.(record)
      const values: Value[] = [
        ...[clean(id), clean(scope), its === undefined ? its : clean(its), dueAt?.(record)],
        ...[sessionId, createdAt, updatedAt, expiresAt, jsonb(record)],
      ]
      if (unchangedSince === undefined) {
        const set = SET.map(({ column }) => `${column} = excluded.${column}`).join(', ')
        await db.query(
          `INSERT INTO ${table} (${COLUMNS}) VALUES (${places(9)}) ON CONFLICT (id) DO UPDATE SET ${set}`,
          values,
        )
        return true
      }
      // Sent again because the answer got lost, it finds its own `updatedAt`.
      const set = SET.map(({ column, place }) => `${column} = ${place}`).join(', ')
      const sql = `UPDATE ${table} SET ${set} WHERE id = $1 AND (updated_at = $10 OR updated_at = $7) RETURNING id`
      return (await db.query(sql, [...values, unchangedSince])).length > 0
    },

    async get(id) {
      const rows = await db.query(`SELECT record FROM ${table} WHERE ${ALIVE} AND id = $2`, [now(), clean(id)])
      return rows[0] && recordOf(rows[0])
    },

    async list({ scopes, key: wanted, dueBy, limit, cursor }): Promise<Page<T>> {
      const values: Value[] = [now(), limit + 1]
      const place = (value: Value): string => `$${values.push(value)}`
      const conditions = [
        ALIVE,
        ...(scopes
          ? [scopes.length > 0 ? `scope IN (${scopes.map((scope) => place(clean(scope))).join(', ')})` : 'false']
          : []),
        ...(wanted === undefined ? [] : [`key = ${place(clean(wanted))}`]),
        ...(dueBy === undefined ? [] : [`due_at <= ${place(dueBy)}`]),
        ...(cursor === undefined ? [] : [`id < ${place(clean(cursor))}`]),
      ]
      const sql = `SELECT id, record FROM ${table} WHERE ${conditions.join(' AND ')} ORDER BY id DESC LIMIT $2`
      const rows = await db.query(sql, values)
      const items = rows.slice(0, limit).map(recordOf)
      const last = rows[limit - 1]
      return rows.length > limit && last ? { items, nextCursor: String(last.id) } : { items }
    },

    async delete(id) {
      return (await db.query(`DELETE FROM ${table} WHERE id = $1 RETURNING id`, [clean(id)])).length > 0
    },

    async deleteBefore(time, limit) {
      const sql = `DELETE FROM ${table} WHERE id IN (SELECT id FROM ${table} WHERE created_at < $1 ORDER BY created_at LIMIT $2) RETURNING id`
      return (await db.query(sql, [time, limit])).length
    },
  }
}

/** jsonb takes neither NUL nor half a character: both become U+FFFD. An escaped backslash before them is no escape. */
const jsonb = (record: unknown): string =>
  JSON.stringify(record).replace(/\\(\\|u0000|ud[89a-f][0-9a-f]{2})/g, (found, what) =>
    what === '\\' ? found : '\\ufffd',
  )
