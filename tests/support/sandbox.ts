/** A workspace on a real runner, used as the engine uses it; every answer is checked against the protocol. */
import { createHash } from 'node:crypto'
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import type { z } from 'zod'
import { nothingHolds } from '../../sandbox-runner/exec/isolation.ts'
import type { Machine } from '../../sandbox-runner/exec/shell.ts'
import { commandLimits } from '../../sandbox-runner/exec/watch.ts'
import type { HandsOptions } from '../../sandbox-runner/hands.ts'
import {
  type Call,
  type CallResult,
  DiffReply,
  type Failure,
  type Layer,
  PerformReply,
  PrepareReply,
  type Request,
  type Snapshot,
} from '../../sandbox-runner/protocol.ts'
import { Runner } from '../../sandbox-runner/runner.ts'
import { makeRepo, tempFolder } from './world.ts'

type Cleaner = Parameters<typeof tempFolder>[0]
type Good<T> = Exclude<T, { ok: false }>
/** Whoever answers the protocol: a `Runner` here or one behind a socket. */
export type Door = { handle(request: Exclude<Request, { op: 'health' }>): Promise<unknown> }

/** A machine without isolation: what a command does can be looked at from here. */
export const UNHELD: Machine = { isolation: nothingHolds('a test'), limits: commandLimits() }

/** What a tool's hands are made with, for a test that uses them by itself. */
export const handsOf = (callId: string): HandsOptions => ({
  machine: UNHELD,
  callId,
  timeoutMs: 1000,
  signal: new AbortController().signal,
})

let calls = 0
export const nextCallId = (): string => `call_${process.pid}x${++calls}`

export class Box {
  readonly id = 'wsp_1'
  readonly home: string
  readonly objects: string
  readonly tree: string
  door: Door
  fence = 1
  start: Snapshot = { id: '', count: 0 }
  head: Snapshot = { id: '', count: 0 }
  readonly layers: Layer[] = []
  facts: Good<PrepareReply>['facts'] = { name: '', files: 0, top: [], instructions: [] }

  constructor(home: string, objects: string, door: Door = new Runner({ home, objects, machine: UNHELD })) {
    this.home = home
    this.objects = objects
    this.tree = join(home, this.id, 'tree')
    this.door = door
  }

  async prepare(repo?: { url: string; ref?: string }): Promise<PrepareReply> {
    const request = { op: 'prepare' as const, runId: 'run_1', workspace: this.workspace(), ...(repo ? { repo } : {}) }
    const reply = PrepareReply.parse(await this.door.handle(request))
    if (reply.ok) {
      this.start = reply.head
      this.head = reply.head
      this.layers.push(...reply.layers)
      this.facts = reply.facts
    }
    return reply
  }

  /** The bare answer; the head stays where it is. */
  async perform(list: Call[], head = this.head, layers?: Layer[]): Promise<PerformReply> {
    const workspace = { ...this.workspace(), start: this.start, head }
    const request = { op: 'perform' as const, runId: 'run_1', workspace, calls: list, ...(layers ? { layers } : {}) }
    return PerformReply.parse(await this.door.handle(request))
  }

  /** One call that the machine must answer; a change moves the head. */
  async use(tool: string, input: unknown, callId = nextCallId()): Promise<CallResult & { paths: string[] }> {
    const reply = good(await this.perform([{ callId, tool, input }]))
    if (reply.change) {
      this.head = reply.change.head
      this.layers.push(reply.change.layer)
    }
    const [result] = reply.results
    if (!result) throw new Error('no result')
    return { ...result, paths: reply.change?.paths ?? [] }
  }

  run(command: string, more: Record<string, unknown> = {}): Promise<CallResult & { paths: string[] }> {
    return this.use('run_command', { command, ...more })
  }

  async diff(from = this.start, to = this.head): Promise<string> {
    const request = { op: 'diff' as const, workspace: { ...this.workspace(), start: from, head: to } }
    return good(DiffReply.parse(await this.door.handle(request))).diff
  }

  text(path: string): string {
    return readFileSync(join(this.tree, path), 'utf8')
  }

  private workspace() {
    return { id: this.id, fence: this.fence }
  }
}

export function good<T extends { ok: boolean }>(reply: T | Failure): Exclude<T, { ok: false }> {
  if (reply.ok === false) throw new Error(`the runner failed: ${JSON.stringify(reply)}`)
  return reply as Exclude<T, { ok: false }>
}

/** A workspace of a new repo with these files. */
export async function box(t: Cleaner, files?: Record<string, string | Uint8Array>, machine = UNHELD): Promise<Box> {
  return boxOf(t, makeRepo(t, files), undefined, machine)
}

/** A workspace of this repo; without one of an empty folder. */
export async function boxOf(t: Cleaner, url?: string, ref?: string, machine = UNHELD): Promise<Box> {
  const folder = tempFolder(t, 'stint-box-')
  const places = { home: join(folder, 'home'), objects: join(folder, 'objects') }
  const made = new Box(places.home, places.objects, new Runner({ ...places, machine }))
  good(await made.prepare(url === undefined ? undefined : { url, ...(ref === undefined ? {} : { ref }) }))
  return made
}

/**
 * What a folder holds, byte for byte: each file with its mode and content, link with its target, empty folder with its
 * mode. Names are Latin-1 of their bytes, so that any name is told apart.
 */
export function listing(root: string, skip: (path: string) => boolean = () => false): Record<string, string> {
  const found: Record<string, string> = {}
  const visit = (folder: string): void => {
    const place = Buffer.concat([Buffer.from(root), Buffer.from(folder === '' ? '' : `/${folder}`, 'latin1')])
    const names = readdirSync(place, { encoding: 'buffer' }).map((name) => Buffer.from(name).toString('latin1'))
    if (names.length === 0 && folder !== '') found[folder] = `folder ${modeOf(place)}`
    for (const name of names) {
      const path = folder === '' ? name : `${folder}/${name}`
      if (skip(path)) continue
      const at = Buffer.concat([place, Buffer.from(`/${name}`, 'latin1')])
      const stat = lstatSync(at)
      if (stat.isDirectory()) visit(path)
      else if (stat.isSymbolicLink()) found[path] = `link ${readlinkSync(at, { encoding: 'latin1' })}`
      else if (stat.isFile())
        found[path] = `file ${modeOf(at)} ${createHash('sha1').update(readFileSync(at)).digest('hex')}`
    }
  }
  visit('')
  return Object.fromEntries(Object.entries(found).sort(([a], [b]) => (a < b ? -1 : 1)))
}

const modeOf = (at: Buffer): string => (lstatSync(at).mode & 0o7777).toString(8)

/** Numbers from a seed: the same seed, the same test. */
export function random(seed: number): { next: () => number; below: (n: number) => number; pick: <T>(list: T[]) => T } {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
  const below = (n: number): number => Math.floor(next() * n)
  return { next, below, pick: (list) => list[below(list.length)] as (typeof list)[number] }
}

export type Schema<T> = z.ZodType<T>
