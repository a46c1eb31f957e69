/** Whether there is something to do in a world: who waits for a time may rest until then, everybody else must move. */
import { awaitedTopic, topicOf } from '../../../functions/core/inbox.ts'
import type { Run } from '../../../functions/core/types.ts'
import type { Seen } from '../rows.ts'

const QUIET_MS_MAX = 6 * 3600_000

/** Why a run that should move does not, for longer than `afterMs`; `from`: when faults ended. */
export function stuck(runs: Iterable<Seen>, now: number, from: number, afterMs: number): string | undefined {
  for (const seen of runs) {
    const { run, changedAt, wokenAt } = seen
    if (run.action.type === 'stop') continue
    const ms = now - Math.max(from, changedAt, isAnswered(seen) ? wokenAt : mayRestUntil(run))
    if (ms > afterMs)
      return `${run.runId} (${seen.label}) is ${run.status} at step ${run.step} ${run.action.type} and has not moved for ${Math.round(ms / 1000)} s`
  }
  return undefined
}

/** For how long nothing has to happen. */
export function quietMs(runs: Iterable<Seen>, now: number): number {
  let ms = QUIET_MS_MAX
  for (const seen of runs)
    if (seen.run.action.type !== 'stop') ms = Math.min(ms, isAnswered(seen) ? 0 : mayRestUntil(seen.run) - now)
  return Math.max(0, ms)
}

/** What the run waits for was sent. */
const isAnswered = ({ run, posts }: Seen): boolean =>
  posts.some((entry) => entry.seq > run.inboxSeen && (entry.type === 'cancel' || topicOf(entry) === awaitedTopic(run)))

const mayRestUntil = ({ status, waitingFor, action }: Run): number =>
  status === 'waiting' ? (waitingFor?.until ?? 0) : 'notBefore' in action ? (action.notBefore ?? 0) : 0
