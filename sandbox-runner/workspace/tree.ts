/**
 * Puts entries into a workspace's tree and takes them away, whatever stands in their place and whatever its rights.
 * Links are never followed: a folder on the way is made a real one first, so nothing outside the tree is touched.
 */
import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  futimesSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeSync,
} from 'node:fs'
import type { Entry } from './layer.ts'
import { describe, type Found, insist, isDenied, openFolder, parentOf, toFs } from './manifest.ts'

export class TreeWriter {
  private readonly root: string
  /** Those that are known to be real folders. */
  private readonly folders = new Set([''])

  constructor(root: string) {
    this.root = root
  }

  /** Takes away what a scan called a stray. */
  removeStray(path: string): void {
    insist(this.root, parentOf(path) ?? '', () => rmSync(toFs(this.root, path), { force: true }))
  }

  /** Takes an entry away, and the folders that have nothing left in them. */
  remove(path: string): void {
    insist(this.root, parentOf(path) ?? '', () => removeAll(toFs(this.root, path)))
    for (let at = parentOf(path); at && this.removeIfEmpty(at); at = parentOf(at));
  }

  /** `content` is asked for a file alone. Answers what lies there now. */
  put(path: string, entry: Entry, content: () => Uint8Array): Found {
    const above = parentOf(path) ?? ''
    this.makeFolder(above)
    return insist(this.root, above, () => this.write(path, entry, content))
  }

  private write(path: string, entry: Entry, content: () => Uint8Array): Found {
    const place = toFs(this.root, path)
    if (entry.kind === 'file') return insteadOf(place, () => writeFile(place, entry, content()))
    insteadOf(place, () =>
      entry.kind === 'link' ? symlinkSync(Buffer.from(entry.hash, 'latin1'), place) : mkdirSync(place),
    )
    if (entry.kind === 'directory') chmodSync(place, entry.mode)
    return describe(lstatSync(place), entry.kind)
  }

  /** The folder and those above it; whatever stands there instead of one makes way. */
  private makeFolder(path: string): void {
    if (this.folders.has(path)) return
    const above = parentOf(path) ?? ''
    this.makeFolder(above)
    const place = toFs(this.root, path)
    insist(this.root, above, () => {
      try {
        mkdirSync(place)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
        if (lstatSync(place).isDirectory()) return
        rmSync(place)
        mkdirSync(place)
      }
    })
    this.folders.add(path)
  }

  private removeIfEmpty(folder: string): boolean {
    try {
      insist(this.root, parentOf(folder) ?? '', () => rmdirSync(toFs(this.root, folder)))
      return true
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'ENOTEMPTY' || code === 'EEXIST') return false
      throw error
    }
  }
}

/** Makes something new; what stands in its place goes first. In an empty tree, where a restore writes, nothing does. */
function insteadOf<T>(place: string | Buffer, make: () => T): T {
  try {
    return make()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    removeAll(place)
    return make()
  }
}

/** All by one descriptor, and the mode with the making of the file: a restore is as fast as these few calls. */
function writeFile(place: string | Buffer, { mode, mtimeMs }: Entry, content: Uint8Array): Found {
  const file = openSync(place, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, mode)
  try {
    for (let at = 0; at < content.length; ) at += writeSync(file, content, at)
    futimesSync(file, mtimeMs / 1000, mtimeMs / 1000)
    const now = describe(fstatSync(file), 'file')
    if (now.mode === mode) return now
    // The umask, or the file system, took something away.
    fchmodSync(file, mode)
    return describe(fstatSync(file), 'file')
  } finally {
    closeSync(file)
  }
}

/** Removes it with all that is in it; nothing there is fine. Folders that shut their owner out are opened first. */
export function removeAll(place: string | Buffer): void {
  try {
    rmSync(place, { recursive: true, force: true })
  } catch (error) {
    if (!isDenied(error)) throw error
    openAll(place)
    rmSync(place, { recursive: true, force: true })
  }
}

function openAll(folder: string | Buffer): void {
  if (!lstatSync(folder).isDirectory()) return
  openFolder(folder)
  for (const entry of readdirSync(folder, { withFileTypes: true, encoding: 'buffer' }))
    if (entry.isDirectory()) openAll(Buffer.concat([Buffer.from(folder), Buffer.from('/'), entry.name]))
}
