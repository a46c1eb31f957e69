/**
 * The Sandbox port over any transport that carries the runner's protocol: a local socket, HTTP, a Lambda invocation.
 * It asks once without the stored layers and brings them only when the runner says it needs them.
 */
import { z } from 'zod'
import {
  CodeReply,
  DiffReply,
  Failure,
  HealthReply,
  LocateReply,
  PackReply,
  PerformReply,
  PrepareReply,
  type Request,
  Running,
} from '../../sandbox-runner/protocol.ts'
import type { Isolation, Layer, Repo, SnapshotRef } from '../core/types.ts'
import type { Credential, Sandbox, SandboxFailure, Snapshots } from '../ports.ts'

/** Carries one request. Throws when the runner cannot be reached or did not answer. */
export type Transport = {
  /** Where an answer may be `running`: so long each request waits, and then asks again. */
  waitMs?: number
  send(request: Request, options?: { timeoutMs?: number }): Promise<unknown>
  close(): Promise<void>
}

/** By which address a repo is reached, and what opens it. */
export type Credentials = (
  repo: Repo,
  signal: AbortSignal,
) => Promise<{ ok: true; repo: Repo; credential?: Credential } | SandboxFailure>

const PREPARE_MS_MAX = 600_000
const PERFORM_MS_MAX = 1_300_000
const DIFF_MS_MAX = 60_000
const HEALTH_MS_MAX = 10_000
const UPLOAD_MS_MAX = 330_000

const Done = z.union([z.object({ ok: z.literal(true) }), Failure])
/** Beside the index: for a clone, for a search, for a lock. */
const CODE_MS_MORE = 310_000

/** What a carrier needs of the sandbox that holds the workspace. */
export type Packing = {
  pack(request: {
    runId: string
    workspaceId: string
    fence: number
    head: SnapshotRef
    layers: () => Promise<Layer[]>
  }): Promise<PackReply>
}

export type ClientOptions = {
  /** What holds commands in, where it is known beforehand; else the runner is asked once. */
  isolation?: Isolation
  /** Asked for by a carrier alone. */
  credentials?: Credentials
  /**
   * Of an object store that the runner cannot reach by itself: a layer too large to travel is in there before anybody
   * here hears of it, and comes back by an address.
   */
  lend?: Snapshots['lend'] | undefined
}

