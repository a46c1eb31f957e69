import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readFileSync, readdirSync } from 'node:fs'
import { greet, greetOrNobody } from './src/greet.js'
import { show } from './src/http.js'
import * as users from './src/users.js'

test('the new name', () => {
  assert.equal(users.findUser(1).name, 'Ada')
  assert.equal(users.findUser(9), null)
  assert.equal(users.getUserById, undefined)
})
test('callers behave as before', () => {
  assert.equal(greet(2), 'Hello, Grace!')
  assert.throws(() => greet(9), /no user 9/)
  assert.equal(greetOrNobody(9), 'Hello, nobody!')
  assert.deepEqual(show(1), { status: 200, body: { id: 1, name: 'Ada' } })
  assert.deepEqual(show(9), { status: 404, body: { error: 'no user 9' } })
})
test('the old name is gone', () => {
  for (const file of ['README.md', ...readdirSync('src').map((name) => `src/${name}`)])
    assert.doesNotMatch(readFileSync(file, 'utf8'), /getUserById/, file)
})
