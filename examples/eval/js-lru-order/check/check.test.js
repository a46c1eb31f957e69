import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Lru } from './src/lru.js'

test('reading makes newest', () => {
  const cache = new Lru(2)
  cache.set('a', 1)
  cache.set('b', 2)
  cache.get('a')
  cache.set('c', 3)
  assert.deepEqual([cache.get('a'), cache.get('b'), cache.get('c')], [1, undefined, 3])
})
test('setting again evicts nobody and makes newest', () => {
  const cache = new Lru(2)
  cache.set('a', 1)
  cache.set('b', 2)
  cache.set('a', 9)
  assert.equal(cache.get('b'), 2)
  cache.set('b', 3)
  cache.set('a', 4)
  cache.set('c', 5)
  assert.deepEqual([cache.get('a'), cache.get('b'), cache.get('c')], [4, undefined, 5])
})
test('undefined is a value', () => {
  const cache = new Lru(2)
  cache.set('a', undefined)
  cache.set('b', 1)
  cache.get('a')
  cache.set('c', 2)
  assert.equal(cache.get('b'), undefined)
  assert.equal(cache.get('c'), 2)
})
