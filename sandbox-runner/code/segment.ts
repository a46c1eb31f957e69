/**
 * An inverted index of some files, packed into a few flat arrays: for each term the chunks it stands in. It never
 * changes once made; what changed since is in another segment, and files that are gone are passed over by who reads.
 */
import type { Analysis } from './analyse.ts'
import { DIMENSIONS, embed } from './embed.ts'
import { type Grouped, Growing, grouped, groupOf } from './growing.ts'
import { isTest, languageOf } from './languages.ts'
import { countTerms, termsOf, wordsOf } from './tokens.ts'

export type SegmentFile = { path: string; blob: string; analysis: Analysis }
export type SymbolAt = { name: string; line: number; kind: string }

/** What a segment is made of: plain strings and arrays, as they are stored. */
export type SegmentParts = {
  paths: string[]
  blobs: string[]
  /** Terms of each file. */
  lengths: Uint32Array
  /** The first chunk of each file, and one more: the number of chunks. */
  firstChunk: Uint32Array
  /** For each chunk its file, first and last line, and its first symbol. */
  fileOf: Uint32Array
  starts: Uint32Array
  ends: Uint32Array
  firstSymbol: Uint32Array
  /** For each symbol its name and kind (places in `names`), and its line. */
  symbolName: Uint32Array
  symbolKind: Uint32Array
  symbolLine: Uint32Array
  names: string[]
  vectors: Int8Array
  /** For each file whether it is a test (1) and a program's source (2). */
  kinds: Uint8Array
  /** Terms of paths, and by term the files, each times two, plus one when it is in the file's own name. */
  pathTerms: string[]
  pathPostings: Grouped
  /** Sorted, as `pathTerms` and `names` are: a term is found without a table made at every start. */
  terms: string[]
  /** By term: `chunk << 8 | counts`, ascending. */
  postings: Grouped
}

export class Segment {
  readonly parts: SegmentParts
  /** By name the symbols that have it. Made when a name is first asked for. */
  private named: Grouped | undefined

  constructor(parts: SegmentParts) {
    this.parts = parts
  }

  get files(): number {
    return this.parts.paths.length
  }

  get chunks(): number {
    return this.parts.fileOf.length
  }

  /** The postings of a term, by chunk; empty when it is nowhere. */
  lookUp(term: string): Uint32Array {
    const id = placeIn(this.parts.terms, term)
    return id === undefined ? NONE : groupOf(this.parts.postings, id)
  }

  /** The files with a term in their path: number times two, plus one when it is in the file's own name. */
  lookUpPath(term: string): Uint32Array {
    const id = placeIn(this.parts.pathTerms, term)
    return id === undefined ? NONE : groupOf(this.parts.pathPostings, id)
  }

  /** The chunks that define this very name. */
  defining(name: string): number[] {
    const { firstSymbol, symbolName, names } = this.parts
    const id = placeIn(names, name)
    if (id === undefined) return []
    this.named ??= grouped(
      symbolName,
      symbolName.map((_, at) => at),
      names.length,
    )
    return Array.from(groupOf(this.named, id), (symbol) => lastAtMost(firstSymbol, symbol, this.chunks))
  }

  /** The chunks that define a name of this kind of names, in their order. */
  definingAny(match: (name: string) => boolean): number[] {
    const { names } = this.parts
    return names.flatMap((name) => (match(name) ? this.defining(name) : []))
  }

  definedNames(): Set<string> {
    return new Set(Array.from(new Set(this.parts.symbolName), (id) => this.parts.names[id] as string))
  }

  symbolsOf(chunk: number): SymbolAt[] {
    const { firstSymbol, symbolName, symbolKind, symbolLine, names } = this.parts
    const found: SymbolAt[] = []
    for (let at = firstSymbol[chunk] as number; at < (firstSymbol[chunk + 1] as number); at++)
      found.push({
        name: names[symbolName[at] as number] as string,
        kind: names[symbolKind[at] as number] as string,
        line: symbolLine[at] as number,
      })
    return found
  }

  /** How near the file is to a vector, -1 to 1. */
  nearness(file: number, wanted: Float32Array): number {
    const { vectors } = this.parts
    const start = file * DIMENSIONS
    let sum = 0
    for (let at = 0; at < DIMENSIONS; at++) sum += (vectors[start + at] as number) * (wanted[at] as number)
    return sum / SCALE
  }
}

/** Where a text stands in a sorted row. */
function placeIn(sorted: readonly string[], text: string): number | undefined {
  let [low, high] = [0, sorted.length - 1]
  while (low <= high) {
    const middle = (low + high) >> 1
    const here = sorted[middle] as string
    if (here === text) return middle
    if (here < text) low = middle + 1
    else high = middle - 1
  }
  return undefined
}

const NONE = new Uint32Array(0)
const SCALE = 127
/** Bits of `kinds`. */
export const TEST = 1
export const CODE = 2

