/**
 * The sandbox-runner: holds workspaces and performs calls on them. It knows no model, no run and no credential.
 *
 * Guarantees: a call works on exactly the snapshot it names; a changing call whose answer got lost is not performed
 * again, its stored answer is repeated; a failed file tool leaves the files as they were; when an answer says the
 * workspace moved, the layer for it is complete. Everything here may be killed at any moment.
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { type Called, callTool, changes } from './call.ts'
import { endCall } from './exec/processes.ts'
import { failure, faultOf } from './faults.ts'
import { repoFiles, repoText, testCommandOf } from './hands.ts'
import { INLINE_LAYER_BYTES_MAX, INSTRUCTIONS_CHARS_MAX, LOCK_WAIT_MS_MAX } from './limits.ts'
import type {
  Call,
  DiffReply,
  Facts,
  Failure,
  Layer,
  PerformReply,
  PrepareReply,
  Request,
  Snapshot,
} from './protocol.ts'
import { diffStat, diffText } from './workspace/diff.ts'
import { DamagedLayer } from './workspace/layer.ts'
import { localPath, locate, type Made, makeTree } from './workspace/source.ts'
import { type Captured, readOr, replaceFile, Workspace } from './workspace/workspace.ts'

export type RunnerOptions = {
  /** Where workspaces are kept. */
  home: string
  /** Where layers too large to travel are kept. */
  objects: string
}

type Asked<Op extends Request['op']> = Extract<Request, { op: Op }>
/** Which lease of which run asks. */
type Worker = { runId: string; fence: number }

const WORKSPACES_OPEN_MAX = 32

export class Runner {
  private readonly options: RunnerOptions
  private readonly workspaces = new Map<string, Workspace>()
  private readonly running = new Map<string, AbortController>()
  /** Requests under way; an orphaned runner ends when there are none. */
  busy = 0

  constructor(options: RunnerOptions) {
    this.options = options
    for (const folder of [options.home, options.objects]) mkdirSync(folder, { recursive: true, mode: 0o700 })
  }

  /** Never rejects: what goes wrong here is a failure the caller can read. */
  async handle(request: Exclude<Request, { op: 'health' }>): Promise<object> {
    this.busy++
    try {
      switch (request.op) {
        case 'prepare':
          return await this.prepare(request)
        case 'perform':
          return await this.perform(request)
        case 'diff':
          return this.diff(request)
        case 'stop':
          for (const callId of request.callIds) await this.stop(callId)
          return { ok: true }
        case 'locate':
          return await this.locate(request)
        case 'forget':
          return await this.forget(request.workspace.id)
      }
    } catch (error) {
      return faultOf(error)
    } finally {
      this.busy--
    }
  }

  /** For a runner's start: commands of calls that an earlier runner died in are ended, so that nothing runs unseen. */
  async endOrphans(): Promise<void> {
    for (const id of readdirSync(this.options.home)) {
      if (!existsSync(join(this.options.home, id, 'dirty'))) continue
      const { lock } = this.open(id)
      // Whoever holds it works there now, and ends them itself.
      const give = await lock.take('alone', Date.now())
      if (!give) continue
      try {
        await this.endBrokenOff(this.open(id))
      } finally {
        give()
      }
    }
  }

  private async prepare({
    runId,
    workspace: { id, fence },
    repo,
    head,
    layers,
  }: Asked<'prepare'>): Promise<PrepareReply> {
    const workspace = this.open(id)
    return this.locked(workspace, 'alone', { runId, fence }, async () => {
      if (head) {
        const missing = await this.settle(workspace, head, layers)
        if (missing) return missing
        const made = readOr(workspace.beside('made.json'), '')
        const name = made === '' ? { name: 'workspace' } : (JSON.parse(made) as Made)
        return { ok: true, head, layers: [], facts: { ...name, ...describe(workspace) } }
      }
      const stored = readOr(workspace.beside('prepared.json'), '')
      if (stored !== '') return JSON.parse(stored) as PrepareReply
      const source = await makeTree(workspace.tree, workspace.beside('scratch'), repo)
      workspace.markDirty()
      const captured = workspace.capture()
      if (!captured) throw new Error('a new workspace has no snapshot')
      const facts: Facts = { ...source, ...describe(workspace) }
      const reply: PrepareReply = { ok: true, head: captured.snapshot, layers: [this.keep(captured)], facts }
      replaceFile(workspace.beside('made.json'), JSON.stringify(source))
      replaceFile(workspace.beside('prepared.json'), JSON.stringify(reply))
      return reply
    })
  }

