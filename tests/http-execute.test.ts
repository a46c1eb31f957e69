import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Accepted, collect, execute, file, follow, following, ISO, problem, transcript } from './support/http.ts'
import { ask, call, git, makeRepo, type RunJson, runTask, settled } from './support/world.ts'

const stint = await following(file, { STINT_MAX_COST_RUN_USD: '2' })
const { url } = stint
const repo = { url: makeRepo(file, { 'a.txt': 'one\n' }) }
const send = (body: unknown, headers: Record<string, string> = {}) =>
  ask<Accepted & RunJson>('POST', `${url}/execute`, body, headers)

test('a task is accepted with an address, ids of their kind and links that lead somewhere', async () => {
  const accepted = await send({ task: follow({ text: 'Fine.' }), repo })
  assert.equal(accepted.status, 202)
  const { runId, sessionId, status, links } = accepted.body
  assert.match(runId, /^run_\w+$/)
  assert.match(sessionId, /^ses_\w+$/)
  assert.ok(['queued', 'running'].includes(status), status)
  const location = new URL(accepted.headers.get('location') ?? '', url)
  assert.equal((await ask<RunJson>('GET', location.href)).body.runId, runId)
  assert.ok(Object.keys(links).length >= 4)
  await settled(url, runId)
  for (const link of Object.values(links)) assert.equal((await ask('GET', new URL(link, url).href)).status, 200, link)
})

test('a finished run tells all that the interface promises', async () => {
  const plan = [{ text: 'write it', status: 'done' }]
  const task = follow(call('update_plan', { items: plan }), call('write_file', { path: 'b', content: '1\n2\n' }), {
    text: 'Wrote b.',
  })
  const run = await runTask(url, { task, repo, limits: { turns: 7 } })
  assert.equal(run.status, 'completed')
  assert.equal(run.stopReason, 'done')
  assert.equal(run.answer, 'Wrote b.')
  assert.equal(run.task, task)
  assert.deepEqual(run.plan, plan)
  assert.equal(run.turns, 3)
  assert.ok(run.step >= 3)
  assert.deepEqual(run.diffStat, { files: 1, additions: 2, deletions: 0 })
  assert.deepEqual(run.limits, { turns: 7, costUsd: 1, seconds: 3600 })
  assert.equal(run.approval, 'ask')
  assert.equal(run.waitingFor, undefined)
  for (const field of ['inputTokens', 'cachedTokens', 'outputTokens', 'costUsd'])
    assert.equal(typeof (run.usage as Record<string, unknown>)[field], 'number', field)
  assert.ok(run.usage.inputTokens > 0 && run.usage.costUsd > 0)
  assert.match(String(run.createdAt), ISO)
  assert.equal(git(repo.url, 'status', '--porcelain'), '', 'the repo itself is not touched')
})

test('ids are ordered by time', async () => {
  const ids: string[] = []
  for (let i = 0; i < 3; i++) ids.push((await execute(url, { task: 'x' })).runId)
  assert.deepEqual(ids.toSorted(), ids)
})

test('Prefer: wait answers the finished run, or 202 when it takes longer', async () => {
  const finished = await send({ task: follow({ text: 'Quick.' }), repo }, { prefer: 'wait=20' })
  assert.equal(finished.status, 200)
  assert.equal(finished.body.status, 'completed')
  assert.equal(finished.body.answer, 'Quick.')
  const listed = await send({ task: follow({ text: 'Quick.' }) }, { prefer: 'respond-async, wait=600' })
  assert.equal(listed.status, 200)
  const gate = stint.gate()
  const begin = Date.now()
  const later = await send({ task: follow({ text: 'Slow.', hold: gate.hold }) }, { prefer: 'wait=1' })
  assert.equal(later.status, 202)
  assert.ok(Date.now() - begin >= 950 && Date.now() - begin < 8000, `${Date.now() - begin} ms`)
  assert.ok(later.headers.get('location')?.endsWith(later.body.runId))
  gate.open()
  assert.equal((await settled(url, later.body.runId)).answer, 'Slow.')
})

