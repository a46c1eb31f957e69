/**
 * Long-term memory in any Postgres, by `pg`. A statement that met a broken connection is sent once more, on another one:
 * every statement here may be. Errors name the server and never the password, nor what was written.
 */
import { DatabaseError, Pool, type PoolClient } from 'pg'
import type { Clock, LongTerm } from '../ports.ts'
import { placeOf } from './sql/address.ts'
import { onceMore, type Row, type SqlClient, type Value } from './sql/client.ts'
import { sqlLongTerm } from './sql/longterm.ts'
import { ALONE, explained, isBroken } from './sql/postgres-errors.ts'

const CONNECTIONS_MAX = 5
const CONNECT_MS_MAX = 5000
const QUERY_MS_MAX = 15_000
const IDLE_MS_MAX = 10_000

export const postgres = (url: string, clock: Pick<Clock, 'now'>): LongTerm => sqlLongTerm(postgresClient(url), clock)

export function postgresClient(url: string): SqlClient {
  const where = placeOf(url)
  const pool = new Pool({
    connectionString: url,
    application_name: 'stint',
    max: CONNECTIONS_MAX,
    connectionTimeoutMillis: CONNECT_MS_MAX,
    query_timeout: QUERY_MS_MAX,
    idleTimeoutMillis: IDLE_MS_MAX,
    keepAlive: true,
    // An open connection keeps no process alive that has nothing else to do.
    allowExitOnIdle: true,
  })
  // A connection that breaks while it rests is thrown away by the pool; whoever needs one gets another.
  pool.on('error', () => {})

  async function withConnection<T>(work: (client: PoolClient) => Promise<T>): Promise<T> {
    const once = async () => {
      const client = await pool.connect()
      let broken = false
      // Told while nobody asks on it; whoever does hears of it by the answer.
      const ignore = () => {}
      client.on('error', ignore)
      try {
        return await work(client)
      } catch (error) {
        broken = !(error instanceof DatabaseError) || isBroken(error)
        throw error
      } finally {
        client.off('error', ignore)
        client.release(broken)
      }
    }
    try {
      return await onceMore(once, isBroken)
    } catch (error) {
      throw explained(error, where)
    }
  }
  const ask = async (client: PoolClient, sql: string, values: Value[] = []): Promise<Row[]> =>
    (await client.query(sql, values)).rows as Row[]

  return {
    alone: ALONE,
    query: (sql, values) => withConnection((client) => ask(client, sql, values)),
    transaction: (statements) =>
      withConnection(async (client) => {
        await client.query('BEGIN')
        try {
          const answers: Row[][] = []
          for (const { sql, values } of statements) answers.push(await ask(client, sql, values))
          await client.query('COMMIT')
          return answers
        } catch (error) {
          if (!isBroken(error)) await client.query('ROLLBACK')
          throw error
        }
      }),
    close: () => pool.end(),
  }
}