  private async perform(request: Asked<'perform'>): Promise<PerformReply> {
    const { runId, calls, layers } = request
    const { id, fence, start, head } = request.workspace
    const workspace = this.open(id)
    const [first] = calls
    const changing = calls.some(changes)
    if (changing && calls.length > 1)
      return failure('bad_request', 'a call that changes the workspace is sent alone', false)
    const mode = changing || workspace.current?.id !== head.id ? 'alone' : 'shared'
    return this.locked(workspace, mode, { runId, fence }, async () => {
      const journal = first && changing ? this.journal(workspace, first.callId) : undefined
      if (journal) return journal
      const missing = await this.settle(workspace, head, layers)
      if (missing) return missing
      if (first && changing) return await this.change(workspace, first, start, head)
      const called = await Promise.all(calls.map((call) => this.call(workspace, call)))
      return { ok: true, results: called.map(({ result }) => result) }
    })
  }

  /** One call that may change files: dirty, call, snapshot, journal, clean. */
  private async change(workspace: Workspace, call: Call, start: Snapshot, head: Snapshot): Promise<PerformReply> {
    workspace.markDirty(call.callId)
    const { result, work } = await this.call(workspace, call)
    const stands = work !== undefined && (result.ok || work.standsWhenFailed())
    const captured = stands ? workspace.capture(work.reach() === 'anything' ? undefined : work.written) : undefined
    if (!stands) workspace.settle(head)
    const change = captured && {
      head: captured.snapshot,
      layer: this.keep(captured),
      paths: captured.paths.filter((path) => !path.startsWith('\0')).slice(0, 100),
      diffStat: diffStat(workspace, start.count, captured.snapshot.count),
    }
    const reply: PerformReply = { ok: true, results: [result], ...(change ? { change } : {}) }
    replaceFile(workspace.beside('journal.json'), JSON.stringify({ callId: call.callId, reply }))
    return reply
  }

  private async call(workspace: Workspace, call: Call): Promise<Called> {
    const controller = new AbortController()
    this.running.set(call.callId, controller)
    try {
      return await callTool(workspace, call, controller.signal)
    } finally {
      this.running.delete(call.callId)
    }
  }

  /** Layers never change, so a diff needs no lock and no tree. */
  private diff({ workspace: { id, start, head }, layers }: Asked<'diff'>): DiffReply {
    const workspace = this.open(id)
    if (!this.restored(workspace, head, layers)) return NEED_LAYERS
    return { ok: true, diff: diffText(workspace, start.count, head.count) }
  }

  private async locate({ url, ref, subdir }: Asked<'locate'>): Promise<object> {
    const path = localPath(url)
    if (path === undefined) return failure('repo_invalid', `${url} is no local path`, false)
    return { ok: true, ...(await locate(path, ref, subdir)) }
  }

  private async forget(id: string): Promise<{ ok: true } | Failure> {
    const workspace = this.open(id)
    return this.locked(workspace, 'alone', undefined, async () => {
      this.workspaces.delete(id)
      workspace.lock.close()
      rmSync(join(this.options.home, id), { recursive: true, force: true })
      return { ok: true as const }
    })
  }

  /** Ends a call here, and the processes of one that a runner before this one started. */
  private async stop(callId: string): Promise<void> {
    const controller = this.running.get(callId)
    if (controller) controller.abort()
    else await endCall(undefined, callId, new Set(), false)
  }

  /** Brings the tree to `head`, or says what is missing for it. Nothing that an earlier call left goes on meanwhile. */
  private async settle(
    workspace: Workspace,
    head: Snapshot,
    layers: Layer[] | undefined,
  ): Promise<Failure | undefined> {
    if (workspace.current?.id !== head.id && !this.restored(workspace, head, layers)) return NEED_LAYERS
    await this.endBrokenOff(workspace)
    workspace.settle(head)
    return undefined
  }

