/** Parts of a text as the model sees them: bounded, cut at lines, and saying what was left out and how to get it. */
import { type Done, ToolFailure } from '../define.ts'
import {
  OUTPUT_BYTES_HEAD,
  OUTPUT_BYTES_TAIL,
  OUTPUT_LINE_CHARS_MAX,
  READ_BYTES_MAX,
  SHORT_LINE_CHARS_MAX,
} from '../limits.ts'

/** @throws ToolFailure `binary_file`. Bytes that are no UTF-8 show as replacement characters. */
export function asText(path: string, bytes: Uint8Array): string {
  refuseBinary(path, bytes)
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
}

/** Text that can be written again byte for byte. @throws ToolFailure `binary_file`, `not_utf8`. */
export function asEditable(path: string, bytes: Uint8Array): string {
  refuseBinary(path, bytes)
  try {
    return new TextDecoder('utf-8', { ignoreBOM: true, fatal: true }).decode(bytes)
  } catch {
    throw new ToolFailure(
      'not_utf8',
      `${path} is not UTF-8, so its other bytes would be lost`,
      'Nothing was changed. Use run_command with sed, or with iconv before and after.',
    )
  }
}

function refuseBinary(path: string, bytes: Uint8Array): void {
  if (bytes.subarray(0, 8192).includes(0))
    throw new ToolFailure(
      'binary_file',
      `${path} is binary (${bytes.length} bytes)`,
      'Use run_command with a program that understands it.',
    )
}

/** Lines from `offset` (1-based) on, at most `limit` and `bytesMax`. */
export function excerpt(
  path: string,
  text: string,
  offset: number,
  limit: number,
  bytesMax = READ_BYTES_MAX,
): Done & { truncated: boolean } {
  const lines = text.split('\n')
  if (lines.at(-1) === '') lines.pop()
  const total = lines.length
  if (total === 0) return { output: `[${path} is empty]`, data: { path, lines: 0 }, truncated: false }
  if (offset > total)
    throw new ToolFailure(
      'out_of_range',
      `${path} has ${total} lines; offset is ${offset}`,
      `Use an offset up to ${total}.`,
    )
  const shown: string[] = []
  let bytes = 0
  let cut = false
  for (const line of lines.slice(offset - 1, offset - 1 + limit)) {
    const part =
      line.length > OUTPUT_LINE_CHARS_MAX
        ? `${line.slice(0, wholeTo(line, OUTPUT_LINE_CHARS_MAX))}… [line of ${line.length} characters]`
        : line
    cut ||= part !== line
    bytes += Buffer.byteLength(part) + 1
    if (bytes > bytesMax && shown.length > 0) break
    shown.push(part)
  }
  const last = offset - 1 + shown.length
  const truncated = cut || last < total || offset > 1
  const more = last < total ? `; offset ${last + 1} goes on` : ''
  const note = offset > 1 || last < total ? `\n[lines ${offset}-${last} of ${total}${more}]` : ''
  return {
    output: shown.join('\n') + note,
    data: { path, from: offset, to: last, lines: total },
    truncated: truncated && (cut || last < total),
  }
}

/** Head and tail of a long text, with what is between them counted. `how` says how to see the rest. */
export function clipMiddle(text: string, how: string): { text: string; truncated: boolean } {
  const max = OUTPUT_BYTES_HEAD + OUTPUT_BYTES_TAIL
  const bytes = Buffer.byteLength(text)
  if (bytes <= max) return { text, truncated: false }
  const head = text.slice(0, wholeTo(text, OUTPUT_BYTES_HEAD)).replace(/\n[^\n]*$/, '')
  const tail = text.slice(wholeFrom(text, text.length - OUTPUT_BYTES_TAIL)).replace(/^[^\n]*\n/, '')
  return { text: `${head}\n[… ${bytes} bytes in all; ${how} …]\n${tail}`, truncated: true }
}

/** As much of a line as it takes to know it by. */
export const shortLine = (line: string): string =>
  line.length > SHORT_LINE_CHARS_MAX ? `${line.slice(0, wholeTo(line, SHORT_LINE_CHARS_MAX))} …` : line

/** The nearest place at or after `at` where a part can begin, not in the middle of a character. */
export const wholeFrom = (text: string, at: number): number => (splits(text, at) ? at + 1 : at)

/** The nearest place at or before `at` where a part can end. */
export const wholeTo = (text: string, at: number): number => (splits(text, at) ? at - 1 : at)

const splits = (text: string, at: number): boolean =>
  /[\ud800-\udbff]/.test(text[at - 1] ?? '') && /[\udc00-\udfff]/.test(text[at] ?? '')
