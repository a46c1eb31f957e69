/**
 * What is in a folder, by looking at it. A scan notes kind, mode, size, times and inode of everything; comparing two
 * scans tells what a command changed without reading any file that was not touched.
 */
import { lstatSync, readdirSync, readFileSync, readlinkSync, type Stats } from 'node:fs'
import { contentHash, type Entry } from './layer.ts'

/** An entry as it lies on this disk. `ctimeMs` and `ino` cannot be set back by whoever changes a file. */
export type Found = Omit<Entry, 'hash'> & { ctimeMs: number; ino: number }
/** `hash` is known once the content was read; `checkedAt` is when the entry was last known to match it. */
export type Known = Found & { hash: string; checkedAt: number }

/** Two clocks' worth of doubt: a file changed within this of a look may change again unseen. */
export const RACY_MS = 20

/** Path key -> bytes for the file system; see `layer.ts` for keys that are no UTF-8. */
export const toFs = (root: string, key: string): string | Buffer =>
  key.startsWith('\0')
    ? Buffer.concat([Buffer.from(`${root}/`), Buffer.from(key.slice(1), 'latin1')])
    : key === ''
      ? root
      : `${root}/${key}`

/** Every file, link and empty folder below `root`; anything else (sockets, pipes, devices) is left out. */
export function scan(root: string): Map<string, Found> {
  const found = new Map<string, Found>()
  const folders: string[] = ['']
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    const entries = list(root, folder)
    if (entries.length === 0 && folder !== '') {
      const stat = look(root, folder)
      if (stat) found.set(folder, describe(stat, 'directory'))
    }
    for (const { key, isFolder } of entries) {
      if (isFolder) {
        folders.push(key)
        continue
      }
      const stat = look(root, key)
      const kind = stat?.isFile()
        ? 'file'
        : stat?.isSymbolicLink()
          ? 'link'
          : stat?.isDirectory()
            ? 'directory'
            : undefined
      if (kind === 'directory') folders.push(key)
      else if (stat && kind) found.set(key, describe(stat, kind))
    }
  }
  return found
}

/** One entry as it is now; undefined when there is nothing that a snapshot keeps. A folder counts only when empty. */
export function find(root: string, key: string): Found | undefined {
  const stat = look(root, key)
  if (!stat) return undefined
  if (stat.isFile()) return describe(stat, 'file')
  if (stat.isSymbolicLink()) return describe(stat, 'link')
  return stat.isDirectory() && list(root, key).length === 0 ? describe(stat, 'directory') : undefined
}

/** True when nothing about the entry moved since it was known to match its hash, beyond doubt. */
export const untouched = (known: Known, found: Found): boolean =>
  known.kind === found.kind &&
  known.mode === found.mode &&
  known.size === found.size &&
  known.mtimeMs === found.mtimeMs &&
  known.ctimeMs === found.ctimeMs &&
  known.ino === found.ino &&
  found.ctimeMs < known.checkedAt - RACY_MS

/** The content of a file or link, and what identifies it. */
export function readEntry(root: string, key: string, found: Found): { hash: string; content?: Buffer } {
  if (found.kind === 'directory') return { hash: '' }
  if (found.kind === 'link') return { hash: readlinkSync(toFs(root, key), { encoding: 'latin1' }) }
  const content = readFileSync(toFs(root, key))
  return { hash: contentHash(content), content }
}

function list(root: string, folder: string): { key: string; isFolder: boolean }[] {
  const place = toFs(root, folder)
  const entries = readdirSync(place, { withFileTypes: true })
  if (!folder.startsWith('\0') && entries.every((entry) => !entry.name.includes('\ufffd')))
    return entries.map((entry) => ({
      key: folder === '' ? entry.name : `${folder}/${entry.name}`,
      isFolder: entry.isDirectory(),
    }))
  const prefix =
    folder === '' ? '' : `${folder.startsWith('\0') ? folder.slice(1) : Buffer.from(folder).toString('latin1')}/`
  return readdirSync(place, { withFileTypes: true, encoding: 'buffer' }).map((entry) => ({
    key: keyOf(Buffer.from(prefix + Buffer.from(entry.name).toString('latin1'), 'latin1')),
    isFolder: entry.isDirectory(),
  }))
}

const keyOf = (bytes: Buffer): string => {
  const text = bytes.toString()
  return text.includes('\ufffd') && !Buffer.from(text).equals(bytes) ? `\0${bytes.toString('latin1')}` : text
}

const look = (root: string, key: string): Stats | undefined => lstatSync(toFs(root, key), { throwIfNoEntry: false })

const describe = (stat: Stats, kind: Entry['kind']): Found => ({
  kind,
  mode: stat.mode & 0o7777,
  size: kind === 'file' ? stat.size : 0,
  mtimeMs: stat.mtimeMs,
  ctimeMs: stat.ctimeMs,
  ino: stat.ino,
})
