/**
 * A map of a repo for one task: the definitions that matter most for it. Files are ranked by personalised PageRank over
 * who mentions whose names, beginning at the files that search finds for the task; a definition is worth what flows to
 * its file through its name. (The idea is aider's; the references come from the index, so nothing is parsed for it.)
 *
 * Guarantees: pure, and the same index and task give the same map; work is bounded whatever the size of the repo.
 */
import { Growing } from './growing.ts'
import type { CodeIndex } from './index.ts'
import { readQuery } from './query.ts'
import type { Ranking } from './rank.ts'
import { partsOf, termsOf } from './tokens.ts'

export type MapEntry = { path: string; line: number; name: string; kind: string; score: number }

/** Where a walk starts again, how often it does, and how many rounds make the ranks stand still. */
const DAMPING = 0.85
const ROUNDS = 20
const STARTS_MAX = 40
/** A name that more files define says little of either. */
const DEFINED_IN_MAX = 5
const EDGES_MAX = 2_000_000
const NAME_CHARS_MIN = 4
/** Above this many files only names of two words or more are followed: they are rarely two things. */
const PLAIN_NAMES_FILES_MAX = 5000
const MENTIONED = 10
const PLAIN = 0.3
/** What a name gains by being in the task, and what it has by that alone; what a file gains by being led to. */
const SAID = 10
const LEAST = 1e-6
const LED = 0.6
const OF_ONE_FILE = 3

type Name = { name: string; term: string; files: number[]; chunks: number[]; weight: number }
type Graph = { from: Uint32Array; to: Uint32Array; name: Uint32Array; weight: Float32Array }

export function repoMap(index: CodeIndex, ranking: Ranking, task: string, limit: number): MapEntry[] {
  const found = ranking.search(task, { limit: STARTS_MAX })
  // A word of the task that only looks like a word is said of everything.
  const mentioned = new Set(readQuery(task).names)
  const names = namesOf(index, mentioned)
  const graph = graphOf(index, names)
  const begun = new Map(found.map(({ path, score }) => [path, score]))
  const start = new Float64Array(index.fileCount)
  for (const [path, score] of begun) start[index.numberOf(path) as number] = score
  const out = new Float64Array(index.fileCount)
  graph.from.forEach((file, at) => {
    out[file] = (out[file] as number) + (graph.weight[at] as number)
  })
  const ranks = walked(graph, out, start)
  const flows = new Float64Array(names.length)
  graph.from.forEach((file, at) => {
    const name = graph.name[at] as number
    flows[name] =
      (flows[name] as number) + ((ranks[file] as number) * (graph.weight[at] as number)) / (out[file] as number)
  })
  const asked = readQuery(task).terms
  const byFile = new Map<number, MapEntry[]>()
  for (const [at, { name, chunks }] of names.entries())
    for (const chunk of chunks) {
      const { path, symbols } = index.placeOf(chunk)
      const symbol = symbols.find((one) => one.name === name)
      if (!symbol) continue
      const parts = termsOf(name)
      const said = parts.filter((part) => asked.has(part)).length / parts.length
      const score = (flows[at] as number) * (1 + SAID * said) + LEAST * said
      const file = index.fileOfChunk(chunk)
      byFile.set(file, [...(byFile.get(file) ?? []), { path, line: symbol.line, name, kind: symbol.kind, score }])
    }
  const mostStart = Math.max(...start)
  const mostRank = Math.max(...ranks)
  const worth = (file: number) =>
    (start[file] as number) / (mostStart || 1) + (LED * (ranks[file] as number)) / (mostRank || 1)
  const files = [...byFile.keys()].sort((a, b) => worth(b) - worth(a) || a - b)
  return files
    .flatMap((file) =>
      (byFile.get(file) ?? []).sort((a, b) => b.score - a.score || a.line - b.line).slice(0, OF_ONE_FILE),
    )
    .slice(0, limit)
}

