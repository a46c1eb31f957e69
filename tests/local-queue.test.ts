import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type LocalQueueOptions, localQueue } from '../functions/adapters/local-queue.ts'
import { systemClock } from '../functions/adapters/system.ts'
import type { Work } from '../functions/ports.ts'
import { type Context, queueContract } from './contract/queue.ts'
import { until } from './support/world.ts'

const FAST = { attemptsMax: 3, retryMsFirst: 10, laterMs: 30 }

function started(t: Context, work: Partial<Work>, options: Partial<LocalQueueOptions> = {}) {
  const queue = localQueue(systemClock, { atOnceMax: 8, onError: () => {}, ...options })
  queue.start({ handle: async () => 'done', bury: async () => {}, due: async () => [], ...work })
  t.after(() => queue.stop())
  return queue
}

queueContract('local queue', async (t, work, fast) => started(t, work, fast ? FAST : {}))

test('local queue: what the store says is due is found at the start and every second', async (t) => {
  const seen: string[] = []
  let due = ['run_old']
  started(t, {
    handle: async ({ runId }) => {
      seen.push(runId)
      return 'done'
    },
    due: async () => due.splice(0).map((runId) => ({ runId, step: 0 })),
  })
  await until('the old run', () => seen.includes('run_old'), 500)
  due = ['run_later']
  await until('the later run', () => seen.includes('run_later'), 2000)
})

test('local queue: never more at once than allowed', async (t) => {
  let [now, most] = [0, 0]
  let done = 0
  const handle = async () => {
    most = Math.max(most, ++now)
    await new Promise((resolve) => setTimeout(resolve, 5))
    now--
    done++
    return 'done' as const
  }
  const queue = started(t, { handle }, { atOnceMax: 3 })
  for (let i = 0; i < 20; i++) await queue.send({ runId: `run_${i}`, step: 0 }, 0)
  await until('all', () => done === 20)
  assert.equal(most, 3)
})
