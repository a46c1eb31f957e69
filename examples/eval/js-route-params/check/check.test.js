import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Router } from './src/router.js'
import { answer } from './src/server.js'

const names = (router, path) => {
  const found = router.find(path)
  return found && [found.handler(), found.params]
}
test('as before', () => assert.deepEqual(['/', '/health', '/x'].map(answer), ['home', 'ok', 'not found']))
test('parameters', () => {
  const router = new Router().add('/files/*', () => 'rest').add('/users/:id', () => 'user').add('/users/me', () => 'me').add('/users/:id/posts/:post', () => 'post')
  assert.deepEqual(names(router, '/users/42'), ['user', { id: '42' }])
  assert.deepEqual(names(router, '/users/me'), ['me', {}])
  assert.deepEqual(names(router, '/users/a%20b/posts/1'), ['post', { id: 'a b', post: '1' }])
  assert.deepEqual(names(router, '/files/a/b'), ['rest', { rest: 'a/b' }])
  assert.equal(router.find('/users/42/x'), undefined)
  assert.equal(router.find('/users/'), undefined)
})
test('the more exact one wins', () => {
  const router = new Router().add('/a/*', () => 'rest').add('/a/:x', () => 'param').add('/a/b', () => 'exact')
  assert.deepEqual(['/a/b', '/a/c', '/a/b/c'].map((path) => router.find(path).handler()), ['exact', 'param', 'rest'])
})
