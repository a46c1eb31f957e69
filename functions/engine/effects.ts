/**
 * Effects outside that no transaction holds: a message posted, a branch pushed, somebody called back. Each is written
 * into the run's journal before it happens and again when its outcome is known, under a name that a retry has too. What
 * a worker that died in between has done is then found out as its class allows, and never guessed:
 *
 *     natural   doing it again changes nothing (a push of the same commit, a message whose id the receiver knows)
 *     lookup    an earlier one can be found (a marker in a comment); it is looked for before anything is done again
 *     once      neither: it is not repeated, and its outcome is told as unknown
 */
import type { Ports } from '../ports.ts'
import type { Held } from './held.ts'

export type OutsideEffect<T> = {
  /** Unique within the run, and the same for every try. */
  id: string
  perform(): Promise<T>
} & ({ class: 'natural' | 'once' } | { class: 'lookup'; find(): Promise<T | undefined> })

/** `lost`: another worker holds the run, and nothing was done here. */
export type Performed<T> = { state: 'done'; outcome: T } | { state: 'unknown' } | { state: 'lost' }

/** Outcomes must survive JSON. Throws what `perform` throws; a later try then begins as after a crash. */
export async function performOutside<T>(
  effect: OutsideEffect<T>,
  { run: { runId }, token }: Pick<Held, 'run' | 'token'>,
  { store }: Pick<Ports, 'store'>,
): Promise<Performed<T>> {
  const known = await store.intend({ runId, token, effectId: effect.id })
  if (!known) return { state: 'lost' }
  if (known.outcome !== undefined) return { state: 'done', outcome: known.outcome as T }
  if (known.begun && effect.class === 'once') return { state: 'unknown' }
  const found = known.begun && effect.class === 'lookup' ? await effect.find() : undefined
  const outcome = found ?? (await effect.perform())
  const stands = await store.settle({ runId, token, effectId: effect.id, outcome })
  return { state: 'done', outcome: stands === undefined ? outcome : (stands as T) }
}
