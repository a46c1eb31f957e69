/** Keeps the beginning and the end of a stream of bytes and counts all of it; as text, cleaned for reading. */
import { OUTPUT_BYTES_HEAD, OUTPUT_BYTES_TAIL, OUTPUT_KEPT_BYTES_MAX } from '../limits.ts'

export class Output {
  bytes = 0
  private readonly head: Buffer[] = []
  private headBytes = 0
  private readonly tail: Buffer[] = []
  private tailBytes = 0

  add(chunk: Buffer): void {
    this.bytes += chunk.length
    const part = chunk.subarray(0, OUTPUT_KEPT_BYTES_MAX - this.headBytes)
    if (part.length > 0) this.head.push(part)
    this.headBytes += part.length
    if (part.length === chunk.length) return
    const rest = chunk.subarray(part.length)
    this.tail.push(rest)
    this.tailBytes += rest.length
    while (this.tailBytes - (this.tail[0]?.length ?? 0) >= OUTPUT_BYTES_TAIL)
      this.tailBytes -= this.tail.shift()?.length ?? 0
  }

  /** The text to show. `keep` is given the whole of a long output, as far as it fits, and says where it can be read. */
  end(keep: (content: Buffer) => string | undefined): { text: string; truncated: boolean } {
    const start = Buffer.concat(this.head)
    if (this.bytes <= OUTPUT_BYTES_HEAD + OUTPUT_BYTES_TAIL) return { text: clean(start), truncated: false }
    // Cleaned, so that its lines are those that are shown, and cut again because bad bytes grow when they are replaced.
    const whole = Buffer.from(clean(start))
    const path = keep(whole.subarray(0, wholeCharacters(whole, Math.min(whole.length, OUTPUT_KEPT_BYTES_MAX))))
    const part = start.length < this.bytes ? `, the first ${start.length} kept` : ''
    const how = path === undefined ? '' : `${part}; read_file {"path":"${path}","offset":LINE} shows the rest`
    const last = Buffer.concat([start.subarray(-OUTPUT_BYTES_TAIL), ...this.tail]).subarray(-OUTPUT_BYTES_TAIL)
    const head = clean(wholeLines(start.subarray(0, OUTPUT_BYTES_HEAD), 'end'))
    const tail = clean(wholeLines(last, 'start'))
    return { text: `${head}\n[… ${this.bytes} bytes in all${how} …]\n${tail}`, truncated: true }
  }
}

/** Cuts at a line end where one is near, else at a whole character. */
function wholeLines(bytes: Buffer, at: 'start' | 'end'): Buffer {
  if (at === 'end') {
    const line = bytes.lastIndexOf(10)
    return line > bytes.length / 2 ? bytes.subarray(0, line) : bytes.subarray(0, wholeCharacters(bytes))
  }
  const line = bytes.indexOf(10)
  if (line !== -1 && line < bytes.length / 2) return bytes.subarray(line + 1)
  const first = bytes.subarray(0, 3).findIndex((byte) => !continues(byte))
  return first === -1 ? bytes : bytes.subarray(first)
}

/** How many bytes there are up to the last character that is complete. */
export function wholeCharacters(bytes: Uint8Array, end = bytes.length): number {
  for (let at = end - 1; at >= 0 && at > end - 4; at--) {
    const byte = bytes[at] ?? 0
    if (continues(byte)) continue
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1
    return at + length > end ? at : end
  }
  return end
}

const continues = (byte: number): boolean => (byte & 0xc0) === 0x80

/** As text: bad bytes replaced, colours and cursor moves taken out, a line rewritten by `\r` kept in its last state. */
export const clean = (bytes: Uint8Array): string =>
  lastStates(new TextDecoder().decode(bytes).replace(ESCAPES, '')).replace(CONTROLS, '')

/** Cursor and colour; then strings such as a window's title, up to their end; then all others. */
const ESCAPES = /\u001b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\u0007\u001b]*(?:\u0007|\u001b\\)|[ -/]*[0-~])/g
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f]/g

/** Of each line what follows its last return; returns at its very end rewrite nothing. */
function lastStates(text: string): string {
  if (!text.includes('\r')) return text
  const states = text.split('\n').map((line) => {
    let end = line.length
    while (line[end - 1] === '\r') end--
    return line.slice(line.lastIndexOf('\r', end - 1) + 1, end)
  })
  return states.join('\n')
}
