/**
 * The words of code and of queries as search terms. An identifier gives its parts, stemmed, and itself in lower case
 * without separators, so that `parseConfig`, `parse_config` and "parse config" meet.
 *
 * Guarantees: pure; the same text gives the same terms on both sides; work is linear in the text, whatever it holds.
 */
import { stem } from './stem.ts'

/** Words that stand in every English sentence; they tell nothing of a file. */
const STOP = new Set(
  `a about after all also an and any are as at be been before but by can could did do does don for from get gets had has
  have how i if in into is isn it its just let like make makes may more most no not now of off on only onto or our out
  over per s same should so some such t than that the their them then there these they this those to too under up use
  used uses using very via was we were what when where which while who why will with within without would you your`
    .split(/\s+/)
    .filter(Boolean),
)

/** A longer run of letters is data, not a word. */
const WORD_CHARS_MAX = 64
const CACHE_MAX = 100_000

/** Letters of scripts that do not part their words by spaces. */
const UNSPACED = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]/u
const PARTS = /[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+/g
const NONE: readonly string[] = []

let cache = new Map<string, readonly string[]>()

/** Adds every term of `text` to `counts`; answers how many there were. */
export function countTerms(text: string, counts: Map<string, number>, weight = 1): number {
  let total = 0
  for (const word of wordsOf(text))
    for (const term of termsOf(word)) {
      counts.set(term, (counts.get(term) ?? 0) + weight)
      total++
    }
  return total
}

/** Identifiers, numbers and words of any script, in order. */
export const wordsOf = (text: string): readonly string[] => text.match(/[A-Za-z0-9_\u0080-\uffff]+/g) ?? NONE

/** What one word is found by. */
export function termsOf(word: string): readonly string[] {
  const known = cache.get(word)
  if (known) return known
  if (cache.size >= CACHE_MAX) cache = new Map()
  const terms = makeTerms(word)
  cache.set(word, terms)
  return terms
}

function makeTerms(word: string): readonly string[] {
  if (word.length > WORD_CHARS_MAX) return NONE
  if (/[^\x00-\x7f]/.test(word)) return foreignTerms(word)
  const parts = partsOf(word)
  const terms = parts.filter((part) => part.length > 1 && !STOP.has(part)).map(stem)
  if (parts.length === 1) return terms
  const whole = parts.join('')
  return whole.length > 2 ? [...new Set([...terms, whole])] : terms
}

/** The parts of an identifier in lower case: `getHTTPResponse2` is get, http, response, 2. */
export const partsOf = (word: string): string[] => (word.match(PARTS) ?? []).map((part) => part.toLowerCase())

/** A word of another script: whole, or pairs of characters where words are not set apart. */
function foreignTerms(word: string): readonly string[] {
  const letters =
    word
      .normalize('NFKC')
      .toLowerCase()
      .match(/[\p{L}\p{N}]+/gu) ?? []
  return letters.flatMap((run) => {
    if (!UNSPACED.test(run)) return [run]
    const characters = [...run]
    return characters.length === 1 ? characters : characters.slice(1).map((next, at) => `${characters[at]}${next}`)
  })
}

export const isStop = (word: string): boolean => STOP.has(word)
