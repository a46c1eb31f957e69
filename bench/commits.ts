/**
 * Questions from a repo's own history, for the benches: the subject of a commit is the query, the source files it changed
 * are what must be found, and the tree and the history that are searched are those of its parent: nothing of the commit
 * itself or of a later one is ever seen.
 */
import { realpathSync } from 'node:fs'
import { type Analysis, analyse } from '../sandbox-runner/code/analyse.ts'
import { type Commit, History } from '../sandbox-runner/code/history.ts'
import { CodeIndex } from '../sandbox-runner/code/index.ts'
import { isVendored, languageOf } from '../sandbox-runner/code/languages.ts'
import { packSegment, type Segment } from '../sandbox-runner/code/segment.ts'
import { COMMITS_MAX, changesIn, commitsOf } from '../sandbox-runner/indexing/commits.ts'
import { type Blob, blobsOf, treeOf } from '../sandbox-runner/indexing/objects.ts'
import { type GitOptions, mustGit } from '../sandbox-runner/workspace/git.ts'
import { repoAround } from '../sandbox-runner/workspace/repo.ts'

export type Case = { id: string; parent: string; subject: string; files: string[] }
export type Options = GitOptions & { cwd: string }

/** `path`: a work tree or a bare repo. */
export function optionsFor(path: string): Options {
  const real = realpathSync(path)
  const repo = repoAround(real) ?? { top: real, gitDir: real, commonDir: real }
  return { cwd: real, repo, timeoutMs: 600_000 }
}

/** A commit that touches more files than this is no answer to one question. */
const FILES_MAX = 10
const WORDS_MIN = 3
const ROUTINE =
  /^(?:release|bump|v?\d+\.\d|merge|revert|version|chore\(release\)|chore: release)|\bbump\b|\bdependabot\b/i

export async function casesOf(options: Options, count: number): Promise<Case[]> {
  const format = '--format=%x01%H%x02%P%x02%s%x03'
  const how = ['--no-merges', '-z', '-M', '--name-status', '--max-count=6000', format]
  const log = await mustGit(['log', ...how, 'HEAD', '--'], options)
  const found = new Map<string, Case>()
  for (const part of log.split('\x01').slice(1)) {
    const [head = '', rest = ''] = part.split('\x03')
    const [id = '', parents = '', subject = ''] = head.split('\x02')
    const [parent] = parents.split(' ')
    const touched = changesIn(rest).flatMap(({ status, path: now, from }) => (status === 'A' ? [] : [from ?? now]))
    const files = touched.filter((file) => languageOf(file)?.code && !isVendored(file))
    const words = subject.replace(/\(?#\d+\)?/g, '').match(/\S*[a-z]{2}\S*/gi) ?? []
    if (!parent || files.length === 0 || files.length > FILES_MAX) continue
    if (words.length < WORDS_MIN || ROUTINE.test(subject) || found.has(subject)) continue
    found.set(subject, { id, parent, subject, files })
    if (found.size >= count) break
  }
  return [...found.values()].reverse()
}

/** One index moved from tree to tree; only blobs not seen before are read. */
export class Moving {
  private readonly analyses = new Map<string, Analysis | null>()
  private base: Segment | undefined
  private tree = new Map<string, Blob>()
  readMs = 0
  private readonly options: Options

  constructor(options: Options) {
    this.options = options
  }

  async at(ref: string): Promise<CodeIndex> {
    const began = performance.now()
    const tree = await treeOf(this.options, ref)
    const missing = [...tree].filter(([, { id }]) => !this.analyses.has(id))
    const names = new Map(missing.map(([file, { id }]) => [id, file]))
    const blobs = new Map(missing.map(([, blob]) => [blob.id, blob]))
    for await (const { id, bytes } of blobsOf(this.options, [...blobs.values()])) {
      const language = languageOf(names.get(id) ?? '')
      this.analyses.set(id, (language && analyse(bytes, language)) ?? null)
    }
    const changed = new Map([...tree].filter(([file, { id }]) => this.tree.get(file)?.id !== id))
    const wanted = new Map([...tree].map(([file, { id }]) => [file, id]))
    if (!this.base || changed.size > tree.size / 10) {
      this.base = this.pack(tree)
      this.tree = tree
      this.readMs ||= performance.now() - began
      return new CodeIndex([this.base], wanted)
    }
    return new CodeIndex([this.base, this.pack(changed)], wanted)
  }

  private pack(files: Map<string, Blob>): Segment {
    return packSegment(
      [...files].flatMap(([file, { id }]) => {
        const analysis = this.analyses.get(id)
        return analysis ? [{ path: file, blob: id, analysis }] : []
      }),
    )
  }
}

/** The history before a commit. What each commit changed is asked for once, for all of them. */
export class Pasts {
  private readonly options: Options
  private known: Map<string, Commit> | undefined

  constructor(options: Options) {
    this.options = options
  }

  async before(parent: string): Promise<History> {
    this.known ??= new Map(
      (await commitsOf(this.options, 'HEAD', undefined, 2 * COMMITS_MAX)).map((commit) => [commit.id, commit]),
    )
    const listed = await mustGit(['rev-list', '--no-merges', `--max-count=${COMMITS_MAX}`, parent], this.options)
    const ids = listed.split('\n').filter(Boolean)
    // Where too much was left out of the one list, this one is asked for alone.
    const found = ids.flatMap((id) => this.known?.get(id) ?? [])
    return new History(found.length === ids.length ? found : await commitsOf(this.options, parent))
  }
}
