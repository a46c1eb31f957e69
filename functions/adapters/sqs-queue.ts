/**
 * Wake-ups as messages of an SQS standard queue; Lambda takes them from there. Not FIFO: that has no delay of its own
 * for a message, and it silently drops a wake-up that is sent again within five minutes. Duplicates and disorder are
 * harmless here, because the store decides who may advance a run.
 *
 * Two requests of its JSON protocol, signed by a small client: the vendor's own for one service is 300 kB and 60 ms of
 * every cold start. Keys are those of the environment, which Lambda sets; nothing looks for profiles or machine roles.
 */
import { AwsClient } from 'aws4fetch'
import { writeWake } from '../core/wake.ts'
import type { Queue } from '../ports.ts'

/** What SQS allows (SendMessage, ChangeMessageVisibility). */
const DELAY_MS_MAX = 900_000
const HIDE_S_MAX = 43_200
const REQUEST_MS_MAX = 5000
/** Sent again where there was no answer, or one that says later. A wake-up that comes twice is harmless. */
const TRIES = 3
const RETRY_MS_FIRST = 100
const ERROR_CHARS_MAX = 300

export type SqsOptions = {
  queueUrl: string
  accessKeyId: string
  secretAccessKey: string
  sessionToken?: string | undefined
  /** Left out: that of the address. */
  region?: string | undefined
}
export type SqsQueue = Queue & {
  /** Hides a message that was received, so that it comes again after this long and not after the queue's own time. */
  postpone(receipt: string, ms: number): Promise<void>
  stop(): Promise<void>
}

export function sqsQueue({ queueUrl, region, sessionToken, ...keys }: SqsOptions): SqsQueue {
  const { origin, host } = new URL(queueUrl)
  const client = new AwsClient({
    ...keys,
    ...(sessionToken ? { sessionToken } : {}),
    service: 'sqs',
    region: /^sqs\.([a-z0-9-]+)\.amazonaws\.com/.exec(host)?.[1] ?? region ?? 'us-east-1',
    // Tried again here, where the time of each try is bounded.
    retries: 0,
  })

  async function once(action: string, input: object): Promise<Response> {
    const request = await client.sign(`${origin}/`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-amz-json-1.0', 'x-amz-target': `AmazonSQS.${action}` },
      body: JSON.stringify({ QueueUrl: queueUrl, ...input }),
    })
    return fetch(request, { signal: AbortSignal.timeout(REQUEST_MS_MAX) })
  }

  /** @throws Error with what SQS said, or why it could not be reached. */
  async function ask(action: string, input: object): Promise<void> {
    for (let tried = 1; ; tried++) {
      const answer = await once(action, input).catch(
        (error: Error & { cause?: { code?: string; message?: string } }) => error,
      )
      const failed = answer instanceof Error
      if (!failed && answer.ok) return void (await answer.body?.cancel())
      const said = failed
        ? (answer.cause?.code ?? answer.cause?.message ?? answer.message)
        : (await answer.text()).slice(0, ERROR_CHARS_MAX)
      const later = failed || answer.status === 429 || answer.status >= 500 || /Throttl/.test(said)
      if (!later || tried === TRIES) throw new Error(`SQS at ${host}, ${action}: ${said}`)
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS_FIRST * 2 ** (tried - 1)))
    }
  }

  return {
    async send(wake, delayMs) {
      // Hops of 15 minutes would cost messages and workers for nothing: whoever waits so long has a due time in the
      // store, which the timer finds within a minute.
      if (delayMs > DELAY_MS_MAX) return
      await ask('SendMessage', {
        MessageBody: writeWake(wake),
        DelaySeconds: Math.max(0, Math.ceil(delayMs / 1000)),
        // On a standard queue this orders nothing; it keeps a run that sends much from holding up the others.
        MessageGroupId: wake.runId,
      })
    },
    async postpone(receipt, ms) {
      const seconds = Math.min(Math.ceil(ms / 1000), HIDE_S_MAX)
      await ask('ChangeMessageVisibility', { ReceiptHandle: receipt, VisibilityTimeout: seconds })
    },
    async stop() {},
  }
}
