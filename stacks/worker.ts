/** Who works on wake-ups: the worker, one run at a time in each invocation, and whoever buries what was given up. */
import { handler, mayRecur } from './handler.ts'
import type { Plan } from './plan.ts'
import type { Queues } from './queue.ts'
import type { Sandboxes } from './sandbox.ts'
import { secretsOf } from './secrets.ts'
import type { Storage } from './storage.ts'

export type Shared = { plan: Plan; store: Storage; queue: Queues; boxes: Sandboxes }

/** Where a function finds the others. */
export const placesOf = ({ store, queue, boxes }: Shared) => ({
  SQS_QUEUE_URL: queue.wakes.url,
  SANDBOX_FUNCTION: boxes.sandbox.name,
  CARRIER_FUNCTION: boxes.carrier.name,
  SNAPSHOT_BUCKET: store.address,
})

export function workers(shared: Shared) {
  const { plan, store, queue, boxes } = shared
  const worker = handler('worker', {
    entry: 'worker',
    size: plan.worker,
    plan,
    rights: [...queue.take(queue.wakes), ...queue.send, ...boxes.askSandbox, ...boxes.askCarrier, ...store.use],
    environment: { ...placesOf(shared), ...secretsOf('worker') },
  })
  queue.wakes.subscribe(worker.arn, {
    // One run each: two would share one end of time, and one that kills its process would take the other with it.
    batch: { size: 1, partialResponses: true },
    transform: {
      eventSourceMapping: (mapping) => {
        // No more than the function may run at once: a delivery that is throttled would count as one that failed.
        mapping.scalingConfig = { maximumConcurrency: plan.worker.reserved }
      },
    },
  })
  mayRecur('worker', worker)

  const burial = handler('burial', {
    entry: 'worker',
    exported: 'deadLetters',
    size: plan.burial,
    plan,
    rights: [...queue.take(queue.dead), ...queue.send],
    environment: { ...placesOf(shared), ...secretsOf('burial') },
  })
  queue.dead.subscribe(burial.arn, {
    batch: { size: 1, partialResponses: true },
    transform: {
      eventSourceMapping: (mapping) => {
        mapping.scalingConfig = { maximumConcurrency: plan.burial.reserved }
      },
    },
  })
  mayRecur('burial', burial)
  return { worker, burial }
}