export function sandboxOver(
  transport: Transport,
  { isolation, credentials = async (repo) => ({ ok: true, repo }), lend }: ClientOptions = {},
): Sandbox & Packing {
  let known = isolation
  /** A reply that fits its schema, or a failure that may be tried again. How long we wait travels with the request. */
  async function ask<T>(schema: z.ZodType<T>, request: Request, timeoutMs: number): Promise<T | SandboxFailure> {
    const waitMs = request.op === 'code' ? undefined : transport.waitMs
    let withinMs = timeoutMs
    try {
      for (;;) {
        const asked = performance.now()
        const patient = { ...request, withinMs, ...(waitMs === undefined ? {} : { waitMs }) }
        const said = await transport.send(patient, { timeoutMs: Math.min(withinMs, waitMs ?? withinMs) })
        withinMs -= Math.round(performance.now() - asked)
        if (withinMs > 0 && Running.safeParse(said).success) continue
        const reply = schema.safeParse(said)
        return reply.success
          ? reply.data
          : { ok: false, code: 'sandbox_nonsense', message: 'the sandbox-runner answered something else', retry: true }
      }
    } catch (error) {
      return { ok: false, code: 'sandbox_unreachable', message: (error as Error).message, retry: true }
    }
  }

  /** Once without layers, once with them when they are missing there. */
  async function withLayers<T extends { ok: true }>(
    first: T | SandboxFailure,
    layers: () => Promise<Layer[]>,
    again: (layers: Layer[]) => Promise<T | SandboxFailure>,
  ): Promise<T | SandboxFailure> {
    return first.ok === false && first.code === 'need_layers' ? await again(await reachable(await layers())) : first
  }

  async function reachable(layers: Layer[]): Promise<Layer[]> {
    if (!lend) return layers
    return Promise.all(
      layers.map(async (layer) => (layer.inline === undefined ? { ...layer, lent: await lend.get(layer.id) } : layer)),
    )
  }

  /** Has the layers that an answer tells of put where they stay; undefined when they are there. */
  async function store(workspace: { id: string; fence: number }, layers: Layer[]): Promise<SandboxFailure | undefined> {
    for (const layer of layers) {
      if (!lend || layer.inline !== undefined) continue
      const to = await lend.put(layer.id).catch((error: Error) => error)
      if (to === undefined) continue
      if (to instanceof Error) return { ok: false, code: 'objects_unreachable', message: to.message, retry: true }
      const reply = await ask(Done, { op: 'upload', workspace, layer, to }, UPLOAD_MS_MAX)
      if (!reply.ok) return reply
    }
    return undefined
  }

  return {
    async isolation() {
      if (known) return known
      const reply = await ask(HealthReply, { op: 'health' }, HEALTH_MS_MAX)
      // One that does not answer now holds nothing, until it is asked again.
      if (reply.ok) known = reply.isolation
      return known ?? 'none'
    },
    async prepare({ runId, workspaceId, fence, repo: asked, head, layers, signal }) {
      const opened = asked && (await credentials(asked, signal))
      if (opened && !opened.ok) return opened
      const { repo, credential } = opened ?? {}
      const request = {
        op: 'prepare' as const,
        runId,
        workspace: { id: workspaceId, fence },
        ...(repo ? { repo } : {}),
        ...(head ? { head } : {}),
        ...(credential ? { credential } : {}),
      }
      const first = await ask(PrepareReply, request, PREPARE_MS_MAX)
      const reply = await withLayers(first, layers, (found) =>
        ask(PrepareReply, { ...request, layers: found }, PREPARE_MS_MAX),
      )
      return (reply.ok && (await store(request.workspace, reply.layers))) || reply
    },
    async perform({ runId, workspaceId, fence, start, head, calls, layers, signal }) {
      const request = {
        op: 'perform' as const,
        runId,
        workspace: { id: workspaceId, fence, start, head },
        calls: calls.map((call) => ({ ...call })),
      }
      const callIds = calls.map((call) => call.callId)
      const stop = () => void transport.send({ op: 'stop', runId, callIds, fence }).catch(() => {})
      signal.addEventListener('abort', stop, { once: true })
      try {
        const first = await ask(PerformReply, request, PERFORM_MS_MAX)
        const reply = await withLayers(first, layers, (found) =>
          ask(PerformReply, { ...request, layers: found }, PERFORM_MS_MAX),
        )
        return (reply.ok && reply.change && (await store(request.workspace, [reply.change.layer]))) || reply
      } finally {
        signal.removeEventListener('abort', stop)
      }
    },
    async pack({ runId, workspaceId, fence, head, layers }) {
      const request = { op: 'pack' as const, runId, workspace: { id: workspaceId, fence, head } }
      const first = await ask(PackReply, request, DIFF_MS_MAX)
      return withLayers(first, layers, (found) => ask(PackReply, { ...request, layers: found }, DIFF_MS_MAX))
    },
    async diff({ workspaceId, start, head, layers }) {
      const request = { op: 'diff' as const, workspace: { id: workspaceId, fence: 0, start, head } }
      const first = await ask(DiffReply, request, DIFF_MS_MAX)
      return withLayers(first, layers, (found) => ask(DiffReply, { ...request, layers: found }, DIFF_MS_MAX))
    },
    async code({ place, search, map, waitMs }) {
      const timeoutMs = waitMs + CODE_MS_MORE
      const opened = 'repo' in place ? await credentials(place.repo, AbortSignal.timeout(timeoutMs)) : undefined
      if (opened && !opened.ok) return opened
      const request = {
        op: 'code' as const,
        ...('repo' in place
          ? { repo: opened?.repo ?? place.repo, ...(opened?.credential ? { credential: opened.credential } : {}) }
          : { workspace: { id: place.workspaceId, fence: 0, head: place.head } }),
        ...(search ? { search } : {}),
        ...(map ? { map } : {}),
        waitMs,
      }
      const first = await ask(CodeReply, request, timeoutMs)
      if ('repo' in place) return first
      return withLayers(first, place.layers, (found) => ask(CodeReply, { ...request, layers: found }, timeoutMs))
    },
    async locate({ url, ref, subdir }) {
      return ask(
        LocateReply,
        { op: 'locate', url, ...(ref ? { ref } : {}), ...(subdir ? { subdir } : {}) },
        HEALTH_MS_MAX,
      )
    },
    async forget(workspaceId) {
      const reply = await ask(Done, { op: 'forget', workspace: { id: workspaceId, fence: 0 } }, DIFF_MS_MAX)
      if (!reply.ok) throw new Error(reply.message)
    },
    async health() {
      const reply = await ask(HealthReply, { op: 'health' }, HEALTH_MS_MAX)
      if (!reply.ok) return { ok: false, detail: reply.message }
      return {
        ok: true,
        detail: `Node ${reply.version}, ${reply.git || 'no git'}`,
        isolation: `${reply.isolation}: ${reply.holds}`,
      }
    },
    close: () => transport.close(),
  }
}
