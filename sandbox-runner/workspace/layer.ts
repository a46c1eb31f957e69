/**
 * A layer: the files that one step added, changed or removed, in one immutable file named by its sha256. A snapshot is
 * a row of layers, newest wins; the first one holds everything. Layout, so that it can be written in one pass and one
 * file can be read back without the rest:
 *
 *     frame*  header  u32 header length  "SLY1"
 *
 * Frames are zstd of file contents laid end to end; the header is zstd of JSON. A path that is no UTF-8 is kept as NUL
 * followed by its bytes as Latin-1, since a real path holds no NUL. `layer-reader.ts` reads it back.
 */
import { createHash, hash } from 'node:crypto'
import { closeSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import { constants, zstdCompressSync } from 'node:zlib'
import { LAYER_FRAME_BYTES } from '../limits.ts'

export type Entry = {
  kind: 'file' | 'link' | 'directory'
  mode: number
  size: number
  mtimeMs: number
  /** A file's content hash or a link's target; '' for an empty folder. */
  hash: string
}
/** Where a file's content lies: it begins at `offset` of `frame` and goes on into the next frames when it is long. */
export type Place = { frame: number; offset: number }
export type StoredEntry = Entry & Place

export type Frame = [offset: number, storedBytes: number, bytes: number]
export type Header = {
  v: 1
  parent: string | null
  deleted: string[]
  entries: [
    path: string,
    kind: 'f' | 'l' | 'd',
    mode: number,
    size: number,
    mtimeMs: number,
    hash: string,
    frame: number,
    offset: number,
  ][]
  frames: Frame[]
}

export const MAGIC = Buffer.from('SLY1')
const KIND = { file: 'f', link: 'l', directory: 'd' } as const
const LEVEL = { params: { [constants.ZSTD_c_compressionLevel]: 1 }, chunkSize: 128 * 1024 }

export const contentHash = (bytes: Uint8Array): string => hash('sha256', bytes, 'base64url').slice(0, 22)

/** Writes a layer to `path` in one pass; nothing is complete before `finish`. */
export class LayerWriter {
  private readonly file: number
  private closed = false
  private readonly hash = createHash('sha256')
  private readonly header: Header
  private frame: Buffer[] = []
  private frameBytes = 0
  private position = 0
  private readonly path: string

  constructor(path: string, parent: string | null) {
    this.path = path
    this.file = openSync(`${path}.part`, 'w', 0o600)
    this.header = { v: 1, parent, deleted: [], entries: [], frames: [] }
  }

  add(path: string, entry: Entry, content?: Buffer): void {
    if (this.frameBytes >= LAYER_FRAME_BYTES) this.flush()
    const place: Place = { frame: this.header.frames.length, offset: this.frameBytes }
    this.header.entries.push([
      path,
      KIND[entry.kind],
      entry.mode,
      entry.size,
      entry.mtimeMs,
      entry.hash,
      place.frame,
      place.offset,
    ])
    if (!content || content.length === 0) return
    for (let at = 0; at < content.length; ) {
      const part = content.subarray(at, at + 4 * LAYER_FRAME_BYTES)
      this.frame.push(part)
      this.frameBytes += part.length
      at += part.length
      if (at < content.length) this.flush()
    }
  }

  remove(path: string): void {
    this.header.deleted.push(path)
  }

  /** Puts the layer in its place and answers its id and size. */
  finish(): { id: string; bytes: number } {
    this.flush()
    const header = zstdCompressSync(JSON.stringify(this.header), LEVEL)
    const length = Buffer.alloc(4)
    length.writeUInt32LE(header.length)
    this.write(Buffer.concat([header, length, MAGIC]))
    this.close()
    renameSync(`${this.path}.part`, this.path)
    return { id: this.hash.digest('hex'), bytes: this.position }
  }

  /** Leaves nothing behind of a layer that cannot be finished. */
  abandon(): void {
    this.close()
    rmSync(`${this.path}.part`, { force: true })
  }

  private close(): void {
    if (!this.closed) closeSync(this.file)
    this.closed = true
  }

  private flush(): void {
    if (this.frameBytes === 0) return
    const packed = zstdCompressSync(Buffer.concat(this.frame), LEVEL)
    this.header.frames.push([this.position, packed.length, this.frameBytes])
    this.write(packed)
    this.frame = []
    this.frameBytes = 0
  }

  private write(bytes: Buffer): void {
    this.hash.update(bytes)
    for (let at = 0; at < bytes.length; ) at += writeSync(this.file, bytes, at)
    this.position += bytes.length
  }
}
