/** One request to the indexing thread: finds its source, waits for the index as long as it may, searches. */
import { join } from 'node:path'
import { languageOf } from '../code/languages.ts'
import { type FoundSymbol, findSymbols } from '../code/lookup.ts'
import { type MapEntry, mapText, repoMap } from '../code/map.ts'
import { readQuery } from '../code/query.ts'
import { snippetOf } from '../code/snippet.ts'
import { ToolFailure } from '../define.ts'
import { MAP_LINE_CHARS_MAX } from '../limits.ts'
import { globMatcher } from '../text/glob.ts'
import type { GitOptions } from '../workspace/git.ts'
import type { Repo } from '../workspace/repo.ts'
import { CodeIndexer, type Progress, type Ready } from './indexer.ts'
import { repoSource, type Source, type WorkspaceFiles, workspaceSource } from './source.ts'
import { CodeStore } from './store.ts'

/** A repo on this machine, or a workspace of this runner. `view`: where git's view of it is kept. */
export type Where =
  | { kind: 'repo'; repo: Repo; view: string; ref?: string | undefined }
  | {
      kind: 'workspace'
      id: string
      /** Left out when they were sent before for this snapshot. */
      files?: WorkspaceFiles['files'] | undefined
      root: string
      stamp: string
      view: string
      /** The local repo it was made from, and the commit. */
      origin?: { repo: Repo; view: string; commit: string } | undefined
      /** Names the repo it was made from, when that is no local one. */
      from?: string | undefined
      commit?: string | undefined
    }

/** `paths`: folders, files or patterns, all of which a result must be in. */
export type Search = { query: string; limit: number; paths?: string[] | undefined; language?: string | undefined }
/** Where a name is defined; `paths` as above. */
export type Symbols = { name: string; kind?: string | undefined; paths?: string[] | undefined; limit: number }
/** A map of the repo for a task, in at most so many characters. */
export type Mapped = { task: string; chars: number }
export type Asked = {
  where: Where /** how long to wait for the index */
  waitMs: number
  search?: Search | undefined
  symbol?: Symbols | undefined
  map?: Mapped | undefined
}

export type CodeResult = {
  path: string
  startLine: number
  endLine: number
  symbol?: string
  snippet: string
  score: number
  why: string
}
export type Indexed = { commit?: string | undefined; files: number; chunks: number; left: number; ms: number }
export type Answered =
  | { kind: 'ready'; indexed: Indexed; results: CodeResult[]; symbols?: FoundSymbol[]; map?: string }
  | { kind: 'pending'; progress: Progress }
  | { kind: 'need_files' }
  | { kind: 'failed'; code: string; message: string; hint?: string | undefined }

export class CodeWork {
  private readonly indexer: CodeIndexer
  /** By workspace the files of the snapshot that was sent last. */
  private readonly sent = new Map<string, WorkspaceFiles>()

  constructor(folder: string) {
    this.indexer = new CodeIndexer(new CodeStore(join(folder, 'index.db')))
  }

  /** Never rejects. */
  async answer({ where, waitMs, search, symbol, map }: Asked): Promise<Answered> {
    try {
      const began = performance.now()
      const found = this.sourceOf(where)
      if (!found) return { kind: 'need_files' }
      const { place, source, git } = found
      const work = this.indexer.ready(place, source, search === undefined && symbol === undefined && map === undefined)
      const ready = await within(work, waitMs)
      if (!ready) return { kind: 'pending', progress: this.indexer.under(place) ?? { done: 0, total: 0 } }
      const { commit, files, chunks, left } = ready
      const results = search ? await searched(ready, search, source, git) : []
      return {
        kind: 'ready',
        results,
        ...(map ? { map: await mapOf(ready, map, source, git) } : {}),
        ...(symbol ? { symbols: symbolsOf(ready, symbol) } : {}),
        indexed: { commit, files, chunks, left, ms: Math.round(performance.now() - began) },
      }
    } catch (error) {
      if (error instanceof ToolFailure)
        return { kind: 'failed', code: error.code, message: error.message, hint: error.hint }
      return { kind: 'failed', code: 'index_failed', message: (error as Error).message }
    }
  }

