/**
 * Layers too large to travel, by their ids, where every runner of this installation finds them. What is in here is
 * whole: written aside, brought to the disk, then renamed; whoever takes it compares it with its name all the same.
 */
import {
  closeSync,
  copyFileSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs'
import { join } from 'node:path'
import { INLINE_LAYER_BYTES_MAX } from '../limits.ts'
import type { Layer } from '../protocol.ts'
import type { StoredLayer } from './workspace.ts'

export class ObjectStore {
  private readonly folder: string

  constructor(folder: string) {
    this.folder = folder
    mkdirSync(folder, { recursive: true, mode: 0o700 })
  }

  /** The layer as an answer carries it: a small one travels; a larger one is in here before anybody hears of it. */
  keep({ id, snapshot, bytes, path }: StoredLayer): Layer {
    if (bytes <= INLINE_LAYER_BYTES_MAX) return { id, snapshot, bytes, inline: readFileSync(path).toString('base64') }
    const stored = join(this.folder, id)
    if (statSync(stored, { throwIfNoEntry: false })?.size !== bytes) this.store(path, stored)
    return { id, snapshot, bytes }
  }

  /** The bytes of a layer that a request brought or named. */
  bytes({ id, inline }: Layer): Buffer | undefined {
    if (inline !== undefined) return Buffer.from(inline, 'base64')
    try {
      return readFileSync(join(this.folder, id))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw error
    }
  }

  private store(from: string, to: string): void {
    const part = `${to}.${process.pid}.part`
    try {
      copyFileSync(from, part)
      const file = openSync(part, 'r+')
      try {
        fsyncSync(file)
      } finally {
        closeSync(file)
      }
      renameSync(part, to)
    } catch (error) {
      rmSync(part, { force: true })
      throw error
    }
  }
}
