/**
 * Wake-ups as messages of an SQS standard queue; Lambda takes them from there. Not FIFO: that has no delay of its own
 * for a message, and it silently drops a wake-up that is sent again within five minutes. Duplicates and disorder are
 * harmless here, because the store decides who may advance a run.
 */
import { ChangeMessageVisibilityCommand, SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs'
import { writeWake } from '../core/wake.ts'
import type { Queue } from '../ports.ts'

/** What SQS allows (SendMessage, ChangeMessageVisibility). */
const DELAY_MS_MAX = 900_000
const HIDE_S_MAX = 43_200
const REQUEST_MS_MAX = 5000

export type SqsQueue = Queue & {
  /** Hides a message that was received, so that it comes again after this long and not after the queue's own time. */
  postpone(receipt: string, ms: number): Promise<void>
  stop(): Promise<void>
}

export function sqsQueue(queueUrl: string): SqsQueue {
  const region = /^https:\/\/sqs\.([a-z0-9-]+)\.amazonaws\.com/.exec(queueUrl)?.[1]
  const client = new SQSClient({
    ...(region ? { region } : {}),
    // Said outright: the library would warn at each request about an address that is not its own guess.
    endpoint: new URL(queueUrl).origin,
    requestHandler: { connectionTimeout: REQUEST_MS_MAX, requestTimeout: REQUEST_MS_MAX },
  })
  return {
    async send(wake, delayMs) {
      // Hops of 15 minutes would cost messages and workers for nothing: whoever waits so long has a due time in the
      // store, which the timer finds within a minute.
      if (delayMs > DELAY_MS_MAX) return
      await client.send(
        new SendMessageCommand({
          QueueUrl: queueUrl,
          MessageBody: writeWake(wake),
          DelaySeconds: Math.max(0, Math.ceil(delayMs / 1000)),
          // On a standard queue this orders nothing; it keeps a run that sends much from holding up the others.
          MessageGroupId: wake.runId,
        }),
      )
    },
    async postpone(receipt, ms) {
      const seconds = Math.min(Math.ceil(ms / 1000), HIDE_S_MAX)
      await client.send(
        new ChangeMessageVisibilityCommand({ QueueUrl: queueUrl, ReceiptHandle: receipt, VisibilityTimeout: seconds }),
      )
    },
    async stop() {
      client.destroy()
    },
  }
}
