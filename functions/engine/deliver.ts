/** Calls by which a run's work is delivered; the request for the run has agreed to them. */
import { deliveryCalls, deliveryMessage } from '../core/delivery.ts'
import type { Policing } from '../core/policy.ts'
import type { Outcome, Run } from '../core/types.ts'
import { readCall } from '../tools/pipeline.ts'

type Delivery = Omit<Extract<Outcome, { type: 'delivery' }>, 'at' | 'workedMs' | 'inbox'>

export function deliver(run: Run, policing: Policing): Delivery {
  const read = deliveryCalls(run).map(({ id, ...said }) => {
    const { call, pending } = readCall({ id: '', ...said }, { next: () => id }, policing)
    // What the server or the repo forbids nobody can have asked for.
    if (pending.verdict.decision === 'deny') return { call, pending }
    const agreed = { decision: 'allow' as const, reason: 'asked for with the run' }
    return { call, pending: { ...pending, verdict: agreed } }
  })
  const calls = read.map(({ call }) => call)
  return { type: 'delivery', message: deliveryMessage(calls), pending: read.map(({ pending }) => pending) }
}
