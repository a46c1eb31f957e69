/**
 * Code search as others ask for it: of a local repo, of an address that is cloned for it, or of a workspace; ranked, or
 * for a text or a regular expression as it stands. Whatever is searched is only read.
 */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, realpathSync, renameSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { ToolFailure } from '../define.ts'
import type { Credential } from '../protocol.ts'
import { readJson } from '../workspace/beside.ts'
import { clone } from '../workspace/clone.ts'
import { isSecretPath } from '../workspace/paths.ts'
import { repoAround } from '../workspace/repo.ts'
import { localPath, locate } from '../workspace/source.ts'
import type { Workspace } from '../workspace/workspace.ts'
import { type CodeAsked, escaped, exactly, filesOf, type Searched } from './exact.ts'
import { codeSearchIn } from './search-code.ts'
import type { Answered, Asked, Mapped, Symbols, Where } from './work.ts'

export type RepoPlace = {
  url: string
  ref?: string | undefined
  subdir?: string | undefined
  credential?: Credential | undefined
}

/** What a workspace was made from; written beside it. */
export const Origin = z.object({ url: z.string().optional() })
const MadeFrom = z.object({ commit: z.string().optional() })

/** A clone that was made so long ago is made again when somebody searches it. */
const CLONE_FRESH_MS = 10 * 60_000
const CLONE_COMMITS = 1000
const LOCATED_MS = 30_000
const LOCATED_MAX = 1000

export class CodeRequests {
  private readonly folder: string
  private readonly located = new Map<string, { top: string; until: number }>()
  private readonly cloning = new Map<string, Promise<string>>()

  constructor(folder: string) {
    this.folder = folder
  }

  /** @throws ToolFailure with the repo's fault. */
  async ofRepo(place: RepoPlace, asked: CodeAsked | undefined, waitMs: number): Promise<Answered> {
    const { top, ref } = await this.topOf(place, asked === undefined)
    const repo = repoAround(realpathSync(top))
    if (!repo) throw new ToolFailure('repo_not_git', `${place.url} is not in a git repository`)
    const view = join(this.folder, 'views', nameOf(repo.commonDir))
    const where: Where = { kind: 'repo', repo, view, ref }
    const within = place.subdir ? [...(asked?.paths ?? []), place.subdir] : asked?.paths
    const narrowed = asked && { ...asked, paths: within }
    if (narrowed && narrowed.mode !== 'ranked') return exactly(await filesOf(repo, view, ref), narrowed)
    const answered = await codeSearchIn(this.folder).ask({ where, waitMs, search: narrowed })
    if (!narrowed || !saysNothing(answered)) return answered
    return literally(await filesOf(repo, view, ref), narrowed, answered)
  }

  /** Where the files of a repo are. `anew`: an address is cloned again. */
  private async topOf(
    { url, ref, subdir, credential }: RepoPlace,
    anew: boolean,
  ): Promise<{ top: string; ref?: string | undefined }> {
    const path = localPath(url)
    if (path !== undefined) {
      // Finding it out starts git twice; that it is still there and what `ref` means now is asked with each search.
      const name = JSON.stringify([path, ref, subdir])
      const known = this.located.get(name)
      if (known && Date.now() < known.until && existsSync(path)) return { top: known.top, ref }
      const { top } = await locate(path, ref, subdir)
      if (this.located.size >= LOCATED_MAX) this.located.clear()
      this.located.set(name, { top, until: Date.now() + LOCATED_MS })
      return { top, ref }
    }
    const tree = join(this.folder, 'clones', nameOf(`${url} ${ref ?? ''}`))
    const at = statSync(tree, { throwIfNoEntry: false })?.mtimeMs
    if (at !== undefined && !anew && Date.now() - at < CLONE_FRESH_MS) return { top: tree }
    const under = this.cloning.get(tree) ?? cloned(tree, url, ref, credential).finally(() => this.cloning.delete(tree))
    this.cloning.set(tree, under)
    return { top: await under }
  }
}

