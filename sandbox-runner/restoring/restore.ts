/**
 * Puts many entries of a snapshot into a tree. Into an empty one, where nobody can be in another's way, several threads
 * write, each a stretch of its own: reading, unpacking, checking and writing twenty thousand files takes longer than the
 * disk does. The caller waits, as it would for one file.
 */
import { availableParallelism } from 'node:os'
import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads'
import { RESTORE_FILES_PER_THREAD_MIN, RESTORE_MS_MAX, RESTORE_THREADS_MAX } from '../limits.ts'
import type { Frame } from '../workspace/layer.ts'
import { DamagedLayer } from '../workspace/layer-reader.ts'
import type { Found } from '../workspace/manifest.ts'
import type { Held, LayerStack } from '../workspace/stack.ts'
import { TreeWriter } from '../workspace/tree.ts'

/** What a thread is given: its entries in order, and where the contents of each layer lie. */
export type Stretch = {
  root: string
  entries: [path: string, held: Held][]
  layers: [count: number, path: string, frames: Frame[]][]
}
/** What it answers: what lies there now, in the order of its entries; or what it could not go on from. */
export type Restored =
  | { ok: true; found: Found[] }
  | { ok: false; damaged?: number; code?: string | undefined; message: string }

/** Of what another thread writes: the others have to start first. */
const OWN_SHARE = 1.5

/** `put` learns what lies there now. @throws DamagedLayer */
export function restore(
  root: string,
  entries: [path: string, held: Held][],
  stack: LayerStack,
  { empty, put }: { empty: boolean; put: (path: string, held: Held, now: Found) => void },
): void {
  const threads = Math.min(
    RESTORE_THREADS_MAX,
    availableParallelism(),
    Math.floor(entries.length / RESTORE_FILES_PER_THREAD_MIN),
  )
  if (!empty || threads < 2) {
    write(root, entries, stack, put)
    return
  }
  const size = Math.floor(entries.length / (threads - 1 + OWN_SHARE))
  const others = Array.from({ length: threads - 1 }, (_, n) => {
    const part = entries.slice(n * size, (n + 1) * size)
    return { part, thread: new Thread({ root, entries: part, layers: layersOf(part, stack) }) }
  })
  try {
    write(root, entries.slice((threads - 1) * size), stack, put)
  } finally {
    // Nobody may go on writing once this returns, however it does.
    for (const { thread } of others) thread.wait()
  }
  for (const { part, thread } of others) {
    const restored = thread.wait()
    if (!restored.ok) throw faultIn(restored, stack)
    for (const [n, [path, held]] of part.entries()) {
      const now = restored.found[n]
      if (now) put(path, held, now)
    }
  }
}

function faultIn({ damaged, code, message }: Exclude<Restored, { ok: true }>, stack: LayerStack): Error {
  if (damaged !== undefined) return stack.drop(damaged)
  return Object.assign(new Error(message), code === undefined ? {} : { code })
}

function write(
  root: string,
  entries: [path: string, held: Held][],
  stack: LayerStack,
  put: (path: string, held: Held, now: Found) => void,
): void {
  const writer = new TreeWriter(root)
  for (const [path, held] of entries)
    put(
      path,
      held,
      writer.put(path, held, () => stack.content(held)),
    )
}

function layersOf(entries: [string, Held][], stack: LayerStack): Stretch['layers'] {
  const counts = new Set(entries.filter(([, { kind }]) => kind === 'file').map(([, { layer }]) => layer))
  return [...counts].map((count) => {
    const { path, frames } = stack.contents(count)
    return [count, path, frames]
  })
}

/** One thread that this one waits for without giving up its turn. */
class Thread {
  private readonly flag = new Int32Array(new SharedArrayBuffer(4))
  private readonly port
  private answer: Restored | undefined

  constructor(stretch: Stretch) {
    const { port1, port2 } = new MessageChannel()
    this.port = port1
    const worker = new Worker(new URL('./worker.ts', import.meta.url), {
      workerData: { stretch, port: port2, flag: this.flag },
      transferList: [port2],
    })
    worker.unref()
    // One that cannot start does not answer; `wait` says so.
    worker.on('error', () => {})
  }

  wait(): Restored {
    if (this.answer) return this.answer
    Atomics.wait(this.flag, 0, 0, RESTORE_MS_MAX)
    const received = receiveMessageOnPort(this.port) as { message: Restored } | undefined
    this.port.close()
    this.answer = received?.message ?? {
      ok: false,
      message: `a thread did not restore its files in ${RESTORE_MS_MAX} ms`,
    }
    return this.answer
  }
}

export const failed = (error: unknown, damaged: number | undefined): Restored => {
  const { code, message } = error as NodeJS.ErrnoException
  return error instanceof DamagedLayer && damaged !== undefined
    ? { ok: false, damaged, message }
    : { ok: false, code, message }
}
