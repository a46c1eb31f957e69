/** Calls by which a run's work is delivered; the request for the run has agreed to them. */
import { deliveryCalls, deliveryMessage } from '../core/delivery.ts'
import type { Outcome, Run } from '../core/types.ts'
import { readCall } from '../tools/pipeline.ts'

type Delivery = Omit<Extract<Outcome, { type: 'delivery' }>, 'at' | 'workedMs' | 'inbox'>

export function deliver(run: Run): Delivery {
  const read = deliveryCalls(run).map(({ id, ...said }) => {
    // None of them runs a command: nothing has to hold it in.
    const { call, pending } = readCall({ id: '', ...said }, { next: () => id }, 'none')
    const agreed = { decision: 'allow' as const, reason: 'asked for with the run' }
    return { call, pending: { ...pending, verdict: agreed } }
  })
  const calls = read.map(({ call }) => call)
  return { type: 'delivery', message: deliveryMessage(calls), pending: read.map(({ pending }) => pending) }
}
