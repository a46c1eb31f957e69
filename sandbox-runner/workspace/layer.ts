/**
 * A layer: the files that one step added, changed or removed, in one immutable file named by its sha256. A snapshot is
 * a row of layers, newest wins; the first one holds everything. Layout, so that it can be written in one pass and one
 * file can be read back without the rest:
 *
 *     frame*  header  u32 header length  "SLY1"
 *
 * Frames are zstd of file contents laid end to end; the header is zstd of JSON. A path that is no UTF-8 is kept as NUL
 * followed by its bytes as Latin-1, since a real path holds no NUL.
 *
 * Guarantees: damage is never taken for files. A layer is compared with its name before anything is believed of it, and
 * each content with its hash whenever it is read.
 */
import { createHash, hash } from 'node:crypto'
import { closeSync, fstatSync, openSync, readSync, renameSync, rmSync, writeSync } from 'node:fs'
import { basename } from 'node:path'
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
const TAIL_BYTES = 8
/** The least that zlib takes. */
const CHUNK_BYTES_MIN = 64
/** No frame is longer. */
const CHUNK_BYTES_MAX = 5 * LAYER_FRAME_BYTES
const HASHED_BYTES = 1024 * 1024
const KIND = { file: 'f', link: 'l', directory: 'd' } as const
const KINDS = { f: 'file', l: 'link', d: 'directory' } as const
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

/** Reads a layer back. Throws `DamagedLayer` when the file is gone or not what it says. */
export class LayerReader {
  readonly parent: string | null
  readonly deleted: ReadonlySet<string>
  readonly entries: ReadonlyMap<string, StoredEntry>
  private readonly frames: Frame[]
  private readonly path: string
  private cached: { frame: number; bytes: Buffer } | undefined

  /** `id` is the name to compare it with; undefined when whoever made the file here is ourselves. */
  constructor(path: string, id?: string) {
    this.path = path
    const header = readHeader(path, id)
    this.parent = header.parent
    this.deleted = new Set(header.deleted)
    this.frames = header.frames
    this.entries = new Map(
      header.entries.map(([name, kind, mode, bytes, mtimeMs, hash, frame, offset]) => [
        name,
        { kind: KINDS[kind], mode, size: bytes, mtimeMs, hash, frame, offset },
      ]),
    )
  }

  /** The content of a file. */
  content(entry: StoredEntry): Buffer {
    const parts: Buffer[] = []
    let { frame, offset } = entry
    for (let left = entry.size; left > 0; frame++, offset = 0) {
      const part = this.unpack(frame).subarray(offset, offset + left)
      if (part.length === 0) throw new DamagedLayer(this.path)
      parts.push(part)
      left -= part.length
    }
    const content = parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts)
    if (contentHash(content) !== entry.hash) throw new DamagedLayer(this.path)
    return content
  }

  private unpack(frame: number): Buffer {
    if (this.cached?.frame === frame) return this.cached.bytes
    const [at, packed, size] = this.frames[frame] ?? []
    if (at === undefined || packed === undefined || size === undefined) throw new DamagedLayer(this.path)
    return reading(this.path, (file) => {
      // In one piece: by default it would come in many small ones.
      const bytes = zstdDecompressSync(readAt(file, at, packed), {
        chunkSize: Math.min(Math.max(size, CHUNK_BYTES_MIN), CHUNK_BYTES_MAX),
      })
      this.cached = { frame, bytes }
      return bytes
    })
  }
}

export class DamagedLayer extends Error {
  readonly path: string
  constructor(path: string) {
    super(`the stored layer ${basename(path)} is damaged`)
    this.name = 'DamagedLayer'
    this.path = path
  }
}

function readHeader(path: string, id: string | undefined): Header {
  return reading(path, (file) => {
    const size = fstatSync(file).size
    if (id !== undefined && hashOf(file, size) !== id) throw new DamagedLayer(path)
    const tail = readAt(file, size - TAIL_BYTES, TAIL_BYTES)
    const length = tail.readUInt32LE(0)
    if (!tail.subarray(4).equals(MAGIC)) throw new DamagedLayer(path)
    return JSON.parse(zstdDecompressSync(readAt(file, size - TAIL_BYTES - length, length)).toString()) as Header
  })
}

/** Reads from a layer's file. What is wrong with its bytes is damage; what is wrong with the machine is not. */
function reading<T>(path: string, read: (file: number) => T): T {
  let file: number | undefined
  try {
    file = openSync(path, 'r')
    return read(file)
  } catch (error) {
    const { code, syscall } = error as NodeJS.ErrnoException
    if (syscall !== undefined && code !== 'ENOENT' && code !== 'EIO') throw error
    throw new DamagedLayer(path)
  } finally {
    if (file !== undefined) closeSync(file)
  }
}

function hashOf(file: number, size: number): string {
  const hash = createHash('sha256')
  for (let at = 0; at < size; at += HASHED_BYTES) hash.update(readAt(file, at, Math.min(HASHED_BYTES, size - at)))
  return hash.digest('hex')
}

function readAt(file: number, position: number, length: number): Buffer {
  if (position < 0) throw new Error('unexpected beginning')
  const bytes = Buffer.alloc(length)
  for (let at = 0; at < length; ) {
    const read = readSync(file, bytes, at, length - at, position + at)
    if (read === 0) throw new Error('unexpected end')
    at += read
  }
  return bytes
}
