import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { test } from 'node:test'
import { committed, execute, file, follow, following, problem, transcript } from './support/http.ts'
import { ask, call, makeRepo, type RunJson, runTask, settled, until } from './support/world.ts'

const stint = await following(file)
const { url } = stint
const repo = { url: makeRepo(file, { 'a.txt': 'one\n' }) }
const post = (runId: string, what: string, body?: unknown) => ask('POST', `${url}/runs/${runId}/${what}`, body)
const get = async (runId: string) => (await ask<RunJson>('GET', `${url}/runs/${runId}`)).body
/** A call that waits for an approval, since the file is a protected one. */
const guarded = (text: string) => call('write_file', { path: '.github/workflows/ci.yml', content: `# ${text}\n` })
const diffOf = async (runId: string) => (await fetch(`${url}/runs/${runId}/diff`)).text()
/** A run that waits for an approval, and the call it waits for. */
async function held(text: string, extra: Record<string, unknown> = {}): Promise<{ run: RunJson; callId: string }> {
  const run = await runTask(url, { task: follow(guarded(text), { text: 'Went on.' }), repo, ...extra })
  assert.equal(run.status, 'waiting', JSON.stringify(run))
  assert.equal(run.waitingFor?.kind, 'approval')
  return { run, callId: run.waitingFor?.callId ?? '' }
}
const results = async (runId: string) => (await transcript(url, runId)).filter((message) => message.role === 'tool')
const decidedOf = async (runId: string) =>
  (await committed(url, runId)).filter((event) => event.type === 'approval.decided')

test('a waiting run shows what is to be approved; approved, the call is performed', async () => {
  const { run, callId } = await held('approved-output')
  assert.match(callId, /^call_\w+$/)
  assert.equal((run.waitingFor as Record<string, unknown>).tool, 'write_file')
  assert.match(JSON.stringify(run.waitingFor), /approved-output/)
  assert.ok((run.waitingFor as Record<string, unknown>).reason)
  const asked = (await committed(url, run.runId)).find((event) => event.type === 'approval.requested')
  assert.equal(asked?.data.callId, callId)
  assert.equal((await post(run.runId, 'decisions', { callId, approved: true })).status, 202)
  const ended = await settled(url, run.runId)
  assert.deepEqual([ended.status, ended.answer, ended.waitingFor], ['completed', 'Went on.', undefined])
  assert.equal((await results(run.runId))[0]?.ok, true)
  assert.match(await diffOf(run.runId), /approved-output/)
})

test('denied, the call is not performed, the model is told why and goes on', async () => {
  const { run, callId } = await held('denied-output')
  await post(run.runId, 'decisions', { callId, approved: false, reason: 'use the docs instead' })
  assert.equal((await settled(url, run.runId)).answer, 'Went on.')
  const [result] = await results(run.runId)
  assert.equal(result?.error?.code, 'approval_denied')
  assert.match(result?.content ?? '', /use the docs instead/)
  assert.equal(await diffOf(run.runId), '')
  assert.equal((await decidedOf(run.runId))[0]?.data.approved, false)
})

test('two clicks agree and count once; a click to the contrary is refused, then and later', async () => {
  const { run, callId } = await held('clicks')
  const click = (approved: boolean) => post(run.runId, 'decisions', { callId, approved })
  for (const { status } of await Promise.all([click(true), click(true)])) assert.ok(status < 300, String(status))
  problem(await click(false), 409)
  assert.equal((await settled(url, run.runId)).status, 'completed')
  assert.ok((await click(true)).status < 300, 'the same again is agreed to')
  problem(await click(false), 409)
  assert.equal((await decidedOf(run.runId)).length, 1)
})

