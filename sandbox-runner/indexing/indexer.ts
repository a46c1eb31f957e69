/**
 * Keeps indexes up to date and searches them. An index follows its source: unchanged files cost nothing, changed ones
 * are read alone, and what was read is kept batch by batch, so that a first index that is broken off goes on where it
 * was. Of several requests for one source the first does the work.
 */
import { analyse } from '../code/analyse.ts'
import { type Commit, History } from '../code/history.ts'
import { CodeIndex } from '../code/index.ts'
import { languageOf } from '../code/languages.ts'
import { Ranking } from '../code/rank.ts'
import { packSegment, Segment, type SegmentFile } from '../code/segment.ts'
import { COMMITS_MAX } from './commits.ts'
import { bounded } from './select.ts'
import type { Content, Item, Source } from './source.ts'
import type { Analysed, CodeStore } from './store.ts'

/** `left`: files beyond the bound, which are not searched. */
export type Ready = {
  index: CodeIndex
  ranking: Ranking
  commit?: string | undefined
  files: number
  chunks: number
  left: number
}
export type Progress = { done: number; total: number }

type Held = { stamp: string; ready: Ready; freshUntil: number }
/** By path what is in the large segment: the analysis, and the hash by which its source knew the content. */
type Base = { segment: Segment; files: ReadonlyMap<string, { id: string; hash: string }> }

const BATCH = 200
/** How long what a source said is taken for true; of one that is slow to say it, some times that long. */
const FRESH_MS = 1000
const FRESH_TIMES = 5
const HELD_MAX = 4
/** Beyond this share of changed files, or this many, the large segment is made anew. */
const CHANGED_SHARE = 0.1
const CHANGED_MIN = 300

export class CodeIndexer {
  private readonly store: CodeStore
  private readonly held = new Map<string, Held>()
  private readonly bases = new Map<string, Base>()
  private readonly working = new Map<string, Promise<Ready>>()
  private readonly progress = new Map<string, Progress>()
  private readonly histories = new Map<string, { head: string | undefined; history: History }>()

  constructor(store: CodeStore) {
    this.store = store
  }

  /** How far the work for a source is; undefined when nothing is under way. */
  under(place: string): Progress | undefined {
    return this.progress.get(place)
  }

  /** The index of what is there now. `place` names the source among all that are held. */
  ready(place: string, source: Source, now: boolean): Promise<Ready> {
    const held = this.held.get(place)
    if (held && !now && !source.exact && Date.now() < held.freshUntil) return Promise.resolve(held.ready)
    const under = this.working.get(place)
    // What is under way for a workspace may be for the files before the last change.
    if (under) return source.exact ? under.then(nothing, nothing).then(() => this.ready(place, source, now)) : under
    const work = this.follow(place, source).finally(() => {
      this.working.delete(place)
      this.progress.delete(place)
    })
    this.working.set(place, work)
    return work
  }

  private async follow(place: string, source: Source): Promise<Ready> {
    const began = Date.now()
    const stamp = await source.stamp()
    const fresh = Math.max(FRESH_MS, FRESH_TIMES * (Date.now() - began))
    const held = this.held.get(place)
    const ready = held?.stamp === stamp ? held.ready : await this.made(place, source)
    this.held.delete(place)
    this.held.set(place, { stamp, ready, freshUntil: Date.now() + fresh })
    for (const oldest of this.held.keys()) {
      if (this.held.size <= HELD_MAX) break
      this.held.delete(oldest)
    }
    const bases = new Set([...this.bases.keys()].slice(-HELD_MAX))
    for (const name of this.bases.keys()) if (!bases.has(name)) this.bases.delete(name)
    return ready
  }

  private async made(place: string, source: Source): Promise<Ready> {
    const [listed, history] = await Promise.all([source.list(), this.historyOf(place, source)])
    const { files, left } = bounded(listed)
    const ids = await this.idsOf(place, source, files)
    const base = this.baseFor(source.base, ids, files)
    const changed = [...ids].filter(([path, id]) => base.files.get(path)?.id !== id)
    const segments = changed.length > 0 ? [base.segment, packSegment(this.filesOf(changed))] : [base.segment]
    const index = new CodeIndex(segments, ids)
    return {
      index,
      ranking: new Ranking(index, history),
      commit: source.commit,
      files: index.liveFiles,
      chunks: index.liveChunks,
      left,
    }
  }

