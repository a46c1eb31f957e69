/**
 * Code search as the runner sees it: questions to a thread that is started when somebody asks, and ended when nobody has
 * asked for a while, so that an index costs memory only while it is used.
 */
import { Worker } from 'node:worker_threads'
import type { Answered, Asked } from './work.ts'

const IDLE_MS = 10 * 60_000
/** What lies in JavaScript's own memory; the index itself is in arrays outside of it. */
const HEAP_MB_MAX = 1024
const YOUNG_MB_MAX = 16

export class CodeSearch {
  private readonly folder: string
  private worker: Worker | undefined
  private next = 1
  private readonly waiting = new Map<number, (answered: Answered) => void>()
  private idle: NodeJS.Timeout | undefined

  /** `folder` is where indexes are kept. */
  constructor(folder: string) {
    this.folder = folder
  }

  /** Never rejects. */
  ask(asked: Asked): Promise<Answered> {
    this.worker ??= this.begin()
    const id = this.next++
    const { worker } = this
    clearTimeout(this.idle)
    worker.ref()
    return new Promise((resolve) => {
      this.waiting.set(id, resolve)
      worker.postMessage({ id, asked })
    })
  }

  /** Ends the thread; the next question starts another. */
  async close(): Promise<void> {
    const { worker } = this
    this.worker = undefined
    clearTimeout(this.idle)
    await worker?.terminate()
  }

  private begin(): Worker {
    const worker = new Worker(new URL('./worker.ts', import.meta.url), {
      workerData: { folder: this.folder },
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB_MAX, maxYoungGenerationSizeMb: YOUNG_MB_MAX },
    })
    worker.on('message', ({ id, answered }: { id: number; answered: Answered }) => {
      this.waiting.get(id)?.(answered)
      this.waiting.delete(id)
      if (this.waiting.size === 0) this.rest(worker)
    })
    const gone = (message: string) => {
      if (this.worker !== worker) return
      this.worker = undefined
      for (const answer of this.waiting.values()) answer({ kind: 'failed', code: 'index_failed', message })
      this.waiting.clear()
    }
    worker.on('error', (error) => gone(error instanceof Error ? error.message : String(error)))
    worker.on('exit', () => gone('the index ended without an answer'))
    return worker
  }

  /** Waits for the next question without keeping the process, and not for ever. */
  private rest(worker: Worker): void {
    worker.unref()
    this.idle = setTimeout(() => {
      if (this.waiting.size > 0 || this.worker !== worker) return
      this.worker = undefined
      void worker.terminate()
    }, IDLE_MS)
    this.idle.unref()
  }
}

const known = new Map<string, CodeSearch>()
/** The one of a folder: an index is held in memory once. */
export function codeSearchIn(folder: string): CodeSearch {
  const found = known.get(folder) ?? new CodeSearch(folder)
  known.set(folder, found)
  return found
}
