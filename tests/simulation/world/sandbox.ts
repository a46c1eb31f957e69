import type { Transport } from '../../../functions/adapters/sandbox-client.ts'
import type {
  Call,
  CallResult,
  Layer,
  PackReply,
  PerformReply,
  PrepareReply,
  Request,
  Snapshot,
} from '../../../sandbox-runner/protocol.ts'
import type { Faults } from '../faults.ts'
import type { Random } from '../random.ts'
import { Box } from './box.ts'
import { baseFiles, changesFiles, type Input, layerBytes, perform } from './files.ts'
import { packOf } from './forge.ts'

type Asked<Op extends Request['op']> = Extract<Request, { op: Op }>

export type SandboxWorld = {
  random: Random
  faults: Faults
  /** Lets virtual time pass. */
  pause(ms: number, label: string): Promise<void>
  /** Told of every call that begins to run. */
  onCall(runId: string, call: Call): void
}

/** A machine died under its caller. */
class Killed extends Error {}

/** Failures of machines that one action may meet, so that no run ends because of them. */
const FAILURES_MAX = 2

type Pending = { callIds: string[]; fence: number; stopped: boolean }

export class SandboxMachines {
  /** Requests under way, or waiting for their turn. */
  private readonly pending = new Set<Pending>()
  private readonly boxes = new Map<string, Box>()
  private readonly failures = new Map<string, number>()
  private readonly world: SandboxWorld

  constructor(world: SandboxWorld) {
    this.world = world
  }

  /** Does not throw for what a runner answers; throws when no answer comes. */
  async handle(request: Request): Promise<unknown> {
    switch (request.op) {
      case 'prepare':
        return this.prepare(request)
      case 'perform':
        return this.perform(request)
      case 'pack':
        return this.pack(request)
      case 'stop':
        for (const one of this.pending)
          if (one.fence <= (request.fence ?? Number.POSITIVE_INFINITY))
            one.stopped ||= one.callIds.some((callId) => request.callIds.includes(callId))
        return { ok: true }
      case 'forget':
        for (const key of this.boxes.keys()) if (key.startsWith(`${request.workspace.id} `)) this.boxes.delete(key)
        return { ok: true }
      default:
        throw new Error(`nobody simulates ${request.op}`)
    }
  }

  /** The machine that a request reaches: mostly the same, sometimes another, sometimes one that knows nothing yet. */
  private route(workspaceId: string): Box {
    const { faults } = this.world
    const key = `${workspaceId} ${faults.happens('sandbox_other_instance') ? 'other' : 'first'}`
    const known = this.boxes.get(key)
    if (known && !faults.happens('sandbox_cold')) return known
    const box = new Box()
    this.boxes.set(key, box)
    return box
  }

  private dies(
    fault: 'sandbox_killed_before_effect' | 'sandbox_killed_after_effect' | 'sandbox_reply_lost',
    of: string,
  ) {
    const failed = this.failures.get(of) ?? 0
    if (failed >= FAILURES_MAX || !this.world.faults.happens(fault)) return
    this.failures.set(of, failed + 1)
    throw new Killed('the sandbox died')
  }

  private prepare({ runId, workspace, head, layers }: Asked<'prepare'>): Promise<PrepareReply> {
    const box = this.route(workspace.id)
    return box.alone(async () => {
      if (!box.admits(runId, workspace.fence)) return FENCED
      await this.world.pause(this.world.random.int(20, 800), 'prepares')
      this.dies('sandbox_killed_before_effect', `prepare ${runId}`)
      const facts = { name: 'repo', files: 3, top: [], instructions: [] }
      if (head) return this.settle(box, head, layers) ?? { ok: true, head, layers: [], facts }
      box.files = baseFiles()
      const layer = box.keep(1, layerBytes(new Map(), box.files))
      box.current = layer.snapshot
      this.dies('sandbox_reply_lost', `prepare ${runId}`)
      return { ok: true, head: layer.snapshot, layers: [layer], facts }
    })
  }

  private pack({ runId, workspace: { id, fence, head }, layers }: Asked<'pack'>): Promise<PackReply> {
    const box = this.route(id)
    return box.alone(async () => {
      if (!box.admits(runId, fence)) return FENCED
      await this.world.pause(this.world.random.int(2, 200), 'packs')
      return this.settle(box, head, layers) ?? packOf(runId, id, head)
    })
  }

