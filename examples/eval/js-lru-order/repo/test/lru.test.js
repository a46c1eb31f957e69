import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Lru } from '../src/lru.js'

test('keeps and gives', () => {
  const cache = new Lru(2)
  cache.set('a', 1)
  assert.equal(cache.get('a'), 1)
  assert.equal(cache.get('b'), undefined)
})
