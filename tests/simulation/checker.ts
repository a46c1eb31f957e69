/**
 * Watches every request that reached the store, as a model of what the store must be, and compares the real rows with
 * it after each change. It knows the engine's promises and nothing of how they are kept.
 */
import type { Event, InboxEntry, Message, Run } from '../../functions/core/types.ts'
import type {
  ClaimReply,
  ClaimRequest,
  Commit,
  CommitReply,
  Post,
  PostReply,
  StartReply,
  StartRequest,
} from '../../functions/ports.ts'
import { compare, restorable, type Seen } from './rows.ts'
import { needsApproval, nothingTold, tell } from './transcript.ts'
import { Violation } from './violation.ts'
import type { Backend } from './world/backend.ts'
import { baseFiles, type Files } from './world/files.ts'
import type { Call } from './world/outside.ts'

export type MayLive = (owner: string) => boolean

export class Checker {
  readonly runs = new Map<string, Seen>()
  /** Runs whose newest commit was lost by the store at some time: what they did meanwhile cannot be undone. */
  readonly rolledBack = new Set<string>()
  /** Runs that a wake-up was given up for. */
  readonly buried = new Set<string>()
  /** Runs that went with their session. */
  readonly removed = new Set<string>()
  commits = 0
  /** Places in the inbox of what was sent, by its id. */
  private readonly sent = new Map<string, number>()
  private readonly keys = new Map<string, string>()
  private readonly calls = new Map<string, { args: string; tool: string }>()
  /** `place tool arguments` of approvals that hold for more than one call. */
  private readonly remembered = new Set<string>()
  private readonly everCommitted = new Set<string>()
  private readonly workspaces = new Map<string, Files>()
  private readonly backend: Backend
  private readonly mayLive: MayLive

  constructor(backend: Backend, mayLive: MayLive) {
    this.backend = backend
    this.mayLive = mayLive
  }

  /** A run that was there before the simulation began. */
  async adopt(run: Run, messages: string[], events: string[], token: number): Promise<void> {
    const seen = this.begin(run, messages, events)
    seen.token = token
    this.workspaces.set(run.workspaceId, seen.told.files)
    await compare(this.backend, seen, 0, 0)
  }

  async started({ run, messages, events, idempotency }: StartRequest, reply: StartReply): Promise<void> {
    if (!reply.ok) return
    if (idempotency) {
      const first = this.keys.get(idempotency.key)
      if (first && first !== reply.run.runId) throw new Violation('I7', `two runs under the key ${idempotency.key}`)
      this.keys.set(idempotency.key, reply.run.runId)
    }
    if (reply.existed || this.runs.has(run.runId)) return
    const seen = this.begin(run, messages.map(text), events.map(text))
    await compare(this.backend, seen, 0, 0)
  }

  claimed({ runId, owner, leaseMs, now }: ClaimRequest, reply: ClaimReply): void {
    if (!reply.ok) return
    const seen = this.known(runId)
    if (reply.token <= seen.token) throw new Violation('I3', `token ${reply.token} after ${seen.token} for ${runId}`)
    if (seen.leaseUntil > now && seen.owner !== owner && this.mayLive(seen.owner))
      throw new Violation('I3', `${owner} took over the lease that ${seen.owner} still holds`)
    Object.assign(seen, { token: reply.token, owner, leaseUntil: now + leaseMs })
    seen.claimsMax = Math.max(seen.claimsMax, reply.claims)
    if (reply.run.step !== seen.run.step || reply.messages.length !== seen.messages.length)
      throw new Violation('I1', `a claim brought step ${reply.run.step} with ${reply.messages.length} messages`)
  }

  renewed({ runId, token, leaseMs, now }: { runId: string; token: number; leaseMs: number; now: number }, ok: boolean) {
    const seen = this.runs.get(runId)
    if (!seen || !ok) return
    if (seen.owner === '') throw new Violation('I3', `a lease that was given back was renewed for ${runId}`)
    if (token !== seen.token) throw new Violation('I3', `a lease of token ${token} was renewed after ${seen.token}`)
    // The store may keep the time it had.
    seen.leaseUntil = Math.max(seen.leaseUntil, now + leaseMs / 2)
  }

