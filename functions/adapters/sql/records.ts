/** Small records of one kind on any SQL database: all tables have the same columns. */
import type { Page, Records } from '../../ports.ts'
import { hashOf } from './archive-rows.ts'
import { Conflict, clean, fromJson, places, type Row, type SqlClient, statement, type Value } from './client.ts'

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
  db: Pick<SqlClient, 'query' | 'transaction' | 'purge'>,
  now: () => number,
  { table, parse, key, dueAt }: Kind<T>,
): Records<T> {
  const recordOf = (row: Row): T => parse(fromJson(row.record))

  /** As an archived run is written (archive-rows.ts): nobody removes the session meanwhile, or it is too late. */
  async function write(sessionId: string | undefined, sql: string, values: Value[]): Promise<Row[] | undefined> {
    if (sessionId === undefined) return db.query(sql, values)
    const id = hashOf(sessionId)
    try {
      const answers = await db.transaction([
        statement('INSERT INTO stint_removed (id, at) VALUES ($1, 0)', id),
        { sql, values },
        statement('DELETE FROM stint_removed WHERE id = $1 AND at = 0', id),
      ])
      return answers[1]
    } catch (error) {
      if (error instanceof Conflict) return undefined
      throw error
    }
  }

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
        const sql = `INSERT INTO ${table} (${COLUMNS}) VALUES (${places(9)}) ON CONFLICT (id) DO UPDATE SET ${set}`
        return (await write(sessionId, sql, values)) !== undefined
      }
      // Sent again because the answer got lost, it finds its own `updatedAt`.
      const set = SET.map(({ column, place }) => `${column} = ${place}`).join(', ')
      const sql = `UPDATE ${table} SET ${set} WHERE id = $1 AND (updated_at = $10 OR updated_at = $7) RETURNING id`
      return ((await write(sessionId, sql, [...values, unchangedSince])) ?? []).length > 0
    },

    async get(id) {
      const rows = await db.query(`SELECT record FROM ${table} WHERE ${ALIVE} AND id = $2`, [now(), clean(id)])
      return rows[0] && recordOf(rows[0])
    },

    async list({ scopes, under, key: wanted, dueBy, limit, cursor }): Promise<Page<T>> {
      const values: Value[] = [now(), limit + 1]
      const place = (value: Value): string => `$${values.push(value)}`
      const exactly = (scope: string): string => `scope = ${place(clean(scope))}`
      const begins = (scope: string): string => {
        const start = `CAST(${place(clean(scope))} AS text)`
        return `substr(scope, 1, length(${start})) = ${start}`
      }
      const conditions = [
        ALIVE,
        ...(scopes || under
          ? [`(${[...(scopes ?? []).map(exactly), ...(under ?? []).map(begins), 'false'].join(' OR ')})`]
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
      const gone = await db.query(`DELETE FROM ${table} WHERE id = $1 RETURNING id`, [clean(id)])
      if (gone.length > 0) await db.purge?.()
      return gone.length > 0
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
