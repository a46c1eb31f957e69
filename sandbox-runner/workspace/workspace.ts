/**
 * One workspace on this machine: a folder of files that is a snapshot, or on its way from one snapshot to the next.
 *
 *     <home>/<id>/tree/         the files; nothing else of Stint's is in there
 *     <home>/<id>/layers/       the layers that make its snapshots, by number
 *     <home>/<id>/settled.json  which snapshot the tree is, and when that was last true
 *     <home>/<id>/dirty         there while a change is under way: the tree may be anything
 *
 * Guarantees: work starts from exactly the snapshot that was asked for, whatever happened before, because a tree that
 * is not known to be clean is compared and mended first; a layer is complete before anything points to it. The folder
 * is a cache: all of it can be made again from the layers.
 */

import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { ToolFailure } from '../define.ts'
import { WORKSPACE_BYTES_MAX, WORKSPACE_FILE_BYTES_MAX, WORKSPACE_FILES_MAX } from '../limits.ts'
import type { Snapshot } from '../protocol.ts'
import { type Entry, LayerWriter } from './layer.ts'
import { WorkspaceLock } from './lock.ts'
import { type Found, find, type Known, RACY_MS, readEntry, scan, toFs, untouched } from './manifest.ts'
import { chain, type Held, LayerStack } from './stack.ts'

export type StoredLayer = { id: string; snapshot: Snapshot; bytes: number; path: string }
export type Captured = { snapshot: Snapshot; layer: StoredLayer; paths: string[] }

export class Workspace {
  readonly id: string
  readonly tree: string
  readonly lock: WorkspaceLock
  /** The layers that make its snapshots. */
  readonly stack: LayerStack
  private readonly place: string
  private snapshot: Snapshot | undefined
  /** What the tree is known to hold; undefined after a start, until it was compared once. */
  private known: Map<string, Known> | undefined

  constructor(home: string, id: string) {
    this.id = id
    this.place = join(home, id)
    this.tree = join(this.place, 'tree')
    this.stack = new LayerStack(join(this.place, 'layers'))
    this.lock = new WorkspaceLock(join(this.place, 'lock.db'))
    this.snapshot = this.settled()?.snapshot
  }

  /** Sees what another process did here meanwhile; called whenever the lock was taken. */
  refresh(): void {
    const settled = this.settled()
    if (settled?.snapshot.id === this.snapshot?.id) return
    this.snapshot = settled?.snapshot
    this.known = undefined
    this.stack.reload()
  }

  /** A file of ours beside the tree. */
  beside(name: string): string {
    return join(this.place, name)
  }

  /** What the tree is now, if it is known to be clean. */
  get current(): Snapshot | undefined {
    const settled = this.settled()
    return settled && !existsSync(this.beside('dirty')) ? settled.snapshot : undefined
  }

  /** The paths of the tree, sorted, and what is known of them. Valid after `settle`. */
  files(): ReadonlyMap<string, Known> {
    return this.known ?? new Map()
  }

  /** Makes the tree exactly `snapshot`: at once when it is, else by comparing and mending what differs. */
  settle(snapshot: Snapshot): void {
    if (this.known && this.snapshot?.id === snapshot.id && this.current?.id === snapshot.id) return
    const settled = this.settled()
    // After a crash of the whole machine a file may hold less than its times promise: then every content is read.
    const trustedBefore = settled?.boot === BOOT ? settled.at - RACY_MS : 0
    const wanted = this.stack.state(snapshot.count)
    this.markDirty()
    mkdirSync(this.tree, { recursive: true })
    const found = scan(this.tree)
    const known = new Map<string, Known>()
    const checkedAt = Date.now()
    for (const path of found.keys()) if (!wanted.has(path)) this.removeEntry(path, found)
    for (const [path, held] of wanted) {
      const there = found.get(path)
      const same =
        there &&
        sameShape(there, held) &&
        (there.ctimeMs < trustedBefore || readEntry(this.tree, path, there).hash === held.hash)
      const now = same ? there : this.writeEntry(path, held)
      known.set(path, { ...now, hash: held.hash, checkedAt })
    }
    this.known = known
    this.markSettled(snapshot)
  }

