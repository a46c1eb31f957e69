/**
 * Ranks the files of an index for a query: features, fixed weights, one result a file with its best piece and the
 * reasons it is there. Pure: the same index, history and query give the same answer.
 */
import { FIRST, type First, firstLook, idfOf, type Looked, standing, topOf } from './features.ts'
import type { History } from './history.ts'
import type { CodeIndex } from './index.ts'
import { SECOND, type Second, secondLook } from './neighbours.ts'
import { type Query, readQuery } from './query.ts'
import type { SymbolAt } from './segment.ts'
import { termsOf, wordsOf } from './tokens.ts'
import { ONLY_NAMES_EXACT, type Weights, WITH_HISTORY, WITHOUT_HISTORY } from './weights.ts'

/** `score` is between 0 and 1; lines are 1-based, both ends included. */
export type Ranked = { path: string; start: number; end: number; symbol?: SymbolAt; score: number; why: string }
export type Wanted = {
  limit: number
  /** Files that count; left out: all. */
  accept?: ((path: string) => boolean) | undefined
}

/** Fewer commits than this tell nothing of a repo's habits. */
const HISTORY_COMMITS_MIN = 20
const CANDIDATES_MAX = 250
const NEIGHBOURS_MAX = 40
/** The score that stands for "one half". */
const MIDDLE = 4
/** Of the embedding alone, this much nearness makes a result. */
const ALIKE_MIN = 0.3

export class Ranking {
  private readonly index: CodeIndex
  private readonly history: History | undefined
  private readonly weights: Weights
  private readonly fixed: Partial<First>

  constructor(index: CodeIndex, history?: History) {
    this.index = index
    this.history = history && history.commits >= HISTORY_COMMITS_MIN ? history : undefined
    this.weights = this.history ? WITH_HISTORY : WITHOUT_HISTORY
    this.fixed = standing(index, this.history)
  }

  search(text: string, { limit, accept }: Wanted): Ranked[] {
    const query = readQuery(text)
    if (query.terms.size === 0 && query.names.length === 0) return []
    const looked = firstLook(this.index, this.history, this.fixed, query)
    const accepted = (file: number) => !accept || accept(this.index.pathOf(file))
    const { order, scores, second } = this.scored(query, looked, accepted)
    return order.slice(0, limit).map((file) => {
      const { chunk, symbol } = this.bestChunk(file, query, looked)
      const place = this.index.placeOf(chunk)
      return {
        path: place.path,
        start: place.start,
        end: place.end,
        ...(symbol ? { symbol } : {}),
        score: round(1 / (1 + Math.exp((MIDDLE - (scores[file] as number)) / 2))),
        why: this.why(file, query, looked, second, order[0] as number),
      }
    })
  }

  /** The features of the files that may be asked for, in the order of `FIRST` and `SECOND`: for the bench. */
  rows(text: string): { path: string; values: number[] }[] {
    const query = readQuery(text)
    const looked = firstLook(this.index, this.history, this.fixed, query)
    const { order, second } = this.scored(query, looked, () => true)
    return order.map((file) => ({
      path: this.index.pathOf(file),
      values: [
        ...FIRST.map((name) => looked.table[name][file] as number),
        ...SECOND.map((name) => second[name][file] as number),
      ],
    }))
  }

  private scored(query: Query, { table }: Looked, accepted: (file: number) => boolean) {
    const { index, history, weights } = this
    const scores = new Float32Array(index.fileCount)
    const relevant = new Float32Array(index.fileCount)
    const rows = FIRST.map((name) => table[name])
    const each = FIRST.map((name) => (name === 'exact' && query.onlyNames ? ONLY_NAMES_EXACT : weights[name]))
    for (let file = 0; file < index.fileCount; file++) {
      if (!index.isLive(file) || !isRelevant(table, file) || !accepted(file)) continue
      let score = 0
      for (let at = 0; at < rows.length; at++) score += (each[at] as number) * (rows[at]?.[file] as number)
      scores[file] = score
      relevant[file] = Math.exp(score / 4)
    }
    const first = topOf(relevant, CANDIDATES_MAX)
    const early = secondLook(index, history, first, scores)
    const known = new Set(first)
    const joined = topOf(early.together, NEIGHBOURS_MAX).filter(
      (file) => !known.has(file) && index.isLive(file) && accepted(file),
    )
    const candidates = [...first, ...joined]
    const second = joined.length > 0 ? secondLook(index, history, candidates, scores) : early
    for (const file of candidates)
      for (const name of SECOND)
        scores[file] = (scores[file] as number) + weights[name] * (second[name][file] as number)
    const order = candidates.sort((a, b) => (scores[b] as number) - (scores[a] as number) || a - b)
    return { order, scores, second }
  }

