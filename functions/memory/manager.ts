/**
 * Memory as one thing over its tiers: short-term (hours), vectors, long-term (for good). A tier that is down makes an
 * answer poorer and says so, never wrong; a removal alone fails when a tier does not answer, because it is a promise.
 */
import type { Memory } from '../ports.ts'
import type { ShortTermMemory } from './short-term.ts'

export type MemoryOptions = { shortTerm: ShortTermMemory }

export class MemoryManager implements Memory {
  readonly shortTerm: ShortTermMemory

  constructor({ shortTerm }: MemoryOptions) {
    this.shortTerm = shortTerm
  }

  async forget(sessionId: string): Promise<void> {
    await this.shortTerm.forget(sessionId)
  }

  close(): Promise<void> {
    return this.shortTerm.close()
  }
}
