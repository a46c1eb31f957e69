/**
 * What is in a folder, by looking at it. A scan notes kind, mode, size, times and inode of everything; comparing two
 * scans tells what a command changed without reading any file that was not touched.
 *
 * A folder that shuts its owner out is opened, and stays open: of a folder's mode a snapshot keeps nothing unless it is
 * empty, and then it gets its mode back. A file gets its mode back once it was read.
 */
import { chmodSync, type Dirent, lstatSync, readdirSync, readFileSync, readlinkSync, type Stats } from 'node:fs'
import { contentHash, type Entry } from './layer.ts'

/** An entry as it lies on this disk. `ctimeMs` and `ino` cannot be set back by whoever changes a file. */
export type Found = Omit<Entry, 'hash'> & { ctimeMs: number; ino: number }
/** `hash` is known once the content was read; `checkedAt` is when the entry was last known to match it. */
export type Known = Found & { hash: string; checkedAt: number }

/** Two clocks' worth of doubt: a file changed within this of a look may change again unseen. */
export const RACY_MS = 20
const MODE_BITS = 0o7777
const OWNER_ALL = 0o700
const OWNER_READS = 0o400

/** Path key -> bytes for the file system; see `layer.ts` for keys that are no UTF-8. */
export const toFs = (root: string, key: string): string | Buffer =>
  key.startsWith('\0')
    ? Buffer.concat([Buffer.from(`${root}/`), Buffer.from(key.slice(1), 'latin1')])
    : key === ''
      ? root
      : `${root}/${key}`

/** The folder a path is in, '' for the root's own entries; undefined for the root. */
export const parentOf = (key: string): string | undefined =>
  key === '' ? undefined : key.slice(0, Math.max(0, key.lastIndexOf('/')))

/** Every file, link and empty folder below `root`. `strays` gets the rest: sockets, pipes, devices. */
export function scan(root: string, strays: string[] = []): Map<string, Found> {
  const found = new Map<string, Found>()
  walk(root, (key, kind, stat) => found.set(key, describe(stat, kind)), strays)
  return found
}

/** What of `known` is gone, and what is new or may have been touched since. Of all the rest nothing is kept or read. */
export function compare(
  root: string,
  known: ReadonlyMap<string, Known>,
): { moved: Map<string, Found>; gone: string[] } {
  const moved = new Map<string, Found>()
  const met = new Set<string>()
  walk(root, (key, kind, stat) => {
    const old = known.get(key)
    if (old) met.add(key)
    if (!old || !untouched(old, kind, stat)) moved.set(key, describe(stat, kind))
  })
  return { moved, gone: met.size === known.size ? [] : [...known.keys()].filter((key) => !met.has(key)) }
}

/** Visits each entry that a snapshot keeps, once. */
function walk(
  root: string,
  visit: (key: string, kind: Entry['kind'], stat: Stats) => void,
  strays: string[] = [],
): void {
  const folders: string[] = ['']
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    const content = opened(root, folder, () => look(root, folder), isEmpty)
    for (const { key, kind, stat } of content.kept) visit(key, kind, stat)
    for (const key of content.folders) folders.push(key)
    for (const key of content.strays) strays.push(key)
    const stat = isEmpty(content) && folder !== '' ? lstat(root, folder) : undefined
    if (stat) visit(folder, 'directory', stat)
  }
}

/** One entry as it is now; undefined when there is nothing that a snapshot keeps. A folder counts only when empty. */
export function find(root: string, key: string): Found | undefined {
  const stat = insist(root, parentOf(key) ?? '', () => lstat(root, key))
  const kind = stat && kindOf(stat)
  if (!kind || (kind === 'directory' && !hasNothing(root, key))) return undefined
  return describe(stat, kind)
}

/** True when nothing about the entry moved since it was known to match its hash, beyond doubt. */
export const untouched = (known: Known, kind: Entry['kind'], found: Omit<Found, 'kind'>): boolean =>
  known.kind === kind &&
  known.mode === (found.mode & MODE_BITS) &&
  (kind !== 'file' || known.size === found.size) &&
  known.mtimeMs === found.mtimeMs &&
  known.ctimeMs === found.ctimeMs &&
  known.ino === found.ino &&
  found.ctimeMs < known.checkedAt - RACY_MS

/** The content of a file or link, and what identifies it. */
export function readEntry(root: string, key: string, found: Found): { hash: string; content?: Buffer } {
  if (found.kind === 'directory') return { hash: '' }
  const place = toFs(root, key)
  if (found.kind === 'link') return { hash: readlinkSync(place, { encoding: 'latin1' }) }
  const content = readAnyway(place, found.mode)
  return { hash: contentHash(content), content }
}

