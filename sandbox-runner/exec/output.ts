/** Keeps the head and the tail of a stream of bytes, counts all of it, and writes a bounded whole to a file. */
import { closeSync, openSync, writeSync } from 'node:fs'
import { OUTPUT_BYTES_HEAD, OUTPUT_BYTES_TAIL, OUTPUT_KEPT_BYTES_MAX } from '../limits.ts'

export class Output {
  bytes = 0
  private head: Buffer[] = []
  private headBytes = 0
  private tail: Buffer[] = []
  private tailBytes = 0
  private file: number | undefined
  private written = 0
  private readonly path: string

  /** `path` is made only once the output is longer than what is shown of it. */
  constructor(path: string) {
    this.path = path
  }

  add(chunk: Buffer): void {
    this.bytes += chunk.length
    const room = OUTPUT_BYTES_HEAD + OUTPUT_BYTES_TAIL - this.headBytes
    if (room > 0) {
      const part = chunk.subarray(0, room)
      this.head.push(part)
      this.headBytes += part.length
      chunk = chunk.subarray(part.length)
    }
    if (chunk.length === 0) return
    if (this.file === undefined) {
      this.file = openSync(this.path, 'w', 0o600)
      for (const part of this.head) this.keep(part)
    }
    this.keep(chunk)
    this.tail.push(chunk)
    this.tailBytes += chunk.length
    while (this.tail.length > 1 && this.tailBytes - (this.tail[0]?.length ?? 0) >= OUTPUT_BYTES_TAIL)
      this.tailBytes -= this.tail.shift()?.length ?? 0
  }

  /** The text to show; `note` says how to read what was left out. */
  end(note: (full: { bytes: number; kept: number }) => string): { text: string; truncated: boolean } {
    if (this.file !== undefined) closeSync(this.file)
    const start = Buffer.concat(this.head)
    if (this.file === undefined) return { text: clean(start), truncated: false }
    const end = Buffer.concat(this.tail)
    const head = clean(wholeLines(start.subarray(0, OUTPUT_BYTES_HEAD), 'end'))
    const last = Buffer.concat([start.subarray(OUTPUT_BYTES_HEAD), end])
    const tail = clean(wholeLines(last.subarray(-OUTPUT_BYTES_TAIL), 'start'))
    return { text: `${head}\n[… ${note({ bytes: this.bytes, kept: this.written })} …]\n${tail}`, truncated: true }
  }

  private keep(chunk: Buffer): void {
    if (this.file === undefined || this.written >= OUTPUT_KEPT_BYTES_MAX) return
    this.written += writeSync(this.file, chunk.subarray(0, OUTPUT_KEPT_BYTES_MAX - this.written))
  }
}

/** Cuts at a line end where one is near, else at a whole character. */
function wholeLines(bytes: Buffer, at: 'start' | 'end'): Buffer {
  if (at === 'end') {
    const line = bytes.lastIndexOf(10)
    return line > bytes.length / 2 ? bytes.subarray(0, line) : bytes
  }
  const line = bytes.indexOf(10)
  return line !== -1 && line < bytes.length / 2 ? bytes.subarray(line + 1) : bytes
}

/** As text: bad bytes replaced, colours and cursor moves taken out, a line rewritten by `\r` kept in its last state. */
export const clean = (bytes: Uint8Array): string =>
  new TextDecoder()
    .decode(bytes)
    .replace(/\u001b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)|[@-Z\\-_])/g, '')
    .replace(/[^\n]*\r(?!\n)/g, '')
    .replace(/\r\n/g, '\n')
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/g, '')
