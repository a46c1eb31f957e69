import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  collect,
  committed,
  type EventJson,
  execute,
  file,
  follow,
  following,
  ISO,
  problem,
  type Sent,
  watch,
} from './support/http.ts'
import { ask, call, makeRepo, runTask, settled } from './support/world.ts'

const stint = await following(file)
const { url } = stint
const repo = { url: makeRepo(file, { 'a.txt': 'one\n' }) }
const TYPES = `run.started run.waiting run.resumed run.completed run.failed run.cancelled plan.updated message.delta
  message.completed tool.started tool.completed approval.requested approval.decided context.compacted
  workspace.changed`.split(/\s+/)
const eventsOf = (runId: string) => `${url}/runs/${runId}/events`
const stored = (events: Sent[]) => events.filter((event) => event.data.type !== 'message.delta')
const numbers = (events: EventJson[]) => events.map((event) => event.seq)
const upTo = (count: number, from = 1) => Array.from({ length: count }, (_, i) => i + from)
const busy = follow(
  call('update_plan', { items: [{ text: 'write', status: 'active' }] }),
  call('write_file', { path: 'b.txt', content: 'two\n' }),
  call('run_command', { command: 'cat b.txt' }),
  call('ask_user', { question: 'Enough?' }),
  { text: 'Written as asked.' },
)
const answered = async () => {
  const run = await runTask(url, { task: busy, repo })
  await ask('POST', `${url}/runs/${run.runId}/messages`, { text: 'yes' })
  return settled(url, run.runId)
}

test('events are numbered from 1 without gaps and say what happened in order', async () => {
  const { runId } = await answered()
  const events = await committed(url, runId)
  assert.deepEqual(numbers(events), upTo(events.length))
  for (const event of events) {
    assert.deepEqual(Object.keys(event).sort(), ['at', 'data', 'runId', 'seq', 'type'])
    assert.equal(event.runId, runId)
    assert.match(event.at, ISO)
    assert.ok(TYPES.includes(event.type), event.type)
  }
  assert.deepEqual(
    events.map((event) => event.at).toSorted(),
    events.map((event) => event.at),
  )
  const types = events.map((event) => event.type)
  assert.equal(types[0], 'run.started')
  assert.equal(types.at(-1), 'run.completed')
  for (const type of ['plan.updated', 'workspace.changed', 'run.waiting', 'run.resumed', 'message.completed'])
    assert.ok(types.includes(type), `no ${type} in ${types}`)
  assert.equal(types.filter((type) => type === 'tool.started').length, 4)
  assert.equal(types.filter((type) => type === 'tool.completed').length, 4)
})

test('times within events are ISO-8601 like all others', async () => {
  const { runId } = await answered()
  const waiting = (await committed(url, runId)).find((event) => event.type === 'run.waiting')
  assert.ok(waiting)
  if ('until' in waiting.data) assert.match(String(waiting.data.until), ISO)
})

type Page = { items: EventJson[]; nextCursor?: string }
async function pageOf(runId: string, query: string): Promise<Page> {
  const answer = await ask<Page>('GET', `${eventsOf(runId)}?${query}`)
  assert.equal(answer.status, 200)
  assert.match(answer.headers.get('content-type') ?? '', /^application\/json/)
  return answer.body
}

test('?after with JSON gives the page behind that event', async () => {
  const { runId } = await answered()
  const all = await committed(url, runId)
  assert.deepEqual((await pageOf(runId, 'after=4')).items, all.slice(4))
  const end = await pageOf(runId, `after=${all.length}`)
  assert.deepEqual([end.items, end.nextCursor], [[], undefined])
  assert.deepEqual(numbers((await pageOf(runId, 'after=1&limit=3')).items), [2, 3, 4])
  problem(await ask('GET', `${eventsOf(runId)}?after=x`), [400, 422])
  problem(await ask('GET', `${eventsOf(runId)}?after=-1`), [400, 422])
  problem(await ask('GET', eventsOf('run_00000000000000000000000000')), 404)
})

test('pages of events go on by nextCursor, like every list', async () => {
  const { runId } = await answered()
  const all = await committed(url, runId)
  const seen: EventJson[] = []
  for (let query = 'limit=3'; query; ) {
    const page = await pageOf(runId, query)
    seen.push(...page.items)
    assert.ok(seen.length <= all.length, `seen ${numbers(seen)}`)
    query = page.nextCursor ? `limit=3&cursor=${page.nextCursor}` : ''
  }
  assert.deepEqual(seen, all)
})

test('the stream of an ended run gives every event with its seq as id, and ends', async () => {
  const { runId } = await answered()
  const all = await committed(url, runId)
  const events = await watch(eventsOf(runId))
  assert.deepEqual(
    events.map((event) => event.data),
    all,
  )
  for (const event of events) {
    assert.equal(event.id, String(event.data.seq))
    assert.equal(event.event, event.data.type)
  }
  const rest = await watch(eventsOf(runId), { 'last-event-id': '5' })
  assert.deepEqual(
    rest.map((event) => event.data),
    all.slice(5),
  )
})

