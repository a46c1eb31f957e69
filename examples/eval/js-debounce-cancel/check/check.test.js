import assert from 'node:assert/strict'
import { test } from 'node:test'
import { debounce } from './src/debounce.js'

test('flush performs the last call at once', () => {
  const seen = []
  const later = debounce(function (x) { seen.push([this?.name, x]); return x * 2 }, 10_000)
  const owner = { name: 'o', later }
  owner.later(1)
  owner.later(2)
  assert.equal(owner.later.flush(), 4)
  assert.deepEqual(seen, [['o', 2]])
  assert.equal(later.flush(), 4, 'nothing waits')
  assert.equal(seen.length, 1)
})
test('cancel drops it', async () => {
  let calls = 0
  const later = debounce(() => ++calls, 5)
  later()
  later.cancel()
  await new Promise((done) => setTimeout(done, 30))
  assert.equal(calls, 0)
  later()
  await new Promise((done) => setTimeout(done, 60))
  assert.equal(calls, 1)
  assert.equal(later.flush(), 1)
})
