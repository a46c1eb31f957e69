/**
 * Which repo git works in, and by which configuration. Git never looks for either by itself: it is given the folder,
 * and in the place of the repo's common folder a view of it, made of links to the repo's data and a configuration of
 * ours. So nothing that a repo configures can run a program or point git at another place, whatever it is called:
 * git does not get to read it.
 */
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { replaceFile } from './beside.ts'

/** `top` holds the files, `gitDir` HEAD and index, `commonDir` the rest; the last two differ in a linked worktree. */
export type Repo = { top: string; gitDir: string; commonDir: string }

/** The repo whose top folder this is, wherever its data is. */
export function repoIn(top: string): Repo | undefined {
  const place = join(top, '.git')
  const isFolder = statSync(place, { throwIfNoEntry: false })?.isDirectory()
  const pointed = isFolder ? place : /^gitdir: (.+)/.exec(readPlain(place))?.[1]
  if (pointed === undefined) return undefined
  const gitDir = resolve(top, pointed)
  const commonDir = resolve(gitDir, readPlain(join(gitDir, 'commondir')).trim())
  return isComplete(gitDir, commonDir) ? { top, gitDir, commonDir } : undefined
}

/** The repo that `folder` is in. */
export function repoAround(folder: string): Repo | undefined {
  const repo = repoIn(folder)
  if (repo || dirname(folder) === folder) return repo
  return repoAround(dirname(folder))
}

/**
 * The repo of a workspace: a plain `.git` folder all of whose parts are in it, so that neither a read nor a write ends
 * up elsewhere. Anything else is answered with what is wrong, in the words that git has for it.
 */
export function ownRepo(top: string): Repo | string {
  const gitDir = join(top, '.git')
  const isFolder = lstatSync(gitDir, { throwIfNoEntry: false })?.isDirectory()
  if (!isFolder || !isComplete(gitDir, gitDir)) return 'fatal: not a git repository'
  const wayOut = [
    ...strangeIn(gitDir, ''),
    ...['info', 'logs', 'refs'].flatMap((name) => strangeIn(gitDir, name, Number.POSITIVE_INFINITY)),
    ...['objects', 'objects/info', 'objects/pack'].flatMap((name) => strangeIn(gitDir, name)),
    ...['objects/info/alternates', 'commondir'].filter((name) => existsSync(join(gitDir, name))),
  ][0]
  if (wayOut !== undefined) return `fatal: .git/${wayOut} leads out of the workspace`
  return { top, gitDir, commonDir: gitDir }
}

/** What git keeps in the common folder, but for what it would run or be led by: configuration, hooks, modules. */
const DATA = ['objects', 'refs', 'packed-refs', 'reftable', 'logs', 'shallow', 'info']

/**
 * Makes `folder` the view of a repo; nothing is written where it is that already. It is a repo that git can also fetch
 * from.
 */
export function makeView({ commonDir }: Repo, folder: string): void {
  const settings = {
    // A log cannot be begun through a link that leads nowhere.
    'core.logallrefupdates': String(existsSync(join(commonDir, 'logs'))),
    'uploadpack.allowanysha1inwant': 'true',
  }
  const config = settledConfig(configOf(commonDir), settings)
  const links = DATA.map((name): [target: string, link: string] => [join(commonDir, name), join(folder, name)])
  if (readPlain(join(folder, 'config')) === config && links.every(([target, link]) => leadsTo(link, target))) return
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  for (const [target, link] of links) {
    if (leadsTo(link, target)) continue
    rmSync(link, { recursive: true, force: true })
    symlinkSync(target, link)
  }
  writeFileSync(join(folder, 'HEAD'), 'ref: refs/heads/main\n')
  replaceFile(join(folder, 'config'), config)
}

/** A folder for a view that is needed once. */
export async function withFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'stint-git-'))
  try {
    return await work(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

export const configOf = (commonDir: string): string => readPlain(join(commonDir, 'config'))

/** Settings without which the same files would mean something else. They are numbers and words, never names of things. */
const KEPT = new Set([
  'core.filemode',
  'core.ignorecase',
  'core.precomposeunicode',
  'core.symlinks',
  'core.autocrlf',
  'core.eol',
  'core.checkstat',
  'core.trustctime',
  'extensions.objectformat',
  'extensions.refstorage',
])

/** Of a repo's configuration what belongs to its data, and `ours`. Names are `section.key`, in small letters. */
export function settledConfig(text: string, ours: Record<string, string> = {}): string {
  const settings = new Map<string, string>()
  let section = ''
  for (const line of text.split('\n')) {
    const [, header, rest] = /^\s*\[([^\]]*)\](.*)$/.exec(line) ?? []
    if (header !== undefined) section = header.trim().toLowerCase()
    const [, key = '', value = 'true'] = /^\s*([a-z\d-]+)\s*(?:=\s*"?(\w+)"?\s*(?:[#;].*)?)?$/i.exec(rest ?? line) ?? []
    const name = `${section}.${key.toLowerCase()}`
    if (KEPT.has(name)) settings.set(name, value)
  }
  const isExtended = [...settings.keys()].some((name) => name.startsWith('extensions.'))
  settings.set('core.repositoryformatversion', isExtended ? '1' : '0')
  for (const [name, value] of Object.entries(ours)) settings.set(name, value)
  return [...settings]
    .map(
      ([name, value]) => `[${name.slice(0, name.indexOf('.'))}]\n\t${name.slice(name.indexOf('.') + 1)} = ${value}\n`,
    )
    .join('')
}

/** What in `name` is neither a plain file nor a folder, down to `depth`. */
function strangeIn(gitDir: string, name: string, depth = 1): string[] {
  const folder = join(gitDir, name)
  if (depth === 0 || !lstatSync(folder, { throwIfNoEntry: false })?.isDirectory()) return []
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = name === '' ? entry.name : `${name}/${entry.name}`
    if (entry.isDirectory()) return strangeIn(gitDir, path, depth - 1)
    return entry.isFile() ? [] : [path]
  })
}

const isComplete = (gitDir: string, commonDir: string): boolean =>
  existsSync(join(gitDir, 'HEAD')) && ['objects', 'refs'].every((name) => existsSync(join(commonDir, name)))

function leadsTo(link: string, target: string): boolean {
  try {
    return readlinkSync(link) === target
  } catch {
    return false
  }
}

/** Empty where there is no plain file: nothing waits at a pipe. */
const readPlain = (path: string): string =>
  statSync(path, { throwIfNoEntry: false })?.isFile() ? readFileSync(path, 'utf8') : ''
