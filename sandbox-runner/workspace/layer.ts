/**
 * A layer: the files that one step added, changed or removed, in one immutable file named by its sha256. A snapshot is
 * a row of layers, newest wins; the first one holds everything. Layout, so that it can be written in one pass and one
 * file can be read back without the rest:
 *
 *     frame*  header  u32 header length  "SLY1"
 *
 * Frames are zstd of file contents laid end to end; the header is zstd of JSON. A path that is no UTF-8 is kept as NUL
 * followed by its bytes as Latin-1, since a real path holds no NUL.
 */
import { createHash } from 'node:crypto'
import { closeSync, fstatSync, openSync, readSync, renameSync, writeSync } from 'node:fs'
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
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

type Frame = [offset: number, storedBytes: number, bytes: number]
type Header = {
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

const MAGIC = Buffer.from('SLY1')
const KIND = { file: 'f', link: 'l', directory: 'd' } as const
const KINDS = { f: 'file', l: 'link', d: 'directory' } as const
const LEVEL = { params: { [constants.ZSTD_c_compressionLevel]: 1 } }

export const contentHash = (bytes: Uint8Array): string =>
  createHash('sha256').update(bytes).digest('base64url').slice(0, 22)

/** Writes a layer to `path` in one pass; nothing is complete before `finish`. */
export class LayerWriter {
  private readonly file: number
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
    closeSync(this.file)
    renameSync(`${this.path}.part`, this.path)
    return { id: this.hash.digest('hex'), bytes: this.position }
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

/** Reads a layer back. Throws `DamagedLayer` when the file is not what it says. */
export class LayerReader {
  readonly parent: string | null
  readonly deleted: ReadonlySet<string>
  readonly entries: ReadonlyMap<string, StoredEntry>
  private readonly frames: Frame[]
  private readonly path: string
  private cached: { frame: number; bytes: Buffer } | undefined

  constructor(path: string) {
    this.path = path
    const file = openSync(path, 'r')
    try {
      const size = fstatSync(file).size
      const tail = readAt(file, size - 8, 8)
      if (size < 8 || !tail.subarray(4).equals(MAGIC)) throw new DamagedLayer(path)
      const length = tail.readUInt32LE(0)
      if (length > size - 8) throw new DamagedLayer(path)
      const header = JSON.parse(zstdDecompressSync(readAt(file, size - 8 - length, length)).toString()) as Header
      this.parent = header.parent
      this.deleted = new Set(header.deleted)
      this.frames = header.frames
      this.entries = new Map(
        header.entries.map(([name, kind, mode, bytes, mtimeMs, hash, frame, offset]) => [
          name,
          { kind: KINDS[kind], mode, size: bytes, mtimeMs, hash, frame, offset },
        ]),
      )
    } catch (error) {
      throw error instanceof DamagedLayer ? error : new DamagedLayer(path)
    } finally {
      closeSync(file)
    }
  }

  content(entry: StoredEntry): Buffer {
    const parts: Buffer[] = []
    let { frame, offset } = entry
    for (let left = entry.size; left > 0; frame++, offset = 0) {
      const part = this.unpack(frame).subarray(offset, offset + left)
      if (part.length === 0) throw new DamagedLayer(this.path)
      parts.push(part)
      left -= part.length
    }
    return parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts)
  }

  private unpack(frame: number): Buffer {
    if (this.cached?.frame === frame) return this.cached.bytes
    const [at, packed] = this.frames[frame] ?? []
    if (at === undefined || packed === undefined) throw new DamagedLayer(this.path)
    const file = openSync(this.path, 'r')
    try {
      const bytes = zstdDecompressSync(readAt(file, at, packed))
      this.cached = { frame, bytes }
      return bytes
    } catch {
      throw new DamagedLayer(this.path)
    } finally {
      closeSync(file)
    }
  }
}

export class DamagedLayer extends Error {
  readonly path: string
  constructor(path: string) {
    super(`the stored layer ${path} is damaged`)
    this.name = 'DamagedLayer'
    this.path = path
  }
}

function readAt(file: number, position: number, length: number): Buffer {
  const bytes = Buffer.alloc(Math.max(0, length))
  for (let at = 0; at < length; ) {
    const read = readSync(file, bytes, at, length - at, position + at)
    if (read === 0) throw new Error('unexpected end')
    at += read
  }
  return bytes
}
