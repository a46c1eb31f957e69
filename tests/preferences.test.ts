/** What people want of every run: the nearest holds, the request comes first, and a run shows what was decided for it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chosen, effective, refusedValue } from '../functions/core/preferences.ts'
import { follow, following, type Json, makeKey, problem } from './support/http.ts'
import { ask, makeRepo, type RunJson } from './support/world.ts'

const REPO = 'https://github.com/acme/shop'
const ANN = { by: 'ann', repo: REPO }

test('the nearest preference of a name holds', () => {
  const all = [
    ['all', 'a'],
    ['org:github.com/acme', 'b'],
    ['repo:github.com/acme/shop', 'c'],
    ['user:ann', 'd'],
    ['user:ann in github.com/acme/shop', 'e'],
  ].map(([scope = '', value]) => ({ scope, name: 'style', value }))
  for (let n = 1; n <= all.length; n++)
    assert.deepEqual(
      effective(all.slice(0, n), ANN).map(({ value }) => value),
      [all[n - 1]?.value],
    )
  assert.deepEqual(effective(all, { by: 'bob', repo: REPO }), [{ name: 'style', value: 'c', from: 'the repo' }])
  assert.deepEqual(effective(all, { by: 'bob' }), [{ name: 'style', value: 'a', from: 'everybody' }])
  assert.deepEqual(effective([{ scope: 'all', name: 'approval', value: 'auto' }], ANN), [], 'not for others')
})

test('what a request says itself comes before, and is not told as a preference', () => {
  const preferred = effective(
    [
      { scope: 'user:ann', name: 'model', value: 'm' },
      { scope: 'user:ann', name: 'approval', value: 'auto' },
      { scope: 'user:ann', name: 'language', value: 'German' },
    ],
    ANN,
  )
  const own = chosen(preferred, { approval: 'deny' })
  assert.deepEqual([own.model, own.approval, own.costUsd], ['m', 'deny', undefined])
  assert.deepEqual(
    own.used.map(({ name }) => name),
    ['language', 'model'],
  )
})

test('values are checked by name', () => {
  for (const [name, value] of [
    ['model', 'scripted'],
    ['model', 7],
    ['approval', 'always'],
    ['costUsd', -1],
    ['costUsd', '5'],
    ['style', ''],
    ['style', 3],
    ['style', 'a\n- b'],
    ['style', 'x'.repeat(301)],
    ['style', 'password=hunter2hunter2'],
    ['toString', 4],
  ] as const)
    assert.ok(refusedValue(name, value, false), `${name} ${value}`)
  assert.match(refusedValue('approval', 'auto', true) ?? '', /for others/)
  assert.equal(refusedValue('approval', 'auto', false), undefined)
  assert.equal(refusedValue('toString', 'x', false), undefined)
})

test('over HTTP: set, used by runs with whose they are, private, removed', async (t) => {
  const [ann, bob, root] = [makeKey('ann', 'run+read'), makeKey('bob', 'run+read'), makeKey('root', 'admin')]
  const folder = makeRepo(t)
  const keys = [ann, bob, root].map(({ entry }) => entry).join(',')
  const stint = await following(t, { STINT_API_KEY_HASHES: keys, STINT_REPO_ROOTS: folder })
  const as =
    ({ headers }: { headers: Record<string, string> }) =>
    <T = Json>(method: string, path: string, body?: unknown) =>
      ask<T>(method, stint.url + path, body, headers)
  const [hers, his, its] = [as(ann), as(bob), as(root)]
  const run = async (who: typeof hers, body: object = {}): Promise<RunJson & { preferences?: Json[] }> => {
    const request = { task: follow({ text: 'Ok.' }), repo: { url: folder }, ...body }
    const { body: accepted } = await who<RunJson>('POST', '/execute', request)
    for (;;) {
      const { body: seen } = await who<RunJson>('GET', `/runs/${accepted.runId}`)
      if (seen.status === 'completed') return seen
    }
  }
  const prompt = () => String((stint.requests.at(-1)?.messages as Json[] | undefined)?.[1]?.content)
  await run(hers)
  assert.doesNotMatch(prompt(), /Preferences/)

  assert.equal((await hers('PUT', '/preferences/language', { value: 'German' })).status, 200)
  assert.equal((await hers('PUT', '/preferences/approval', { value: 'deny', repo: folder })).status, 200)
  assert.equal((await hers('PUT', '/preferences/costUsd', { value: 0.5 })).status, 200)
  assert.equal(
    (await its('PUT', '/preferences/commits', { value: 'in the imperative', scope: 'repo', repo: folder })).status,
    200,
  )
  const mine = await run(hers)
  assert.match(prompt(), /Preferences:\n- commits: in the imperative \(the repo\)\n- language: German \(the person\)/)
  assert.equal(mine.approval, 'deny')
  assert.equal((mine.limits as Json).costUsd, 0.5)
  assert.deepEqual(
    mine.preferences?.map(({ name, from }) => `${name}: ${from}`),
    ['approval: you, for this repo', 'commits: the repo', 'costUsd: you', 'language: you'],
  )
  assert.equal((await run(hers, { approval: 'ask', limits: { costUsd: 0.2 } })).approval, 'ask')
  const other = await run(his)
  assert.deepEqual([other.approval, other.preferences?.length], ['ask', 1])
  assert.doesNotMatch(prompt(), /German/)

  type List = { items: Json[]; effective: { name: string; from: string }[] }
  const listed = (await hers<List>('GET', `/preferences?repo=${encodeURIComponent(folder)}`)).body
  assert.deepEqual([listed.items.length, listed.effective.length], [4, 4])
  assert.deepEqual((await his<List>('GET', '/preferences')).body.items, [])
  problem(await hers('PUT', '/preferences/style', { value: 'x', scope: 'all' }), 403, 'forbidden')
  problem(await its('PUT', '/preferences/approval', { value: 'auto', scope: 'all' }), 422)
  problem(await hers('PUT', '/preferences/model', { value: 'scripted' }), 422)
  problem(await hers('PUT', '/preferences/9', { value: 'x' }), 422)
  problem(await hers('DELETE', '/preferences/nothing'), 404, 'preference_not_found')
  assert.equal((await hers('DELETE', '/preferences/language')).status, 204)
  await run(hers)
  assert.doesNotMatch(prompt(), /German/)
})
