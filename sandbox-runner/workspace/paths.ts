/**
 * Turns a path a model wrote into a real place inside the workspace, or refuses it.
 *
 * Guarantees: the answer lies physically inside the root after every link is followed; it is not in a `.git`, by any
 * spelling a file system might fold to one, nor, to be changed, in a git repository of another name; it is not a secret
 * file; nothing was created, opened or changed. The text is never expanded: no globs, tildes, variables or percent
 * codes. Components are walked one by one, because a lexical clean-up of `link/../x` names another file than the kernel
 * would open.
 */
import { type Dirent, lstatSync, readlinkSync, type Stats } from 'node:fs'
import { join } from 'node:path'
import { ToolFailure } from '../define.ts'

/** To be removed is what the path itself names; to be read or written is what it leads to. */
export type Purpose = 'read' | 'write' | 'remove'
export type Resolved = {
  /** Where it really is, relative to the root, `/` separated; '' is the root itself. */
  real: string
  absolute: string
  /** What is there now; a link that is to be removed counts as a file. */
  kind: 'file' | 'directory' | 'nothing'
}

const PATH_BYTES_MAX = 4095
const NAME_BYTES_MAX = 255
const LINKS_MAX = 20
// C0 and C1 controls, zero-width and bidi marks, no-break and odd spaces, byte-order mark.
const INVISIBLE =
  /[\u0000-\u001f\u007f-\u00a0\u00ad\u061c\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff\ufff9-\ufffb]/
const URL_OR_DRIVE = /^[A-Za-z]:[\\/]|^[a-z][a-z0-9+.-]+:\/\//i
const SECRET =
  /^(\.env(\.(?!example$|sample$|template$|defaults?$|dist$).*)?|\.netrc|_netrc|\.git-credentials|\.pgpass|id_(rsa|dsa|ecdsa|ed25519)|.*\.(pem|key|p12|pfx|jks|keystore)|credentials|\.htpasswd)$/i
const SECRET_DIR = /^(\.aws|\.ssh|\.gnupg|\.kube|\.docker)$/i

/** @throws ToolFailure `path_outside_workspace`, `invalid_path` or `secret_file`. */
export function resolvePath(root: string, path: unknown, purpose: Purpose): Resolved {
  const text = checkText(path)
  const parts = split(root, text)
  // A slash at the end asks for what a link leads to, here as for `rm`.
  const itself = purpose === 'remove' && !/\/\.?$/.test(text)
  const real: string[] = []
  let kind: Resolved['kind'] = 'directory'
  let links = 0
  for (let part = parts.shift(); part !== undefined; part = parts.shift()) {
    if (part === '..') {
      if (real.pop() === undefined) throw outside(path, 'it leaves the workspace')
      kind = 'directory'
      continue
    }
    if (kind === 'file')
      throw new ToolFailure('invalid_path', `${show(path)}: ${real.join('/')} is a file, not a folder`, LOOK)
    if (isGitName(part)) throw outside(path, 'it is inside .git')
    const place = join(root, ...real, part)
    checkLength(part, place)
    const found = kind === 'nothing' ? undefined : lstat(place)
    if (found?.isSymbolicLink()) {
      if (itself && parts.length === 0) {
        real.push(part)
        kind = 'file'
        break
      }
      if (++links > LINKS_MAX) throw outside(path, 'it goes through too many links')
      const target = readlinkSync(place)
      if (target.startsWith('/')) {
        if (target !== root && !target.startsWith(`${root}/`))
          throw outside(path, 'it goes through a link that leaves the workspace')
        real.length = 0
        parts.unshift(...pieces(target.slice(root.length)))
      } else parts.unshift(...pieces(target))
      continue
    }
    real.push(part)
    kind = kindOf(found, path)
    if (purpose !== 'read' && kind === 'directory' && isGitFolder(place))
      throw outside(path, 'it is inside the folder of a git repository', 'Change it by git, in a command.')
  }
  if (isSecretPath(real.join('/')))
    throw new ToolFailure(
      'secret_file',
      `${show(path)} may hold secrets and is not opened`,
      'Work without its content; an example file beside it may tell the names.',
    )
  if (text.endsWith('/') && kind === 'file')
    throw new ToolFailure('invalid_path', `${show(path)} is a file, not a folder`, LOOK)
  if (real.length === 0 && purpose !== 'read')
    throw new ToolFailure('invalid_path', 'the workspace root itself cannot be changed', 'Give the path of a file.')
  return { real: real.join('/'), absolute: join(root, ...real), kind }
}

