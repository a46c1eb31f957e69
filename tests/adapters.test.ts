import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { folderSnapshots } from '../functions/adapters/folder-snapshots.ts'
import { groqModel } from '../functions/adapters/groq.ts'
import { localFeed } from '../functions/adapters/local-feed.ts'
import { mayLive, mayLiveSomewhere, systemClock, systemIds, thisProcess } from '../functions/adapters/system.ts'
import type { Event } from '../functions/core/types.ts'
import { modelContract } from './contract/model.ts'
import { snapshotsContract } from './contract/snapshots.ts'
import { tempFolder } from './support/world.ts'

snapshotsContract('folder', async (t) => folderSnapshots(join(tempFolder(t), 'objects')))
modelContract('groq', (baseUrl) => groqModel({ apiKey: 'test', baseUrl }))
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
  const ahead = `run_${'7'.repeat(26)}`
  assert.ok(systemIds.next('run', ahead) > ahead, 'made by a machine whose clock is ahead')
  assert.ok(systemIds.next('run', ids[0]) < ahead)
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
  const [pid, start, boot, space] = owner.split(':')
  for (const live of [mayLive, mayLiveSomewhere]) {
    if (start !== '?') assert.equal(live(`${pid}:${Number(start) + 1}:${boot}:${space}`), false)
    assert.equal(live(`999999999:1:${boot}:${space}`), false)
    assert.equal(live(`999999999:1:${boot}:another-container`), true)
  }
  if (boot !== '') assert.equal(mayLive(`${pid}:${start}:another-boot:${space}`), false)
  assert.equal(mayLiveSomewhere(`${pid}:${start}:another-boot:${space}`), true)
})