test('of two opposite clicks at once one counts and the other is refused', async () => {
  const { run, callId } = await held('race')
  const clicks = await Promise.all(
    [true, false, true, false].map(async (approved) => ({
      approved,
      answer: await post(run.runId, 'decisions', { callId, approved }),
    })),
  )
  const taken = new Set(clicks.filter(({ answer }) => answer.status < 300).map(({ approved }) => approved))
  assert.equal(taken.size, 1)
  for (const { answer } of clicks) if (answer.status >= 300) problem(answer, 409)
  await settled(url, run.runId)
  assert.deepEqual(
    (await decidedOf(run.runId)).map((event) => event.data.approved),
    [...taken],
  )
})

test('a decision on another call, or of another shape, is refused and the run goes on waiting', async () => {
  const { run, callId } = await held('wrong')
  problem(await post(run.runId, 'decisions', { callId: 'call_00000000000000000000000000', approved: true }), [404, 409])
  problem(await post(run.runId, 'decisions', { approved: true }), 422)
  problem(await post(run.runId, 'decisions', { callId, approved: 'yes' }), 422)
  problem(await post(run.runId, 'decisions', { callId, approved: true, remember: 'forever' }), 422)
  problem(await post(run.runId, 'decisions', { callId, approved: true, colour: 'red' }), 422)
  const unknown = 'run_00000000000000000000000000'
  problem(await post(unknown, 'decisions', { callId, approved: true }), 404)
  problem(await post(unknown, 'messages', { text: 'hi' }), 404)
  problem(await post(unknown, 'cancel'), 404)
  const { status, waitingFor } = await get(run.runId)
  assert.deepEqual([status, waitingFor?.callId], ['waiting', callId])
})

const twice = (text: string) => follow(guarded(text), guarded(text), { text: 'Twice.' })
const remembered = async (text: string, remember: string) => {
  const run = await runTask(url, { task: twice(text), repo })
  await post(run.runId, 'decisions', { callId: run.waitingFor?.callId, approved: true, remember })
  return settled(url, run.runId)
}

test('remember: call covers one call, run the same call in this run', async () => {
  assert.equal((await remembered('once', 'call')).status, 'waiting')
  const run = await remembered('run', 'run')
  assert.equal(run.answer, 'Twice.')
  assert.equal((await runTask(url, { task: twice('run'), repo })).status, 'waiting')
})

test('remember: session covers the same call in the next run of the session, and no other', async () => {
  const { sessionId, answer } = await remembered('session', 'session')
  assert.equal(answer, 'Twice.')
  assert.equal((await runTask(url, { task: twice('session'), sessionId })).answer, 'Twice.')
  assert.equal((await runTask(url, { task: twice('other'), sessionId })).status, 'waiting')
  assert.equal((await runTask(url, { task: twice('session'), repo })).status, 'waiting')
})

test('remember: repo covers the same call in other sessions of the repo, and no other repo', async () => {
  const mine = { url: makeRepo(file) }
  const { run, callId } = await held('repo', { repo: mine })
  await post(run.runId, 'decisions', { callId, approved: true, remember: 'repo' })
  await settled(url, run.runId)
  const task = follow(guarded('repo'), { text: 'Went on.' })
  assert.equal((await runTask(url, { task, repo: mine })).status, 'completed')
  assert.equal((await runTask(url, { task, repo })).status, 'waiting')
})

test('a question is answered by a message', async () => {
  const question = { question: 'Left or right?', choices: ['left', 'right'], default: 'left' }
  const run = await runTask(url, { task: follow(call('ask_user', question), { text: 'Thanks.' }) })
  assert.equal(run.status, 'waiting')
  const { kind, question: asked, choices } = run.waitingFor as Record<string, unknown>
  assert.deepEqual([kind, asked, choices], ['question', 'Left or right?', ['left', 'right']])
  problem(await post(run.runId, 'messages', { text: '' }), 422)
  problem(await post(run.runId, 'messages', {}), 422)
  assert.equal((await post(run.runId, 'messages', { text: 'neither, go straight' })).status, 202)
  assert.equal((await settled(url, run.runId)).answer, 'Thanks.')
  assert.match((await results(run.runId))[0]?.content ?? '', /neither, go straight/)
})

