/** The map of a repo for a task: what it names, within what it may take, and where in a prompt it stands. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { analyse } from '../sandbox-runner/code/analyse.ts'
import { CodeIndex } from '../sandbox-runner/code/index.ts'
import { languageOf } from '../sandbox-runner/code/languages.ts'
import { mapText, repoMap } from '../sandbox-runner/code/map.ts'
import { Ranking } from '../sandbox-runner/code/rank.ts'
import { packSegment } from '../sandbox-runner/code/segment.ts'
import { file, follow, following } from './support/http.ts'
import { call, makeRepo, runTask } from './support/world.ts'

const FILES: Record<string, string> = {
  'src/session.ts':
    'import { readClock } from "./clock"\nexport function sessionExpired(at: number) {\n  return readClock() > at\n}\n',
  'src/clock.ts': 'export function readClock() {\n  return 1\n}\nexport function neverUsedHere() {}\n',
  'src/server.ts':
    'import { sessionExpired } from "./session"\nexport class WebServer {\n  go() { return sessionExpired(1) }\n}\n',
  'src/paint.ts': 'export function mixColours() {}\nexport function applyPaint() { return mixColours() }\n',
  'test/session.test.ts': 'function sessionHelperTest() { return sessionExpired(1) }\n',
}

function indexOf(files: Record<string, string>): CodeIndex {
  const packed = Object.entries(files).flatMap(([path, text]) => {
    const language = languageOf(path)
    const analysis = language && analyse(Buffer.from(text), language)
    return analysis ? [{ path, blob: text, analysis }] : []
  })
  return new CodeIndex([packSegment(packed)], new Map(Object.entries(files)))
}
const mapOf = (task: string, files = FILES) => {
  const index = indexOf(files)
  return repoMap(index, new Ranking(index), task, 50)
}

test('the map begins where the task is, goes on to what that needs, and leaves out tests and the rest', () => {
  const map = mapOf('make the session expire earlier')
  assert.equal(map[0]?.name, 'sessionExpired')
  assert.equal(map[0]?.line, 2)
  const names = map.map(({ name }) => name)
  assert.ok(names.includes('readClock'), 'what a file of the task mentions is in the map')
  assert.ok(!names.includes('sessionHelperTest'))
  assert.ok(names.indexOf('mixColours') === -1 || names.indexOf('mixColours') > names.indexOf('readClock'))
  assert.deepEqual(mapOf('make the session expire earlier'), map, 'the same index and task give the same map')
  assert.deepEqual(mapOf('anything', {}), [])
})

test('its text holds whole lines and stays within its bound', () => {
  const map = mapOf('make the session expire earlier')
  const whole = mapText(map, ({ name }) => `function ${name}`, 10_000)
  assert.match(whole, /^src\/session\.ts:\n {2}2: function sessionExpired\n/)
  for (const chars of [0, 10, 60, 100, whole.length]) {
    const text = mapText(map, ({ name }) => `function ${name}`, chars)
    assert.ok(text.length <= chars)
    assert.ok(text === '' || text.split('\n').every((line) => /^(?:\S+:| {2}\d+: function \w+)$/.test(line)))
  }
})

test('a complex task begins with a map after the stable prefix, and its bytes stay; a simple one has none', async () => {
  const stint = await following(file)
  const repo = { url: makeRepo(file, FILES) }
  const steps = follow(
    call('read_file', { path: 'src/clock.ts' }),
    call('edit_file', { path: 'src/clock.ts', oldText: 'return 1', newText: 'return 2' }),
    { text: 'Done.' },
  )
  const task = `Make the session expire earlier:\n- change the clock\n- change sessionExpired\n- change the server\n${steps}`
  const run = await runTask(stint.url, { task, repo, approval: 'auto' })
  assert.equal(run.status, 'completed', run.answer)
  const first = (at: number) => (stint.requests[at]?.messages as { role: string; content: string }[] | undefined)?.[1]
  assert.equal(first(0)?.role, 'user')
  assert.match(
    first(0)?.content ?? '',
    /Likely places[^\n]*\nsrc\/session\.ts:\n {2}2: export function sessionExpired\(at: number\)\n/,
  )
  assert.ok((first(0)?.content.indexOf('Likely places') ?? 0) > (first(0)?.content.indexOf('Make the session') ?? 0))
  assert.equal(stint.requests.length, 3)
  for (const at of [1, 2]) assert.deepEqual(first(at), first(0))
  await runTask(stint.url, { task: `Say hello. ${follow({ text: 'Hello.' })}`, repo, approval: 'auto' })
  assert.doesNotMatch(first(3)?.content ?? '', /Likely places/)
})
