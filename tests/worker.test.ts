/** The Lambda entries on the real engine: runs go from start to end through them, and through nothing else. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Backend, backendHere, openBackend } from '../functions/backend.ts'
import { STINT_TAIL_MS } from '../functions/core/limits.ts'
import { handler as timer } from '../functions/cron.ts'
import type { RunRequest } from '../functions/engine/agent.ts'
import { readEnv } from '../functions/env.ts'
import { deadLetters, handler, sqsHandlers } from '../functions/worker.ts'
import type { Context } from './contract/queue.ts'
import { type Sqs, type SqsOptions, startSqs } from './support/sqs.ts'
import { makeRepo, tempFolder, until } from './support/world.ts'

const KEYS = { AWS_ACCESS_KEY_ID: 'AKIATEST', AWS_SECRET_ACCESS_KEY: 'test', AWS_REGION: 'us-east-1' }
Object.assign(process.env, KEYS)
const LAMBDA = { getRemainingTimeInMillis: () => 300_000 }

type Opened = { backend: Backend; sqs: Sqs; stints: string[] }

async function open(t: Context, options: SqsOptions = {}): Promise<Opened> {
  const sqs = await startSqs(t, options)
  const stints: string[] = []
  const log = (_level: string, message: string, fields: Record<string, unknown> = {}) =>
    void stints.push(message === 'stint' ? String(fields.stint) : message)
  const backend = await openBackend(readEnv({ ...KEYS, STINT_HOME: tempFolder(t), SQS_QUEUE_URL: sqs.url }), log)
  t.after(() => backend.stop())
  return { backend, sqs, stints }
}

async function begin({ agent }: Backend, request: Partial<RunRequest> & { task: string }): Promise<string> {
  const admitted = await agent.execute({ model: 'scripted', approval: 'auto', ...request })
  assert.ok(admitted.ok)
  return admitted.run.runId
}
const ended = ({ agent }: Backend, runId: string) =>
  until('the end', async () => {
    const run = await agent.ports.store.run(runId)
    return run && ['completed', 'failed'].includes(run.status) && run
  })

test('worker: a run goes from start to end, a step in each invocation, every message twice', async (t) => {
  // The time that is left is what a stint leaves free: none for a second step, however fast the machine.
  const { backend, sqs, stints } = await open(t, { remainingMs: STINT_TAIL_MS, copies: 2, batch: 3 })
  sqs.feed(sqsHandlers(async () => backend).handler)
  const repo = { url: makeRepo(t) }
  // One run is never worked on twice at once, so the copies find that its step is done.
  const ids = await Promise.all([1, 2, 3].map(() => begin(backend, { task: 'walk 6', repo })))
  for (const runId of ids) {
    const run = await ended(backend, runId)
    assert.deepEqual([run.status, run.turns, run.answer], ['completed', 6, 'Walked 6 turns.'])
    const messages = await backend.agent.ports.store.messages(runId, 0)
    assert.equal(messages.filter(({ role }) => role === 'assistant').length, 6, 'none twice')
    const events = await backend.agent.ports.store.events(runId, 0)
    assert.deepEqual(
      events.map(({ seq }) => seq),
      events.map((_, i) => i + 1),
    )
  }
  // Six answers, five times tools, and what follows the end, which alone hands nothing over.
  assert.equal(stints.filter((stint) => stint === 'handed_over').length, 33, stints.join(' '))
  assert.ok(stints.includes('stale'), `the copies were told apart: ${stints.join(' ')}`)
  await until('an empty queue', () => sqs.left() === 0)
  assert.deepEqual(sqs.dead, [])
})

test('worker: with time enough a run is one invocation', async (t) => {
  const { backend, sqs, stints } = await open(t)
  sqs.feed(sqsHandlers(async () => backend).handler)
  await ended(backend, await begin(backend, { task: 'walk 6', repo: { url: makeRepo(t) } }))
  await until('the end of the stint', () => stints.length > 0)
  assert.deepEqual(stints, ['ended'])
})

test('worker: a wake-up for a step that the store does not know comes again in half a minute', async (t) => {
  const { backend, sqs, stints } = await open(t)
  const runId = await begin(backend, { task: 'walk 2' })
  const { handler: worker } = sqsHandlers(async () => backend)
  // Of the two messages only the later one is worked on.
  await backend.wired.queue.send({ runId, step: 7 }, 0)
  sqs.feed((event, context) =>
    event.Records.some(({ body }) => body.includes('"seq":7')) ? worker(event, context) : Promise.reject(new Error()),
  )
  await until('the rest', () => sqs.requests.at(-1)?.action === 'ChangeMessageVisibility')
  assert.deepEqual(stints, ['future'])
  assert.equal(sqs.requests.at(-1)?.input.VisibilityTimeout, 30)
  assert.equal(sqs.left(), 2)
  assert.equal((await backend.agent.ports.store.run(runId))?.step, 0)
})

test('the entries by their names: the environment, a lost message, the timer, a dead letter', async (t) => {
  const sqs = await startSqs(t)
  const home = tempFolder(t)
  Object.assign(process.env, { STINT_HOME: home, SQS_QUEUE_URL: 'no address', LOG_LEVEL: 'silent' })
  const record = { messageId: 'm1', receiptHandle: 'r1', attributes: { ApproximateReceiveCount: '1' } }
  const event = (runId: string, seq: number) =>
    ({ Records: [{ ...record, body: JSON.stringify({ run: runId, seq }) }] }) as never
  await assert.rejects(handler(event('run_x', 0), LAMBDA), /SQS_QUEUE_URL/, 'the queue keeps the message')
  process.env.SQS_QUEUE_URL = sqs.url
  const backend = await backendHere()
  t.after(() => backend.stop())

  const runId = await begin(backend, { task: 'walk 3', repo: { url: makeRepo(t) } })
  assert.equal(sqs.left(), 1, 'nobody takes it, as if it were lost')
  const { woken } = await until('it to be due', async () => {
    const found = await timer({}, LAMBDA)
    return found.woken > 0 && found
  })
  assert.equal(woken, 1)
  assert.deepEqual(await timer({}, LAMBDA), { woken: 0 }, 'not again at once')
  assert.equal(sqs.left(), 2)
  assert.deepEqual(await handler(event(runId, 0), LAMBDA), { batchItemFailures: [] })
  const run = await ended(backend, runId)
  assert.equal(run.status, 'completed')
  assert.deepEqual(await deadLetters(event(runId, 0)), { batchItemFailures: [] })
  assert.equal((await backend.agent.ports.store.run(runId))?.status, 'completed', 'it went on without that wake-up')

  const stuck = await begin(backend, { task: 'walk 3', repo: { url: makeRepo(t) } })
  assert.deepEqual(await deadLetters(event(stuck, 5)), { batchItemFailures: [] })
  assert.equal((await backend.agent.ports.store.run(stuck))?.status, 'queued', 'a dead letter for another step')
  assert.deepEqual(await deadLetters(event(stuck, 0)), { batchItemFailures: [] })
  const failed = await ended(backend, stuck)
  assert.equal(failed.status, 'failed')
  assert.match(failed.answer ?? '', /given up/)
})
