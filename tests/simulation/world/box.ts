/** One workspace on one simulated machine: its layers, its files, and what the machine remembers of its last call. */
import { createHash } from 'node:crypto'
import type { Layer, PerformReply, Snapshot } from '../../../sandbox-runner/protocol.ts'
import { chain } from '../../../sandbox-runner/workspace/stack.ts'
import { type Files, withLayer } from './files.ts'

type Kept = { id: string; bytes: Buffer }

export class Box {
  layers: Kept[] = []
  files: Files = new Map()
  /** What the files are; undefined while a change is under way, or after one that broke off. */
  current: Snapshot | undefined
  journal: { callId: string; reply: PerformReply } | undefined
  fence: { runId: string; token: number } = { runId: '', token: 0 }
  private tail: Promise<void> = Promise.resolve()

  /** One request at a time. */
  async alone<T>(work: () => Promise<T>): Promise<T> {
    const before = this.tail
    let give = (): void => {}
    this.tail = new Promise((resolve) => {
      give = resolve
    })
    await before
    try {
      return await work()
    } finally {
      give()
    }
  }

  /** The files of that snapshot; undefined when a layer of it is not here. */
  stateAt({ id, count }: Snapshot): Files | undefined {
    let [made, files]: [string, Files] = ['', new Map()]
    for (const layer of this.layers.slice(0, count)) {
      made = chain(made, layer.id)
      files = withLayer(files, layer.bytes)
    }
    return made === id ? files : undefined
  }

  admits(runId: string, token: number): boolean {
    if (runId < this.fence.runId || (runId === this.fence.runId && token < this.fence.token)) return false
    this.fence = { runId, token }
    return true
  }

  keep(count: number, bytes: Buffer): Layer {
    const id = createHash('sha256').update(bytes).digest('hex')
    const parent = this.layers.slice(0, count - 1).reduce((made, layer) => chain(made, layer.id), '')
    this.layers = [...this.layers.slice(0, count - 1), { id, bytes }]
    return { id, snapshot: { id: chain(parent, id), count }, bytes: bytes.length, inline: bytes.toString('base64') }
  }
}