  async committed(commit: Commit, reply: CommitReply, at: number): Promise<void> {
    const seen = this.runs.get(commit.runId)
    if (!seen) return
    if (commit.id === seen.lastCommit) {
      if (!reply.ok) throw new Violation('I11', `commit ${commit.id}, sent again, is answered ${reply.why}`)
      return
    }
    if (!reply.ok) return
    this.accept(seen, commit)
    seen.changedAt = at
    const { run } = commit
    await compare(this.backend, seen, commit.messages.length, commit.events.length)
    // What follows the end of a run moves nothing: a later run of its session may have been at work meanwhile.
    if (run.head && run.head.id !== seen.run.head?.id) {
      await restorable(this.backend, run, seen.told.files)
      this.workspaces.set(run.workspaceId, seen.told.files)
    }
    seen.run = run
  }

  posted({ runId, id, entry }: Post, reply: PostReply, at: number): void {
    const seen = this.runs.get(runId)
    if (!seen) return
    if (!reply.ok) {
      if (
        reply.why === 'decided' &&
        entry.type === 'decision' &&
        seen.decided.get(entry.decision.callId) !== reply.approved
      )
        throw new Violation('I8', `two people were told different decisions on ${entry.decision.callId}`)
      return
    }
    if (reply.wake) seen.wokenAt = at
    const known = this.sent.get(id)
    if (known !== undefined && known !== reply.seq) throw new Violation('I11', `${entry.type} ${id} was added twice`)
    if (known !== undefined) return
    this.sent.set(id, reply.seq)
    seen.posts.push({ ...entry, seq: reply.seq } as InboxEntry)
    if (entry.type !== 'decision') return
    const { callId, approved, remember } = entry.decision
    if (seen.decided.has(callId)) throw new Violation('I8', `two decisions on ${callId} were taken`)
    seen.decided.set(callId, approved)
    const call = this.calls.get(callId)
    if (!approved || remember === 'call' || !call) return
    const place = remember === 'run' ? runId : seen.run.sessionId
    this.remembered.add(`${place} ${call.tool} ${call.args}`)
  }

  /** Rows are as they were before the commit; so must be what is known of them. */
  save(runId: string): () => void {
    const seen = this.known(runId)
    const before = { ...seen, messages: [...seen.messages], events: [...seen.events], commits: new Set(seen.commits) }
    const files = this.workspaces.get(seen.run.workspaceId)
    return () => {
      Object.assign(seen, before)
      if (files) this.workspaces.set(seen.run.workspaceId, files)
      this.rolledBack.add(runId)
    }
  }

  /** A call begins to be performed, under the lease of `token`. */
  performs(runId: string, call: Call): void {
    const seen = this.runs.get(runId)
    // Its session was removed under it.
    if (!seen) return
    const args = JSON.stringify(call.input)
    const known = this.calls.get(call.callId)
    const isCheck = /c\d+$/.test(call.callId) && call.tool === 'run_tests'
    if (!known && !isCheck)
      throw new Violation('I8', `${call.tool} ${args} of ${call.callId} is performed and was never committed`)
    const made = known ?? { tool: call.tool, args }
    if (made.tool !== call.tool) throw new Violation('I8', `${call.callId} is ${made.tool}, not ${call.tool}`)
    if (!needsApproval(made.tool, made.args) || seen.run.approval === 'auto') return
    const held = `${made.tool} ${made.args}`
    const said =
      seen.decided.get(call.callId) === true ||
      this.remembered.has(`${runId} ${held}`) ||
      this.remembered.has(`${seen.run.sessionId} ${held}`)
    if (!said || seen.run.approval === 'deny') throw new Violation('I8', `${held} is performed and nobody approved it`)
  }

  /** A branch is about to be moved: for a call that was committed, to the commit that somebody agreed to. */
  pushes({ runId, branch, commit, ci }: { runId: string; branch: string; commit: string; ci: boolean }): void {
    const seen = this.runs.get(runId)
    if (!seen) return
    const asked = [...this.calls].filter(
      ([, { tool, args }]) =>
        tool === 'git_push' && `stint/${(JSON.parse(args) as { branch: string }).branch}` === branch,
    )
    if (asked.length === 0) throw new Violation('I8', `${branch} is pushed and no committed call says so`)
    const { approval } = seen.run
    if (approval === 'deny') throw new Violation('I8', `${branch} is pushed by a run that may not`)
    if (approval === 'auto' && !ci) return
    const shown = (callId: string): boolean =>
      [...this.runs.values()].some(({ events }) =>
        events.some(
          (event) =>
            event.includes('"approval.requested"') && event.includes(callId) && event.includes(commit.slice(0, 12)),
        ),
      )
    const agreed = asked.some(([callId]) => seen.decided.get(callId) === true && shown(callId))
    if (!agreed) throw new Violation('I8', `${branch} is pushed to ${commit}, which nobody was shown and agreed to`)
  }