  private async perform(request: Asked<'perform'>): Promise<PerformReply> {
    const pending = {
      callIds: request.calls.map(({ callId }) => callId),
      fence: request.workspace.fence,
      stopped: false,
    }
    this.pending.add(pending)
    try {
      return await this.performAlone(request, pending)
    } finally {
      this.pending.delete(pending)
    }
  }

  private performAlone({ runId, workspace, calls, layers }: Asked<'perform'>, pending: Pending): Promise<PerformReply> {
    const box = this.route(workspace.id)
    const [first] = calls
    return box.alone(async () => {
      if (!box.admits(runId, workspace.fence)) return FENCED
      if (!first) throw new Error('no call')
      const changing = changesFiles(first.tool)
      if (changing && box.journal?.callId === first.callId) return box.journal.reply
      const missing = this.settle(box, workspace.head, layers)
      if (missing) return missing
      for (const call of calls) this.world.onCall(runId, call)
      if (changing) return this.change(box, first, workspace.head, pending)
      await this.world.pause(this.world.random.int(2, 300), first.tool)
      this.dies('sandbox_killed_before_effect', first.callId)
      return {
        ok: true,
        results: calls.map((call) => resultOf(call, perform(box.files, call.tool, call.input as Input))),
      }
    })
  }

  /** Dirty, effect, layer, journal, clean; it may be killed between any two of them. */
  private async change(box: Box, call: Call, head: Snapshot, pending: Pending): Promise<PerformReply> {
    box.current = undefined
    const { random } = this.world
    await this.world.pause(random.chance(0.05) ? random.int(10_000, 60_000) : random.int(5, 1500), call.tool)
    this.dies('sandbox_killed_before_effect', call.callId)
    if (pending.stopped) {
      box.current = head
      const error = { code: 'cancelled', message: 'ended because the run was cancelled' }
      return { ok: true, results: [resultOf(call, { ok: false, output: error.message, error })] }
    }
    const before = box.files
    const done = perform(before, call.tool, call.input as Input)
    box.files = done.files ?? before
    await this.world.pause(this.world.random.int(0, 100), `${call.tool} done`)
    this.dies('sandbox_killed_after_effect', call.callId)
    const layer = done.files ? box.keep(head.count + 1, layerBytes(before, done.files)) : undefined
    const reply: PerformReply = {
      ok: true,
      results: [resultOf(call, done)],
      ...(layer ? { change: { head: layer.snapshot, layer, paths: [], diffStat: DIFF_STAT } } : {}),
    }
    box.journal = { callId: call.callId, reply }
    box.current = layer?.snapshot ?? head
    this.dies('sandbox_reply_lost', call.callId)
    return reply
  }

  /** Brings the files to `head`, or says that layers are missing. */
  private settle(box: Box, head: Snapshot, layers: Layer[] | undefined): typeof NEED_LAYERS | undefined {
    if (box.current?.id === head.id) return undefined
    if (layers && !box.stateAt(head))
      box.layers = layers
        .filter(({ snapshot }) => snapshot.count <= head.count)
        .map(({ id, inline = '' }) => ({ id, bytes: Buffer.from(inline, 'base64') }))
    const files = box.stateAt(head)
    if (!files) return NEED_LAYERS
    box.files = files
    box.current = head
    return undefined
  }
}

/** How one process reaches the machines; `over` is its network. */
export const transportTo = (
  machines: SandboxMachines,
  over: (label: string, work: () => Promise<unknown>) => Promise<unknown>,
): Transport => ({
  send: (request) => over(`sandbox.${request.op}`, () => machines.handle(structuredClone(request))),
  close: async () => {},
})

const resultOf = ({ callId }: Call, { ok, output, data, error }: ReturnType<typeof perform>): CallResult => ({
  callId,
  ok,
  output,
  ...(data === undefined ? {} : { data }),
  ...(error ? { error } : {}),
  durationMs: 0,
  truncated: false,
})

const DIFF_STAT = { files: 1, additions: 1, deletions: 0 }
const FENCED = { ok: false as const, code: 'fenced', message: 'a newer lease works in this workspace', retry: false }
const NEED_LAYERS = { ok: false as const, code: 'need_layers', message: 'the workspace is not here', retry: true }
