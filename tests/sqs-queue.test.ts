import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { type SqsQueue, sqsQueue } from '../functions/adapters/sqs-queue.ts'
import { systemClock } from '../functions/adapters/system.ts'
import type { Backend } from '../functions/backend.ts'
import type { Wake } from '../functions/ports.ts'
import { sqsHandlers } from '../functions/worker.ts'
import { type Context, queueContract, type TestWork } from './contract/queue.ts'
import { type Sqs, type SqsOptions, startSqs } from './support/sqs.ts'
import { until } from './support/world.ts'

/** The emulator knows no keys, but wants a signature. */
const queueAt = (queueUrl: string): SqsQueue =>
  sqsQueue({ queueUrl, accessKeyId: 'AKIATEST', secretAccessKey: 'test', sessionToken: 'token' })

/** The worker's entries, with this work for an engine. */
function entries(queue: SqsQueue, work: TestWork, logged: string[] = []) {
  const backend = {
    agent: { ports: { clock: systemClock } },
    wired: { queue },
    work,
    log: (_level: string, message: string) => void logged.push(message),
  }
  return sqsHandlers(async () => backend as unknown as Backend)
}

async function start(t: Context, work: TestWork, options: SqsOptions = {}): Promise<{ sqs: Sqs; queue: SqsQueue }> {
  const sqs = await startSqs(t, options)
  const queue = queueAt(sqs.url)
  t.after(() => queue.stop())
  const { handler, deadLetters } = entries(queue, work)
  sqs.feed(handler, deadLetters)
  return { sqs, queue }
}
const work = (handle: TestWork['handle']): TestWork => ({ handle, bury: async () => {} })

queueContract('SQS', async (t, given, fast) => (await start(t, given, fast ? { secondMs: 10 } : {})).queue)

test('SQS: what is sent is what the published protocol says', async (t) => {
  const sqs = await startSqs(t)
  const queue = queueAt(sqs.url)
  t.after(() => queue.stop())
  await queue.send({ runId: 'run_1', step: 3 }, 0)
  await queue.send({ runId: 'run_1' }, 1_200)
  await queue.send({ runId: 'run_2', step: 0 }, 900_000)
  assert.deepEqual(
    sqs.requests.map(({ action, input }) => [action, input.MessageBody, input.DelaySeconds, input.MessageGroupId]),
    [
      ['SendMessage', '{"run":"run_1","seq":3}', 0, 'run_1'],
      ['SendMessage', '{"run":"run_1"}', 2, 'run_1'],
      ['SendMessage', '{"run":"run_2","seq":0}', 900, 'run_2'],
    ],
  )
})

test('SQS: a longer delay than it knows is left to the store', async (t) => {
  const { sqs, queue } = await start(
    t,
    work(async () => 'done'),
  )
  await queue.send({ runId: 'run_1', step: 3 }, 900_001)
  assert.deepEqual(sqs.requests, [])
})

test('SQS: a refusal and a server that is away are told', async (t) => {
  const sqs = await startSqs(t)
  const wrong = queueAt(`${sqs.url}-of-somebody-else`)
  const away = queueAt('http://127.0.0.1:9/000000000000/stint')
  t.after(() => Promise.all([wrong.stop(), away.stop()]))
  await assert.rejects(wrong.send({ runId: 'run_1' }, 0), /somebody-else/)
  await assert.rejects(away.send({ runId: 'run_1' }, 0), /SQS at 127\.0\.0\.1:9, SendMessage: bad port/)
})

test('SQS: of a batch only what came to nothing comes again, and sooner than the queue itself would bring it', async (t) => {
  const seen = new Map<string, number>()
  const handle = async ({ runId }: Wake) => {
    const count = (seen.get(runId) ?? 0) + 1
    seen.set(runId, count)
    if (runId === 'run_bad' && count < 3) throw new Error('boom')
    return runId === 'run_early' && count < 2 ? 'later' : 'done'
  }
  const { sqs, queue } = await start(t, work(handle), { batch: 10, secondMs: 10, visibilityTimeout: 43_200 })
  const ids = ['run_a', 'run_bad', 'run_b', 'run_early', 'run_c']
  await Promise.all(ids.map((runId) => queue.send({ runId, step: 0 }, 0)))
  await until('all', () => sqs.left() === 0)
  assert.deepEqual(Object.fromEntries(seen), { run_a: 1, run_bad: 3, run_b: 1, run_early: 2, run_c: 1 })
  assert.deepEqual(
    sqs.requests.flatMap(({ action, input }) => (action === 'SendMessage' ? [] : [input.VisibilityTimeout])).sort(),
    [1, 2, 30],
  )
  assert.deepEqual(sqs.dead, [])
})

test('SQS: a worker that is killed by its time is followed by another; what the queue gave up is buried', async (t) => {
  const buried: Wake[] = []
  let begun = 0
  const sqs = await startSqs(t, { secondMs: 10, visibilityTimeout: 10, maxReceiveCount: 2 })
  const queue = queueAt(sqs.url)
  t.after(() => queue.stop())
  const { deadLetters } = entries(queue, { ...work(async () => 'done'), bury: async (wake) => void buried.push(wake) })
  const killed = async () => {
    begun++
    throw new Error('Task timed out after 300.00 seconds')
  }
  sqs.feed(killed, deadLetters)
  await queue.send({ runId: 'run_1', step: 2 }, 0)
  await until('the burial', () => buried.length > 0)
  assert.deepEqual([begun, buried], [2, [{ runId: 'run_1', step: 2 }]])
})

test('SQS: a burial that fails is tried again; what is no wake-up is dropped and told', async (t) => {
  const sqs = await startSqs(t, { secondMs: 10, maxReceiveCount: 1, visibilityTimeout: 1 })
  const queue = queueAt(sqs.url)
  t.after(() => queue.stop())
  const logged: string[] = []
  let tries = 0
  const given: TestWork = {
    handle: async () => {
      throw new Error('boom')
    },
    async bury() {
      if (++tries < 3) throw new Error('the store is away')
    },
  }
  const { handler, deadLetters } = entries(queue, given, logged)
  sqs.feed(handler, deadLetters)
  await queue.send({ runId: 'run_1', step: 2 }, 0)
  await until('the burial', () => tries === 3)
  const strange = { messageId: 'm1', body: 'rm -rf /', receiptHandle: 'r', attributes: {} }
  const event = { Records: [strange, { ...strange, body: '{"run":7}' }, { ...strange, body: '[]' }] }
  assert.deepEqual(await handler(event as never, { getRemainingTimeInMillis: () => 1 }), { batchItemFailures: [] })
  assert.equal(logged.filter((line) => /no wake-up/.test(line)).length, 3)
})

test('SQS: asked again when it says later, and told when it keeps saying so', async (t) => {
  let asked = 0
  const busy = createServer((_request, response) => {
    const later = ++asked % 4 !== 3
    response.writeHead(later ? 503 : 200, { 'content-type': 'application/x-amz-json-1.0' })
    response.end(later ? '{"__type":"com.amazonaws.sqs#ServiceUnavailable"}' : '{}')
  })
  await new Promise<void>((resolve) => busy.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    busy.closeAllConnections()
    busy.close()
  })
  const queue = queueAt(`http://127.0.0.1:${(busy.address() as AddressInfo).port}/000000000000/stint`)
  await queue.send({ runId: 'run_1' }, 0)
  assert.equal(asked, 3)
  asked = 3
  await assert.rejects(queue.send({ runId: 'run_1' }, 0), /ServiceUnavailable/)
})
