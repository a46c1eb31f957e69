/** Tells whoever asked for a run how it ended: the body of the callback, sent under a name that every try shares. */
import type { Outcome, Run } from '../core/types.ts'
import type { Ports } from '../ports.ts'
import { performOutside } from './effects.ts'
import type { Held } from './held.ts'

type Notified = Omit<Extract<Outcome, { type: 'notified' }>, 'at' | 'workedMs' | 'inbox'>

/** Throws when the run is in other hands by now. */
export async function notify(held: Held, ports: Ports): Promise<Notified> {
  const { run, signal } = held
  const { callbacks } = ports
  if (!callbacks || !run.callbackUrl)
    return { type: 'notified', state: 'failed', again: false, detail: 'nobody can be called back from here' }
  const url = run.callbackUrl
  const id = `msg_${run.runId.slice('run_'.length)}`
  const done = await performOutside(
    {
      // Each try is an entry of its own: one that failed for now is no outcome for the next.
      id: `${id}.${run.attempt}`,
      class: 'natural',
      perform: () => callbacks.send({ url, id, at: ports.clock.now(), body: bodyOf(run), signal }),
    },
    held,
    ports,
  )
  if (done.state !== 'done') throw new Error(`the lease of run ${run.runId} is lost`)
  return done.outcome.ok
    ? { type: 'notified', state: 'delivered', again: false, detail: '' }
    : { type: 'notified', state: 'failed', again: done.outcome.again, detail: done.outcome.detail }
}

/** The same bytes for every try: only what was fixed when the run ended. */
const bodyOf = ({
  runId,
  sessionId,
  status,
  stopReason,
  answer,
  turns,
  usage,
  diffStat,
  tests,
  endedAt,
}: Run): string =>
  JSON.stringify({
    type: `run.${status}`,
    timestamp: new Date(endedAt ?? 0).toISOString(),
    data: {
      runId,
      sessionId,
      status,
      stopReason,
      answer,
      turns,
      usage,
      diffStat,
      tests,
      links: { self: `/runs/${runId}`, diff: `/runs/${runId}/diff` },
    },
  })
