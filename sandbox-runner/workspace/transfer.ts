/**
 * Gets and puts one object by an address that the functions lent. Each try and all tries together are bounded; what the
 * store says is told without the address, which is as good as a key while it lasts.
 */
import { hash } from 'node:crypto'
import { openAsBlob } from 'node:fs'
import { ToolFailure } from '../define.ts'
import { TRANSFER_ATTEMPTS_MAX, TRANSFER_MS_MAX, TRANSFER_RETRY_MS_FIRST } from '../limits.ts'
import type { Lent } from '../protocol.ts'

type Tried<T> = { done: T } | { why: string; final?: boolean }

/**
 * Undefined when the store does not have it. What is not what `id` says is asked for again, and comes back as it is when
 * it stays so: the caller compares it, and calls it damaged.
 */
export async function download({ url, headers }: Lent, id: string): Promise<Buffer | undefined> {
  let wrong: Buffer | undefined
  return insist(`reading layer ${id}`, async (signal) => {
    const response = await fetch(url, { headers, signal })
    if (response.status === 404) return { done: undefined }
    if (!response.ok) return { why: `the object store answered ${response.status}`, final: isFinal(response.status) }
    const received = Buffer.from(await response.arrayBuffer())
    if (hash('sha256', received) === id || wrong?.equals(received)) return { done: received }
    wrong = received
    return { why: 'its content is not what its name says' }
  })
}

/** 412 says that it is there already, under the name of its content. */
export async function upload({ url, headers }: Lent, { id, path }: { id: string; path: string }): Promise<void> {
  await insist(`storing layer ${id}`, async (signal) => {
    const response = await fetch(url, { method: 'PUT', headers, body: await openAsBlob(path), signal })
    await response.arrayBuffer()
    if (response.ok || response.status === 412) return { done: true }
    return { why: `the object store answered ${response.status}`, final: isFinal(response.status) }
  })
}

/** A refusal that stays one: the address is wrong, or its time is over. */
const isFinal = (status: number): boolean => status < 500 && ![408, 409, 429].includes(status)

async function insist<T>(what: string, attempt: (signal: AbortSignal) => Promise<Tried<T>>): Promise<T> {
  const until = AbortSignal.timeout(TRANSFER_MS_MAX)
  let why = ''
  for (let n = 0; n < TRANSFER_ATTEMPTS_MAX && !until.aborted; n++) {
    if (n > 0) await new Promise((resolve) => setTimeout(resolve, TRANSFER_RETRY_MS_FIRST * 2 ** (n - 1)))
    const tried = await attempt(until).catch((error: Error): Tried<T> => ({ why: reasonOf(error) }))
    if ('done' in tried) return tried.done
    why = tried.why
    if (tried.final) break
  }
  throw new TransferFailed(`${what} failed: ${why}`)
}

const reasonOf = (error: Error): string =>
  (error.cause as NodeJS.ErrnoException | undefined)?.code ??
  (error.name === 'TimeoutError' ? 'it took too long' : error.name)

/** The store cannot be reached now: nothing is wrong with the layer. */
export class TransferFailed extends ToolFailure {
  constructor(message: string) {
    super('objects_unreachable', message)
  }
}
