/** What of a piece of code is shown: all of it when it is short, else the lines that say most of the query. */
import { termsOf, wordsOf } from './tokens.ts'

const LINES_MAX = 14
const LINE_CHARS_MAX = 200

/** `start` and `end` are 1-based lines of `text`, both included; `terms` are those of the query. */
export function snippetOf(text: string, start: number, end: number, terms: ReadonlySet<string>): string {
  const lines = text.split(/\r?\n/).slice(start - 1, end)
  const from = lines.length <= LINES_MAX ? 0 : bestWindow(lines, terms)
  const shown = lines.slice(from, from + LINES_MAX)
  return shown
    .map((line) => (line.length > LINE_CHARS_MAX ? `${line.slice(0, LINE_CHARS_MAX)}…` : line))
    .join('\n')
    .trimEnd()
}

/** Where the window begins that has most of the terms; the earlier of two equals. */
function bestWindow(lines: readonly string[], terms: ReadonlySet<string>): number {
  const said = lines.map((line) => {
    const here = new Set(wordsOf(line.slice(0, 1000)).flatMap((word) => [...termsOf(word)]))
    return [...terms].filter((term) => here.has(term)).length
  })
  let [best, most] = [0, -1]
  for (let from = 0; from + LINES_MAX <= lines.length; from++) {
    const sum = said.slice(from, from + LINES_MAX).reduce((total, count) => total + count, 0)
    if (sum > most) [best, most] = [from, sum]
  }
  return best
}
