import assert from 'node:assert/strict'
import { test } from 'node:test'
import { retry } from './src/retry.js'

const waits = []
const wait = async (ms) => void waits.push(ms)
test('doubles up to the most, and does not wait after the last', async () => {
  waits.length = 0
  const last = new Error('no 4')
  await assert.rejects(
    retry(async (i) => { throw i === 4 ? last : new Error(`no ${i}`) }, { tries: 5, baseMs: 10, maxMs: 35, wait }),
    (error) => error.message === 'gave up after 5 tries' && error.cause === last,
  )
  assert.deepEqual(waits, [10, 20, 35, 35])
})
test('a final error ends it', async () => {
  waits.length = 0
  const final = new Error('no such key')
  await assert.rejects(retry(async () => { throw final }, { wait, isFinal: (error) => error === final }), final)
  assert.deepEqual(waits, [])
})
test('success', async () => {
  assert.equal(await retry(async (i) => { if (i < 1) throw new Error('x'); return i }, { wait }), 1)
})
