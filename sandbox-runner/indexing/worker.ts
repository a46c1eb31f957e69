/** The thread that indexes and searches code: reading a large repo must not keep the runner from its other calls. */
import { parentPort, workerData } from 'node:worker_threads'
import { type Asked, CodeWork } from './work.ts'

const work = new CodeWork((workerData as { folder: string }).folder)
parentPort?.on('message', ({ id, asked }: { id: number; asked: Asked }) => {
  void work.answer(asked).then((answered) => parentPort?.postMessage({ id, answered }))
})