/** The names that are worth following: defined in code that is no test, and not everywhere. */
function namesOf(index: CodeIndex, mentioned: ReadonlySet<string>): Name[] {
  const plainToo = index.liveFiles <= PLAIN_NAMES_FILES_MAX
  const found: Name[] = []
  for (const name of index.names()) {
    if (name.length < NAME_CHARS_MIN) continue
    const parts = partsOf(name).length
    if (parts < 2 && !plainToo && !mentioned.has(name)) continue
    // The whole name as the index has it: its parts joined, or its one stem.
    const term = termsOf(name).at(-1)
    if (term === undefined) continue
    const chunks = index.defining(name).filter((chunk) => {
      const file = index.fileOfChunk(chunk)
      return index.isCode(file) && !index.isTest(file)
    })
    const files = [...new Set(chunks.map((chunk) => index.fileOfChunk(chunk)))]
    if (files.length === 0 || files.length > DEFINED_IN_MAX) continue
    const weight = (mentioned.has(name) ? MENTIONED : 1) * (parts < 2 ? PLAIN : 1) * (name.startsWith('_') ? 0.1 : 1)
    found.push({ name, term, files, chunks, weight: weight / files.length })
  }
  return found
}

/** An edge from each file that says a name to each that defines it. */
function graphOf(index: CodeIndex, names: readonly Name[]): Graph {
  const [from, to, name] = [new Growing(), new Growing(), new Growing()]
  const weights: number[] = []
  const counts = new Float32Array(index.fileCount)
  for (const [number, { term, files, weight }] of names.entries()) {
    if (weights.length >= EDGES_MAX) break
    const holders: number[] = []
    index.scan(term, (file, _chunk, packed) => {
      if (counts[file] === 0) holders.push(file)
      counts[file] = (counts[file] as number) + (packed & 63)
    })
    for (const file of holders) {
      const said = counts[file] as number
      counts[file] = 0
      if (files.includes(file)) continue
      for (const definer of files) {
        from.push(file)
        to.push(definer)
        name.push(number)
        weights.push(weight * Math.sqrt(said) * (index.isTest(file) ? 0.3 : 1))
      }
    }
  }
  return { from: from.done(), to: to.done(), name: name.done(), weight: Float32Array.from(weights) }
}

function walked({ from, to, weight }: Graph, out: Float64Array, start: Float64Array): Float64Array {
  const all = start.reduce((sum, one) => sum + one, 0)
  const begin = all > 0 ? start.map((one) => one / all) : start.map(() => 1 / Math.max(1, start.length))
  let ranks = begin.slice()
  for (let round = 0; round < ROUNDS; round++) {
    const next = begin.map((one) => one * (1 - DAMPING))
    let kept = 0
    for (let at = 0; at < from.length; at++) {
      const file = from[at] as number
      const share = (DAMPING * (ranks[file] as number) * (weight[at] as number)) / (out[file] as number)
      next[to[at] as number] = (next[to[at] as number] as number) + share
      kept += share
    }
    // What ends in files that mention nobody begins anew.
    const lost = DAMPING - kept
    ranks = next.map((one, file) => one + lost * (begin[file] as number))
  }
  return ranks
}

/** The map as a text of at most so many characters: best files first, the lines of each in order. */
export function mapText(entries: readonly MapEntry[], lineOf: (entry: MapEntry) => string, charsMax: number): string {
  let chosen: MapEntry[] = []
  let text = ''
  for (let count = 1; count <= entries.length; count++) {
    const shown = entries.slice(0, count)
    const made = rendered(shown, lineOf)
    if (made.length > charsMax) break
    chosen = shown
    text = made
  }
  return chosen.length > 0 ? text : ''
}

function rendered(entries: readonly MapEntry[], lineOf: (entry: MapEntry) => string): string {
  const files = new Map<string, MapEntry[]>()
  for (const entry of entries) files.set(entry.path, [...(files.get(entry.path) ?? []), entry])
  return [...files]
    .map(([path, own]) =>
      [`${path}:`, ...own.sort((a, b) => a.line - b.line).map((entry) => `  ${entry.line}: ${lineOf(entry)}`)].join(
        '\n',
      ),
    )
    .join('\n')
}