  /** By path the analysis of each file, as a text; files without anything to search are left out. */
  private async idsOf(place: string, source: Source, files: ReadonlyMap<string, Item>): Promise<Map<string, string>> {
    const ids = new Map<string, string>()
    const missing = new Map<string, Item>()
    const base = this.bases.get(source.base) ?? this.storedBase(source.base)
    for (const [path, item] of files) {
      const known = base?.files.get(path)
      if (known?.hash === item.hash) {
        ids.set(path, known.id)
        continue
      }
      const id = this.store.id(keyOf(path, item.hash))
      if (id === undefined) missing.set(path, item)
      else if (id > 0) ids.set(path, String(id))
    }
    const seen = new Map<string, number>()
    const progress = { done: 0, total: missing.size }
    this.progress.set(place, progress)
    let batch: Content[] = []
    const flush = () => {
      const kept = this.store.add(batch.map((content) => analysed(source, content)))
      for (const [at, { path, hash }] of batch.entries()) seen.set(keyOf(path, hash), kept[at] as number)
      progress.done += batch.length
      batch = []
    }
    for await (const content of source.read(missing)) {
      batch.push(content)
      if (batch.length < BATCH) continue
      flush()
      // Whoever asks how far it is gets an answer between two batches.
      await new Promise((resolve) => setImmediate(resolve))
    }
    flush()
    for (const [path, { hash }] of missing) {
      const id = seen.get(keyOf(path, hash)) ?? this.store.id(keyOf(path, hash)) ?? 0
      if (id > 0) ids.set(path, String(id))
    }
    return ids
  }

  private baseFor(name: string, ids: ReadonlyMap<string, string>, files: ReadonlyMap<string, Item>): Base {
    const known = this.bases.get(name) ?? this.storedBase(name)
    const changed = known ? [...ids].filter(([path, id]) => known.files.get(path)?.id !== id).length : ids.size
    if (known && changed <= Math.max(CHANGED_MIN, ids.size * CHANGED_SHARE)) return this.hold(name, known)
    const segment = packSegment(this.filesOf([...ids].sort(([a], [b]) => (a < b ? -1 : 1))))
    const stored = { parts: segment.parts, hashes: segment.parts.paths.map((path) => files.get(path)?.hash ?? '') }
    this.store.keepSegment(name, stored)
    return this.hold(name, baseOf(segment, stored.hashes))
  }

  private storedBase(name: string): Base | undefined {
    const stored = this.store.segment(name)
    return stored && this.hold(name, baseOf(new Segment(stored.parts), stored.hashes))
  }

  private hold(name: string, base: Base): Base {
    this.bases.delete(name)
    this.bases.set(name, base)
    return base
  }

  private *filesOf(wanted: Iterable<readonly [path: string, id: string]>): Iterable<SegmentFile> {
    for (const [path, id] of wanted) {
      const analysis = this.store.analysis(Number(id))
      if (analysis) yield { path, blob: id, analysis }
    }
  }

  private async historyOf(place: string, source: Source): Promise<History> {
    const known = this.histories.get(place)
    if (known && known.head === source.commit) return known.history
    const stored = this.store.history(source.base)
    const commits = await commitsFor(source, stored)
    if (source.commit !== undefined && stored?.head !== source.commit)
      this.store.keepHistory(source.base, { head: source.commit, commits })
    const history = new History(commits)
    this.histories.set(place, { head: source.commit, history })
    for (const oldest of this.histories.keys()) {
      if (this.histories.size <= HELD_MAX) break
      this.histories.delete(oldest)
    }
    return history
  }
}

/** Only what came since is asked for, where the stored commits lead up to it. */
async function commitsFor(source: Source, stored: { head: string; commits: Commit[] } | undefined): Promise<Commit[]> {
  if (!stored || source.commit === undefined) return source.commits()
  if (stored.head === source.commit) return stored.commits
  const newer = (await source.follows(stored.head)) ? await source.commits(stored.head) : undefined
  return newer ? [...newer, ...stored.commits].slice(0, COMMITS_MAX) : source.commits()
}

const nothing = (): void => {}

function analysed(source: Source, { path, hash, bytes }: Content): Analysed {
  const language = languageOf(path)
  return {
    keys: [hash, ...source.aliases(bytes)].map((known) => keyOf(path, known)),
    analysis: language && analyse(bytes, language),
  }
}

const baseOf = (segment: Segment, hashes: readonly string[]): Base => ({
  segment,
  files: new Map(
    segment.parts.paths.map((path, at) => [
      path,
      { id: segment.parts.blobs[at] as string, hash: hashes[at] as string },
    ]),
  ),
})

/** The same content is cut in another way in another language. */
const keyOf = (path: string, hash: string): string => `${hash} ${languageOf(path)?.family}`