async function cloned(tree: string, url: string, ref?: string, credential?: Credential): Promise<string> {
  const part = `${tree}.part`
  mkdirSync(join(tree, '..'), { recursive: true, mode: 0o700 })
  await clone(part, url, ref, { depth: CLONE_COMMITS, credential })
  rmSync(tree, { recursive: true, force: true })
  renameSync(part, tree)
  return tree
}

/** `files`: those of the workspace that belong to its repo. The workspace is settled and nobody changes it meanwhile. */
export async function searchWorkspace(
  workspace: Workspace,
  files: readonly string[],
  asked: CodeAsked | undefined,
  waitMs: number,
): Promise<Answered> {
  const open = openFiles(workspace, files)
  if (asked && asked.mode !== 'ranked')
    return exactly({ root: workspace.tree, files: () => [Promise.resolve(open)] }, asked)
  const answered = await askWorkspace(workspace, open, { waitMs, search: asked })
  const all: Searched = { root: workspace.tree, files: () => [Promise.resolve(open)] }
  return asked && saysNothing(answered) ? literally(all, asked, answered) : answered
}

/** Where a name is defined in a workspace. */
export const symbolsInWorkspace = (
  workspace: Workspace,
  files: readonly string[],
  symbol: Symbols,
  waitMs: number,
): Promise<Answered> => askWorkspace(workspace, openFiles(workspace, files), { waitMs, symbol })

/** A map of a workspace for a task. */
export const mapOfWorkspace = (
  workspace: Workspace,
  files: readonly string[],
  map: Mapped,
  waitMs: number,
): Promise<Answered> => askWorkspace(workspace, openFiles(workspace, files), { waitMs, map })

const openFiles = (workspace: Workspace, files: readonly string[]): string[] => {
  const known = workspace.files()
  return files.filter((path) => known.get(path)?.kind === 'file' && !isSecretPath(path))
}

/** Asks the index of a workspace; its list of files is sent only when the index does not have it yet. */
async function askWorkspace(
  workspace: Workspace,
  open: readonly string[],
  asked: Omit<Asked, 'where'>,
): Promise<Answered> {
  const folder = folderOf(workspace)
  const { url } = readJson(workspace.beside('origin.json'), Origin) ?? {}
  const { commit } = readJson(workspace.beside('made.json'), MadeFrom) ?? {}
  const where: Where = {
    kind: 'workspace',
    id: workspace.id,
    root: workspace.tree,
    stamp: workspace.current?.id ?? '',
    view: workspace.beside('git'),
    origin: originOf(folder, url, commit),
    from: url,
    commit,
  }
  const searcher = codeSearchIn(folder)
  const answered = await searcher.ask({ where, ...asked })
  if (answered.kind !== 'need_files') return answered
  const known = workspace.files()
  const listed = open.map((path): [string, string, number] => {
    const { hash = '', size = 0 } = known.get(path) ?? {}
    return [path, hash, size]
  })
  return searcher.ask({ where: { ...where, files: listed }, ...asked })
}

/** Where the indexes of a runner are: beside its workspaces. */
export const folderOf = (workspace: Workspace): string => join(workspace.beside('..'), '.code')

function originOf(folder: string, url: string | undefined, commit: string | undefined) {
  const path = url === undefined ? undefined : localPath(url)
  const repo = path !== undefined && existsSync(path) ? repoAround(realpathSync(path)) : undefined
  return repo && commit ? { repo, commit, view: join(folder, 'views', nameOf(repo.commonDir)) } : undefined
}

const saysNothing = (answered: Answered): boolean => answered.kind === 'ready' && answered.results.length === 0

/** For a query of words too common to be ranked: where they stand. */
async function literally(files: Searched, asked: CodeAsked, nothing: Answered): Promise<Answered> {
  const query = asked.query.trim()
  if (query === '' || query.length > 200) return nothing
  const word = /^\w+$/.test(query) ? `\\b${query}\\b` : escaped(query)
  const found = await exactly(files, { ...asked, query: `(?i)${word}`, mode: 'regex' })
  if (found.kind !== 'ready' || nothing.kind !== 'ready') return nothing
  const results = found.results.map((one) => ({ ...one, score: 0.1, why: 'the text stands here' }))
  return { ...nothing, results }
}

const nameOf = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 24)
