/** One of the threads of a restore: writes its stretch, answers once, and ends. */
import { type MessagePort, workerData } from 'node:worker_threads'
import { Contents } from '../workspace/layer-reader.ts'
import { TreeWriter } from '../workspace/tree.ts'
import { failed, type Restored, type Stretch } from './restore.ts'

const { stretch, port, flag } = workerData as { stretch: Stretch; port: MessagePort; flag: Int32Array }

function write({ root, entries, layers }: Stretch): Restored {
  const contents = new Map(layers.map(([count, path, frames]) => [count, new Contents(path, frames)]))
  const writer = new TreeWriter(root)
  let layer: number | undefined
  try {
    const found = entries.map(([path, held]) => {
      layer = held.layer
      return writer.put(path, held, () => contents.get(held.layer)?.of(held) ?? Buffer.alloc(0))
    })
    return { ok: true, found }
  } catch (error) {
    return failed(error, layer)
  }
}

port.postMessage(write(stretch))
Atomics.store(flag, 0, 1)
Atomics.notify(flag, 0)
port.close()
