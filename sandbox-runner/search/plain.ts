/**
 * What `search_text` answers, in plain code. A line ends at `\n`; a `\r` before that is no part of it. Bytes that are no
 * UTF-8 are read as replacement characters, and a file with a NUL is no text. `^` and `$` are also at a lone `\r` and at
 * Unicode's own line ends, so that files with these are searched too. Links are not followed: what they lead to is
 * searched where it is.
 */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import type { SearchHit } from '../define.ts'
import { SEARCH_LINE_CHARS_MAX, TEXT_FILE_BYTES_MAX } from '../limits.ts'
import { wholeFrom, wholeTo } from '../text/excerpt.ts'
import { neededTexts } from './needed.ts'

export type PlainSearch = { root: string; files: string[]; source: string; flags: string; limit: number }

/** Hits in the order of `files`, one per line, at most `limit`; binary, huge and unreadable files are passed over. */
export function searchFiles({ root, files, source, flags, limit }: PlainSearch): SearchHit[] {
  const pattern = new RegExp(source, `${flags}m`)
  const needed = flags === '' ? neededTexts(source, false) : undefined
  const hits: SearchHit[] = []
  for (const path of files) {
    const text = readText(join(root, path))
    if (text === undefined || (needed && !needed.some((part) => text.includes(part)))) continue
    for (const { line, content, at } of matches(text, pattern)) {
      hits.push({ path, line, text: around(content, at) })
      if (hits.length >= limit) return hits
    }
  }
  return hits
}

function* matches(text: string, pattern: RegExp): Iterable<{ line: number; content: string; at: number }> {
  let line = 1
  for (let start = 0; start < text.length; line++) {
    const next = text.indexOf('\n', start)
    const stop = next === -1 ? text.length : next
    const content = text.slice(start, text[stop - 1] === '\r' && stop > start ? stop - 1 : stop)
    const match = pattern.exec(content)
    if (match) yield { line, content, at: match.index }
    start = stop + 1
  }
}

/** The part of a long line that has the match in it. */
function around(line: string, at: number): string {
  if (line.length <= SEARCH_LINE_CHARS_MAX) return line
  const from = wholeFrom(line, Math.max(0, Math.min(at - 60, line.length - SEARCH_LINE_CHARS_MAX)))
  const to = wholeTo(line, from + SEARCH_LINE_CHARS_MAX)
  return `${from > 0 ? '…' : ''}${line.slice(from, to)}${to < line.length ? '…' : ''}`
}

function readText(path: string): string | undefined {
  let file: number
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch {
    return undefined
  }
  try {
    const stat = fstatSync(file)
    if (!stat.isFile() || stat.size === 0 || stat.size > TEXT_FILE_BYTES_MAX) return undefined
    const bytes = Buffer.allocUnsafe(stat.size)
    const read = readSync(file, bytes, 0, stat.size, 0)
    const text = bytes.subarray(0, read)
    return text.includes(0) ? undefined : text.toString('utf8')
  } catch {
    return undefined
  } finally {
    closeSync(file)
  }
}