/** True for what git takes for a repository by its content, whatever its name. */
const isGitFolder = (place: string): boolean =>
  ['HEAD', 'objects', 'refs'].every((name) => lstat(join(place, name)) !== undefined)

/** True for a name that some file system takes for `.git`. */
export function isGitName(name: string): boolean {
  const folded = name
    .normalize('NFKC')
    .replace(/[\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]/g, '')
    .replaceAll('\u0131', 'i')
    .toLowerCase()
    .replace(/:.*$/, '')
    .replace(/[. ]+$/, '')
  return folded === '.git' || /^git~\d+$/.test(folded)
}

/** True for a file whose content is a credential by its name; examples and templates are not. */
export const isSecretName = (name: string): boolean => SECRET.test(name)

/** The same for a real path: a secret by its own name, or by the folder it is in. */
export function isSecretPath(real: string): boolean {
  const folders = real.split('/')
  const name = folders.pop() ?? ''
  return isSecretName(name) || folders.some((folder) => SECRET_DIR.test(folder))
}

function checkText(path: unknown): string {
  if (typeof path !== 'string' || path === '')
    throw new ToolFailure('invalid_path', 'the path is empty', 'Give a path relative to the workspace root.')
  if (INVISIBLE.test(path) || !path.isWellFormed())
    throw new ToolFailure('invalid_path', 'the path has control or invisible characters', PLAIN)
  if (path.includes('\\'))
    throw new ToolFailure('invalid_path', `${show(path)} has a backslash`, 'Separate folders with /.')
  if (URL_OR_DRIVE.test(path) || path.startsWith('//')) throw outside(path, 'it is not a path of the workspace')
  if (Buffer.byteLength(path) > PATH_BYTES_MAX) throw new ToolFailure('invalid_path', 'the path is too long', PLAIN)
  return path
}

/** The parts to walk. An absolute path is accepted when it starts with the workspace's own. */
function split(root: string, path: string): string[] {
  if (!path.startsWith('/')) return pieces(path)
  if (path !== root && !path.startsWith(`${root}/`))
    throw outside(path, 'it is absolute', 'Give a path relative to the workspace root.')
  return pieces(path.slice(root.length))
}

const pieces = (path: string): string[] => path.split('/').filter((part) => part !== '' && part !== '.')

/** What is longer than this no system opens; asked about it, it would fail in the middle of a call. */
function checkLength(name: string, place: string): void {
  if (Buffer.byteLength(name) > NAME_BYTES_MAX || Buffer.byteLength(place) > PATH_BYTES_MAX)
    throw new ToolFailure('invalid_path', 'the path, or a name in it, is too long', PLAIN)
}

function lstat(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') return undefined
    throw error
  }
}

function kindOf(found: Stats | Dirent | undefined, path: unknown): Resolved['kind'] {
  if (!found) return 'nothing'
  if (found.isDirectory()) return 'directory'
  if (found.isFile()) return 'file'
  throw new ToolFailure('invalid_path', `${show(path)} is neither a file nor a folder`, LOOK)
}

const outside = (path: unknown, why: string, hint = 'Use paths inside the workspace, outside .git.') =>
  new ToolFailure('path_outside_workspace', `${show(path)} is refused: ${why}`, hint)

const show = (path: unknown): string => JSON.stringify(String(path).slice(0, 200))

const PLAIN = 'Give a plain path relative to the workspace root, such as src/main.ts.'
const LOOK = 'Use list_files to see what is there.'