  /** The piece of a file that fits the query best, and the definition in it that does. */
  private bestChunk(file: number, query: Query, { chunkScores }: Looked): { chunk: number; symbol?: SymbolAt } {
    const [from, to] = this.index.chunksOf(file)
    const names = new Set(query.names)
    let best: { chunk: number; symbol?: SymbolAt; score: number } = { chunk: from, score: -1 }
    for (let chunk = from; chunk < to; chunk++) {
      let [said, symbol]: [number, SymbolAt | undefined] = [0, undefined]
      const { symbols } = this.index.placeOf(chunk)
      for (const candidate of symbols) {
        const share = names.has(candidate.name) ? 3 : shareSaid(candidate.name, query)
        if (share <= said) continue
        said = share
        symbol = candidate
      }
      const score = (chunkScores.get(chunk) ?? 0) * (1 + said)
      const shown = symbol ?? symbols[0]
      if (score > best.score) best = { chunk, score, ...(shown ? { symbol: shown } : {}) }
    }
    return best
  }

  private why(file: number, query: Query, { table, kinships }: Looked, second: Second, first: number): string {
    const { index } = this
    const path = index.pathOf(file)
    const reasons: string[] = []
    const is = (name: keyof First, least: number) => (table[name][file] as number) >= least
    const defined = query.names.filter((name) =>
      index.defining(name).some((chunk) => index.fileOfChunk(chunk) === file),
    )
    if (defined.length > 0) reasons.push(`defines ${defined.slice(0, 3).join(', ')}`)
    else if (is('names', 0.6)) reasons.push('defines names with these words')
    const words = [...new Set(wordsOf(path).flatMap((word) => [...termsOf(word)]))].filter(
      (term) => query.terms.has(term) || query.scope.has(term),
    )
    if (words.length > 0) reasons.push(`path says ${words.slice(0, 3).join(', ')}`)
    if (is('chunk', 0.6) || is('body', 0.6)) reasons.push('the words stand close together here')
    else if (is('body', 0.2)) reasons.push('some of the words stand here')
    const kin = kinships.get(path)
    if (kin && (is('kinBest', 0.5) || is('kin', 0.4))) reasons.push(`changed by "${kin.subject.slice(0, 70)}"`)
    if (file !== first) {
      const leader = index.pathOf(first)
      if ((second.pairTest[file] as number) > 0.1) reasons.push(`test of what leads`)
      else if ((second.together[file] as number) > 0.1) reasons.push(`often changed together with ${leader}`)
    }
    if (reasons.length === 0) reasons.push(is('alike', ALIKE_MIN) ? 'names are spelled alike' : 'near what leads')
    return reasons.join('; ')
  }
}

/** What only is active, long or near others is no answer: something of the query must be there. */
const isRelevant = ({ body, base, dir, scope, exact, kin, alike }: First, file: number): boolean =>
  (body[file] as number) > 0 ||
  (base[file] as number) > 0 ||
  (dir[file] as number) > 0 ||
  (scope[file] as number) > 0 ||
  (exact[file] as number) > 0 ||
  (kin[file] as number) > 0 ||
  (alike[file] as number) >= ALIKE_MIN

/** How much of a name the query says, 0 to 1. */
function shareSaid(name: string, { terms }: Query): number {
  const parts = termsOf(name)
  return parts.length === 0 ? 0 : parts.filter((part) => terms.has(part)).length / parts.length
}

const round = (score: number): number => Math.round(score * 1000) / 1000

/** File-level BM25 over split identifiers and nothing else: what the ranking is measured against. */
export function plainBm25(index: CodeIndex, text: string, limit: number): string[] {
  const scores = new Float32Array(index.fileCount)
  for (const [term] of readQuery(text).terms) {
    const counts = new Map<number, number>()
    index.scan(term, (file, _chunk, packed) => counts.set(file, (counts.get(file) ?? 0) + (packed & 63)))
    const idf = idfOf(index.liveFiles, counts.size)
    for (const [file, count] of counts)
      scores[file] =
        (scores[file] as number) +
        (idf * count * 2.2) / (count + 1.2 * (0.25 + (0.75 * index.lengthOf(file)) / index.meanLength))
  }
  return topOf(scores, limit).map((file) => index.pathOf(file))
}
