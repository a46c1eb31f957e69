/**
 * The files that belong to a local repo, as they stand: committed and not, ignored ones left out. Nothing is followed
 * out of the repo, and names are taken as bytes.
 */
import { constants, copyFileSync, lstatSync, mkdirSync, readlinkSync, type Stats, symlinkSync } from 'node:fs'
import { dirname } from 'node:path'
import { ToolFailure } from '../define.ts'
import { WORKSPACE_FILE_BYTES_MAX, WORKSPACE_FILES_MAX } from '../limits.ts'
import { mustGit } from './git.ts'
import { keyOf, toFs } from './manifest.ts'
import { type Repo, repoIn } from './repo.ts'

/** `key` as in `layer.ts`. `tag` is git's: `S` is left out of the working tree on purpose, `?` is not tracked. */
type Listed = { key: string; tag: string; isRepo: boolean }

/**
 * Copies into `to`. Repos inside are copied as plain files. Answers which tracked files are not there on purpose (a
 * sparse checkout), as bytes in Latin-1.
 */
export async function copyFiles(repo: Repo, to: string, view?: string): Promise<string[]> {
  const listed = await list(repo, view)
  if (listed.size > WORKSPACE_FILES_MAX)
    throw new ToolFailure(
      'workspace_too_large',
      `the repository has ${listed.size} files (at most ${WORKSPACE_FILES_MAX})`,
    )
  const folders = new Folders(repo.top, to)
  const leftOut: string[] = []
  for (const [name, { key, tag, isRepo }] of listed) {
    const stat = folders.has(key) ? lstatSync(toFs(repo.top, key), { throwIfNoEntry: false }) : undefined
    if (!stat && tag === 'S') leftOut.push(name)
    if (stat?.isFile() || stat?.isSymbolicLink()) copyEntry(repo.top, to, key, stat, folders)
    else if (stat?.isDirectory() && isRepo) await copyInner(repo, to, key, tag, folders)
  }
  return leftOut
}

async function list(repo: Repo, view: string | undefined): Promise<Map<string, Listed>> {
  const args = ['ls-files', '-z', '-t', '--stage', '--cached', '--others', '--exclude-standard']
  const output = await mustGit(args, { cwd: repo.top, repo, bytes: true, ...(view === undefined ? {} : { view }) })
  const listed = new Map<string, Listed>()
  for (const line of output.split('\0')) {
    const [, tag = '', mode, given = ''] = /^(\S) (?:(\d+) [\da-f]+ \d\t)?(.+)$/s.exec(line) ?? []
    const name = given.replace(/\/$/, '')
    const isRepo = mode === '160000' || name !== given
    if (name !== '') listed.set(name, { key: keyOf(Buffer.from(name, 'latin1')), tag, isRepo })
  }
  return listed
}

function copyEntry(from: string, to: string, key: string, stat: Stats, folders: Folders): void {
  if (stat.size > WORKSPACE_FILE_BYTES_MAX)
    throw new ToolFailure(
      'workspace_too_large',
      `${shown(key)} has ${stat.size} bytes (at most ${WORKSPACE_FILE_BYTES_MAX})`,
      'Ignore it in .gitignore.',
    )
  folders.makeAbove(key)
  const [source, target] = [toFs(from, key), toFs(to, key)]
  try {
    if (stat.isFile()) copyFileSync(source, target, constants.COPYFILE_FICLONE)
    else symlinkSync(readlinkSync(source, { encoding: 'buffer' }), target)
  } catch (error) {
    // Somebody works in there: what went away since it was listed is not part of it any more.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || lstatSync(source, { throwIfNoEntry: false })) throw error
  }
}

/** A submodule that was never fetched has no repo of its own: it is an empty place. */
async function copyInner(repo: Repo, to: string, key: string, tag: string, folders: Folders): Promise<void> {
  if (key.startsWith('\0'))
    throw new ToolFailure(
      'repo_invalid',
      `${shown(key)} is a repository whose name is no UTF-8`,
      'Rename it, or ignore it in .gitignore.',
    )
  const inner = repoIn(`${repo.top}/${key}`)
  if (tag !== '?') folders.makeAbove(`${key}/.`)
  if (inner) await copyFiles(inner, `${to}/${key}`)
}

/** The folders above files: each is looked at once, and made once. */
class Folders {
  private readonly from: string
  private readonly to: string
  private readonly real = new Map<string, boolean>()
  private readonly made = new Set<string>()

  constructor(from: string, to: string) {
    this.from = from
    this.to = to
  }

  /** True when all folders above `key` are folders: git names what it remembers below a link, too. */
  has(key: string): boolean {
    const folder = above(key)
    if (folder === '') return true
    const known = this.real.get(folder)
    if (known !== undefined) return known
    const real =
      this.has(folder) && (lstatSync(toFs(this.from, folder), { throwIfNoEntry: false })?.isDirectory() ?? false)
    this.real.set(folder, real)
    return real
  }

  makeAbove(key: string): void {
    const folder = above(key)
    if (this.made.has(folder)) return
    mkdirSync(toFs(this.to, folder), { recursive: true })
    this.made.add(folder)
  }
}

const above = (key: string): string => (key.includes('/') ? dirname(key) : '')
const shown = (key: string): string => (key.startsWith('\0') ? Buffer.from(key.slice(1), 'latin1').toString() : key)