  /** Says that the tree is about to change; until the next `capture` or `settle` it is not any snapshot. */
  markDirty(callId = ''): void {
    writeFileSync(this.beside('dirty'), callId)
  }

  /** The call that was under way when nobody came back to finish it: what it left running must end first. */
  get brokenOff(): string | undefined {
    return readOr(this.beside('dirty'), '') || undefined
  }

  /**
   * Stores what changed since the tree was settled as a new layer and moves the tree's own pointer to it. `paths` are
   * those that may have changed; without them everything is looked at. Undefined: nothing changed.
   * @throws ToolFailure `workspace_too_large` when a cap is passed; nothing is left out silently.
   */
  capture(paths?: Iterable<string>): Captured | undefined {
    const before = this.known ?? new Map<string, Known>()
    const checkedAt = Date.now()
    const looked = paths ? this.look(paths, before) : scan(this.tree)
    const candidates = paths ? withFolders(paths) : before.keys()
    const deleted = [...candidates].filter((path) => before.has(path) && !looked.has(path))
    if (!paths && looked.size > WORKSPACE_FILES_MAX)
      throw tooLarge(`${looked.size} files (at most ${WORKSPACE_FILES_MAX})`)
    const after = paths ? new Map(before) : new Map<string, Known>()
    for (const path of deleted) after.delete(path)

    const count = (this.snapshot?.count ?? 0) + 1
    const part = this.beside('captured.part')
    let writer: LayerWriter | undefined
    let bytes = 0
    const changed: string[] = []
    for (const [name, now] of looked) {
      const old = before.get(name)
      if (old && untouched(old, now)) {
        after.set(name, old)
        continue
      }
      if (now.size > WORKSPACE_FILE_BYTES_MAX)
        throw tooLarge(`${name} has ${now.size} bytes (at most ${WORKSPACE_FILE_BYTES_MAX})`)
      const { hash, content } = readEntry(this.tree, name, now)
      after.set(name, { ...now, hash, checkedAt })
      if (old && old.hash === hash && old.kind === now.kind && old.mode === now.mode) continue
      bytes += now.size
      if (bytes > WORKSPACE_BYTES_MAX) throw tooLarge(`one step changed more than ${WORKSPACE_BYTES_MAX} bytes`)
      writer ??= new LayerWriter(part, this.snapshot?.id ?? null)
      writer.add(name, { kind: now.kind, mode: now.mode, size: now.size, mtimeMs: now.mtimeMs, hash }, content)
      changed.push(name)
    }
    if (deleted.length > 0 || !this.snapshot) writer ??= new LayerWriter(part, this.snapshot?.id ?? null)
    for (const name of deleted) writer?.remove(name)
    this.known = after
    if (!writer) {
      if (this.snapshot) this.markSettled(this.snapshot)
      return undefined
    }
    const { id, bytes: stored } = writer.finish()
    const snapshot = { id: chain(this.snapshot?.id ?? '', id), count }
    const path = this.stack.put(count, id, part)
    this.markSettled(snapshot)
    return { snapshot, layer: { id, snapshot, bytes: stored, path }, paths: [...changed, ...deleted] }
  }

  /**
   * False for somebody who lost the right to work here: a run that a later run of the session followed (ids are
   * time-ordered), or a lease of the same run that a later lease followed. Otherwise notes who works here now.
   */
  admits(runId: string, fence: number): boolean {
    const [seenRun = '', seenFence = '0'] = readOr(this.beside('fence'), '').split(' ')
    if (runId < seenRun || (runId === seenRun && fence < Number(seenFence))) return false
    if (runId !== seenRun || fence !== Number(seenFence)) replaceFile(this.beside('fence'), `${runId} ${fence}`)
    return true
  }