/** Does the work; where rights are missing, once more with every folder down to `folder` opened for its owner. */
export function insist<T>(root: string, folder: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (!isDenied(error)) throw error
    openWay(root, folder)
    return work()
  }
}

export const isDenied = (error: unknown): boolean => {
  const { code } = error as NodeJS.ErrnoException
  return code === 'EACCES' || code === 'EPERM'
}

/** Gives the owner of the folder itself all rights on it, and answers the mode it had. Links are not followed. */
export function openFolder(place: string | Buffer): number {
  const stat = lstatSync(place)
  if (stat.isDirectory() && (stat.mode & OWNER_ALL) !== OWNER_ALL) chmodSync(place, (stat.mode & MODE_BITS) | OWNER_ALL)
  return stat.mode & MODE_BITS
}

function openWay(root: string, folder: string): number {
  const above = parentOf(folder)
  if (above !== undefined) openWay(root, above)
  return openFolder(toFs(root, folder))
}

function readAnyway(place: string | Buffer, mode: number): Buffer {
  try {
    return readFileSync(place)
  } catch (error) {
    if (!isDenied(error)) throw error
    chmodSync(place, mode | OWNER_READS)
    try {
      return readFileSync(place)
    } finally {
      chmodSync(place, mode)
    }
  }
}

/** What is directly in a folder. */
type Content = { kept: { key: string; kind: Entry['kind']; stat: Stats }[]; folders: string[]; strays: string[] }
const isEmpty = ({ kept, folders }: Content): boolean => kept.length === 0 && folders.length === 0

const hasNothing = (root: string, folder: string): boolean =>
  opened(
    root,
    folder,
    () => list(root, folder).every(({ kind }) => kind === undefined),
    (nothing) => nothing,
  )

/** Reads a folder, opened where it must be; one that turns out to be empty gets its mode back. */
function opened<T>(root: string, folder: string, read: () => T, empty: (content: T) => boolean): T {
  try {
    return read()
  } catch (error) {
    if (!isDenied(error)) throw error
    const mode = openWay(root, folder)
    const content = read()
    if (empty(content)) chmodSync(toFs(root, folder), mode)
    return content
  }
}

function look(root: string, folder: string): Content {
  const content: Content = { kept: [], folders: [], strays: [] }
  for (const { key, kind: listed } of list(root, folder)) {
    const stat = listed === 'directory' ? undefined : lstat(root, key)
    const kind = stat ? kindOf(stat) : listed
    if (kind === 'directory') content.folders.push(key)
    else if (stat && kind) content.kept.push({ key, kind, stat })
    else if (stat) content.strays.push(key)
  }
  return content
}

function list(root: string, folder: string): { key: string; kind: Entry['kind'] | undefined }[] {
  const place = toFs(root, folder)
  const entries = readdirSync(place, { withFileTypes: true })
  if (!folder.startsWith('\0') && entries.every((entry) => !entry.name.includes('\ufffd')))
    return entries.map((entry) => ({
      key: folder === '' ? entry.name : `${folder}/${entry.name}`,
      kind: kindOf(entry),
    }))
  const prefix =
    folder === '' ? '' : `${folder.startsWith('\0') ? folder.slice(1) : Buffer.from(folder).toString('latin1')}/`
  return readdirSync(place, { withFileTypes: true, encoding: 'buffer' }).map((entry) => ({
    key: keyOf(Buffer.from(prefix + Buffer.from(entry.name).toString('latin1'), 'latin1')),
    kind: kindOf(entry),
  }))
}

/** Bytes of a path -> its key. */
export const keyOf = (bytes: Buffer): string => {
  const text = bytes.toString()
  return text.includes('\ufffd') && !Buffer.from(text).equals(bytes) ? `\0${bytes.toString('latin1')}` : text
}

/** Undefined when there is nothing, also because something on the way is no folder. */
function lstat(root: string, key: string): Stats | undefined {
  try {
    return lstatSync(toFs(root, key), { throwIfNoEntry: false })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') return undefined
    throw error
  }
}

const kindOf = (found: Stats | Dirent<string | Buffer>): Entry['kind'] | undefined =>
  found.isFile() ? 'file' : found.isSymbolicLink() ? 'link' : found.isDirectory() ? 'directory' : undefined

export const describe = (stat: Stats, kind: Entry['kind']): Found => ({
  kind,
  mode: stat.mode & MODE_BITS,
  size: kind === 'file' ? stat.size : 0,
  mtimeMs: stat.mtimeMs,
  ctimeMs: stat.ctimeMs,
  ino: stat.ino,
})
