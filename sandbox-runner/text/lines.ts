/** Text as lines, in the file's own line ends, and how loosely two runs of lines may be held equal. */
import { diffArrays } from 'diff'
import { OUTPUT_LINE_CHARS_MAX } from '../limits.ts'
import { shortLine } from './excerpt.ts'

/**
 * A text split so that it can be put together again byte for byte: line end kind, byte-order mark, last newline.
 * Where line ends are mixed, a line keeps its own `\r` and counts as one with a trailing space.
 */
export type Lines = { lines: string[]; eol: '\n' | '\r\n'; bom: boolean; endsWithNewline: boolean }

export function splitLines(text: string): Lines {
  const bom = text.startsWith('\ufeff')
  const body = bom ? text.slice(1) : text
  const eol = body.includes('\r\n') && !/(^|[^\r])\n/.test(body) ? '\r\n' : '\n'
  const lines = body === '' ? [] : body.split(eol)
  const endsWithNewline = lines.length > 1 && lines.at(-1) === ''
  if (endsWithNewline) lines.pop()
  return { lines, eol, bom, endsWithNewline }
}

export const joinLines = ({ lines, eol, bom, endsWithNewline }: Lines): string =>
  (bom ? '\ufeff' : '') + lines.join(eol) + (endsWithNewline && lines.length > 0 ? eol : '')

/** From strict to loose; each one is tried over the whole text before the next. */
export const LOOSENESS: { name: string; fold: (line: string) => string }[] = [
  { name: 'exact', fold: (line) => line },
  { name: 'trailing spaces', fold: (line) => line.trimEnd() },
  { name: 'indentation', fold: (line) => line.trim() },
  { name: 'punctuation', fold: (line) => plain(line).trim() },
]

/** Typographic quotes, dashes and spaces as their plain twins. */
export const plain = (line: string): string =>
  line
    .replace(/[\u2010-\u2015\u2212]/g, '-')
    .replace(/[\u2018-\u201b]/g, "'")
    .replace(/[\u201c-\u201f]/g, '"')
    .replace(/[\u00a0\u2002-\u200a\u202f\u205f\u3000]/g, ' ')
    .replaceAll('\u2026', '...')

/** Every place where `wanted` lies in `lines` from `from` on, under one way of folding lines. */
export function placesOf(lines: string[], wanted: string[], fold: (line: string) => string, from = 0): number[] {
  const folded = wanted.map(fold)
  const first = folded[0]
  if (first === undefined) return []
  const places: number[] = []
  for (let at = from; at + folded.length <= lines.length; at++) {
    if (fold(lines[at] ?? '') !== first) continue
    if (folded.every((line, i) => fold(lines[at + i] ?? '') === line)) places.push(at)
  }
  return places
}

/**
 * The new lines of an edit whose old lines were found loosely: `wanted` lies at `real` in the file and becomes `given`.
 * Lines that both texts share keep the bytes they have in the file; new ones get the file's own indentation.
 */
export function mergeLines(given: string[], wanted: string[], real: string[]): string[] {
  let at = 0
  return diffArrays(wanted, given).flatMap(({ value, added, removed }) => {
    if (added) return value.map((line) => reindent(line, at, wanted, real))
    const from = at
    at += value.length
    return removed ? [] : real.slice(from, at)
  })
}

/** `line` as the file would indent it: like the nearest line that is indented like it, or relative to the first one. */
function reindent(line: string, at: number, wanted: string[], real: string[]): string {
  if (line.trim() === '') return line
  const pairs = wanted.flatMap((from, i) =>
    from.trim() === '' ? [] : [{ from: indentOf(from), to: indentOf(real[i] ?? ''), far: Math.abs(i + 0.5 - at) }],
  )
  const [first] = pairs
  if (!first) return line
  const indent = indentOf(line)
  const below = pairs
    .filter(({ from }) => indent.startsWith(from))
    .sort((a, b) => b.from.length - a.from.length || a.far - b.far)[0]
  if (below) return below.to + stepsLike(indent.slice(below.from.length), pairs) + line.trimStart()
  // Left of all of them: take off what is missing from the first, never more than is there.
  const less = stepsLike(first.from.slice(indent.length), pairs).length
  return first.to.slice(0, Math.max(0, first.to.length - less)) + line.trimStart()
}