  published(event: Event): void {
    if (event.seq !== undefined && !this.everCommitted.has(text(event)))
      throw new Violation('I1', `${event.type} ${event.seq} of ${event.runId} is shown and not committed`)
  }

  /** All rows of every run, once more, from the first on. */
  async compareAll(): Promise<void> {
    for (const seen of this.runs.values()) await compare(this.backend, seen, seen.messages.length, seen.events.length)
  }

  forget(sessionId: string): void {
    const gone = [...this.runs.values()].filter(({ run }) => run.sessionId === sessionId).map(({ run }) => run.runId)
    for (const runId of gone) this.runs.delete(runId)
    for (const runId of gone) this.removed.add(runId)
    for (const [key, runId] of this.keys) if (gone.includes(runId)) this.keys.delete(key)
  }

  private begin(run: Run, messages: string[], events: string[]): Seen {
    const first = run.forkedFrom && this.runs.get(run.forkedFrom.runId)
    const begins = first?.begins ?? this.workspaces.get(run.workspaceId) ?? baseFiles()
    const seen: Seen = {
      run,
      label: /^(\w+):/.exec(run.task)?.[1] ?? run.task,
      token: 0,
      owner: '',
      leaseUntil: 0,
      lastCommit: '',
      commits: new Set(),
      messages,
      events,
      begins,
      told: nothingTold(begins),
      posts: [],
      decided: new Map(),
      claimsMax: 0,
      changedAt: 0,
      wokenAt: 0,
    }
    this.runs.set(run.runId, seen)
    for (const event of events) this.everCommitted.add(event)
    // What a fork brings along was told to the run it comes from, which may have been cancelled.
    const inherited = first?.posts.some(isCancel)
    for (const message of messages) this.take(seen, JSON.parse(message) as Message, inherited)
    if (run.forkedFrom) this.workspaces.set(run.workspaceId, seen.told.files)
    return seen
  }

  private accept(seen: Seen, { runId, id, token, after, run, messages, events, keepMs, now }: Commit): void {
    this.commits++
    if (token !== seen.token) throw new Violation('I3', `a commit of token ${token} was taken after ${seen.token}`)
    if (seen.run.action.type === 'stop') throw new Violation('I6', `${runId} was committed after its end`)
    const given = run.step === after && messages.length === 0 && events.length === 0
    if (after !== seen.run.step || (run.step !== after + 1 && !given))
      throw new Violation('I2', `step ${after} to ${run.step} was committed at step ${seen.run.step}`)
    if (!given && seen.commits.has(`${token} ${after}`)) throw new Violation('I3', `step ${after} twice under ${token}`)
    if (!given) seen.commits.add(`${token} ${after}`)
    seen.lastCommit = id
    seen.leaseUntil = keepMs > 0 ? now + keepMs : 0
    if (keepMs === 0) seen.owner = ''
    for (const message of messages) {
      seen.messages.push(text(message))
      this.take(seen, message)
    }
    for (const event of events) {
      if (event.seq !== seen.events.length + 1)
        throw new Violation('I1', `event ${event.seq} after ${seen.events.length}`)
      seen.events.push(text(event))
      this.everCommitted.add(text(event))
    }
    if (run.usage.costUsd > run.limits.costUsd + 0.001) throw new Violation('I10', `spent $${run.usage.costUsd}`)
  }

  private take(seen: Seen, message: Message, cancelled = seen.posts.some(isCancel)): void {
    if (message.role === 'assistant')
      for (const call of message.calls) this.calls.set(call.callId, { tool: call.tool, args: call.arguments })
    seen.told = tell(seen.told, message, cancelled)
  }

  private known(runId: string): Seen {
    const seen = this.runs.get(runId)
    if (!seen) throw new Violation('I1', `nobody started ${runId}`)
    return seen
  }
}

const text = (record: unknown): string => JSON.stringify(record)

const isCancel = ({ type }: InboxEntry): boolean => type === 'cancel'
