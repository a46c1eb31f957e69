/**
 * What a repo's commits tell about its files: which were changed by commits with words like the query's, how often and
 * how lately each was changed, and which are changed together. Only the commits that it is given count, and a file
 * keeps its past through renames.
 */
import { countTerms } from './tokens.ts'

/** `from` is the path before a rename. */
export type CommitFile = { path: string; from?: string }
export type Commit = { id: string; subject: string; body: string; files: CommitFile[] }
/** `kin`: how much commits like the query changed it; `best`: the most alike of them, and its subject. */
export type Kinship = { kin: number; best: number; subject: string }

/** A commit that touches more files than this says little about each. */
const FILES_MAX = 40
const BODY_CHARS_MAX = 1000
const ALIKE_MAX = 200
const TOGETHER_COMMITS_MAX = 100
const TOGETHER_FILES_MAX = 15
const K1 = 1.2

type Posting = { commit: number; count: number }

export class History {
  /** Those that tell something. */
  commits = 0
  private readonly subjects: string[] = []
  private readonly files: number[][] = []
  private readonly lengths: number[] = []
  private readonly terms = new Map<string, Posting[]>()
  private readonly meanLength: number
  private readonly paths: string[] = []
  private readonly numbers = new Map<string, number>()
  /** By file how much was said of its changes, in terms. */
  private readonly fileLengths: number[] = []
  private readonly meanFileLength: number
  /** By file its commits, newest first. */
  private readonly touched: number[][] = []

  /** `commits`: newest first. */
  constructor(commits: Iterable<Commit>) {
    const called = new Map<string, string>()
    for (const { subject, body, files } of commits) {
      const now = files.map(({ path }) => called.get(path) ?? path)
      for (const { path, from } of files) if (from !== undefined) called.set(from, called.get(path) ?? path)
      if (files.length > 0 && files.length <= FILES_MAX) this.add(subject, body, now)
    }
    this.meanLength = this.lengths.reduce((sum, length) => sum + length, 0) / Math.max(1, this.commits)
    this.meanFileLength = this.fileLengths.reduce((sum, length) => sum + length, 0) / Math.max(1, this.paths.length)
  }

  /** By path. `terms` carry weights. */
  alike(terms: ReadonlyMap<string, number>): Map<string, Kinship> {
    const scores = new Map<number, number>()
    for (const [term, weight] of terms) {
      const list = this.terms.get(term) ?? []
      const idf = Math.log(1 + (this.commits - list.length + 0.5) / (list.length + 0.5))
      for (const { commit, count } of list) {
        const norm = count + K1 * (0.4 + (0.6 * (this.lengths[commit] as number)) / this.meanLength)
        scores.set(commit, (scores.get(commit) ?? 0) + (weight * idf * count * (K1 + 1)) / norm)
      }
    }
    const found = new Map<string, Kinship>()
    for (const [commit, score] of [...scores].sort((a, b) => b[1] - a[1]).slice(0, ALIKE_MAX)) {
      const files = this.files[commit] as number[]
      const recency = 0.4 + 0.6 * Math.exp(-commit / 400)
      const share = (score * score * recency) / files.length ** 0.5
      for (const file of files) {
        const path = this.paths[file] as string
        const held = found.get(path)
        if (held) held.kin += share
        else found.set(path, { kin: share, best: score, subject: this.subjects[commit] as string })
      }
    }
    return found
  }

  /** By path: BM25 of all that was ever said of its changes, as if it were one text. */
  said(terms: ReadonlyMap<string, number>): Map<string, number> {
    const scores = new Map<number, number>()
    const total = this.paths.length
    for (const [term, weight] of terms) {
      const counts = new Map<number, number>()
      for (const { commit, count } of this.terms.get(term) ?? []) {
        const files = this.files[commit] as number[]
        const share = Math.min(count, 3) / files.length ** 0.5
        for (const file of files) counts.set(file, (counts.get(file) ?? 0) + share)
      }
      const idf = Math.log(1 + (total - counts.size + 0.5) / (counts.size + 0.5)) * weight
      for (const [file, count] of counts) {
        const norm = count + K1 * (0.4 + (0.6 * (this.fileLengths[file] as number)) / this.meanFileLength)
        scores.set(file, (scores.get(file) ?? 0) + (idf * count * (K1 + 1)) / norm)
      }
    }
    return new Map([...scores].map(([file, score]) => [this.paths[file] as string, score]))
  }

  /** How often the file was changed; a change counts half after `half` later commits. */
  activity(path: string, half: number): number {
    const file = this.numbers.get(path)
    if (file === undefined) return 0
    let sum = 0
    for (const commit of this.touched[file] as number[])
      sum += 2 ** (-commit / half) / (this.files[commit] as number[]).length ** 0.5
    return Math.log1p(sum)
  }

  /** By path: the share of the changes of `path` in which the other changed too; few changes count less. */
  together(path: string): Map<string, number> {
    const found = new Map<string, number>()
    const file = this.numbers.get(path)
    const commits = (file === undefined ? undefined : this.touched[file])?.slice(0, TOGETHER_COMMITS_MAX) ?? []
    for (const commit of commits) {
      const files = this.files[commit] as number[]
      if (files.length > TOGETHER_FILES_MAX) continue
      for (const other of files) {
        if (other === file) continue
        const name = this.paths[other] as string
        found.set(name, (found.get(name) ?? 0) + 1 / files.length ** 0.5)
      }
    }
    for (const [name, sum] of found) found.set(name, sum / (commits.length + 3))
    return found
  }

  private add(subject: string, body: string, paths: string[]): void {
    const counts = new Map<string, number>()
    countTerms(plain(subject), counts, 2)
    countTerms(plain(body).slice(0, BODY_CHARS_MAX), counts)
    const commit = this.commits++
    let length = 0
    for (const [term, count] of counts) {
      length += count
      const list = this.terms.get(term)
      if (list) list.push({ commit, count })
      else this.terms.set(term, [{ commit, count }])
    }
    this.subjects.push(subject)
    this.lengths.push(length)
    const files = [...new Set(paths.map((path) => this.numberOf(path)))]
    for (const file of files) {
      this.touched[file]?.push(commit)
      this.fileLengths[file] = (this.fileLengths[file] as number) + length / files.length ** 0.5
    }
    this.files.push(files)
  }

  private numberOf(path: string): number {
    const known = this.numbers.get(path)
    if (known !== undefined) return known
    this.numbers.set(path, this.paths.length)
    this.touched.push([])
    this.fileLengths.push(0)
    return this.paths.push(path) - 1
  }
}

/** Without what programs read in it: trailers and numbers of issues. */
const plain = (text: string): string =>
  text
    .replace(/^(?:Signed-off-by|Co-authored-by|Change-Id|Reviewed-by|PR-URL|Fixes|Refs|Closes):?.*$/gim, '')
    .replace(/\(?#\d+\)?/g, '')