/** Further indentation in the file's own kind: as one step there follows from one step here, else as it is. */
function stepsLike(more: string, pairs: { from: string; to: string }[]): string {
  if (more === '') return ''
  const deepest = pairs.reduce((a, b) => (b.from.length > a.from.length ? b : a))
  const shallow = pairs.reduce((a, b) => (b.from.length < a.from.length ? b : a))
  const [from, to] =
    deepest.from.length > shallow.from.length && deepest.to.length > shallow.to.length
      ? [deepest.from.length - shallow.from.length, deepest.to.slice(shallow.to.length)]
      : [0, '']
  if (from > 0 && more.length % from === 0) return to.repeat(more.length / from)
  const tabs = pairs.some((pair) => pair.to.includes('\t'))
  if (tabs && !more.includes('\t')) return '\t'.repeat(Math.max(1, Math.round(more.length / 4)))
  return !tabs && more.includes('\t') && pairs.some((pair) => pair.to !== '') ? more.replaceAll('\t', '    ') : more
}

const indentOf = (line: string): string => /^[ \t]*/.exec(line)?.[0] ?? ''

/** The lines of `lines` most like `wanted`, with their 1-based number; undefined when nothing is alike. */
export function nearest(lines: string[], wanted: string[]): { from: number; lines: string[] } | undefined {
  const keys = wanted.map(likeness).filter((line) => line !== '')
  if (keys.length === 0 || lines.length === 0) return undefined
  const inWanted = new Set(keys)
  const span = Math.max(wanted.length, 1)
  const hit = lines.map((line) => (inWanted.has(likeness(line)) ? 1 : 0))
  let best = { at: -1, score: 0 }
  let sum = 0
  for (let at = 0; at < lines.length; at++) {
    sum += hit[at] ?? 0
    if (at >= span) sum -= hit[at - span] ?? 0
    if (sum > best.score) best = { at: Math.max(0, at - span + 1), score: sum }
  }
  if (best.at === -1) {
    // No line is the same: the one most like the longest wanted line, then.
    const longest = keys.reduce((a, b) => (b.length > a.length ? b : a))
    const offset = wanted.findIndex((line) => likeness(line) === longest)
    lines.slice(0, 20_000).forEach((line, at) => {
      const score = alike(likeness(line), longest)
      if (score > Math.max(0.5, best.score)) best = { at: Math.max(0, at - offset), score }
    })
  }
  if (best.at === -1) return undefined
  const from = Math.max(0, best.at - 1)
  const shown = lines.slice(from, Math.min(lines.length, best.at + span + 1, from + 24))
  return { from: from + 1, lines: shown.map(shortLine) }
}

/** What is compared of a line that need only be like another: a very long one must not take its time. */
const likeness = (line: string): string => plain(line.slice(0, OUTPUT_LINE_CHARS_MAX)).trim()

/** 0 … 1: the share of character pairs two lines have in common (Dice's coefficient). */
export function alike(a: string, b: string): number {
  if (a === b) return 1
  if (a.length < 2 || b.length < 2) return 0
  const pairs = new Map<string, number>()
  for (let i = 0; i < a.length - 1; i++) pairs.set(a.slice(i, i + 2), (pairs.get(a.slice(i, i + 2)) ?? 0) + 1)
  let shared = 0
  for (let i = 0; i < b.length - 1; i++) {
    const left = pairs.get(b.slice(i, i + 2)) ?? 0
    if (left > 0) {
      shared++
      pairs.set(b.slice(i, i + 2), left - 1)
    }
  }
  return (2 * shared) / (a.length + b.length - 2)
}
