/** A thread that searches for whoever posts it a search: it can be ended while a pattern runs, a function call cannot. */
import { parentPort } from 'node:worker_threads'
import type { SearchHit } from '../define.ts'
import { type PlainSearch, searchFiles } from './plain.ts'

/** `wrong`: what the engine found wrong with the pattern only while it searched, such as its size. */
export type Answer = { hits: SearchHit[] } | { wrong: string }

parentPort?.on('message', (work: PlainSearch) => {
  let answer: Answer
  try {
    answer = { hits: searchFiles(work) }
  } catch (error) {
    answer = { wrong: (error as Error).message }
  }
  parentPort?.postMessage(answer)
})
