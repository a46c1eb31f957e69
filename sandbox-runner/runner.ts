/**
 * The sandbox-runner: holds workspaces and performs calls on them. It knows no model, no run and no credential.
 *
 * Guarantees: a call works on exactly the snapshot it names; a changing call whose answer got lost is not performed
 * again, its stored answer is repeated; a failed file tool leaves the files as they were; when an answer says the
 * workspace moved, the layer for it is complete. Everything here may be killed at any moment.
 */
import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { type Called, callTool, changes, conclude } from './call.ts'
import { packOf } from './carry/pack.ts'
import { ToolFailure } from './define.ts'
import type { Isolation } from './exec/isolation.ts'
import { endCall } from './exec/processes.ts'
import type { Machine } from './exec/shell.ts'
import { failure, faultOf, NEED_LAYERS } from './faults.ts'
import { repoFiles, repoText, testCommandOf } from './hands.ts'
import { CodeRequests, mapOfWorkspace, searchWorkspace } from './indexing/requests.ts'
import type { Answered } from './indexing/work.ts'
import { DOWNLOADS_AT_ONCE_MAX, INSTRUCTIONS_CHARS_MAX, LOCK_WAIT_MS_MAX } from './limits.ts'
import {
  type Call,
  type CodeReply,
  type DiffReply,
  Facts,
  type Failure,
  type Layer,
  type PackReply,
  PerformReply,
  PrepareReply,
  type Request,
  type Snapshot,
} from './protocol.ts'
import { readJson, replaceFile } from './workspace/beside.ts'
import { withoutSecrets } from './workspace/clone.ts'
import { readRules } from './workspace/config.ts'
import { diffStat, diffText } from './workspace/diff.ts'
import { ObjectStore } from './workspace/objects.ts'
import { localPath, locate, makeTree, nameOf, type Start, standing } from './workspace/source.ts'
import { upload } from './workspace/transfer.ts'
import { removeAll } from './workspace/tree.ts'
import { Workspace } from './workspace/workspace.ts'

export type RunnerOptions = {
  /** Where workspaces are kept. */
  home: string
  /** The folder where layers too large to travel are kept; left out where they are put and got by lent addresses. */
  objects?: string | undefined
  /** What holds commands in, and what they may use. */
  machine: Machine
  /** False: it reaches no network, and an address is for the carrier. */
  egress?: boolean
}

type Asked<Op extends Request['op']> = Extract<Request, { op: Op }>
/** Which lease of which run asks. */
type Worker = { runId: string; fence: number }

type Pending = { call: Call; runId: string; fence: number; stop: AbortController; untilMs: number | undefined }

/** What a workspace was made from. */
const Made = Facts.pick({ name: true, branch: true, commit: true })
/** The last changing call and its answer, for when the answer gets lost. */
const Journal = z.object({ callId: z.string(), reply: PerformReply })
type Journal = z.infer<typeof Journal>

const WORKSPACES_OPEN_MAX = 32

export class Runner {
  private readonly home: string
  private readonly egress: boolean
  private readonly objects: ObjectStore
  private readonly machine: Machine
  private readonly codeRequests: CodeRequests
  private readonly workspaces = new Map<string, Workspace>()
  /** Calls that are under way, or wait for their turn. */
  private readonly pending = new Set<Pending>()
  /** Requests under way; an orphaned runner ends when there are none. */
  busy = 0

  constructor({ home, objects, machine, egress = true }: RunnerOptions) {
    this.home = home
    this.machine = machine
    this.egress = egress
    mkdirSync(home, { recursive: true, mode: 0o700 })
    this.objects = new ObjectStore(objects)
    this.codeRequests = new CodeRequests(join(home, '.code'))
  }

  get isolation(): Isolation {
    return this.machine.isolation
  }