test('Prefer: wait does not sit out its time on a run that waits for a person', async () => {
  const begin = Date.now()
  const answer = await send(
    { task: follow(call('ask_user', { question: 'Which?' }), { text: 'ok' }) },
    { prefer: 'wait=20' },
  )
  assert.ok([200, 202].includes(answer.status))
  assert.equal(answer.body.status, 'waiting')
  assert.ok(Date.now() - begin < 10_000, `${Date.now() - begin} ms`)
})

test('Accept: text/event-stream streams the events of the new run to its end', async () => {
  const response = await fetch(`${url}/execute`, {
    method: 'POST',
    headers: { accept: 'text/event-stream', 'content-type': 'application/json' },
    body: JSON.stringify({ task: follow(call('list_files'), { text: 'Seen.' }), repo }),
  })
  assert.equal(response.status, 200)
  const events = await collect(response)
  const stored = events.filter((event) => event.data.type !== 'message.delta')
  assert.deepEqual(
    stored.map((event) => event.id),
    stored.map((_, i) => String(i + 1)),
  )
  assert.equal(stored[0]?.data.type, 'run.started')
  assert.equal(stored.at(-1)?.data.type, 'run.completed')
  assert.equal((await settled(url, String(stored[0]?.data.runId))).answer, 'Seen.')
})

test('an Idempotency-Key gives the same run again, and refuses another body', async () => {
  const key = { 'idempotency-key': 'first' }
  const body = { task: follow({ text: 'Once.' }), repo }
  const first = await send(body, key)
  assert.equal(first.status, 202)
  await settled(url, first.body.runId)
  const again = await send(body, key)
  assert.ok([200, 202].includes(again.status))
  assert.equal(again.body.runId, first.body.runId)
  assert.equal(again.headers.get('location'), first.headers.get('location'))
  problem(await send({ ...body, task: 'something else' }, key), 422)
  assert.notEqual((await send(body, { 'idempotency-key': 'second' })).body.runId, first.body.runId)
})

test('twins with one Idempotency-Key start one run; the others get it or 409', async () => {
  const body = { task: follow({ text: 'One of many.' }) }
  const twins = await Promise.all(Array.from({ length: 12 }, () => send(body, { 'idempotency-key': 'twins' })))
  const ids = new Set<string>()
  for (const twin of twins)
    if (twin.status === 202) ids.add(twin.body.runId)
    else problem(twin, 409)
  assert.equal(ids.size, 1)
  assert.ok(ids.has((await send(body, { 'idempotency-key': 'twins' })).body.runId))
  const { body: list } = await ask<{ items: RunJson[] }>('GET', `${url}/runs?limit=100`)
  assert.equal(list.items.filter((run) => run.task === body.task).length, 1)
})

test('while a request is under way its twin is 409', async () => {
  const gate = stint.gate()
  const body = { task: follow({ text: 'Held.', hold: gate.hold }) }
  const key = { 'idempotency-key': 'held' }
  const first = send(body, { ...key, prefer: 'wait=20' })
  await gate.reached
  problem(await send(body, key), 409)
  gate.open()
  const { status, body: run } = await first
  assert.deepEqual([status, run.answer], [200, 'Held.'])
  assert.equal((await send(body, key)).body.runId, run.runId)
})

test('what cannot be taken is refused by name', async () => {
  const cases: [string, unknown][] = [
    ['colour', { task: 'x', colour: 'red' }],
    ['minutes', { task: 'x', limits: { minutes: 3 } }],
    ['task', {}],
    ['task', { task: '' }],
    ['task', { task: ' \n\t ' }],
    ['task', { task: 5 }],
    ['task', { task: 'x'.repeat(3_000_000) }],
    ['approval', { task: 'x', approval: 'maybe' }],
    ['limits.turns', { task: 'x', limits: { turns: 0 } }],
    ['limits.turns', { task: 'x', limits: { turns: 1.5 } }],
    ['limits.seconds', { task: 'x', limits: { seconds: '10' } }],
    ['limits.costUsd', { task: 'x', limits: { costUsd: -1 } }],
    ['repo', { task: 'x', repo: repo.url }],
    ['repo.url', { task: 'x', repo: {} }],
  ]
  for (const [name, body] of cases) {
    const { detail } = problem(await send(body), [413, 422])
    assert.ok(String(detail).includes(name), `${detail} does not name ${name}`)
    assert.ok(String(detail).length < 1000, 'the refused value is not repeated whole')
  }
  problem(await send({ task: 'x'.repeat(20_000_000) }), 413)
  problem(await send({ task: 'x', sessionId: 'ses_00000000000000000000000000' }), 404)
  assert.equal((await send({ task: 'ü'.repeat(20_000) })).status, 202)
})

