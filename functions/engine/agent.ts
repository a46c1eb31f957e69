/** The coding agent as one object: what the faces (HTTP, terminal, Slack, jobs) use, and nothing else of the engine. */
import { sessionAccount } from '../core/accounts.ts'
import { STINT_MS_MAX } from '../core/limits.ts'
import type { Decision, Run } from '../core/types.ts'
import type { Ports, Wake } from '../ports.ts'
import {
  type Admitted,
  admitRun,
  admitTool,
  cancel,
  decide,
  type Idempotency,
  type RunRequest,
  type Sent,
  say,
  type ToolRequest,
} from './admit.ts'
import { advance, bury, type Stint } from './advance.ts'
import { type CodeAnswer, type CodeRequest, searchCode } from './code.ts'
import { type ForkRequest, fork } from './fork.ts'
import { sweep } from './sweep.ts'

export type { AgentContext } from '../core/context.ts'
export type { Action as AgentAction, ToolResult } from '../core/types.ts'
export type { Admitted, RunRequest, Sent, ToolRequest } from './admit.ts'
export { hashOf } from './admit.ts'

export class AICodeAgent {
  readonly ports: Ports
  constructor(ports: Ports) {
    this.ports = ports
  }

  /** Admits a run; a worker takes it from here. */
  execute(request: RunRequest, idempotency?: Idempotency): Promise<Admitted> {
    return admitRun(request, this.ports, idempotency)
  }

  /** Admits one tool call as a run. `callId` names the call. */
  executeTool(request: ToolRequest): Promise<Admitted & { callId?: string }> {
    return admitTool(request, this.ports)
  }

  say(runId: string, text: string): Promise<Sent> {
    return say(runId, text, this.ports)
  }

  decide(runId: string, decision: Decision): Promise<Sent> {
    return decide(runId, decision, this.ports)
  }

  cancel(runId: string, reason?: string): Promise<Sent> {
    return cancel(runId, reason, this.ports)
  }

  /** A new run from the middle of another. */
  fork(request: ForkRequest): Promise<Admitted> {
    return fork(request, this.ports)
  }

  /** What a person thought of a run. False: there is no such run. */
  rate(runId: string, { score, comment }: { score: -1 | 1; comment?: string | undefined }): Promise<boolean> {
    return this.ports.store.rate(runId, { score, ...(comment ? { comment } : {}), at: this.ports.clock.now() })
  }

  /** Performs one stint. `until` tells (epoch ms) when it must hand over; it is asked before every step. */
  advance(wake: Wake, until?: () => number): Promise<Stint> {
    const end = this.ports.clock.now() + STINT_MS_MAX
    return advance(wake, until ?? (() => end), this.ports)
  }

  /** For a wake-up that a queue gave up: ends its run as failed, unless it goes on without it. */
  bury(wake: Wake, why: string): Promise<'buried' | 'left'> {
    return bury(wake, why, this.ports)
  }

  sweep(): Promise<Wake[]> {
    return sweep(this.ports)
  }

  /** A unified diff of the run's workspace against its start, as committed; undefined: no such run. */
  async diff(
    runId: string,
  ): Promise<{ ok: true; diff: string } | { ok: false; code: string; message: string } | undefined> {
    const run = await this.ports.store.run(runId)
    if (!run) return undefined
    const { start, head, workspaceId } = run
    if (!start || !head || start.id === head.id) return { ok: true, diff: '' }
    return this.ports.sandbox.diff({ workspaceId, start, head, layers: () => this.ports.store.layers(workspaceId) })
  }

  /** Searches the code of a repo or a session, or only sees to the index. */
  searchCode(request: CodeRequest): Promise<CodeAnswer> {
    return searchCode(request, this.ports)
  }

  /**
   * Removes a session with all that is stored of it. Memory after the store, which alone knows whether a run is under
   * way; and also where the store has nothing more, for a removal that broke off in between is asked for again.
   */
  async forget(sessionId: string): Promise<'gone' | 'busy' | 'forgotten'> {
    const removed = await this.ports.store.deleteSession(sessionId)
    if (removed.ok || removed.why === 'gone') await this.ports.memory?.forget(sessionId)
    if (removed.ok || removed.why === 'gone') await this.ports.ledger?.forget(sessionAccount(sessionId))
    if (!removed.ok) return removed.why
    await this.ports.sandbox.forget(removed.workspaceId)
    await this.ports.snapshots.delete(removed.layerIds)
    return 'forgotten'
  }

  /** The run once it has ended or waits for a person, or as it is when `ms` have passed. */
  async settled(runId: string, ms: number, signal?: AbortSignal): Promise<Run | undefined> {
    const { store, feed, clock } = this.ports
    const deadline = clock.now() + ms
    for (;;) {
      const news = new AbortController()
      const stop = feed.subscribe(runId, (event) => {
        if (event.type.startsWith('run.')) news.abort()
      })
      try {
        const run = await store.run(runId)
        if (!run || !['queued', 'running'].includes(run.status) || clock.now() >= deadline || signal?.aborted)
          return run
        await clock.sleep(
          Math.min(POLL_MS, deadline - clock.now()),
          signal ? AbortSignal.any([news.signal, signal]) : news.signal,
        )
      } finally {
        stop()
      }
    }
  }
}

/** A run may be advanced by another process, which this one hears nothing of. */
const POLL_MS = 250