  private async endBrokenOff({ brokenOff }: Workspace): Promise<void> {
    if (brokenOff) await endCall(undefined, brokenOff, new Set(), false)
  }

  /** True when every layer of the snapshot is here, taking what the request brought and what the object store has. */
  private restored(workspace: Workspace, snapshot: Snapshot, layers: Layer[] | undefined): boolean {
    const { stack } = workspace
    if (stack.has(snapshot)) return true
    for (const layer of layers ?? []) {
      if (layer.snapshot.count > snapshot.count || stack.id(layer.snapshot.count) === layer.id) continue
      const stored = join(this.options.objects, layer.id)
      const inline = layer.inline === undefined ? undefined : Buffer.from(layer.inline, 'base64')
      const bytes = inline ?? (existsSync(stored) ? readFileSync(stored) : undefined)
      if (!bytes || !stack.adopt(layer, bytes)) throw new DamagedLayer(layer.id)
    }
    return stack.has(snapshot)
  }

  /** A small layer travels in the answer; a larger one is in the object store before anybody hears of it. */
  private keep({ layer: { id, snapshot, bytes, path } }: Captured): Layer {
    if (bytes <= INLINE_LAYER_BYTES_MAX) return { id, snapshot, bytes, inline: readFileSync(path).toString('base64') }
    const stored = join(this.options.objects, id)
    if (!existsSync(stored)) {
      const part = `${stored}.${process.pid}.part`
      writeFileSync(part, readFileSync(path), { mode: 0o600 })
      const file = openSync(part, 'r+')
      fsyncSync(file)
      closeSync(file)
      renameSync(part, stored)
    }
    return { id, snapshot, bytes }
  }

  private journal(workspace: Workspace, callId: string): PerformReply | undefined {
    const text = readOr(workspace.beside('journal.json'), '')
    if (text === '') return undefined
    const entry = JSON.parse(text) as { callId: string; reply: PerformReply }
    return entry.callId === callId ? entry.reply : undefined
  }

  /** `by` is who asks; somebody who lost the right to work here is refused. */
  private async locked<T>(
    workspace: Workspace,
    mode: 'shared' | 'alone',
    by: Worker | undefined,
    work: () => Promise<T>,
  ): Promise<T | Failure> {
    const give = await workspace.lock.take(mode, Date.now() + LOCK_WAIT_MS_MAX)
    if (!give) return failure('workspace_busy', 'another process works in this workspace', true)
    try {
      workspace.refresh()
      if (by && !workspace.admits(by.runId, by.fence))
        return failure('fenced', 'a newer lease works in this workspace', false)
      return await work()
    } finally {
      if (this.workspaces.get(workspace.id) === workspace) give()
    }
  }

  private open(id: string): Workspace {
    const workspace = this.workspaces.get(id) ?? new Workspace(this.options.home, id)
    this.workspaces.delete(id)
    this.workspaces.set(id, workspace)
    for (const [name, oldest] of this.workspaces) {
      if (this.workspaces.size <= WORKSPACES_OPEN_MAX) break
      if (!oldest.lock.free || oldest === workspace) continue
      oldest.lock.close()
      this.workspaces.delete(name)
    }
    return workspace
  }
}

/** What the first message tells of a repo. */
function describe(workspace: Workspace): Omit<Facts, 'name' | 'branch' | 'commit'> {
  const files = repoFiles(workspace)
  const top = new Set(files.map((path) => (path.includes('/') ? `${path.slice(0, path.indexOf('/'))}/` : path)))
  const agents = files.filter((path) => path === 'AGENTS.md')
  const testCommand = testCommandOf(workspace)?.command
  return {
    files: files.length,
    top: [...top].slice(0, 60),
    ...(testCommand ? { testCommand } : {}),
    instructions: agents.flatMap((path) => {
      const text = repoText(workspace, path)
      return text === undefined ? [] : [{ path, text: text.slice(0, INSTRUCTIONS_CHARS_MAX) }]
    }),
  }
}

const NEED_LAYERS = failure('need_layers', 'the workspace is not here', true)