  private sourceOf(where: Where): { place: string; source: Source; git: GitOptions } | undefined {
    if (where.kind === 'repo') {
      const { repo, view, ref } = where
      const git = { cwd: repo.top, repo, view }
      return { place: `${repo.gitDir}\n${ref ?? ''}`, source: repoSource(git, `local:${repo.commonDir}`, ref), git }
    }
    const { id, root, stamp, view, origin, from, commit } = where
    const files = where.files ?? (this.sent.get(id)?.stamp === stamp ? this.sent.get(id)?.files : undefined)
    if (!files) return undefined
    const listed = { root, stamp, files }
    this.sent.delete(id)
    this.sent.set(id, listed)
    if (this.sent.size > SENT_MAX) this.sent.delete([...this.sent.keys()][0] as string)
    const git = { cwd: root, view }
    const before = origin && {
      options: { cwd: origin.repo.top, repo: origin.repo, view: origin.view },
      commit: origin.commit,
    }
    const base = origin ? `local:${origin.repo.commonDir}` : `from:${from ?? id}`
    return { place: `workspace:${id}`, source: workspaceSource(base, listed, git, before, commit), git }
  }
}

const SENT_MAX = 8

async function searched(ready: Ready, search: Search, source: Source, git: GitOptions): Promise<CodeResult[]> {
  const { query, limit, paths, language } = search
  const narrowed = language !== undefined || (paths ?? []).length > 0
  const ranked = ready.ranking.search(query, { limit, accept: narrowed ? inPaths(search) : undefined })
  const texts = await source.texts(
    ranked.map((one) => one.path),
    git,
  )
  const terms = new Set(readQuery(query).terms.keys())
  return ranked.map(({ path: file, start, end, symbol, score, why }) => ({
    path: file,
    startLine: start,
    endLine: end,
    ...(symbol ? { symbol: symbol.name } : {}),
    snippet: snippetOf(texts.get(file) ?? '', start, end, terms),
    score,
    why,
  }))
}

const symbolsOf = ({ index }: Ready, { name, kind, limit, paths }: Symbols): FoundSymbol[] =>
  findSymbols(index, { name, kind, limit, accept: paths ? inPaths({ paths }) : undefined })

async function mapOf(
  { index, ranking }: Ready,
  { task, chars }: Mapped,
  source: Source,
  git: GitOptions,
): Promise<string> {
  // No line of a map is shorter than this.
  const entries = repoMap(index, ranking, task, Math.ceil(chars / 12))
  const texts = await source.texts([...new Set(entries.map(({ path }) => path))], git)
  const lines = new Map([...texts].map(([path, text]) => [path, text.split(/\r?\n/)]))
  const lineOf = ({ path, line, name, kind }: MapEntry) => {
    const text = (lines.get(path)?.[line - 1] ?? '').trim().replace(/\s*[{:]$/, '')
    return text === '' ? `${kind} ${name}` : text.slice(0, MAP_LINE_CHARS_MAX)
  }
  return mapText(entries, lineOf, chars)
}

/** Whether a file is one that a search is for. */
export function inPaths({ paths = [], language }: Pick<Search, 'paths' | 'language'>): (path: string) => boolean {
  const places = paths.map(inPath)
  const wanted = language?.toLowerCase()
  return (path) => places.every((place) => place(path)) && (wanted === undefined || languageOf(path)?.name === wanted)
}

/** A folder, a file, or a pattern. */
function inPath(path: string): (file: string) => boolean {
  const plain = path.replace(/^\.?\/+|\/+$/g, '')
  if (/[*?[{]/.test(plain)) return globMatcher(plain)
  return (file) => plain === '' || plain === '.' || file === plain || file.startsWith(`${plain}/`)
}

async function within<T>(work: Promise<T>, ms: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, ms, undefined)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
    // It goes on; what became of it is told to whoever asks next.
    work.catch(() => {})
  }
}