test('an unknown field of repo is refused like any other', async () => {
  const { detail } = problem(await send({ task: 'x', repo: { ...repo, branch: 'main' } }), 422)
  assert.ok(String(detail).includes('branch'), String(detail))
})

test('a limit ends the run as failed with a hand-over note', async () => {
  const plan = call('update_plan', { items: [{ text: 'the first part', status: 'pending' }] })
  const turns = await runTask(url, { task: follow(plan, call('list_files')), repo, limits: { turns: 2 } })
  assert.deepEqual([turns.status, turns.stopReason], ['failed', 'turns_limit'])
  assert.match(turns.answer ?? '', /the first part/)
  const cost = await runTask(url, { task: follow(call('list_files')), repo, limits: { costUsd: 0.000001 } })
  assert.deepEqual([cost.status, cost.stopReason], ['failed', 'cost_limit'])
  assert.ok((cost.answer ?? '').length > 20)
})

test('a request can lower the spending limit of the server, not raise it', async () => {
  const limitOf = async (costUsd: number) => {
    const { status, body } = await send({ task: follow({ text: 'ok' }), limits: { costUsd } }, { prefer: 'wait=20' })
    return status === 200 ? (body.limits as { costUsd: number }).costUsd : status
  }
  assert.equal(await limitOf(0.25), 0.25)
  const raised = await limitOf(50)
  assert.ok(raised === 422 || raised <= 2, `limit is ${raised}`)
})

test('approval deny refuses the call and goes on; auto performs it', async () => {
  const guarded = call('write_file', { path: '.github/workflows/ci.yml', content: '# guarded\n' })
  const outcome = async (approval: string) => {
    const run = await runTask(url, { task: follow(guarded, { text: 'Went on.' }), repo, approval })
    assert.equal(run.answer, 'Went on.')
    return (await transcript(url, run.runId)).find((message) => message.role === 'tool')
  }
  assert.equal((await outcome('deny'))?.error?.code, 'approval_denied')
  assert.equal((await outcome('auto'))?.ok, true)
})

test('model "scripted" chooses the bundled one beside a configured one', async () => {
  const before = stint.requests.length
  const run = await runTask(url, { task: 'look around', repo, model: 'scripted' })
  assert.equal(run.status, 'completed')
  assert.equal(run.usage.costUsd, 0)
  assert.equal(stint.requests.length, before)
})

test('runs are listed page by page, each once, while others are added', async () => {
  const mine: string[] = []
  for (let i = 0; i < 5; i++) mine.push((await execute(url, { task: `page ${i}` })).runId)
  const seen: string[] = []
  let cursor: string | undefined
  do {
    const query = new URLSearchParams({ limit: '2', ...(cursor ? { cursor } : {}) })
    const page = await ask<{ items: RunJson[]; nextCursor?: string }>('GET', `${url}/runs?${query}`)
    assert.equal(page.status, 200)
    assert.ok(page.body.items.length <= 2)
    seen.push(...page.body.items.map((run) => run.runId))
    cursor = page.body.nextCursor
    if (seen.length === 2) await execute(url, { task: 'in between' })
    assert.ok(seen.length < 500, 'the pages come to an end')
  } while (cursor)
  assert.equal(new Set(seen).size, seen.length)
  for (const id of mine) assert.ok(seen.includes(id), id)
  for (const query of ['limit=0', 'limit=-1', 'limit=x']) problem(await ask('GET', `${url}/runs?${query}`), [400, 422])
})
