/**
 * A query as the ranking sees it: terms with weights, the names of code in it, and what the shape of a commit subject
 * ("fix(router): …", "unix,stream: …") tells about where to look.
 */
import { isStop, partsOf, termsOf, wordsOf } from './tokens.ts'

export type Query = {
  /** Term to weight; empty when the query is nothing but stop words. */
  terms: Map<string, number>
  /** Names of code as they were written: camelCase, snake_case, in backticks, called. */
  names: string[]
  /** Terms of the part before the colon that names a place. */
  scope: Set<string>
  asksTests: boolean
  /** Documentation and configuration rather than code. */
  asksPlain: boolean
  /** It is nothing but names: who defines them is what is asked. */
  onlyNames: boolean
}

/** More of a query than this is not looked at. */
const QUERY_CHARS_MAX = 4000
const TERMS_MAX = 120

/** The first words of commit subjects that tell the kind of a change, not its place. */
const KINDS = new Set(
  `fix feat feature perf refactor style chore revert types bug bugfix internal test tests docs doc build ci deps`.split(
    ' ',
  ),
)
const PLAIN = new Set(['readm', 'changelog', 'guid', 'tutorial', 'workflow', 'dockerfil', 'markdown', 'licens'])

export function readQuery(text: string): Query {
  const plain = text
    .slice(0, QUERY_CHARS_MAX)
    .replace(/\(?(?:[\w.-]+\/[\w.-]+)?#\d+\)?/g, ' ')
    .replace(/\bhttps?:\/\/\S+/g, ' ')
  const [head, first, place] = /^\s*\[?([\w-]+)\]?(?:\(([^)]*)\))?!?:\s/.exec(plain) ?? []
  const isKind = first !== undefined && KINDS.has(first.toLowerCase())
  const rest = isKind && head !== undefined ? `${place ?? ''} ${plain.slice(head.length)}` : plain
  const scopeText = isKind ? place : first !== undefined ? `${first} ${place ?? ''}` : PLACE.exec(plain)?.[1]
  const terms = new Map<string, number>()
  for (const word of wordsOf(rest)) {
    if (terms.size >= TERMS_MAX) break
    for (const term of termsOf(word)) terms.set(term, Math.min(2, (terms.get(term) ?? 0) + 1))
  }
  const names = namesIn(rest)
  return {
    terms,
    names,
    scope: new Set(wordsOf(scopeText ?? '').flatMap((word) => [...termsOf(word)])),
    asksTests: /^tests?$/i.test(first ?? '') || ['test', 'spec', 'fixtur'].some((term) => terms.has(term)),
    asksPlain: [...terms.keys()].some((term) => PLAIN.has(term)),
    onlyNames: names.length > 0 && names.length === wordsOf(rest).length,
  }
}

/** What stands before the colon in "unix,stream: …" or "pkg/http: …". */
const PLACE = /^\s*([\w./,*{}-]{2,40}):\s/

/** What is written like a name of code: it has two parts or more, stands in backticks, or is called. */
function namesIn(text: string): string[] {
  const names = new Set<string>()
  for (const [, quoted] of text.matchAll(/`([^`]{2,80})`/g)) for (const word of wordsOf(quoted ?? '')) names.add(word)
  for (const [word] of text.matchAll(/[A-Za-z_]\w*/g))
    if (partsOf(word).length > 1 && !/^[A-Z][a-z]+$/.test(word)) names.add(word)
  const words = wordsOf(text)
  if (words.length === 1) for (const word of words) names.add(word)
  return [...names].filter((name) => name.length > 2 && !isStop(name.toLowerCase())).slice(0, 20)
}