  /** Never rejects: what goes wrong here is a failure the caller can read. */
  async handle(request: Exclude<Request, { op: 'health' }>, untilMs?: number): Promise<object> {
    this.busy++
    try {
      switch (request.op) {
        case 'prepare':
          return await this.prepare(request)
        case 'perform':
          return await this.perform(request, untilMs)
        case 'diff':
          return await this.diff(request)
        case 'stop':
          for (const callId of request.callIds) await this.stop(callId, request)
          return { ok: true }
        case 'code':
          return await this.code(request)
        case 'bring':
          return await this.bring(request)
        case 'upload':
          return await this.upload(request)
        case 'locate':
          return await this.locate(request)
        case 'pack':
          return await this.pack(request)
        case 'push':
          return failure('no_egress', 'pushing is for the carrier', false)
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
    for (const id of readdirSync(this.home)) {
      if (!existsSync(join(this.home, id, 'dirty'))) continue
      // Whoever holds it works there now, and ends them itself.
      await this.locked(id, 'alone', { untilMs: Date.now() }, async (workspace) => {
        await this.endBrokenOff(workspace)
        return { ok: true as const }
      })
    }
  }

  private async prepare({ runId, workspace, repo, head, layers, credential }: Asked<'prepare'>): Promise<PrepareReply> {
    const by = { runId, fence: workspace.fence }
    return this.locked(workspace.id, 'alone', { by }, async (workspace) => {
      if (head) {
        const missing = await this.settle(workspace, head, layers)
        if (missing) return missing
        const stored = readJson(workspace.beside('made.json'), Made)
        const made = stored ?? { name: repo ? nameOf(repo.url) : 'workspace', ...(await whereItStands(workspace)) }
        return { ok: true, head, layers: [], facts: { ...made, ...describe(workspace) } }
      }
      const stored = readJson(workspace.beside('prepared.json'), PrepareReply)
      if (stored) return stored
      const refused = this.outOfReach(repo?.url)
      if (refused) return refused
      await this.endBrokenOff(workspace)
      workspace.begin()
      const source = await makeTree(workspace.tree, workspace.beside('scratch'), repo && { ...repo, credential })
      const captured = workspace.capture()
      if (!captured) throw new Error('a new workspace has no snapshot')
      const facts: Facts = { ...source, ...describe(workspace) }
      const reply: PrepareReply = {
        ok: true,
        head: captured.snapshot,
        layers: [this.objects.keep(captured.layer)],
        facts,
      }
      replaceFile(workspace.beside('made.json'), JSON.stringify(source))
      replaceFile(workspace.beside('origin.json'), JSON.stringify({ url: repo && withoutSecrets(repo.url) }))
      replaceFile(workspace.beside('prepared.json'), JSON.stringify(reply))
      return reply
    })
  }

  private async perform(request: Asked<'perform'>, untilMs?: number): Promise<PerformReply> {
    const { runId, calls, layers } = request
    const { id, fence, start, head } = request.workspace
    const changing = calls.some(changes)
    if (changing && calls.length > 1)
      return failure('bad_request', 'a call that changes the workspace is sent alone', false)
    const mode = changing || this.open(id).current?.id !== head.id ? 'alone' : 'shared'
    const pending = calls.map((call): Pending => ({ call, runId, fence, stop: new AbortController(), untilMs }))
    const [first] = pending
    for (const one of pending) this.pending.add(one)
    try {
      return await this.locked(id, mode, { by: { runId, fence }, untilMs }, async (workspace) => {
        const journal = first && changing ? this.journal(workspace, first.call.callId) : undefined
        if (journal) return journal
        const missing = await this.settle(workspace, head, layers)
        if (missing) return missing
        if (first && changing) return await this.change(workspace, first, start, head)
        const called = await Promise.all(pending.map((one) => this.call(workspace, one)))
        return { ok: true, results: called.map(({ result }) => result) }
      })
    } finally {
      for (const one of pending) this.pending.delete(one)
    }
  }

  /** One call that may change files: dirty, call, snapshot, journal, clean. */
  private async change(workspace: Workspace, pending: Pending, start: Snapshot, head: Snapshot): Promise<PerformReply> {
    const { call, stop } = pending
    workspace.markDirty(call.callId)
    const { result, captured } = conclude(workspace, await this.call(workspace, pending), head)
    const change = captured && {
      head: captured.snapshot,
      layer: this.objects.keep(captured.layer),
      paths: captured.paths.filter((path) => !path.startsWith('\0')).slice(0, 100),
      diffStat: diffStat(workspace, start.count, captured.snapshot.count),
    }
    const reply: PerformReply = { ok: true, results: [result], ...(change ? { change } : {}) }
    // Stopped is no answer for the next lease: it performs the call anew, from the snapshot before it.
    if (stop.signal.aborted) return reply
    replaceFile(workspace.beside('journal.json'), JSON.stringify({ callId: call.callId, reply } satisfies Journal))
    return reply
  }

  private call(workspace: Workspace, { call, stop, untilMs }: Pending): Promise<Called> {
    return callTool(workspace, call, { machine: this.machine, signal: stop.signal, untilMs })
  }

  /** Layers never change: where they are here, a diff waits for nobody. */
  private async diff({ workspace: { id, start, head }, layers }: Asked<'diff'>): Promise<DiffReply> {
    const made = (workspace: Workspace): DiffReply => ({
      ok: true,
      diff: diffText(workspace, start.count, head.count),
    })
    const workspace = this.open(id)
    if (workspace.stack.has(head)) return made(workspace)
    return this.locked(id, 'alone', {}, async (workspace) =>
      (await this.restored(workspace, head, layers)) ? made(workspace) : NEED_LAYERS,
    )
  }

  /** Searches the code of a repo, or of a workspace as it stands between two changes. */
  private async code({ repo, workspace, layers, search, map, waitMs, credential }: Asked<'code'>): Promise<CodeReply> {
    if (!workspace) {
      if (!repo) return failure('bad_request', 'neither a repo nor a workspace is named', false)
      const refused = this.outOfReach(repo.url)
      return refused ?? codeReply(await this.codeRequests.ofRepo({ ...repo, credential }, search, waitMs))
    }
    const { id, head } = workspace
    const mode = this.open(id).current ? 'shared' : 'alone'
    return this.locked(id, mode, {}, async (workspace) => {
      // A run may be ahead of what was committed: what it has is newer, and must not be taken back under its hands.
      const missing = await this.settle(workspace, workspace.current ?? head, layers)
      if (missing) return missing
      const files = repoFiles(workspace)
      return codeReply(
        await (map ? mapOfWorkspace(workspace, files, map, waitMs) : searchWorkspace(workspace, files, search, waitMs)),
      )
    })
  }

  /** The workspace is brought to the snapshot: only what was committed with a step is pushed. */
  private async pack({ runId, workspace: { id, head, fence }, layers }: Asked<'pack'>): Promise<PackReply> {
    return this.locked(
      id,
      'alone',
      { by: { runId, fence } },
      async (workspace) => (await this.settle(workspace, head, layers)) ?? (await packOf(workspace)),
    )
  }

  private outOfReach(url: string | undefined): Failure | undefined {
    if (this.egress || url === undefined || localPath(url) !== undefined) return undefined
    return failure('no_egress', `${withoutSecrets(url)} is for the carrier; this runner reaches no network`, false)
  }

  private async bring({ workspace: { id }, layers }: Asked<'bring'>): Promise<{ ok: true } | Failure> {
    const newest = layers.at(-1)?.snapshot
    if (!newest) return { ok: true }
    return this.locked(id, 'alone', {}, async (workspace) => {
      await this.restored(workspace, newest, layers)
      return { ok: true as const }
    })
  }

  private async locate({ url, ref, subdir }: Asked<'locate'>): Promise<object> {
    const path = localPath(url)
    if (path === undefined) return failure('repo_invalid', `${url} is no local path`, false)
    return { ok: true, ...(await locate(path, ref, subdir)) }
  }

  private async forget(id: string): Promise<{ ok: true } | Failure> {
    return this.locked(id, 'alone', {}, async () => {
      removeAll(join(this.home, id))
      return { ok: true as const }
    })
  }

  /** Ends a call here, and the processes of one that a runner before this one started. */
  private async stop(
    callId: string,
    { runId, fence = Number.POSITIVE_INFINITY }: Pick<Asked<'stop'>, 'runId' | 'fence'>,
  ): Promise<void> {
    const found = [...this.pending].filter(({ call }) => call.callId === callId)
    for (const pending of found)
      if (pending.fence <= fence && (runId === undefined || runId === pending.runId)) pending.stop.abort()
    if (found.length === 0) await endCall(undefined, callId, new Set(), false)
  }

  /** Brings the tree to `head`, or says what is missing for it. Nothing that an earlier call left goes on meanwhile. */
  private async settle(
    workspace: Workspace,
    head: Snapshot,
    layers: Layer[] | undefined,
  ): Promise<Failure | undefined> {
    if (workspace.current?.id !== head.id && !(await this.restored(workspace, head, layers))) return NEED_LAYERS
    await this.endBrokenOff(workspace)
    workspace.settle(head)
    return undefined
  }

  private async endBrokenOff({ brokenOff }: Workspace): Promise<void> {
    if (brokenOff) await endCall(undefined, brokenOff, new Set(), false)
  }

  /** True when every layer of the snapshot is here, taking what the request brought and what the object store has. */
  private async restored(workspace: Workspace, snapshot: Snapshot, layers: Layer[] | undefined): Promise<boolean> {
    const { stack } = workspace
    if (stack.has(snapshot)) return true
    const needed = (layers ?? []).filter((layer) => layer.snapshot.count <= snapshot.count)
    // A layer that is taken in replaces all after it.
    const missing = needed.findIndex((layer) => stack.file(layer) === undefined)
    const wanted = missing === -1 ? [] : needed.slice(missing)
    for (let at = 0; at < wanted.length; at += DOWNLOADS_AT_ONCE_MAX) {
      const some = wanted.slice(at, at + DOWNLOADS_AT_ONCE_MAX)
      const found = await Promise.all(some.map((layer) => this.objects.bytes(layer)))
      for (const [n, layer] of some.entries()) {
        const bytes = found[n]
        if (!bytes || !stack.adopt(layer, bytes)) throw damaged(layer, bytes !== undefined)
      }
    }
    return stack.has(snapshot)
  }

  private async upload({ workspace: { id }, layer, to }: Asked<'upload'>): Promise<{ ok: true } | Failure> {
    return this.locked(id, 'shared', {}, async ({ stack }) => {
      const path = stack.file(layer)
      if (path === undefined) return failure('layer_gone', `layer ${layer.id} is not here any more`, true)
      await upload(to, { id: layer.id, path })
      return { ok: true as const }
    })
  }

  private journal(workspace: Workspace, callId: string): PerformReply | undefined {
    const entry = readJson(workspace.beside('journal.json'), Journal)
    return entry?.callId === callId ? entry.reply : undefined
  }

  /** `by` is who asks; somebody who lost the right to work here is refused. Waits for others until `untilMs`. */
  private async locked<T>(
    id: string,
    mode: 'shared' | 'alone',
    { by, untilMs = Date.now() + LOCK_WAIT_MS_MAX }: { by?: Worker; untilMs?: number | undefined },
    work: (workspace: Workspace) => Promise<T>,
  ): Promise<T | Failure> {
    for (;;) {
      const workspace = this.open(id)
      const give = await workspace.lock.take(mode, untilMs)
      if (!give) return failure('workspace_busy', 'another process works in this workspace', true)
      try {
        // Forgotten while it was waited for: what stands there now, if anything, is another one.
        if (!workspace.lock.stands) continue
        workspace.refresh()
        if (by && !workspace.admits(by.runId, by.fence))
          return failure('fenced', 'a newer lease works in this workspace', false)
        return await work(workspace)
      } finally {
        give()
        if (!workspace.lock.stands) this.drop(workspace)
      }
    }
  }

  /** Lets go of a workspace that was forgotten; whoever still waits for it closes it. */
  private drop(workspace: Workspace): void {
    if (this.workspaces.get(workspace.id) === workspace) this.workspaces.delete(workspace.id)
    if (workspace.lock.free) workspace.lock.close()
  }

  private open(id: string): Workspace {
    const workspace = this.workspaces.get(id) ?? new Workspace(this.home, id)
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

const damaged = ({ id, snapshot }: Layer, isThere: boolean) =>
  new ToolFailure(
    'damaged_layer',
    `layer ${snapshot.count} of the workspace (object ${id}) is ${isThere ? 'damaged' : 'lost'}`,
    `What the ${snapshot.count - 1} layers before it make may be whole: fork the run at an earlier step.`,
  )

function codeReply(answered: Answered): CodeReply {
  if (answered.kind === 'ready') {
    const { results, indexed, map } = answered
    return { ok: true, state: 'ready', results, indexed, ...(map === undefined ? {} : { map }) }
  }
  if (answered.kind === 'pending') return { ok: true, state: 'pending', ...answered.progress }
  if (answered.kind === 'need_files') return failure('index_failed', 'the files of the workspace were not told', true)
  const { code, message, hint } = answered
  return failure(code, message + (hint ? `. ${hint}` : ''), code === 'index_failed')
}

/** Of a workspace that was made elsewhere. */
const whereItStands = (workspace: Workspace): Promise<Start> =>
  standing(workspace.tree, workspace.beside('git')).catch(() => ({}))

/** What the first message tells of a repo. */
function describe(workspace: Workspace): Omit<Facts, 'name' | 'branch' | 'commit'> {
  const files = repoFiles(workspace)
  const top = new Set(files.map((path) => (path.includes('/') ? `${path.slice(0, path.indexOf('/'))}/` : path)))
  const agents = files.filter((path) => path === 'AGENTS.md')
  const testCommand = testCommandOf(workspace)?.command
  const rules = readRules(repoText(workspace, '.stint/config.json'))
  return {
    files: files.length,
    top: [...top].slice(0, 60),
    ...(testCommand ? { testCommand } : {}),
    ...(rules.length > 0 ? { rules } : {}),
    instructions: agents.flatMap((path) => {
      const text = repoText(workspace, path)
      return text === undefined ? [] : [{ path, text: text.slice(0, INSTRUCTIONS_CHARS_MAX) }]
    }),
  }
}
