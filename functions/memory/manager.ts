/**
 * Memory as one thing over its tiers: short-term (hours), vectors, long-term (for good). What is read goes to the tier that
 * is true for it and takes the others as helpers; what is written goes to the true one first. A tier that is down makes an
 * answer poorer and says so, never wrong; a removal alone fails when a tier does not answer, because it is a promise.
 */
import type { LongTerm, Memory } from '../ports.ts'
import { type FactsOptions, factMemory } from './facts.ts'
import { preferenceMemory } from './preferences.ts'
import type { ShortTermMemory } from './short-term.ts'

export type MemoryOptions = Omit<FactsOptions, 'longTerm'> & {
  shortTerm: ShortTermMemory
  /** Opened when it is first asked for. */
  longTerm: () => Promise<LongTerm>
}

export class MemoryManager implements Memory {
  readonly shortTerm: ShortTermMemory
  readonly recall: Memory['recall']
  readonly remember: Memory['remember']
  readonly facts: Memory['facts']
  readonly preferences: Memory['preferences']
  readonly tidy: Memory['tidy']
  readonly #options: MemoryOptions

  constructor(options: MemoryOptions) {
    this.#options = options
    this.shortTerm = options.shortTerm
    const { recall, remember, facts, tidy } = factMemory(options)
    this.recall = recall
    this.remember = remember
    this.facts = facts
    this.tidy = tidy
    this.preferences = preferenceMemory(options)
  }

  async forget(sessionId: string): Promise<void> {
    const { vectors, longTerm } = this.#options
    await this.shortTerm.forget(sessionId)
    // Before the vectors: from here on nothing that comes from the session is kept any more.
    await (await longTerm()).archive.deleteSession(sessionId)
    await vectors.forget(sessionId)
  }

  async close(): Promise<void> {
    await this.shortTerm.close()
    await this.#options.vectors.close()
  }
}
