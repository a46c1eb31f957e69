/**
 * One stint of a run: claim, then perform -> step -> commit again and again, until the run ends or waits, its time is
 * up, or somebody else holds it. Nothing is shown before it is committed. Whatever kills this process leaves the run
 * at its last commit; the next stint goes on from there by the same path.
 */
import { hasEnded, isClosed } from '../core/inbox.ts'
import {
  CLAIMS_MAX,
  LEASE_MS,
  LEASE_RENEW_MS,
  NAP_MS_MAX,
  STORE_RETRY_MS_FIRST,
  WAKE_GRACE_MS,
} from '../core/limits.ts'
import { step } from '../core/step.ts'
import type { InboxEntry, Layer, Outcome, Run } from '../core/types.ts'
import type { Clock, Commit, Ports, Wake } from '../ports.ts'
import type { Held } from './held.ts'
import { type Effect, perform } from './perform.ts'

/**
 * How a stint ended. `lost`: another process took the run over. `stale`: the wake-up was for a step that is done.
 * `future`: for one the store does not know yet; the wake-up must come again, later.
 */
export type Stint = 'ended' | 'waiting' | 'handed_over' | 'busy' | 'gone' | 'lost' | 'stale' | 'future'

/** `until` tells (epoch ms) when this stint must hand over. Throws when the store cannot be used. */
export async function advance({ runId, step: at }: Wake, until: () => number, ports: Ports): Promise<Stint> {
  const { store, clock, queue, settings } = ports
  const claim = await store.claim({
    runId,
    owner: settings.owner,
    leaseMs: LEASE_MS,
    now: clock.now(),
    ...(at === undefined ? {} : { step: at }),
  })
  if (!claim.ok) return claim.why
  const lease = keepLease(runId, claim.token, () => hasEnded(held.run), ports)
  const { run, messages, token } = claim
  const held: Held = { run, messages, token, signal: lease.signal, commits: 0 }
  let inbox = claim.inbox
  try {
    for (;;) {
      const started = clock.now()
      const effect =
        claim.claims > CLAIMS_MAX && held.commits === 0
          ? noProgress(`${claim.claims - 1} tries of ${held.run.action.type} broke off without a result.`)
          : await nextEffect(held, inbox, until(), ports)
      if (effect === 'hand_over') return await giveBack(held, pauseMs(held.run, clock.now()), ports)
      if (lease.lost()) return 'lost'
      // Broken off, or people spoke meanwhile: what they sent goes into this very step.
      inbox = merge(inbox, lease.news())
      const outcome = {
        ...(effect?.outcome ?? { type: 'woken' }),
        at: clock.now(),
        workedMs: clock.now() - started,
        inbox,
      } as Outcome
      const done = await commitStep(held, outcome, effect?.layers ?? [], clock.now() < until(), ports)
      if (done === 'lost') return 'lost'
      inbox = done.inbox
      if (isClosed(held.run)) return 'ended'
      if (held.run.status === 'waiting' && !answers(held.run, inbox)) return await rest(held, done.released, ports)
      if (done.released) {
        await queue.send({ runId, step: held.run.step }, 0)
        return 'handed_over'
      }
    }
  } finally {
    lease.end()
  }
}

/**
 * Ends a run that no wake-up reaches any more: the queue gave this one up. Only while the run still stands where the
 * wake-up was sent for and nobody works on it; otherwise it goes on by itself, and nothing is done.
 */
export async function bury({ runId, step }: Wake, why: string, ports: Ports): Promise<'buried' | 'left'> {
  const { store, clock, settings } = ports
  const request = { runId, owner: `${settings.owner} bury`, leaseMs: LEASE_MS, now: clock.now() }
  const claim = await store.claim({ ...request, ...(step === undefined ? {} : { step }) })
  if (!claim.ok) return 'left'
  const { run, messages, token } = claim
  const held: Held = { run, messages, token, signal: new AbortController().signal, commits: 0 }
  const { outcome } = noProgress(why)
  const given = { ...outcome, at: clock.now(), workedMs: 0, inbox: claim.inbox } as Outcome
  const done = await commitStep(held, given, [], false, ports)
  if (done !== 'lost' && !isClosed(held.run)) await ports.queue.send({ runId, step: held.run.step }, 0)
  return done === 'lost' ? 'left' : 'buried'
}

const noProgress = (detail: string): Effect => ({ outcome: { type: 'no_progress', detail }, layers: [] })

/** Sleeps through a short pause, reads what people sent when that comes first, else performs the action. */
async function nextEffect(
  held: Held,
  inbox: InboxEntry[],
  until: number,
  ports: Ports,
): Promise<Effect | undefined | 'hand_over'> {
  if (held.run.status === 'waiting' || (!hasEnded(held.run) && inbox.some(isCancel))) return undefined
  const pause = pauseMs(held.run, ports.clock.now())
  if (pause > NAP_MS_MAX || (pause > 0 && ports.clock.now() + pause >= until)) return 'hand_over'
  if (pause > 0) await ports.clock.sleep(pause, held.signal)
  return held.signal.aborted ? undefined : perform(held, ports)
}

type Committed = { inbox: InboxEntry[] /** the lease was given back with the commit */; released: boolean }

