/**
 * Reads a layer back. Damage is never taken for files: a layer is compared with its name before anything is believed of
 * it, and each content with its hash whenever it is read.
 */
import { createHash } from 'node:crypto'
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { basename } from 'node:path'
import { zstdDecompressSync } from 'node:zlib'
import { LAYER_FRAME_BYTES } from '../limits.ts'
import { contentHash, type Frame, type Header, MAGIC, type StoredEntry } from './layer.ts'

const TAIL_BYTES = 8
/** The least that zlib takes. */
const CHUNK_BYTES_MIN = 64
/** No frame is longer. */
const CHUNK_BYTES_MAX = 5 * LAYER_FRAME_BYTES
const HASHED_BYTES = 1024 * 1024
const KINDS = { f: 'file', l: 'link', d: 'directory' } as const

/** Throws `DamagedLayer` when the file is gone or not what it says. */
export class LayerReader {
  readonly parent: string | null
  readonly deleted: ReadonlySet<string>
  readonly entries: ReadonlyMap<string, StoredEntry>
  readonly contents: Contents

  /** `id` is the name to compare it with; undefined when whoever made the file here is ourselves. */
  constructor(path: string, id?: string) {
    const header = readHeader(path, id)
    this.parent = header.parent
    this.deleted = new Set(header.deleted)
    this.contents = new Contents(path, header.frames)
    this.entries = new Map(
      header.entries.map(([name, kind, mode, bytes, mtimeMs, hash, frame, offset]) => [
        name,
        { kind: KINDS[kind], mode, size: bytes, mtimeMs, hash, frame, offset },
      ]),
    )
  }
}

/** The contents of a layer whose header was read, one file after another; cheapest in the order in which they lie. */
export class Contents {
  readonly path: string
  readonly frames: Frame[]
  private cached: { frame: number; bytes: Buffer } | undefined

  constructor(path: string, frames: Frame[]) {
    this.path = path
    this.frames = frames
  }

  /** The content of a file. */
  of(entry: StoredEntry): Buffer {
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
      // In one piece, with room left, which says that it is all: by default it would come in many small ones.
      const bytes = zstdDecompressSync(readAt(file, at, packed), {
        chunkSize: Math.min(size + CHUNK_BYTES_MIN, CHUNK_BYTES_MAX),
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