test('what is said to a run under way reaches the model with its next turn, in order', async () => {
  const gate = stint.gate()
  const task = follow({ ...call('list_files'), hold: gate.hold }, { text: 'As you say.' })
  const { runId } = await execute(url, { task, repo })
  await gate.reached
  for (const text of ['steer-first', 'steer-second'])
    assert.equal((await post(runId, 'messages', { text })).status, 202)
  gate.open()
  assert.equal((await settled(url, runId)).answer, 'As you say.')
  const last = JSON.stringify(stint.requests.findLast((request) => JSON.stringify(request).includes(gate.hold)))
  assert.ok(last.indexOf('steer-first') > 0 && last.indexOf('steer-second') > last.indexOf('steer-first'))
  const said = (await transcript(url, runId)).filter((message) => /steer/.test(message.content))
  assert.deepEqual(
    said.map((message) => message.role).filter((role) => role !== 'user'),
    [],
  )
  problem(await post(runId, 'messages', { text: 'too late' }), 409)
})

test('a message to a run that is about to finish keeps it going', async () => {
  const gate = stint.gate()
  const { runId } = await execute(url, { task: follow({ text: 'First.', hold: gate.hold }, { text: 'Second.' }) })
  await gate.reached
  await post(runId, 'messages', { text: 'one more thing' })
  gate.open()
  assert.equal((await settled(url, runId)).answer, 'Second.')
})

const processes = (mark: string) =>
  execFileSync('ps', ['-A', '-o', 'args'], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => /^(\S*\/)?sleep /.test(line) && line.includes(mark))

test('cancel ends a running command, and all that it has started', async () => {
  const mark = `.0${randomInt(1e9)}`
  const command = `sleep 611${mark} & (sleep 612${mark}; true) & sleep 613${mark}`
  const task = follow(call('write_file', { path: 'kept.txt', content: 'kept\n' }), call('run_command', { command }))
  const { runId } = await execute(url, { task, repo, approval: 'auto' })
  await until('three processes', () => processes(mark).length === 3)
  assert.equal((await get(runId)).status, 'running')
  const begin = Date.now()
  assert.equal((await post(runId, 'cancel', { reason: 'changed my mind' })).status, 202)
  const ended = await settled(url, runId)
  assert.deepEqual([ended.status, ended.stopReason], ['cancelled', 'cancelled'])
  await until('the processes to be gone', () => processes(mark).length === 0, 10_000)
  assert.ok(Date.now() - begin < 10_000, `${Date.now() - begin} ms`)
  assert.match(ended.answer ?? '', /changed my mind/)
  assert.deepEqual(ended.diffStat, { files: 1, additions: 1, deletions: 0 })
  assert.equal((await committed(url, runId)).at(-1)?.type, 'run.cancelled')
})

test('cancel ends a run that waits, and one in the middle of a model call', async () => {
  const { run, callId } = await held('never')
  assert.equal((await post(run.runId, 'cancel')).status, 202)
  assert.equal(await until('the end', async () => (await get(run.runId)).status === 'cancelled'), true)
  problem(await post(run.runId, 'decisions', { callId, approved: true }), 409)
  assert.equal(await diffOf(run.runId), '')
  const gate = stint.gate()
  const { runId } = await execute(url, { task: follow({ text: 'Late.', hold: gate.hold }) })
  await gate.reached
  const cancels = await Promise.all([post(runId, 'cancel'), post(runId, 'cancel')])
  assert.ok(cancels.some(({ status }) => status === 202) && cancels.every(({ status }) => [202, 409].includes(status)))
  assert.equal((await settled(url, runId)).status, 'cancelled')
})

test('an ended run is not cancelled', async () => {
  const run = await runTask(url, { task: follow({ text: 'Done.' }) })
  problem(await post(run.runId, 'cancel'), 409)
  assert.equal((await get(run.runId)).status, 'completed')
})
