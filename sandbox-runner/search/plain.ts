/** Search in plain code: the reference for what `search_text` answers, and what runs where there is no ripgrep. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import type { SearchHit } from '../define.ts'
import { SEARCH_LINE_CHARS_MAX, TEXT_FILE_BYTES_MAX } from '../limits.ts'

export type PlainSearch = { root: string; files: string[]; source: string; flags: string; limit: number }

/** Hits in the order of `files`, one per line, at most `limit`; binary, huge and unreadable files are passed over. */
export function searchFiles({ root, files, source, flags, limit }: PlainSearch): SearchHit[] {
  const pattern = new RegExp(source, `${flags}gm`)
  // A match never goes over a line end. Only a pattern that could is tried line by line; the rest see the whole text.
  const mayCross = /\\[sWDSPnrfvuxc0]|\[\^|\(\?<?!/.test(source)
  const hits: SearchHit[] = []
  for (const path of files) {
    const text = readText(join(root, path))
    if (text === undefined) continue
    const found = mayCross || text.includes('\r') ? byLine(text, pattern) : byText(text, pattern)
    for (const { line, start, end, at } of found) {
      hits.push({ path, line, text: around(text.slice(start, end), at - start) })
      if (hits.length >= limit) return hits
    }
  }
  return hits
}

type Found = { line: number; start: number; end: number; at: number }

function* byText(text: string, pattern: RegExp): Iterable<Found> {
  let line = 1
  let start = 0
  pattern.lastIndex = 0
  for (let match = pattern.exec(text); match; match = pattern.exec(text)) {
    for (let end = text.indexOf('\n', start); end !== -1 && end < match.index; end = text.indexOf('\n', start)) {
      start = end + 1
      line++
    }
    if (start === text.length) return
    const next = text.indexOf('\n', match.index)
    const end = next === -1 ? text.length : next
    yield { line, start, end, at: match.index }
    if (next === -1) return
    pattern.lastIndex = end + 1
  }
}

function* byLine(text: string, pattern: RegExp): Iterable<Found> {
  let line = 1
  for (let start = 0; start < text.length; line++) {
    const next = text.indexOf('\n', start)
    const stop = next === -1 ? text.length : next
    const end = text[stop - 1] === '\r' ? stop - 1 : stop
    pattern.lastIndex = 0
    const match = pattern.exec(text.slice(start, end))
    if (match) yield { line, start, end, at: start + match.index }
    start = stop + 1
  }
}

/** The part of a long line that has the match in it. */
function around(text: string, at: number): string {
  if (text.length <= SEARCH_LINE_CHARS_MAX) return text
  const from = Math.max(0, Math.min(at - 60, text.length - SEARCH_LINE_CHARS_MAX))
  return `${from > 0 ? '…' : ''}${text.slice(from, from + SEARCH_LINE_CHARS_MAX)}${from + SEARCH_LINE_CHARS_MAX < text.length ? '…' : ''}`
}

function readText(path: string): string | undefined {
  let file: number
  try {
    file = openSync(path, 'r')
  } catch {
    return undefined
  }
  try {
    const { size } = fstatSync(file)
    if (size === 0 || size > TEXT_FILE_BYTES_MAX) return undefined
    const bytes = Buffer.allocUnsafe(size)
    const read = readSync(file, bytes, 0, size, 0)
    const text = bytes.subarray(0, read)
    return text.includes(0) ? undefined : text.toString('utf8')
  } catch {
    return undefined
  } finally {
    closeSync(file)
  }
}