test('who resumes behind the last event of an ended run is told that there is no more', async () => {
  const { runId } = await runTask(url, { task: follow({ text: 'Done.' }) })
  const last = (await committed(url, runId)).length
  const response = await fetch(eventsOf(runId), {
    headers: { accept: 'text/event-stream', 'last-event-id': String(last) },
    signal: AbortSignal.timeout(5000),
  })
  assert.ok([200, 204].includes(response.status))
  assert.doesNotMatch(await response.text(), /^data:/m)
})

test('a stream that breaks off is resumed by Last-Event-ID without loss or repetition', async () => {
  const gate = stint.gate()
  const list = call('list_files')
  const task = follow(list, { ...list, hold: gate.hold }, list, { text: 'Done.' })
  const { runId } = await execute(url, { task, repo })
  const first = await watch(eventsOf(runId), {}, (event) => event.data.type === 'tool.completed')
  const last = String(first.at(-1)?.id)
  const rest = watch(eventsOf(runId), { 'last-event-id': last })
  await gate.reached
  gate.open()
  const both = stored([...first, ...(await rest)]).map((event) => event.data)
  assert.deepEqual(numbers(both), upTo(both.length))
  assert.deepEqual(both, await committed(url, runId))
  assert.equal(both.at(-1)?.type, 'run.completed')
})

test('whoever watches a run from start, middle or end sees the same', async () => {
  const gate = stint.gate()
  const task = follow(call('list_files'), { ...call('list_files'), hold: gate.hold }, { text: 'Done.' })
  const { runId } = await execute(url, { task, repo })
  const early = [watch(eventsOf(runId)), watch(eventsOf(runId))]
  await gate.reached
  const late = watch(eventsOf(runId))
  gate.open()
  const all = (await Promise.all([...early, late])).map((events) => stored(events).map((event) => event.data))
  const kept = await committed(url, runId)
  for (const seen of all) assert.deepEqual(seen, kept)
})

test('an event is seen while the run waits, long before it ends', async () => {
  const { runId } = await execute(url, { task: follow(call('ask_user', { question: 'Now?' }), { text: 'Ok.' }) })
  const response = await fetch(eventsOf(runId), { headers: { accept: 'text/event-stream' } })
  let asked = false
  const events = await collect(response, (event) => {
    if (event.data.type === 'run.waiting' && !asked) {
      asked = true
      void ask('POST', `${url}/runs/${runId}/messages`, { text: 'now' })
    }
    return event.data.type === 'run.completed'
  })
  assert.ok(asked)
  assert.equal(events.at(-1)?.data.type, 'run.completed')
})

test('message.delta carries the text as it comes, without seq and id, and is not kept', async () => {
  const text = Array.from({ length: 60 }, (_, i) => `word${i}`).join(' ')
  const task = follow(call('ask_user', { question: 'Now?' }), { text })
  const { runId } = await runTask(url, { task })
  const response = await fetch(eventsOf(runId), { headers: { accept: 'text/event-stream' } })
  await ask('POST', `${url}/runs/${runId}/messages`, { text: 'now' })
  const events = await collect(response)
  const deltas = events.filter((event) => event.data.type === 'message.delta')
  assert.ok(deltas.length > 1, 'there are some')
  for (const delta of deltas) {
    assert.equal(delta.id, undefined)
    assert.ok(!('seq' in delta.data))
    assert.equal(delta.data.runId, runId)
  }
  const told = deltas.map((delta) => Object.values(delta.data.data).find((value) => typeof value === 'string'))
  assert.equal(told.join(''), text)
  const seqs = numbers(stored(events).map((event) => event.data))
  assert.deepEqual(seqs, upTo(seqs.length))
  assert.ok(!(await committed(url, runId)).some((event) => event.type === 'message.delta'))
})

test('events stay small whatever a call takes and gives', async () => {
  const task = follow(
    call('write_file', { path: 'big.txt', content: 'x'.repeat(20_000) }),
    call('run_command', { command: "head -c 300000 /dev/zero | tr '\\0' y" }),
    { text: 'y'.repeat(20_000) },
  )
  const { runId } = await runTask(url, { task, repo, approval: 'auto' })
  const events = await committed(url, runId)
  assert.equal(events.filter((event) => event.type === 'tool.completed' && event.data.ok).length, 2)
  for (const event of events.filter((event) => event.type.startsWith('tool.')))
    assert.ok(JSON.stringify(event).length < 8000, `${event.type}: ${JSON.stringify(event).length}`)
})

test('a failed run ends its stream with run.failed and its reason', async () => {
  const task = follow(call('list_files'))
  const { runId } = await runTask(url, { task, repo, limits: { turns: 1 } })
  const last = (await watch(eventsOf(runId))).at(-1)?.data
  assert.equal(last?.type, 'run.failed')
  assert.equal(last?.data.stopReason, 'turns_limit')
})
