/**
 * How the next stint is woken: a standard queue (docs/decisions/0011), and one for what came to nothing too often. A lost
 * message costs a minute, because the timer finds what is due; so messages need not be kept long.
 */
import type { Right } from './handler.ts'
import type { Plan } from './plan.ts'

const DAY_S = 24 * 3600

export function queues({ worker, burial }: Plan) {
  const dead = new sst.aws.Queue('DeadWakes', {
    visibilityTimeout: `${burial.visibilityS} seconds`,
    transform: { queue: { messageRetentionSeconds: 14 * DAY_S, sqsManagedSseEnabled: true } },
  })
  const wakes = new sst.aws.Queue('Wakes', {
    visibilityTimeout: `${worker.visibilityS} seconds`,
    dlq: { queue: dead.arn, retry: worker.receivesMax },
    transform: { queue: { messageRetentionSeconds: 4 * DAY_S, sqsManagedSseEnabled: true } },
  })
  return {
    wakes,
    dead,
    send: [{ actions: ['sqs:SendMessage'], resources: [wakes.arn] }] satisfies Right[],
    take: ({ arn }: sst.aws.Queue): Right[] => [
      {
        actions: ['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:GetQueueAttributes', 'sqs:ChangeMessageVisibility'],
        resources: [arn],
      },
    ],
  }
}
export type Queues = ReturnType<typeof queues>
