/**
 * A request that takes longer than whoever asks can wait: it is answered `running` after `waitMs` and goes on; the same
 * request again waits for the same work. A finished answer is kept a while for who comes back; after that a changing
 * call's is in the workspace's journal, and everything else is done again.
 */
import { ANSWER_KEPT_MS } from './limits.ts'

export const RUNNING = { ok: true as const, state: 'running' as const }

export class LongRequests {
  private readonly underWay = new Map<string, Promise<object>>()

  /** `key` tells requests apart that are not the same. */
  async ask(key: string, waitMs: number, work: () => Promise<object>): Promise<object> {
    const answer = this.underWay.get(key) ?? this.begin(key, work)
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<typeof RUNNING>((resolve) => {
      timer = setTimeout(() => resolve(RUNNING), waitMs)
    })
    const first = await Promise.race([answer, late])
    clearTimeout(timer)
    if (first !== RUNNING) this.underWay.delete(key)
    return first
  }

  private begin(key: string, work: () => Promise<object>): Promise<object> {
    const answer = work()
    this.underWay.set(key, answer)
    const forget = () => {
      if (this.underWay.get(key) === answer) this.underWay.delete(key)
    }
    void answer.finally(() => setTimeout(forget, ANSWER_KEPT_MS).unref()).catch(forget)
    return answer
  }
}
