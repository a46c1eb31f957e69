import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { folderSnapshots } from '../functions/adapters/folder-snapshots.ts'
import { groqModel } from '../functions/adapters/groq.ts'
import { localFeed } from '../functions/adapters/local-feed.ts'
import { localQueue } from '../functions/adapters/local-queue.ts'
import { mayLive, systemClock, systemIds, thisProcess } from '../functions/adapters/system.ts'
import type { Event } from '../functions/core/types.ts'
import { modelContract } from './contract/model.ts'
import { queueContract } from './contract/queue.ts'
import { snapshotsContract } from './contract/snapshots.ts'
import { tempFolder, until } from './support/world.ts'

snapshotsContract('folder', async (t) => folderSnapshots(join(tempFolder(t), 'objects')))
modelContract('groq', (baseUrl) => groqModel({ apiKey: 'test', baseUrl }))
queueContract('local queue', async (t, handle) => {
  const queue = localQueue(systemClock, { atOnceMax: 8, onError: () => {} })
  queue.start(handle, async () => [])
  t.after(() => queue.stop())
  return queue
})

test('local queue: what the store says is due is found at the start and every second', async (t) => {
  const seen: string[] = []
  let due = ['run_old']
  const queue = localQueue(systemClock, { atOnceMax: 2, onError: () => {} })
  t.after(() => queue.stop())
  queue.start(
    async ({ runId }) => void seen.push(runId),
    async () => due.splice(0).map((runId) => ({ runId, step: 0 })),
  )
  await until('the old run', () => seen.includes('run_old'), 500)
  due = ['run_later']
  await until('the later run', () => seen.includes('run_later'), 2000)
})

test('local queue: never more at once than allowed', async (t) => {
  let [now, most] = [0, 0]
  let done = 0
  const queue = localQueue(systemClock, { atOnceMax: 3, onError: () => {} })
  t.after(() => queue.stop())
  queue.start(
    async () => {
      most = Math.max(most, ++now)
      await new Promise((resolve) => setTimeout(resolve, 5))
      now--
      done++
    },
    async () => [],
  )
  for (let i = 0; i < 20; i++) await queue.send({ runId: `run_${i}`, step: 0 }, 0)
  await until('all', () => done === 20)
  assert.equal(most, 3)
})

test('feed: watchers see what is published while they watch; one that throws hurts nobody', () => {
  const feed = localFeed()
  const seen: string[] = []
  const event = (runId: string): Event => ({ runId, at: 0, type: 'message.delta', data: {} })
  feed.publish([event('a')])
  const stopBad = feed.subscribe('a', () => {
    throw new Error('boom')
  })
  const stop = feed.subscribe('a', ({ runId }) => void seen.push(runId))
  assert.ok(feed.watched('a') && !feed.watched('b'))
  feed.publish([event('a'), event('b')])
  stop()
  stopBad()
  assert.ok(!feed.watched('a'))
  feed.publish([event('a')])
  assert.deepEqual(seen, ['a'])
})

test('ids tell their kind, are unguessable and sort by time', async () => {
  const ids: string[] = []
  for (let i = 0; i < 50; i++) {
    ids.push(systemIds.next('run'))
    if (i % 10 === 0) await systemClock.sleep(2)
  }
  assert.ok(ids.every((id) => /^run_[0-9a-hjkmnp-tv-z]{26}$/.test(id)))
  assert.equal(new Set(ids).size, 50)
  const times = ids.map((id) => id.slice(4, 14))
  assert.deepEqual(times, [...times].sort())
})

test('sleep ends early and quietly when told to', async () => {
  const stop = new AbortController()
  const started = performance.now()
  setTimeout(() => stop.abort(), 20)
  await systemClock.sleep(10_000, stop.signal)
  await systemClock.sleep(10_000, stop.signal)
  assert.ok(performance.now() - started < 1000)
})

test('a process is told from a later one with its number', () => {
  const owner = thisProcess()
  assert.equal(mayLive(owner), true)
  const [pid, start, boot] = owner.split(':')
  if (start !== '?') assert.equal(mayLive(`${pid}:${Number(start) + 1}:${boot}`), false)
  assert.equal(mayLive(`999999999:1:${boot}`), false)
  if (boot !== '') assert.equal(mayLive(`${pid}:${start}:another-boot`), false)
})
