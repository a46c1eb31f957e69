/**
 * The layers of one workspace on this machine, by number: what its snapshots are made of. Each is a file named by its
 * number and content, so that a row of names tells which snapshot it makes, and nothing has to be trusted. A layer that
 * turns out to be damaged counts as not here from then on.
 */
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Snapshot } from '../protocol.ts'
import type { StoredEntry } from './layer.ts'
import { type Contents, DamagedLayer, LayerReader } from './layer-reader.ts'

/** An entry of a snapshot with the layer that holds its content. */
export type Held = StoredEntry & { layer: number }

export class LayerStack {
  private readonly folder: string
  private readonly ids = new Map<number, string>()
  private readonly readers = new Map<number, LayerReader>()
  /** Layers that are what their names say, because this process wrote them or compared them once. */
  private readonly trusted = new Set<string>()

  constructor(folder: string) {
    this.folder = folder
    mkdirSync(folder, { recursive: true })
    this.reload()
  }

  /** Sees what another process left in the folder. */
  reload(): void {
    this.ids.clear()
    this.readers.clear()
    this.trusted.clear()
    for (const name of readdirSync(this.folder)) {
      const [, count, id] = /^(\d{6})-([0-9a-f]{64})$/.exec(name) ?? []
      if (count && id) this.ids.set(Number(count), id)
    }
  }

  /** True when the very layers that make the snapshot are here. */
  has({ id, count }: Snapshot): boolean {
    let made = ''
    for (let n = 1; n <= count; n++) {
      const layer = this.ids.get(n)
      if (layer === undefined) return false
      made = chain(made, layer)
    }
    return made === id
  }

  /** The layer of that number, if it is here. */
  id(count: number): string | undefined {
    return this.ids.get(count)
  }

  /** The file of that very layer, if it is here. */
  file({ id, snapshot }: { id: string; snapshot: Snapshot }): string | undefined {
    return this.ids.get(snapshot.count) === id ? this.path(snapshot.count, id) : undefined
  }

  /** Takes in a layer that came from elsewhere, if it is what its name says. */
  adopt(layer: { id: string; snapshot: Snapshot }, bytes: Buffer): boolean {
    if (createHash('sha256').update(bytes).digest('hex') !== layer.id) return false
    const part = join(this.folder, 'adopted.part')
    try {
      writeFileSync(part, bytes, { mode: 0o600 })
      this.put(layer.snapshot.count, layer.id, part)
    } catch (error) {
      rmSync(part, { force: true })
      throw error
    }
    return true
  }

  /** Moves a finished file to where the layer of that number lies; the one that was there, and all after it, go. */
  put(count: number, id: string, from: string): string {
    for (const [n, old] of [...this.ids]) {
      if (n < count || (n === count && old === id)) continue
      rmSync(this.path(n, old), { force: true })
      this.ids.delete(n)
    }
    for (const n of this.readers.keys()) if (n >= count) this.readers.delete(n)
    const path = this.path(count, id)
    renameSync(from, path)
    this.ids.set(count, id)
    this.trusted.add(id)
    return path
  }

  /** Lets go of every layer. */
  clear(): void {
    for (const [n, id] of this.ids) rmSync(this.path(n, id), { force: true })
    this.ids.clear()
    this.readers.clear()
  }

  /** Every path of the snapshot of `count` layers, newest layer winning. */
  state(count: number): Map<string, Held> {
    const state = new Map<string, Held>()
    for (let n = 1; n <= count; n++) {
      const { deleted, entries } = this.reader(n)
      for (const path of deleted) state.delete(path)
      for (const [path, entry] of entries) state.set(path, { ...entry, layer: n })
    }
    return state
  }

  /** One path of that snapshot. */
  lookUp(path: string, count: number): Held | undefined {
    for (let n = count; n >= 1; n--) {
      const { deleted, entries } = this.reader(n)
      const entry = entries.get(path)
      if (entry) return { ...entry, layer: n }
      if (deleted.has(path)) return undefined
    }
    return undefined
  }

  /** True for what was in the workspace when it was made. */
  isOriginal(path: string): boolean {
    return this.reader(1).entries.has(path)
  }

  /** Paths that some layer after `from`, up to `to`, added, changed or removed. */
  touched(from: number, to: number): Set<string> {
    const paths = new Set<string>()
    for (let n = from + 1; n <= to; n++) {
      const { deleted, entries } = this.reader(n)
      for (const path of deleted) paths.add(path)
      for (const path of entries.keys()) paths.add(path)
    }
    return paths
  }

  /** @throws DamagedLayer, as everything here that looks into a layer. */
  content(held: Held): Buffer {
    if (held.kind !== 'file') return Buffer.from(held.hash, 'latin1')
    return this.orDrop(held.layer, () => this.reader(held.layer).contents.of(held))
  }

  /** Where the contents of that layer lie, for somebody else to read them; who finds damage says so by `drop`. */
  contents(count: number): Contents {
    return this.reader(count).contents
  }

  /** A layer that turned out to be damaged. */
  drop(count: number): DamagedLayer {
    const id = this.ids.get(count)
    if (id !== undefined) {
      rmSync(this.path(count, id), { force: true })
      this.ids.delete(count)
      this.readers.delete(count)
      this.trusted.delete(id)
    }
    return new DamagedLayer(id ?? `layer ${count}`)
  }

  private reader(count: number): LayerReader {
    const cached = this.readers.get(count)
    if (cached) return cached
    const id = this.ids.get(count)
    if (id === undefined) throw new DamagedLayer(`layer ${count}`)
    const reader = this.orDrop(
      count,
      () => new LayerReader(this.path(count, id), this.trusted.has(id) ? undefined : id),
    )
    this.trusted.add(id)
    this.readers.set(count, reader)
    return reader
  }

  private orDrop<T>(count: number, read: () => T): T {
    try {
      return read()
    } catch (error) {
      throw error instanceof DamagedLayer ? this.drop(count) : error
    }
  }

  private path(count: number, id: string): string {
    return join(this.folder, `${String(count).padStart(6, '0')}-${id}`)
  }
}

/** Names a snapshot by all that it is made of. */
export const chain = (parentId: string, layerId: string): string =>
  createHash('sha256').update(`${parentId} ${layerId}`).digest('base64url').slice(0, 22)
