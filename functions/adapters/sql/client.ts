/**
 * What long-term memory needs of a database: statements with `$1` parameters, one alone or several as one transaction
 * that asks nothing in between. SQLite, Postgres and Neon over HTTP all give that, so one set of statements serves them.
 */

/** `undefined` is stored as NULL. */
export type Value = string | number | boolean | null | undefined
export type Statement = { sql: string; values: Value[] }
export type Row = Record<string, unknown>

export type SqlClient = {
  /** Throws `Conflict` for a key that is there already, else an Error that holds none of the values. */
  query(sql: string, values?: Value[]): Promise<Row[]>
  /** All or nothing. Safe to send again: every statement of ours is. */
  transaction(statements: Statement[]): Promise<Row[][]>
  /** After a removal: what was removed is on the disk no more. Where the database sees to that by itself, nothing. */
  purge?(): Promise<void>
  /** Begins a transaction that must be the only one of its kind, where transactions are not alone anyway. */
  alone?: Statement
  close(): Promise<void>
}

/** A key that must be unique is taken. */
export class Conflict extends Error {}

export const statement = (sql: string, ...values: Value[]): Statement => ({ sql, values })

/** `$3, $4, $5` */
export const places = (count: number, from = 1): string =>
  Array.from({ length: count }, (_, i) => `$${from + i}`).join(', ')

/** Text as every database takes it. */
export const clean = (text: string): string => text.toWellFormed().replaceAll('\0', '\uFFFD')

/** JSON comes as an object from some databases and as text from others. */
export const fromJson = (value: unknown): unknown => (typeof value === 'string' ? JSON.parse(value) : value)

/** A query once more when the connection broke: nothing of ours is done twice. */
export async function onceMore<T>(work: () => Promise<T>, broke: (error: unknown) => boolean): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!broke(error)) throw error
    return work()
  }
}
