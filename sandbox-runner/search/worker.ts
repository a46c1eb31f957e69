/** A thread of its own for a pattern that might take for ever: it can be ended, a function call cannot. */
import { parentPort, workerData } from 'node:worker_threads'
import { type PlainSearch, searchFiles } from './plain.ts'

parentPort?.postMessage(searchFiles(workerData as PlainSearch))
