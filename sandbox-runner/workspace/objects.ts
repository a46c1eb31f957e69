/**
 * Layers too large to travel, by their ids, where every runner of this installation finds them: in a folder that runners
 * and functions share, or behind addresses that the functions lend, because a runner has no credentials.
 *
 * What is in the folder is whole: written aside, brought to the disk, then renamed. Whoever takes a layer from anywhere
 * compares it with its name.
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
  utimesSync,
} from 'node:fs'
import { join } from 'node:path'
import { INLINE_LAYER_BYTES_MAX } from '../limits.ts'
import type { Layer } from '../protocol.ts'
import { download } from './transfer.ts'
import type { StoredLayer } from './workspace.ts'

export class ObjectStore {
  private readonly folder: string | undefined

  constructor(folder: string | undefined) {
    this.folder = folder
    if (folder !== undefined) mkdirSync(folder, { recursive: true, mode: 0o700 })
  }

  /**
   * The layer as an answer carries it: a small one travels; a larger one is in the folder before anybody hears of it.
   * Without a folder the functions have it put away by `upload`, before they name it.
   */
  keep({ id, snapshot, bytes, path }: StoredLayer): Layer {
    if (bytes <= INLINE_LAYER_BYTES_MAX) return { id, snapshot, bytes, inline: readFileSync(path).toString('base64') }
    if (this.folder !== undefined) this.keepIn(join(this.folder, id), { bytes, path })
    return { id, snapshot, bytes }
  }

  /** A file that is there is made young again: what is old and named by nobody is removed. */
  private keepIn(stored: string, { bytes, path }: Pick<StoredLayer, 'bytes' | 'path'>): void {
    const now = new Date()
    if (statSync(stored, { throwIfNoEntry: false })?.size === bytes) utimesSync(stored, now, now)
    else this.store(path, stored)
  }

  /** The bytes of a layer that a request brought or named; nobody has compared them yet. */
  async bytes({ id, inline, lent }: Layer): Promise<Buffer | undefined> {
    if (inline !== undefined) return Buffer.from(inline, 'base64')
    if (lent !== undefined) return download(lent, id)
    if (this.folder === undefined) return undefined
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
