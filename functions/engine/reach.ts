/** What a call that runs beside the run may reach: the run as it stands, the outside world, and the run's journal. */
import { SANDBOX_ATTEMPTS_MAX } from '../core/limits.ts'
import type { Ports } from '../ports.ts'
import { type Reach, TryAgain } from '../tools/define.ts'
import { performOutside } from './effects.ts'
import type { Held } from './held.ts'

export function reachOf(held: Held, callId: string, ports: Ports): Reach & { look?: boolean } {
  const { run, messages, token, signal } = held
  const { runId, workspaceId, head } = run
  if (!head) throw new Error(`run ${runId} has no workspace yet`)
  const { look, looked } = run.pending.find((call) => call.callId === callId) ?? {}
  return {
    run,
    messages,
    callId,
    ...(look ? { look } : {}),
    ...(looked === undefined ? {} : { looked }),
    memory: ports.memory,
    forge: ports.forge,
    carrier: ports.carrier,
    workspace: { runId, workspaceId, fence: token, head, layers: () => ports.store.layers(workspaceId), signal },
    async outside(id, perform) {
      const done = await performOutside({ id, class: 'natural', perform }, held, ports)
      if (done.state !== 'done') throw new Error(`the lease of run ${runId} is lost`)
      return done.outcome
    },
    again(refusal) {
      if (refusal.retry && run.attempt + 1 < SANDBOX_ATTEMPTS_MAX) throw new TryAgain(refusal)
      return refusal
    },
  }
}
