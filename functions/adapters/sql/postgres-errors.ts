/** What Postgres says when it cannot, the same over its own protocol and over Neon's HTTP. */
import { Conflict, type Statement, statement } from './client.ts'

/** One at a time among all that migrate this database; it ends with the transaction, as pooled connections need. */
export const ALONE: Statement = statement('SELECT pg_advisory_xact_lock(827364951)')

type Failure = { code?: string; message: string; cause?: unknown; sourceError?: unknown }

/** SQLSTATE: five characters. Codes of the network (ECONNRESET) are longer. */
const stateOf = ({ code }: Failure): string | undefined => (code && /^[0-9A-Z]{5}$/.test(code) ? code : undefined)

/** No answer, or one that says "not now" (connection, shutdown, deadlock): whether it was done is not known. */
export function isBroken(error: unknown): boolean {
  if (!(error instanceof Error) || error instanceof Conflict) return false
  const state = stateOf(error as Failure)
  return state === undefined || /^(08|57P|40)/.test(state)
}

/** `where` is the server without its password. */
export function explained(error: unknown, where: string): Error {
  const failure = error as Failure
  const state = stateOf(failure)
  if (state === '23505') return new Conflict(`${where}: that key is taken`)
  // Class 22 (data) repeats the data.
  if (state?.startsWith('22')) return new Error(`${where} refuses a value (SQLSTATE ${state})`)
  if (state) return new Error(`${where}: ${failure.message.split('\n')[0]?.slice(0, 300)} (SQLSTATE ${state})`)
  return new Error(`${where} cannot be reached: ${causeOf(failure)}`)
}

function causeOf(failure: Failure): string {
  for (let inner: unknown = failure; inner instanceof Error; ) {
    const { code, cause, sourceError, message } = inner as Error & Failure
    if (code) return code
    const deeper = sourceError ?? cause
    if (!(deeper instanceof Error)) return message.split('\n')[0]?.slice(0, 200) ?? ''
    inner = deeper
  }
  return 'no answer'
}
