/** Searches in threads, so that no pattern holds up other calls and each can be given up. One thread is kept warm. */
import { Worker } from 'node:worker_threads'
import { type SearchHit, ToolFailure } from '../define.ts'
import type { PlainSearch } from './plain.ts'
import type { Answer } from './worker.ts'

let idle: Worker | undefined

/** @throws ToolFailure `timeout`, or `invalid_arguments` for a pattern that the engine cannot run. */
export function searchApart(work: PlainSearch, timeoutMs: number): Promise<SearchHit[]> {
  const worker = idle ?? begin()
  idle = undefined
  worker.ref()
  return new Promise((resolve, reject) => {
    const finish = (reuse: boolean) => {
      clearTimeout(timer)
      worker.off('message', answered).off('error', failed).off('exit', left)
      if (!reuse || idle) return void worker.terminate()
      idle = worker
      // It waits for the next search, and keeps no process alive.
      worker.unref()
    }
    const answered = (answer: Answer) => {
      finish(true)
      if ('hits' in answer) resolve(answer.hits)
      else reject(unusable(answer.wrong))
    }
    const failed = (error: unknown) => {
      finish(false)
      reject(error)
    }
    const left = () => failed(new Error('the search ended without an answer'))
    const timer = setTimeout(() => failed(tooLong(timeoutMs)), timeoutMs)
    worker.once('message', answered).once('error', failed).once('exit', left)
    worker.postMessage(work)
  })
}

function begin(): Worker {
  const worker = new Worker(new URL('./worker.ts', import.meta.url))
  worker.on('error', () => {})
  worker.on('exit', () => {
    if (idle === worker) idle = undefined
  })
  return worker
}

const tooLong = (timeoutMs: number) =>
  new ToolFailure('timeout', `the search took longer than ${timeoutMs} ms`, 'Use a simpler pattern or a narrower path.')

const unusable = (wrong: string) =>
  new ToolFailure('invalid_arguments', `the pattern cannot be searched for: ${wrong}`, 'Use a simpler pattern.')
