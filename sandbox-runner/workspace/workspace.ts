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

import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { ToolFailure } from '../define.ts'
import { WORKSPACE_BYTES_MAX, WORKSPACE_FILE_BYTES_MAX, WORKSPACE_FILES_MAX } from '../limits.ts'
import { Snapshot } from '../protocol.ts'
import { restore } from '../restoring/restore.ts'
import { readJson, readOr, replaceFile } from './beside.ts'
import { type Entry, LayerWriter } from './layer.ts'
import { WorkspaceLock } from './lock.ts'
import { compare, type Found, find, type Known, parentOf, RACY_MS, readEntry, scan, untouched } from './manifest.ts'
import { ensureRoot } from './root.ts'
import { chain, type Held, LayerStack } from './stack.ts'
import { removeAll, TreeWriter } from './tree.ts'

/** What `settled.json` holds: `at` (epoch ms) is when all of the tree was last compared, in which start of the machine. */
const Settled = z.object({ snapshot: Snapshot, at: z.number(), boot: z.string() })
type Settled = z.infer<typeof Settled>

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
  /** When all of it was last compared (epoch ms). */
  private lookedAt = 0
  /** Another object whenever `files` tells something else. */
  version: object = {}

  constructor(home: string, id: string) {
    this.id = id
    this.place = join(home, id)
    this.tree = join(this.place, 'tree')
    this.stack = new LayerStack(join(this.place, 'layers'))
    this.lock = new WorkspaceLock(join(this.place, 'lock.db'))
    this.see(this.settled())
  }

  /** Sees what another process did here meanwhile; called whenever the lock was taken. */
  refresh(): void {
    const settled = this.settled()
    if (settled?.snapshot.id === this.snapshot?.id) return
    this.see(settled)
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

  /** The paths of the tree and what is known of them. Valid after `settle`. */
  files(): ReadonlyMap<string, Known> {
    return this.known ?? new Map()
  }

  /** Makes the tree exactly `snapshot`: at once when it is, else by comparing and mending what differs. */
  settle(snapshot: Snapshot): void {
    const clean = this.current?.id === snapshot.id
    if (clean && this.known && this.snapshot?.id === snapshot.id) return
    const wanted = this.stack.state(snapshot.count)
    const hashOf = this.remembered()
    ensureRoot(this.tree)
    const checkedAt = Date.now()
    const strays: string[] = []
    const found = scan(this.tree, strays)
    const known = new Map<string, Known>()
    for (const [path, held] of wanted) {
      const there = found.get(path)
      if (!there || !sameShape(there, held)) continue
      const hash = hashOf(path, there) ?? readEntry(this.tree, path, there).hash
      if (hash === held.hash) known.set(path, { ...there, hash, checkedAt })
    }
    const extra = [...found.keys()].filter((path) => !wanted.has(path))
    const differs = known.size < wanted.size || extra.length > 0 || strays.length > 0
    if (differs) {
      this.markDirty()
      const writer = new TreeWriter(this.tree)
      for (const path of strays) writer.removeStray(path)
      for (const path of extra) writer.remove(path)
      const missing = [...wanted].filter(([path]) => !known.has(path))
      const put = (path: string, held: Held, now: Found) => known.set(path, { ...now, hash: held.hash, checkedAt })
      restore(this.tree, missing, this.stack, { empty: found.size + strays.length === 0, put })
    }
    // What is as it was needs no room on the disk.
    if (differs || !clean) this.markSettled(snapshot, checkedAt)
    this.snapshot = snapshot
    this.known = known
    this.version = {}
  }

  /** Forgets every snapshot and every file: what is captured next is the first. */
  begin(): void {
    this.markDirty()
    rmSync(this.beside('settled.json'), { force: true })
    this.see(undefined)
    this.stack.clear()
    removeAll(this.tree)
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
    this.known ??= new Map()
    const { known } = this
    const checkedAt = Date.now()
    if (!paths) ensureRoot(this.tree)
    const { moved, gone } = paths ? this.look([...paths], known) : compare(this.tree, known)
    const part = this.beside('captured.part')
    const writer = new LayerWriter(part, this.snapshot?.id ?? null)
    try {
      const files = known.size - gone.length + [...moved.keys()].filter((path) => !known.has(path)).length
      if (files > WORKSPACE_FILES_MAX) throw tooLarge(`${files} files (at most ${WORKSPACE_FILES_MAX})`)
      const changed = this.writeChanged(writer, moved, known, checkedAt)
      for (const path of gone) {
        known.delete(path)
        writer.remove(path)
      }
      const lookedAt = paths ? this.lookedAt : checkedAt
      if (this.snapshot && changed.length + gone.length === 0) {
        writer.abandon()
        this.markSettled(this.snapshot, lookedAt)
        return undefined
      }
      const { id, bytes } = writer.finish()
      const count = (this.snapshot?.count ?? 0) + 1
      const snapshot = { id: chain(this.snapshot?.id ?? '', id), count }
      const path = this.stack.put(count, id, part)
      this.markSettled(snapshot, lookedAt)
      this.version = {}
      return { snapshot, layer: { id, snapshot, bytes, path }, paths: [...changed, ...gone] }
    } catch (error) {
      writer.abandon()
      rmSync(part, { force: true })
      throw error
    }
  }

  /** Adds to the layer what differs from what is known of it, and notes what is there now. Answers the paths. */
  private writeChanged(
    writer: LayerWriter,
    moved: Map<string, Found>,
    known: Map<string, Known>,
    checkedAt: number,
  ): string[] {
    const changed: string[] = []
    let bytes = 0
    for (const [name, now] of moved) {
      if (now.size > WORKSPACE_FILE_BYTES_MAX)
        throw tooLarge(`${name} has ${now.size} bytes (at most ${WORKSPACE_FILE_BYTES_MAX})`)
      const old = known.get(name)
      const { hash, content } = readEntry(this.tree, name, now)
      known.set(name, { ...now, hash, checkedAt })
      if (old && old.hash === hash && old.kind === now.kind && old.mode === now.mode) continue
      bytes += now.size
      if (bytes > WORKSPACE_BYTES_MAX) throw tooLarge(`one step changed more than ${WORKSPACE_BYTES_MAX} bytes`)
      writer.add(name, { kind: now.kind, mode: now.mode, size: now.size, mtimeMs: now.mtimeMs, hash }, content)
      changed.push(name)
    }
    return changed
  }

  /**
   * False for somebody who lost the right to work here: a run that a later run of the session followed (ids are
   * time-ordered), or a lease of the same run that a later lease followed. Otherwise notes who works here now.
   */
  admits(runId: string, fence: number): boolean {
    const [, seenRun = '', seenFence = '0'] = /^(\S+) (\d+)$/.exec(readOr(this.beside('fence'), '')) ?? []
    if (runId < seenRun || (runId === seenRun && fence < Number(seenFence))) return false
    if (runId !== seenRun || fence !== Number(seenFence)) replaceFile(this.beside('fence'), `${runId} ${fence}`)
    return true
  }

  /** `compare` for named paths alone. */
  private look(paths: string[], known: ReadonlyMap<string, Known>): { moved: Map<string, Found>; gone: string[] } {
    const found = new Map<string, Found>()
    for (const path of paths) {
      const now = find(this.tree, path)
      if (now) found.set(path, now)
      // A folder that lost its last file is an empty folder now.
      const folder = parentOf(path)
      const emptied = now || !folder || known.has(folder) ? undefined : find(this.tree, folder)
      if (folder && emptied) found.set(folder, emptied)
    }
    const gone = [...withFolders(paths)].filter((path) => known.has(path) && !found.has(path))
    for (const [path, now] of found) {
      const old = known.get(path)
      if (old && untouched(old, now.kind, now)) found.delete(path)
    }
    return { moved: found, gone }
  }

  /** Tells the hash of an entry where it cannot have changed since the tree was last compared. */
  private remembered(): (path: string, found: Found) => string | undefined {
    const { known } = this
    if (known)
      return (path, found) => {
        const old = known.get(path)
        return old && untouched(old, found.kind, found) ? old.hash : undefined
      }
    const settled = this.settled()
    // After a crash of the whole machine a file may hold less than its times promise: then every content is read.
    if (settled?.boot !== BOOT || !this.stack.has(settled.snapshot)) return () => undefined
    const state = this.stack.state(settled.snapshot.count)
    return (path, found) => {
      const held = state.get(path)
      return held && sameShape(found, held) && found.ctimeMs < settled.at - RACY_MS ? held.hash : undefined
    }
  }

  /** Takes over what `settled.json` tells; the tree itself is not known then. */
  private see(settled: Settled | undefined): void {
    this.snapshot = settled?.snapshot
    this.lookedAt = settled?.at ?? 0
    this.known = undefined
    this.version = {}
  }

  private settled(): Settled | undefined {
    return readJson(this.beside('settled.json'), Settled)
  }

  private markSettled(snapshot: Snapshot, lookedAt: number): void {
    replaceFile(this.beside('settled.json'), JSON.stringify({ snapshot, at: lookedAt, boot: BOOT } satisfies Settled))
    rmSync(this.beside('dirty'), { force: true })
    this.snapshot = snapshot
    this.lookedAt = lookedAt
  }
}

/** This start of the machine. */
const BOOT = readOr('/proc/sys/kernel/random/boot_id', '').trim()

/** All of an entry that a look at it tells. */
const sameShape = (found: Found, wanted: Entry): boolean =>
  found.kind === wanted.kind &&
  (found.kind === 'link' || found.mode === wanted.mode) &&
  (found.kind !== 'file' || found.size === wanted.size)

/** The paths and every folder above them, nearest first. */
function withFolders(paths: Iterable<string>): Set<string> {
  const all = new Set<string>()
  for (const path of paths) for (let at: string | undefined = path; at; at = parentOf(at)) all.add(at)
  return all
}

const tooLarge = (what: string) =>
  new ToolFailure(
    'workspace_too_large',
    `the workspace cannot be stored: ${what}`,
    'Remove what the task does not need, or write it outside the workspace ($TMPDIR).',
  )
