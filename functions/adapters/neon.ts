/**
 * Long-term memory in Neon, by its serverless driver over HTTP: one request a statement or a transaction, no connection
 * to keep, nothing asked in between. A request without an answer is sent once more: every statement here may be.
 */
import { neon as driver, NeonDbError, neonConfig } from '@neondatabase/serverless'
import type { Clock, LongTerm } from '../ports.ts'
import { placeOf } from './sql/address.ts'
import { onceMore, type Row, type SqlClient } from './sql/client.ts'
import { sqlLongTerm } from './sql/longterm.ts'
import { ALONE, explained, isBroken } from './sql/postgres-errors.ts'

const REQUEST_MS_MAX = 15_000

/** `endpoint`: where requests go instead of the host's own; for all of this process. */
export type NeonOptions = { url: string; endpoint?: string }

export const neon = (options: NeonOptions, clock: Pick<Clock, 'now'>): LongTerm =>
  sqlLongTerm(neonClient(options), clock)

export function neonClient({ url, endpoint }: NeonOptions): SqlClient {
  const where = placeOf(url).replace('Postgres', 'Neon')
  if (endpoint) neonConfig.fetchEndpoint = () => endpoint
  const sql = driver(url)
  const options = () => ({ fetchOptions: { signal: AbortSignal.timeout(REQUEST_MS_MAX) } })
  async function sent<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await onceMore(work, (error) => !(error instanceof NeonDbError) || isBroken(error))
    } catch (error) {
      throw explained(error, where)
    }
  }
  return {
    alone: ALONE,
    query: (text, values) => sent(async () => (await sql.query(text, values, options())) as Row[]),
    transaction: (statements) =>
      sent(
        async () =>
          (await sql.transaction(
            statements.map(({ sql: text, values }) => sql.query(text, values)),
            options(),
          )) as Row[][],
      ),
    async close() {},
  }
}
