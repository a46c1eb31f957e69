/**
 * Wake-ups as jobs in Redis, through BullMQ, worked on by every process that shares that Redis. A job is held under a
 * lock; when its process dies the lock runs out and another process gets the job. What was given up stays in BullMQ's
 * failed set for people to see, bounded in number and age; all else is removed when it is done.
 */
import { DelayedError, type Job, Queue, UnrecoverableError, Worker } from 'bullmq'
import { Redis } from 'ioredis'
import { SWEEP_AGAIN_MS, WAKE_ATTEMPTS_MAX, WAKE_LATER_MS } from '../core/limits.ts'
import { readWake, retryDelayMs, wakeBody } from '../core/wake.ts'
import type { Clock, Wake, Work, WorkQueue } from '../ports.ts'

const NAME = 'wakes'
const SWEEP_MS = 1000
const LOCK_MS = 30_000
const FAILED_KEPT = { age: 7 * 24 * 3600, count: 1000 }
/** Entries of BullMQ's own event stream, which nobody here reads. */
const STREAM_LENGTH = 100
const CONNECT_MS_MAX = 5000
/** BullMQ itself waits for Redis without end. */
const SEND_MS_MAX = 3000

export type BullmqOptions = {
  url: string
  /** Begins every key. */
  prefix: string
  atOnceMax: number
  onError: (error: unknown, wake?: Wake) => void
  attemptsMax?: number
  retryMsFirst?: number
  laterMs?: number
  lockMs?: number
}

export function bullmqQueue(options: BullmqOptions, clock: Clock): WorkQueue {
  const { attemptsMax = WAKE_ATTEMPTS_MAX, laterMs = WAKE_LATER_MS, lockMs = LOCK_MS, onError } = options
  const retryStrategy = (times: number) => Math.min(50 * 2 ** times, 2000)
  const connect = (perRequest: number | null) => {
    const client = new Redis(options.url, {
      maxRetriesPerRequest: perRequest,
      connectTimeout: CONNECT_MS_MAX,
      retryStrategy,
    })
    // Queue and worker report it too, with what they were about.
    client.on('error', () => {})
    return client
  }
  const prefix = `${options.prefix}queue`
  const sending = connect(3)
  const queue = new Queue(NAME, {
    connection: sending,
    prefix,
    streams: { events: { maxLen: STREAM_LENGTH } },
    defaultJobOptions: {
      // Given up by count of deliveries (below); these are more, so that a burial that fails is tried again.
      attempts: 2 * attemptsMax,
      backoff: { type: 'custom' },
      removeOnComplete: true,
      removeOnFail: FAILED_KEPT,
    },
  })
  queue.on('error', (error) => onError(error))

  const underWay = new Set<string>()
  const again = new Set<string>()

  async function deliver(job: Job, token: string | undefined, work: Work): Promise<void> {
    const wake = readWake(job.data)
    if (!wake) throw new UnrecoverableError('this is no wake-up')
    if (job.attemptsStarted > attemptsMax) {
      const why = job.failedReason || 'its worker died each time'
      await work.bury(wake, why)
      throw new UnrecoverableError(why)
    }
    // One run is worked on once at a time. The job that is under way stands in for this one: it is held until both are
    // done, and comes again should this process die.
    if (underWay.has(wake.runId)) return void again.add(wake.runId)
    underWay.add(wake.runId)
    try {
      let delivered = await work.handle(wake)
      while (again.delete(wake.runId)) delivered = await work.handle({ runId: wake.runId })
      if (delivered === 'done') return
    } catch (error) {
      onError(error, wake)
      throw error
    } finally {
      underWay.delete(wake.runId)
      if (again.delete(wake.runId)) await send({ runId: wake.runId }, 0)
    }
    await job.moveToDelayed(clock.now() + laterMs, token)
    throw new DelayedError()
  }

  async function send(wake: Wake, delayMs: number): Promise<void> {
    const done = new AbortController()
    const added = queue.add('wake', wakeBody(wake), { delay: Math.max(0, Math.ceil(delayMs)) })
    const late = clock.sleep(SEND_MS_MAX, done.signal).then(() => {
      if (!done.signal.aborted) throw new Error(`Redis did not take a wake-up within ${SEND_MS_MAX} ms`)
    })
    // One that is taken after all is a wake-up too many, which harms nobody.
    added.catch(() => {})
    await Promise.race([added, late]).finally(() => done.abort())
  }

  const stopping = new AbortController()
  let worker: Worker | undefined
  let blocking: Redis | undefined

  async function sweep(work: Work): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        for (const wake of await work.due(SWEEP_AGAIN_MS)) await send(wake, 0)
      } catch (error) {
        onError(error)
      }
      await clock.sleep(SWEEP_MS, stopping.signal)
    }
  }

  return {
    send,
    start(work) {
      blocking = connect(null)
      worker = new Worker(NAME, (job, token) => deliver(job, token, work), {
        connection: blocking,
        prefix,
        concurrency: options.atOnceMax,
        lockDuration: lockMs,
        stalledInterval: lockMs,
        // Deliveries are counted above, those that killed their process included.
        maxStalledCount: 10 * attemptsMax,
        settings: { backoffStrategy: (tries) => retryDelayMs(tries, options.retryMsFirst) },
      })
      worker.on('error', (error) => onError(error))
      void sweep(work)
    },
    async stop() {
      stopping.abort()
      // First the worker: a stint that ends now hands over through the queue. Without Redis nothing can be closed well.
      if (sending.status === 'ready') {
        await worker?.close()
        await queue.close()
      }
      blocking?.disconnect()
      sending.disconnect()
    },
  }
}
