/**
 * The first look: for one query, what every file has to show for itself, each feature a row of numbers by file. Most
 * are scaled so that 1 is the best of this query, which makes them comparable between queries and repos.
 */
import { embed } from './embed.ts'
import type { History, Kinship } from './history.ts'
import type { CodeIndex } from './index.ts'
import type { Query } from './query.ts'
import { termsOfName } from './segment.ts'

export const FIRST = [
  /** BM25 of the content; scaled, and as a share of what the query could give at most. */
  ...(['body', 'bodyShare'] as const),
  /** How rare the rarest word of the query that stands in it. */
  'rare',
  /** BM25 of the best chunk, of the names the file defines, of its own name, of its folders. */
  ...(['chunk', 'names', 'base', 'dir'] as const),
  /** How much of the file's name the query says; whether it defines a name in the query; the place the query names. */
  ...(['baseWhole', 'exact', 'scope'] as const),
  /** Commits like the query; all that its commits said; how often changed: ever, of late, just now; its folder too. */
  ...(['kin', 'kinBest', 'past', 'active', 'lately', 'fresh', 'now', 'near'] as const),
  /** What kind of file it is, and whether the query asks for such. */
  ...(['test', 'testAsked', 'plain', 'plainAsked', 'length', 'depth'] as const),
  /** Nearness in the lexical embedding. */
  'alike',
] as const
export type First = Record<(typeof FIRST)[number], Float32Array>

export type Looked = { table: First; chunkScores: Map<number, number>; kinships: ReadonlyMap<string, Kinship> }

const K1 = 1.2
const B = 0.75
/** The files whose chunks are looked at one by one. */
const CHUNKED_FILES_MAX = 300
const FEW_FILES = 50
/** A share of the best body score, below which a file hardly gets among the first. */
const NEAR_BODY = 0.2
/** Of a folder's activity, in commits. */
const FOLDER_HALF = 30

export const idfOf = (total: number, holding: number): number => Math.log(1 + (total - holding + 0.5) / (holding + 0.5))

/** What does not depend on the query; made once for an index. */
export function standing(index: CodeIndex, history: History | undefined): Partial<First> {
  const row = (value: (file: number) => number) => Float32Array.from({ length: index.fileCount }, (_, at) => value(at))
  const activity = (half: number) =>
    scaled(row((file) => (history && index.isLive(file) ? history.activity(index.pathOf(file), half) : 0)))
  return {
    test: row((file) => Number(index.isTest(file))),
    plain: row((file) => Number(!index.isCode(file))),
    length: row((file) => Math.log1p(index.lengthOf(file)) / 10),
    depth: row((file) => index.pathOf(file).split('/').length / 10),
    active: activity(400),
    lately: activity(60),
    fresh: activity(15),
    now: activity(3),
    near: nearby(index, history),
  }
}

/** How lately anything in its folder was changed. */
function nearby(index: CodeIndex, history: History | undefined): Float32Array {
  const row = new Float32Array(index.fileCount)
  if (!history) return row
  const folders = new Map<string, number>()
  const folderOf = (path: string) => path.slice(0, path.lastIndexOf('/') + 1)
  for (let file = 0; file < index.fileCount; file++) {
    if (!index.isLive(file)) continue
    const folder = folderOf(index.pathOf(file))
    folders.set(folder, (folders.get(folder) ?? 0) + history.activity(index.pathOf(file), FOLDER_HALF))
  }
  for (let file = 0; file < index.fileCount; file++)
    if (index.isLive(file)) row[file] = Math.log1p(folders.get(folderOf(index.pathOf(file))) ?? 0)
  return scaled(row)
}

export function firstLook(index: CodeIndex, history: History | undefined, fixed: Partial<First>, query: Query): Looked {
  const blank = () => new Float32Array(index.fileCount)
  const table = Object.fromEntries(FIRST.map((name) => [name, fixed[name] ?? blank()])) as First
  const idfs = wordFeatures(index, query, table)
  const chunkScores = chunkFeature(index, idfs, table)
  pathFeatures(index, query, table)
  for (const name of query.names)
    for (const file of new Set(index.defining(name).map((chunk) => index.fileOfChunk(chunk)))) add(table.exact, file, 1)
  alikeFeature(index, idfs, table)
  if (query.asksTests) table.testAsked = table.test
  if (query.asksPlain) table.plainAsked = table.plain
  const kinships = history?.alike(query.terms) ?? new Map<string, Kinship>()
  const [kin, best] = [blank(), blank()]
  for (const [path, found] of kinships) {
    const file = index.numberOf(path)
    if (file === undefined) continue
    kin[file] = found.kin
    best[file] = found.best
  }
  const past = blank()
  for (const [path, score] of history?.said(query.terms) ?? []) {
    const file = index.numberOf(path)
    if (file !== undefined) past[file] = score
  }
  table.past = scaled(past)
  table.kin = scaled(kin)
  table.kinBest = scaled(best)
  return { table, chunkScores, kinships }
}