  private look(paths: Iterable<string>, before: Map<string, Known>): Map<string, Found> {
    const looked = new Map<string, Found>()
    for (const path of paths) {
      const found = find(this.tree, path)
      if (found) looked.set(path, found)
      // A folder that lost its last file is an empty folder now.
      const folder = parent(path)
      const emptied = found || folder === undefined || before.has(folder) ? undefined : find(this.tree, folder)
      if (folder !== undefined && emptied) looked.set(folder, emptied)
    }
    return looked
  }

  private removeEntry(path: string, found: Map<string, Found>): void {
    rmSync(toFs(this.tree, path), { recursive: found.get(path)?.kind === 'directory', force: true })
    for (let folder = parent(path); folder !== undefined; folder = parent(folder))
      if (!removeIfEmpty(toFs(this.tree, folder))) return
  }

  private writeEntry(path: string, held: Held): Found {
    const place = toFs(this.tree, path)
    this.makeRoom(held.kind === 'directory' ? `${path}/` : path)
    if (held.kind !== 'directory') rmSync(place, { recursive: true, force: true })
    if (held.kind === 'directory') chmodSync(place, held.mode)
    else if (held.kind === 'link') symlinkSync(Buffer.from(held.hash, 'latin1'), place)
    else {
      writeFileSync(place, this.stack.content(held))
      chmodSync(place, held.mode)
      utimesSync(place, held.mtimeMs / 1000, held.mtimeMs / 1000)
    }
    const now = find(this.tree, path)
    if (!now) throw new Error(`could not restore ${path}`)
    return now
  }

  /** The folders above `path`; whatever stands there instead of one makes way. */
  private makeRoom(path: string): void {
    const folder = parent(path)
    if (folder === undefined) return
    try {
      mkdirSync(toFs(this.tree, folder), { recursive: true })
    } catch {
      for (let at = folder; ; at = parent(at) ?? '') {
        const stands = find(this.tree, at)
        if (stands && stands.kind !== 'directory') rmSync(toFs(this.tree, at), { force: true })
        if (parent(at) === undefined) break
      }
      mkdirSync(toFs(this.tree, folder), { recursive: true })
    }
  }

  private settled(): { snapshot: Snapshot; at: number; boot: string } | undefined {
    const text = readOr(this.beside('settled.json'), '')
    return text === '' ? undefined : (JSON.parse(text) as { snapshot: Snapshot; at: number; boot: string })
  }

  private markSettled(snapshot: Snapshot): void {
    this.snapshot = snapshot
    replaceFile(this.beside('settled.json'), JSON.stringify({ snapshot, at: Date.now(), boot: BOOT }))
    rmSync(this.beside('dirty'), { force: true })
  }
}

/** This start of the machine. */
const BOOT = readOr('/proc/sys/kernel/random/boot_id', '').trim()

/** Whole or not at all: written aside, then renamed. */
export function replaceFile(path: string, text: string): void {
  writeFileSync(`${path}.part`, text, { mode: 0o600 })
  renameSync(`${path}.part`, path)
}

export function readOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return otherwise
  }
}

const sameShape = (found: Found, wanted: Entry): boolean =>
  found.kind === wanted.kind && (found.kind !== 'file' || (found.mode === wanted.mode && found.size === wanted.size))

const parent = (path: string): string | undefined => {
  const at = path.lastIndexOf('/')
  if (at === -1) return undefined
  return path.slice(0, at)
}

function removeIfEmpty(place: string | Buffer): boolean {
  try {
    rmdirSync(place)
    return true
  } catch {
    return false
  }
}

/** The paths and every folder above them, nearest first. */
function withFolders(paths: Iterable<string>): Set<string> {
  const all = new Set<string>()
  for (const path of paths) for (let at: string | undefined = path; at !== undefined; at = parent(at)) all.add(at)
  return all
}

const tooLarge = (what: string) =>
  new ToolFailure(
    'workspace_too_large',
    `the workspace cannot be stored: ${what}`,
    'Remove what the task does not need, or write it outside the workspace ($TMPDIR).',
  )
