/**
 * A small SQS: one standard queue with a dead-letter queue, spoken to in the AWS JSON protocol over HTTP as
 * docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference has it, and the event source mapping that feeds a
 * Lambda function. What AWS refuses is refused.
 */
import assert from 'node:assert/strict'
import { createHash, randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { SQSBatchResponse, SQSEvent, SQSRecord } from 'aws-lambda'

type Context = { after(done: () => unknown): void }
type Json = Record<string, unknown>
type Handler = (event: SQSEvent, context: { getRemainingTimeInMillis(): number }) => Promise<SQSBatchResponse>

type Message = {
  id: string
  body: string
  group?: string
  sentAt: number
  visibleAt: number
  received: number
  receipt: string
}

export type SqsOptions = {
  /** How long a second is here. */
  secondMs?: number
  maxReceiveCount?: number
  visibilityTimeout?: number
  batch?: number
  remainingMs?: number
  /** Every message is delivered so often, as standard queues may do. */
  copies?: number
}

export type Sqs = {
  url: string
  /** Accepted requests, oldest first. */
  requests: { action: string; input: Json }[]
  /** Messages that are there, in flight or not. */
  left(): number
  dead: string[]
  feed(handler: Handler, deadLetters?: Handler): void
}

const md5 = (text: string): string => createHash('md5').update(text).digest('hex')

export async function startSqs(t: Context, options: SqsOptions = {}): Promise<Sqs> {
  const { secondMs = 1000, maxReceiveCount = 3, visibilityTimeout = 30 } = options
  const { batch = 1, remainingMs = 300_000, copies = 1 } = options
  const messages = new Map<string, Message>()
  const dead = new Map<string, Message>()
  const sqs: Sqs = { url: '', requests: [], left: () => messages.size, dead: [], feed }

  const actions: Record<string, (input: Json) => Json> = {
    SendMessage(input) {
      const { MessageBody: body, DelaySeconds: delay = 0, MessageGroupId: group } = input as Record<string, never>
      if (typeof body !== 'string' || body === '') throw invalid('MissingParameter', 'MessageBody')
      if (Buffer.byteLength(body) > 1024 * 1024) throw invalid('InvalidParameterValue', 'the message is too long')
      if (!Number.isInteger(delay) || delay < 0 || delay > 900) throw invalid('InvalidParameterValue', 'DelaySeconds')
      if (group !== undefined && !/^[\w!"#$%&'()*+,\-./:;<=>?@[\\\]^`{|}~]{1,128}$/.test(group))
        throw invalid('InvalidParameterValue', 'MessageGroupId')
      if ('MessageDeduplicationId' in input) throw invalid('InvalidParameterValue', 'this is no FIFO queue')
      const now = Date.now()
      const message = { id: randomUUID(), body, group, sentAt: now, visibleAt: now + delay * secondMs }
      messages.set(message.id, { ...message, received: 0, receipt: '' })
      return { MessageId: message.id, MD5OfMessageBody: md5(body) }
    },
    ChangeMessageVisibility({ ReceiptHandle: receipt, VisibilityTimeout: seconds }) {
      if (typeof seconds !== 'number' || !Number.isInteger(seconds) || seconds < 0 || seconds > 43_200)
        throw invalid('InvalidParameterValue', 'VisibilityTimeout')
      const message = [...messages.values(), ...dead.values()].find((one) => one.receipt === receipt)
      if (!message) throw invalid('ReceiptHandleIsInvalid', 'there is no such message')
      if (message.visibleAt <= Date.now()) throw invalid('MessageNotInflight', 'it is not in flight')
      message.visibleAt = Date.now() + seconds * secondMs
      return {}
    },
  }

  const server = createServer(async (request, response) => {
    const answer = (status: number, body: Json, headers = {}) => {
      response.writeHead(status, { 'content-type': 'application/x-amz-json-1.0', ...headers })
      response.end(JSON.stringify(body))
    }
    try {
      const { action, input } = await read(request)
      const act = actions[action]
      if (!act) throw invalid('InvalidAction', action)
      if (input.QueueUrl !== sqs.url) throw invalid('QueueDoesNotExist', String(input.QueueUrl))
      const output = act(input)
      sqs.requests.push({ action, input })
      answer(200, output)
    } catch (error) {
      const { name, message } = error as Error
      answer(400, { __type: `com.amazonaws.sqs#${name}`, message }, { 'x-amzn-query-error': `${name};Sender` })
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  sqs.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/000000000000/stint`

  /** Up to a batch of what is visible, now hidden; what came too often goes to the other queue. */
  function receive(from: Map<string, Message>): Message[] {
    const now = Date.now()
    const found = [...from.values()].filter((one) => one.visibleAt <= now).slice(0, batch)
    return found.filter((message) => {
      if (from === messages && message.received >= maxReceiveCount) {
        messages.delete(message.id)
        dead.set(message.id, { ...message, received: 0, visibleAt: now })
        sqs.dead.push(message.body)
        return false
      }
      message.received++
      message.receipt = randomUUID()
      message.visibleAt = now + visibilityTimeout * secondMs
      return true
    })
  }

  async function invoke(handler: Handler, from: Map<string, Message>, batchOf: Message[]): Promise<void> {
    const event = { Records: batchOf.map((message) => record(message, sqs.url)) }
    const end = Date.now() + remainingMs
    try {
      const { batchItemFailures } = await handler(event, { getRemainingTimeInMillis: () => end - Date.now() })
      const failed = new Set(batchItemFailures.map(({ itemIdentifier }) => itemIdentifier))
      // A name that is not of the batch makes all of it a failure.
      if ([...failed].some((id) => !batchOf.some((message) => message.id === id))) return
      for (const { id } of batchOf) if (!failed.has(id)) from.delete(id)
    } catch {
      // All of it becomes visible when its time is over.
    }
  }

  let timer: NodeJS.Timeout | undefined
  const underWay = new Set<Promise<void>>()
  function feed(handler: Handler, deadLetters?: Handler): void {
    timer = setInterval(() => {
      for (const [from, to] of [[messages, handler] as const, [dead, deadLetters] as const]) {
        if (!to) continue
        for (let found = receive(from); found.length > 0; found = receive(from))
          for (let copy = 0; copy < copies; copy++) {
            const work = invoke(to, from, found).finally(() => underWay.delete(work))
            underWay.add(work)
          }
      }
    }, 5)
  }
  t.after(async () => {
    clearInterval(timer)
    await Promise.race([Promise.all(underWay), new Promise((resolve) => setTimeout(resolve, 2000))])
    server.closeAllConnections()
    server.close()
  })
  return sqs
}

async function read(request: IncomingMessage): Promise<{ action: string; input: Json }> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part as Buffer)
  assert.equal(request.method, 'POST')
  assert.equal(request.headers['content-type'], 'application/x-amz-json-1.0')
  const scope =
    /^AWS4-HMAC-SHA256 Credential=[^/]+\/\d{8}\/[a-z0-9-]+\/sqs\/aws4_request, SignedHeaders=\S+, Signature=/
  if (!scope.test(request.headers.authorization ?? '')) throw invalid('MissingAuthenticationToken', 'it is not signed')
  const action = /^AmazonSQS\.(\w+)$/.exec(String(request.headers['x-amz-target']))?.[1] ?? ''
  return { action, input: JSON.parse(Buffer.concat(parts).toString()) as Json }
}

const invalid = (name: string, message: string): Error => Object.assign(new Error(message), { name })

/** As Lambda passes it on (docs.aws.amazon.com/lambda/latest/dg/with-sqs.html). */
function record({ id, receipt, body, received, sentAt, group }: Message, url: string): SQSRecord {
  return {
    messageId: id,
    receiptHandle: receipt,
    body,
    attributes: {
      ApproximateReceiveCount: String(received),
      SentTimestamp: String(sentAt),
      SenderId: 'AROAEXAMPLE:stint',
      ApproximateFirstReceiveTimestamp: String(sentAt),
      ...(group ? { MessageGroupId: group } : {}),
    },
    messageAttributes: {},
    md5OfBody: md5(body),
    eventSource: 'aws:sqs',
    eventSourceARN: `arn:aws:sqs:us-east-1:000000000000:${url.split('/').at(-1)}`,
    awsRegion: 'us-east-1',
  }
}