/** BM25 over whole files, of what stands in them and of what they define; answers each term's weight times rarity. */
function wordFeatures(index: CodeIndex, query: Query, table: First): Map<string, number> {
  const { fileCount, liveFiles, meanLength } = index
  const [body, names] = [new Float32Array(fileCount), new Float32Array(fileCount)]
  const [counts, named] = [new Float32Array(fileCount), new Float32Array(fileCount)]
  const idfs = new Map<string, number>()
  let [most, rarest] = [0, 0]
  for (const [term, weight] of query.terms) {
    const holders: number[] = []
    let definers = 0
    index.scan(term, (file, _chunk, packed) => {
      if (counts[file] === 0) holders.push(file)
      add(counts, file, packed & 63)
      if (packed < 64) return
      if (named[file] === 0) definers++
      add(named, file, packed >> 6)
    })
    const idf = idfOf(liveFiles, holders.length) * weight
    const nameIdf = idfOf(liveFiles, definers) * weight
    idfs.set(term, idf)
    most += idf * (K1 + 1)
    // What stands nowhere tells no file from another.
    if (holders.length > 0 && idf > rarest) rarest = idf
    for (const file of holders) {
      const norm = K1 * (1 - B + (B * index.lengthOf(file)) / meanLength)
      const [count, name] = [counts[file] as number, named[file] as number]
      add(body, file, (idf * count * (K1 + 1)) / (count + norm))
      if (idf > (table.rare[file] as number)) table.rare[file] = idf
      if (name > 0) add(names, file, (nameIdf * name * (K1 + 1)) / (name + norm))
      counts[file] = 0
      named[file] = 0
    }
  }
  table.rare = table.rare.map((idf) => idf / (rarest || 1))
  table.bodyShare = body.map((score) => score / (most || 1))
  table.body = scaled(body)
  table.names = scaled(names)
  return idfs
}

function chunkFeature(index: CodeIndex, idfs: ReadonlyMap<string, number>, table: First): Map<number, number> {
  const looked = new Uint8Array(index.fileCount)
  for (const file of topOf(table.body, CHUNKED_FILES_MAX)) looked[file] = 1
  const scores = new Map<number, number>()
  const best = new Float32Array(index.fileCount)
  for (const [term, idf] of idfs)
    index.scan(term, (file, chunk, packed) => {
      if (looked[file] === 0) return
      const count = (packed & 63) + (packed >> 6)
      const score = (scores.get(chunk) ?? 0) + (idf * count * (K1 + 1)) / (count + K1)
      scores.set(chunk, score)
      if (score > (best[file] as number)) best[file] = score
    })
  table.chunk = scaled(best)
  return scores
}

function pathFeatures(index: CodeIndex, { terms, scope }: Query, table: First): void {
  const [base, dir] = [new Float32Array(index.fileCount), new Float32Array(index.fileCount)]
  const known = new Map<string, number>()
  const pathIdf = (term: string): number => {
    const idf = known.get(term) ?? idfOf(index.liveFiles, index.filesWithPath(term))
    known.set(term, idf)
    return idf
  }
  let scopeMost = 0
  for (const term of new Set([...terms.keys(), ...scope])) {
    const idf = pathIdf(term) * (terms.get(term) ?? 1)
    if (scope.has(term)) scopeMost += idf
    index.scanPaths(term, (file, named) => {
      add(named ? base : dir, file, idf)
      if (scope.has(term)) add(table.scope, file, idf)
    })
  }
  for (let file = 0; file < index.fileCount; file++) {
    if (scopeMost > 0) table.scope[file] = (table.scope[file] as number) / scopeMost
    if (base[file] === 0) continue
    let [held, all] = [0, 0]
    for (const term of termsOfName(index.pathOf(file))) {
      const idf = pathIdf(term)
      all += idf
      if (terms.has(term)) held += idf
    }
    table.baseWhole[file] = all > 0 ? held / all : 0
  }
  table.base = scaled(base)
  table.dir = scaled(dir)
}

/** Nearness is asked of files that have a word of the query, and of all when those are few: then it may be misspelled. */
function alikeFeature(index: CodeIndex, idfs: ReadonlyMap<string, number>, { body, base, dir, alike }: First): void {
  if (idfs.size === 0) return
  const wanted = embed(idfs)
  const has = (file: number) => (body[file] as number) + (base[file] as number) + (dir[file] as number) > 0
  let holders = 0
  for (let file = 0; file < index.fileCount; file++) if (has(file)) holders++
  for (let file = 0; file < index.fileCount; file++)
    if (holders < FEW_FILES ? index.isLive(file) : (body[file] as number) > NEAR_BODY || (base[file] as number) > 0)
      alike[file] = Math.max(0, index.nearness(file, wanted))
}

function add(row: Float32Array, at: number, value: number): void {
  row[at] = (row[at] as number) + value
}

/** Makes 1 of the largest, and the rest in proportion. */
function scaled(row: Float32Array): Float32Array {
  let most = 0
  for (let at = 0; at < row.length; at++) if ((row[at] as number) > most) most = row[at] as number
  if (most > 0) for (let at = 0; at < row.length; at++) row[at] = (row[at] as number) / most
  return row
}

/** The places of the largest numbers above zero, largest first. */
export function topOf(row: Float32Array, count: number): number[] {
  const least = leastOfTop(row, count)
  const places: number[] = []
  for (let at = 0; at < row.length; at++) if ((row[at] as number) > 0 && (row[at] as number) >= least) places.push(at)
  return places.sort((a, b) => (row[b] as number) - (row[a] as number) || a - b).slice(0, count)
}

/** The `count`-th largest number above zero, or 0; what is surely below it is not sorted. */
function leastOfTop(row: Float32Array, count: number): number {
  let held = new Float32Array(count * 2)
  let [length, least] = [0, 0]
  for (let at = 0; at < row.length; at++) {
    const value = row[at] as number
    if (value <= least) continue
    held[length++] = value
    if (length < held.length) continue
    held = held.sort()
    held.copyWithin(0, count)
    least = held[0] as number
    length = count
  }
  const values = held.subarray(0, length).sort()
  return length < count ? 0 : (values[length - count] as number)
}