/** Steps and commits. A message that arrived while the run was about to end is taken into the step instead. */
async function commitStep(
  held: Held,
  outcome: Outcome,
  layers: Layer[],
  keep: boolean,
  ports: Ports,
): Promise<'lost' | Committed> {
  for (let { inbox } = outcome; ; ) {
    const made = step(held.run, { ...outcome, inbox })
    if (made.run === held.run) {
      if (held.run.status !== 'waiting')
        throw new Error(`run ${held.run.runId} made no progress on ${held.run.action.type}`)
      return { inbox, released: false }
    }
    const going = keep && made.run.status !== 'waiting' && !isClosed(made.run)
    const now = ports.clock.now()
    const commit: Commit = {
      runId: made.run.runId,
      id: commitId(held),
      token: held.token,
      after: held.run.step,
      ...made,
      layers,
      inboxRead: inbox.at(-1)?.seq ?? held.run.inboxSeen,
      keepMs: going ? LEASE_MS : 0,
      ...dueAt(made.run, going ? LEASE_MS : 0, now),
      now,
    }
    const reply = await insist(() => ports.store.commit(commit), ports.clock)
    if (!reply.ok && reply.why === 'unread') {
      inbox = reply.inbox
      continue
    }
    if (!reply.ok) return 'lost'
    held.run = made.run
    held.messages.push(...made.messages)
    ports.feed.publish(made.events)
    return { inbox: reply.inbox, released: !going }
  }
}

/**
 * Asks the store again while it cannot be reached, for as long as the lease may last: the work behind a commit was paid
 * for, and a commit is safe to send twice. @throws what the store threw last.
 */
async function insist<T>(ask: () => Promise<T>, clock: Clock): Promise<T> {
  for (let waitMs = STORE_RETRY_MS_FIRST, end = clock.now() + LEASE_MS - LEASE_RENEW_MS; ; waitMs *= 2) {
    try {
      return await ask()
    } catch (error) {
      if (clock.now() + waitMs >= end) throw error
      await clock.sleep(waitMs)
    }
  }
}

/** Tokens are never given twice, and a stint counts its own commits: no two commits of a run share this. */
const commitId = (held: Held): string => `${held.token}.${held.commits++}`

/** When somebody must look at the run, should nobody have done so by then. */
function dueAt(run: Run, afterMs: number, now: number): { dueAt?: number } {
  if (isClosed(run)) return {}
  if (run.status === 'waiting') return { dueAt: run.waitingFor?.until ?? now }
  return { dueAt: now + afterMs + WAKE_GRACE_MS }
}

/** The run waits: the lease goes back, and a wait for the clock alone asks to be woken when its time has come. */
async function rest(held: Held, released: boolean, ports: Ports): Promise<Stint> {
  const { runId, step: at, waitingFor } = held.run
  if (!released && (await release(held, 0, ports)) === 'lost') return 'lost'
  const byClock = waitingFor?.kind === 'rate_limit' || waitingFor?.kind === 'budget'
  if (byClock) await ports.queue.send({ runId, step: at }, Math.max(0, waitingFor.until - ports.clock.now()))
  return 'waiting'
}

/** Goes on later, in this process or another: the lease goes back and a wake-up is sent. */
async function giveBack(held: Held, delayMs: number, ports: Ports): Promise<Stint> {
  if ((await release(held, delayMs, ports)) === 'lost') return 'lost'
  await ports.queue.send({ runId: held.run.runId, step: held.run.step }, delayMs)
  return 'handed_over'
}

/** Gives the lease back without a step. */
async function release(held: Held, delayMs: number, { store, clock }: Ports): Promise<'lost' | 'released'> {
  const { run, token } = held
  const now = clock.now()
  const unchanged = {
    runId: run.runId,
    id: commitId(held),
    token,
    after: run.step,
    run,
    messages: [],
    events: [],
    layers: [],
    remember: [],
    inboxRead: run.inboxSeen,
  }
  const commit: Commit = { ...unchanged, keepMs: 0, ...dueAt(run, delayMs, now), now }
  const reply = await insist(() => store.commit(commit), clock)
  return reply.ok ? 'released' : 'lost'
}

const pauseMs = ({ action }: Run, now: number): number =>
  Math.max(0, ('notBefore' in action ? (action.notBefore ?? now) : now) - now)

const isCancel = ({ type }: InboxEntry): boolean => type === 'cancel'

/** True when what was sent is what the run waits for: then it goes on at once. */
const answers = ({ waitingFor }: Run, inbox: InboxEntry[]): boolean =>
  inbox.some(
    (entry) =>
      isCancel(entry) ||
      (entry.type === 'decision' && waitingFor?.kind === 'approval' && entry.decision.callId === waitingFor.callId) ||
      (entry.type === 'message' && waitingFor?.kind === 'question'),
  )

function merge(known: InboxEntry[], news: InboxEntry[]): InboxEntry[] {
  const last = known.at(-1)?.seq ?? 0
  return [...known, ...news.filter((entry) => entry.seq > last)]
}

/**
 * Renews the lease while the stint works. Its signal breaks the work off when somebody cancels or the lease is lost;
 * other news waits for the next step. Who has ended cannot be cancelled: its callback is sent all the same.
 */
function keepLease(runId: string, token: number, ended: () => boolean, { store, clock }: Ports) {
  const work = new AbortController()
  const over = new AbortController()
  let lost = false
  let news: InboxEntry[] = []
  const watch = async () => {
    while (!over.signal.aborted) {
      await clock.sleep(LEASE_RENEW_MS, over.signal)
      if (over.signal.aborted) return
      try {
        const found = await store.renew({ runId, token, leaseMs: LEASE_MS, now: clock.now() })
        if (over.signal.aborted) return
        if (found === undefined) {
          lost = true
          work.abort()
          return
        }
        news = found
        if (!ended() && found.some(isCancel)) work.abort()
      } catch {
        // A store that does not answer now may answer before the lease runs out.
      }
    }
  }
  void watch()
  return { signal: work.signal, lost: () => lost, news: () => news, end: () => over.abort() }
}