/** Packs files in the order they come; each analysis may be let go of after it. */
export function packSegment(files: Iterable<SegmentFile>): Segment {
  const paths: string[] = []
  const blobs: string[] = []
  const rows = new Map<'length' | 'file' | 'start' | 'end' | 'symbol' | 'kind' | 'line' | 'first' | 'chunk', Growing>()
  const row = (name: Parameters<typeof rows.get>[0]): Growing => {
    const known = rows.get(name)
    if (known) return known
    const made = new Growing()
    rows.set(name, made)
    return made
  }
  const [terms, names] = [new Numbers(), new Numbers()]
  const [keys, values] = [new Growing(), new Growing()]
  const pathTerms = new Numbers()
  const [pathKeys, pathValues] = [new Growing(), new Growing()]
  const kinds: number[] = []
  const vectors: Int8Array[] = []
  for (const { path, blob, analysis } of files) {
    const file = paths.length
    const base = row('file').length * 256
    paths.push(path)
    blobs.push(blob)
    row('length').push(analysis.length)
    row('chunk').push(row('file').length)
    vectors.push(vectorOf(path, analysis))
    kinds.push((isTest(path) ? TEST : 0) | (languageOf(path)?.code ? CODE : 0))
    for (const [term, named] of termsOfPath(path)) {
      pathKeys.push(pathTerms.of(term))
      pathValues.push(file * 2 + Number(named))
    }
    const ids = analysis.terms.map((term) => terms.of(term))
    for (let at = 0; at < analysis.postings.length; at += 2) {
      keys.push(ids[analysis.postings[at] as number] as number)
      values.push(base + (analysis.postings[at + 1] as number))
    }
    for (const { start, end, symbols } of analysis.chunks) {
      row('file').push(file)
      row('start').push(start)
      row('end').push(end)
      row('first').push(row('symbol').length)
      for (const { name, kind, line } of symbols) {
        row('symbol').push(names.of(name))
        row('kind').push(names.of(kind))
        row('line').push(line)
      }
    }
  }
  row('chunk').push(row('file').length)
  row('first').push(row('symbol').length)
  return new Segment({
    paths,
    blobs,
    lengths: row('length').done(),
    firstChunk: row('chunk').done(),
    fileOf: row('file').done(),
    starts: row('start').done(),
    ends: row('end').done(),
    firstSymbol: row('first').done(),
    symbolName: names.placed(row('symbol')),
    symbolKind: names.placed(row('kind')),
    symbolLine: row('line').done(),
    names: names.sorted(),
    vectors: joined(vectors),
    kinds: Uint8Array.from(kinds),
    pathTerms: pathTerms.sorted(),
    pathPostings: grouped(pathTerms.placed(pathKeys), pathValues.done(), pathTerms.size),
    terms: terms.sorted(),
    postings: grouped(terms.placed(keys), values.done(), terms.size),
  })
}

/** The terms of a path; true for those of the file's own name. */
function termsOfPath(path: string): Map<string, boolean> {
  const found = new Map<string, boolean>()
  for (const word of wordsOf(path.slice(0, path.lastIndexOf('/') + 1)))
    for (const term of termsOf(word)) found.set(term, false)
  for (const term of termsOfName(path)) found.set(term, true)
  return found
}

/** The terms of a file's own name, without its extension. */
export const termsOfName = (path: string): string[] =>
  wordsOf(path.slice(path.lastIndexOf('/') + 1).replace(/\.\w+$/, '')).flatMap((word) => [...termsOf(word)])

/** Texts, numbered as they come, and in the end by their places in the sorted row of all. */
class Numbers {
  private readonly known = new Map<string, number>()
  private all: string[] | undefined

  get size(): number {
    return this.known.size
  }

  of(text: string): number {
    const known = this.known.get(text)
    if (known !== undefined) return known
    this.known.set(text, this.known.size)
    return this.known.size - 1
  }

  sorted(): string[] {
    this.all ??= [...this.known.keys()].sort()
    return this.all
  }

  /** The same row with each number turned into the text's place. */
  placed(numbers: Growing): Uint32Array {
    const placeOf = new Uint32Array(this.size)
    for (const [place, text] of this.sorted().entries()) placeOf[this.known.get(text) as number] = place
    const row = numbers.done()
    for (let at = 0; at < row.length; at++) row[at] = placeOf[row[at] as number] as number
    return row
  }
}

/** A file in the lexical embedding: the words of its path and of what it defines. */
function vectorOf(path: string, { chunks }: Analysis): Int8Array {
  const counts = new Map<string, number>()
  countTerms(path.replace(/\.\w+$/, ''), counts, 2)
  for (const { symbols } of chunks) for (const { name } of symbols) countTerms(name, counts)
  for (const [term, count] of counts) counts.set(term, Math.log1p(count))
  return Int8Array.from(embed(counts), (number) => Math.round(number * SCALE))
}

function joined(vectors: Int8Array[]): Int8Array {
  const all = new Int8Array(vectors.length * DIMENSIONS)
  for (const [at, vector] of vectors.entries()) all.set(vector, at * DIMENSIONS)
  return all
}

/** The last place below `count` whose value is at most `value`, in ascending `row`. */
function lastAtMost(row: Uint32Array, value: number, count: number): number {
  let [low, high] = [0, count - 1]
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if ((row[middle] as number) <= value) low = middle
    else high = middle - 1
  }
  return low
}
