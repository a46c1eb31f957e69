/**
 * Lambda, fed by SQS: each message is one stint. What came to nothing goes back to the queue, that message alone, and
 * rests the longer the more often it came. What the queue gave up arrives at `deadLetters`.
 */
import type { Context, SQSBatchResponse, SQSEvent, SQSRecord } from 'aws-lambda'
import { type Backend, backendHere } from './backend.ts'
import { STINT_TAIL_MS, WAKE_LATER_MS } from './core/limits.ts'
import { readWake, retryDelayMs } from './core/wake.ts'
import type { Delivered, Wake } from './ports.ts'

export function sqsHandlers(open: () => Promise<Backend>) {
  /** What becomes of each message; the names of those that must come again. */
  async function each(
    event: SQSEvent,
    backend: Backend,
    perform: (wake: Wake, record: SQSRecord) => Promise<Delivered>,
  ): Promise<SQSBatchResponse> {
    const outcomes = event.Records.map(async (record) => {
      const { messageId, body, attributes, receiptHandle } = record
      const wake = readWake(body)
      // Sent again it would be no wake-up either.
      if (!wake) return backend.log('error', 'a message that is no wake-up was dropped', { messageId })
      let restMs = WAKE_LATER_MS
      try {
        if ((await perform(wake, record)) === 'done') return undefined
      } catch (error) {
        restMs = retryDelayMs(Number(attributes.ApproximateReceiveCount))
        backend.log('error', 'a stint broke off', { ...wake, error: (error as Error).message })
      }
      // If this fails, the message comes again when the queue's own time is over.
      await backend.wired.queue.postpone?.(receiptHandle, restMs).catch(() => {})
      return { itemIdentifier: messageId }
    })
    const failed = await Promise.all(outcomes)
    return { batchItemFailures: failed.filter((one) => typeof one === 'object') }
  }

  return {
    async handler(event: SQSEvent, context: Pick<Context, 'getRemainingTimeInMillis'>): Promise<SQSBatchResponse> {
      const backend = await open()
      const until = backend.agent.ports.clock.now() + context.getRemainingTimeInMillis() - STINT_TAIL_MS
      return each(event, backend, (wake) => backend.work.handle(wake, until))
    },
    async deadLetters(event: SQSEvent): Promise<SQSBatchResponse> {
      const backend = await open()
      return each(event, backend, async (wake) => {
        await backend.work.bury(wake, 'the queue delivered it as often as it may; see the logs of the worker')
        return 'done'
      })
    },
  }
}

export const { handler, deadLetters } = sqsHandlers(backendHere)
