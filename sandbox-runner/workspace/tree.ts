/**
 * Puts entries into a workspace's tree and takes them away, whatever stands in their place and whatever its rights.
 * Links are never followed: a folder on the way is made a real one first, so nothing outside the tree is touched.
 */
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import type { Entry } from './layer.ts'
import { type Found, find, insist, isDenied, openFolder, parentOf, toFs } from './manifest.ts'

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

  /** `content` is asked for a file alone. */
  put(path: string, entry: Entry, content: () => Uint8Array): Found {
    const above = parentOf(path) ?? ''
    this.makeFolder(above)
    insist(this.root, above, () => this.write(path, entry, content))
    const now = find(this.root, path)
    if (!now) throw new Error(`could not restore ${path}`)
    return now
  }

  private write(path: string, { kind, mode, mtimeMs, hash }: Entry, content: () => Uint8Array): void {
    const place = toFs(this.root, path)
    removeAll(place)
    if (kind === 'link') symlinkSync(Buffer.from(hash, 'latin1'), place)
    else if (kind === 'directory') {
      mkdirSync(place)
      chmodSync(place, mode)
    } else {
      writeFileSync(place, content())
      chmodSync(place, mode)
      utimesSync(place, mtimeMs / 1000, mtimeMs / 1000)
    }
  }

  /** The folder and those above it; whatever stands there instead of one makes way. */
  private makeFolder(path: string): void {
    if (this.folders.has(path)) return
    const above = parentOf(path) ?? ''
    this.makeFolder(above)
    const place = toFs(this.root, path)
    insist(this.root, above, () => {
      const stat = lstatSync(place, { throwIfNoEntry: false })
      if (stat?.isDirectory()) return
      if (stat) rmSync(place)
      mkdirSync(place)
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
