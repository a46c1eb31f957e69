/**
 * A file's text as chunks: pieces of some ten to eighty lines that begin where a definition (with the comment above it)
 * begins, so that a result is something one can read. Text without definitions is cut at blank lines.
 */
import type { Family } from './languages.ts'
import { type Definition, definitionsIn, isComment } from './symbols.ts'

/** Lines are 1-based, both ends included. */
export type Chunk = { start: number; end: number; definitions: Definition[] }

const LINES_MIN = 10
const LINES_GOOD = 40
const LINES_MAX = 80

export function chunksOf(lines: readonly string[], family: Family): Chunk[] {
  const definitions = definitionsIn(lines, family)
  const begins = new Map<number, number>()
  let floor = 0
  for (const { line, indent } of definitions) {
    const begin = aboveDefinition(lines, line - 1, floor)
    begins.set(begin, Math.min(indent, begins.get(begin) ?? indent))
    floor = line
  }
  const chunks: Chunk[] = []
  let start = 0
  let waiting = 0
  const close = (end: number) => {
    const within: Definition[] = []
    for (; waiting < definitions.length; waiting++) {
      const definition = definitions[waiting]
      if (!definition || definition.line > end) break
      within.push(definition)
    }
    chunks.push({ start: start + 1, end, definitions: within })
    start = end
  }
  for (let at = 1; at < lines.length; at++) {
    const length = at - start
    if (length < LINES_MIN) continue
    const indent = begins.get(at)
    const good =
      indent === undefined
        ? length >= LINES_MAX || (length >= LINES_GOOD && definitions.length === 0 && (lines[at] ?? '').trim() === '')
        : indent === 0 || length >= LINES_GOOD / 2
    if (good) close(at)
  }
  if (lines.length > start) close(lines.length)
  return chunks
}

/** The first line of the comments, decorators and attributes that belong to the definition on line `at` (0-based). */
function aboveDefinition(lines: readonly string[], at: number, floor: number): number {
  let begin = at
  while (begin > floor && at - begin < LINES_GOOD) {
    const above = lines[begin - 1] ?? ''
    if (!/^\s*(?:@|#\[|template\b)/.test(above) && !isComment(above)) break
    begin--
  }
  return begin
}
