/**
 * Makes a workspace's files from a repo. A local folder is copied as it stands, committed and uncommitted, ignored
 * files left out, and the original is only read; an address is cloned. Either way the copy is a small repo of its own:
 * some history, no remote, no hooks, no configuration of the original but what its files need.
 */
import { existsSync, mkdirSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { basename, dirname, isAbsolute, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ToolFailure } from '../define.ts'
import { CLONE_DEPTH, CLONE_MS_MAX } from '../limits.ts'
import type { Credential } from '../protocol.ts'
import { clone } from './clone.ts'
import { copyFiles } from './copy.ts'
import { type GitOptions, git, gitMissing, mustGit } from './git.ts'
import { configOf, type Repo, repoAround, settledConfig, withFolder } from './repo.ts'

export type Source = {
  url: string
  ref?: string | undefined
  subdir?: string | undefined
  credential?: Credential | undefined
}
/** Where a workspace begins: no commit in a repo that has none, no branch at a detached HEAD. */
export type Start = { branch?: string; commit?: string }
export type Made = { name: string } & Start

/** Fills `tree`, which is empty. `scratch` is a folder for the meantime. @throws ToolFailure with the repo's fault. */
export async function makeTree(tree: string, scratch: string, source: Source | undefined): Promise<Made> {
  rmSync(scratch, { recursive: true, force: true })
  rmSync(tree, { recursive: true, force: true })
  mkdirSync(tree, { recursive: true })
  if (!source) {
    newRepo(tree, { branch: 'main' }, '')
    return { name: 'workspace', branch: 'main' }
  }
  const { url, ref } = source
  const path = localPath(url)
  try {
    const start = path === undefined ? await cloned(tree, scratch, source) : await copyLocal(tree, scratch, path, ref)
    return { name: nameOf(url), ...start }
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

/** The path a repo's `url` means on this machine, or undefined when it is an address. @throws ToolFailure `repo_invalid`. */
export function localPath(url: string): string | undefined {
  if (!/^file:/i.test(url)) return isAbsolute(url) ? url : undefined
  try {
    return fileURLToPath(url)
  } catch (error) {
    throw new ToolFailure('repo_invalid', `${url} is no path: ${(error as Error).message}`, 'Check repo.url.')
  }
}

/**
 * Where a local repo is: its top folder, and the part of `path` below it.
 * @throws ToolFailure `repo_not_found`, `repo_not_git`, `ref_not_found`, `subdir_not_found`.
 */
export async function locate(path: string, ref?: string, subdir?: string): Promise<{ top: string; subdir?: string }> {
  const { repo, prefix } = found(path)
  await withFolder((view) => startOf(repo, view, path, ref))
  if (subdir !== undefined && !existsSync(join(repo.top, subdir)))
    throw new ToolFailure('subdir_not_found', `${path} has no folder ${subdir}`, 'Check repo.subdir.')
  const below = subdir ?? prefix
  return { top: repo.top, ...(below ? { subdir: below } : {}) }
}

function found(path: string): { repo: Repo; prefix: string } {
  if (!existsSync(path) || !statSync(path).isDirectory())
    throw new ToolFailure('repo_not_found', `there is no folder ${path}`, 'Check repo.url.')
  const real = realpathSync(path)
  const repo = repoAround(real)
  const prefix = repo ? relative(repo.top, real) : ''
  if (!repo || prefix.split('/').includes('.git'))
    throw new ToolFailure(
      'repo_not_git',
      `${path} is not in a git repository`,
      'Run "git init" there first; Stint works on a copy of a repository.',
    )
  return { repo, prefix }
}

/** What `ref` means, a branch before a tag or commit of the same name; without it what is checked out. */
async function startOf(repo: Repo, view: string, path: string, ref: string | undefined): Promise<Start> {
  const ask = (args: string[]) => git(args, { cwd: repo.top, repo, view })
  const [named, any] = await Promise.all([
    ask(ref === undefined ? ['symbolic-ref', '-q', 'HEAD'] : ['show-ref', '--verify', `refs/heads/${ref}`]),
    ask(['rev-parse', '--verify', '-q', '--end-of-options', `${ref ?? 'HEAD'}^{commit}`]),
  ])
  if (any.code === 127) throw gitMissing(any.stderr)
  if (/not a git repository|unknown repository extension/.test(any.stderr))
    throw new ToolFailure('repo_not_git', `git cannot read ${path}: ${any.stderr.trim()}`)
  const [, tip, branch] = /^([\da-f]+ )?refs\/heads\/(.+)\n$/.exec(named.stdout) ?? []
  const commit = tip?.trim() ?? (any.code === 0 ? any.stdout.trim() : undefined)
  if (ref !== undefined && commit === undefined)
    throw new ToolFailure('ref_not_found', `${ref} is not a branch, tag or commit of ${path}`, 'Check repo.ref.')
  return { ...(branch === undefined ? {} : { branch }), ...(commit === undefined ? {} : { commit }) }
}

async function copyLocal(tree: string, scratch: string, path: string, ref: string | undefined): Promise<Start> {
  const { repo } = found(path)
  const [view, ownView] = [join(scratch, 'source'), join(scratch, 'copy')]
  const start = await startOf(repo, view, path, ref)
  newRepo(tree, start, configOf(repo.commonDir))
  const copy = { cwd: tree, view: ownView, timeoutMs: CLONE_MS_MAX }
  if (ref !== undefined) {
    await fetchHistory(copy, view, start)
    await mustGit(['read-tree', '--reset', '-u', 'HEAD'], copy)
    return start
  }
  // The history is fetched while the files are copied; neither is left going on when the other fails.
  const [history, files] = await Promise.allSettled([fetchHistory(copy, view, start), copyFiles(repo, tree, view)])
  if (history.status === 'rejected') throw history.reason
  if (files.status === 'rejected') throw files.reason
  if (start.commit !== undefined) await readIndex(copy, files.value)
  return start
}

/** The index is HEAD's; what is left out of the original's files on purpose is so here. */
async function readIndex(copy: GitOptions, leftOut: string[]): Promise<void> {
  await mustGit(['read-tree', 'HEAD'], copy)
  if (leftOut.length === 0) return
  const known = new Set((await mustGit(['ls-files', '-z'], { ...copy, bytes: true })).split('\0'))
  const stdin = leftOut.filter((name) => known.has(name)).join('\0')
  await mustGit(['update-index', '-z', '--skip-worktree', '--stdin'], { ...copy, stdin, bytes: true })
}

/** The last commits of a local repo, fetched from its view: whoever owns it, wherever it is, whatever it configures. */
async function fetchHistory(copy: GitOptions, view: string, { commit }: Start): Promise<void> {
  if (commit === undefined) return
  const how = ['--depth', String(CLONE_DEPTH), '--update-shallow', '--no-tags', '--no-write-fetch-head']
  await mustGit(['fetch', '-q', ...how, view, commit], { ...copy, protocols: 'file' })
}

/** An empty repo that stands at `start`, even before that commit is in it. `config` is what it is made from. */
function newRepo(tree: string, start: Start, config: string): void {
  const folder = join(tree, '.git')
  for (const name of ['objects', 'refs/heads', 'refs/tags', 'logs']) mkdirSync(join(folder, name), { recursive: true })
  const { branch = start.commit === undefined ? 'main' : undefined, commit } = start
  const head = branch === undefined ? 'HEAD' : `refs/heads/${branch}`
  if (branch !== undefined) writeFileSync(join(folder, 'HEAD'), `ref: ${head}\n`)
  if (commit !== undefined) {
    mkdirSync(dirname(join(folder, head)), { recursive: true })
    writeFileSync(join(folder, head), `${commit}\n`)
  }
  settle(tree, config)
}

async function cloned(tree: string, scratch: string, { url, ref, credential }: Source): Promise<Start> {
  await clone(tree, url, ref, { credential })
  settle(tree, configOf(join(tree, '.git')))
  const start = await standing(tree, scratch)
  // What a push is counted from, wherever the workspace is by then.
  if (start.commit !== undefined) await mustGit(['update-ref', BASE_REF, start.commit], { cwd: tree })
  return start
}

/** Of a workspace cloned from an address: the commit it began with. */
export const BASE_REF = 'refs/stint/base'

/** Where a repo of ours stands. */
export function standing(tree: string, view: string): Promise<Start> {
  const gitDir = join(tree, '.git')
  return startOf({ top: tree, gitDir, commonDir: gitDir }, view, tree, undefined)
}

/** Leaves of the configuration what the files need; a look at one file must not cost a look at all. */
function settle(tree: string, config: string): void {
  const folder = join(tree, '.git')
  const ours = { 'core.checkstat': 'minimal', 'core.trustctime': 'false', 'gc.auto': '0' }
  writeFileSync(join(folder, 'config'), settledConfig(config, ours))
  mkdirSync(join(folder, 'info'), { recursive: true })
  writeFileSync(join(folder, 'info', 'exclude'), '/.stint/output/\n')
  for (const name of ['hooks', 'FETCH_HEAD']) rmSync(join(folder, name), { recursive: true, force: true })
}

export const nameOf = (url: string): string => basename(url.replace(/\/+$/, '')).replace(/\.git$/, '') || 'workspace'
