import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { execute, file, follow, following, problem, transcript } from './support/http.ts'
import { ask, call, makeRepo, type RunJson, runTask, settled, until } from './support/world.ts'

type Message = { role: string; content: string }
type Session = { sessionId: string; runs: (RunJson & { messages?: Message[] })[]; messages?: Message[] }
const stint = await following(file)
const { url } = stint
const repo = { url: makeRepo(file, { 'a.txt': 'one\n' }) }
const session = (id: string) => ask<Session>('GET', `${url}/session/${id}`)
const remove = (id: string) => ask('DELETE', `${url}/session/${id}`)

test('a follow-up run goes on with the files and the talk of the one before', async () => {
  const first = await runTask(url, {
    task: follow(call('write_file', { path: 'made.txt', content: 'by the first run\n' }), { text: 'Made it.' }),
    repo,
  })
  const second = await runTask(url, {
    task: follow(call('read_file', { path: 'made.txt' }), { text: 'Read it.' }),
    sessionId: first.sessionId,
  })
  assert.equal(second.sessionId, first.sessionId)
  assert.notEqual(second.runId, first.runId)
  assert.equal(second.answer, 'Read it.')
  const read = (await transcript(url, second.runId)).findLast((message) => message.role === 'tool')
  assert.match(read?.content ?? '', /by the first run/)
  assert.match(JSON.stringify(stint.requests.at(-1)), /Made it\./)
})

test('a follow-up works after a run that waited for a person', async () => {
  const write = call('write_file', { path: 'made.txt', content: 'before the question\n' })
  const question = call('ask_user', { question: 'Go on?' })
  const first = await runTask(url, { task: follow(write, question, call('list_files'), { text: 'Answered.' }), repo })
  await ask('POST', `${url}/runs/${first.runId}/messages`, { text: 'yes' })
  const { sessionId, answer } = await settled(url, first.runId)
  assert.equal(answer, 'Answered.')
  const task = follow(call('read_file', { path: 'made.txt' }), { text: 'Read it.' })
  assert.equal((await runTask(url, { task, sessionId })).answer, 'Read it.')
})

test('a follow-up works after a run that was cancelled in the middle of a command', async () => {
  const sleep = call('run_command', { command: 'echo half > half.txt; sleep 600' })
  const first = await execute(url, { task: follow(sleep), repo, approval: 'auto' })
  await until('the command', async () =>
    JSON.stringify((await ask('GET', `${url}/runs/${first.runId}/events?after=1`)).body).includes('tool.started'),
  )
  await ask('POST', `${url}/runs/${first.runId}/cancel`)
  assert.equal((await settled(url, first.runId)).status, 'cancelled')
  const next = await runTask(url, { task: follow(call('list_files'), { text: 'Next.' }), sessionId: first.sessionId })
  assert.equal(next.answer, 'Next.')
})

test('a session shows its runs and messages', async () => {
  const first = await runTask(url, { task: follow({ text: 'Answer one.' }), repo })
  const { sessionId } = first
  const second = await runTask(url, { task: follow({ text: 'Answer two.' }), sessionId })
  const { status, body } = await session(sessionId)
  assert.equal(status, 200)
  assert.equal(body.sessionId, sessionId)
  assert.deepEqual(body.runs.map((run) => run.runId).sort(), [first.runId, second.runId])
  for (const run of body.runs) assert.deepEqual([run.status, run.stopReason], ['completed', 'done'])
  const messages = body.messages ?? body.runs.flatMap((run) => run.messages ?? [])
  const said = messages.filter((message) => message.role === 'assistant').map((message) => message.content)
  assert.deepEqual([...new Set(said)].sort(), ['Answer one.', 'Answer two.'])
  problem(await session('ses_00000000000000000000000000'), 404)
})

test('while a run is under way or waits its session takes no other', async () => {
  const gate = stint.gate()
  const { runId, sessionId } = await execute(url, { task: follow({ text: 'Slow.', hold: gate.hold }), repo })
  await gate.reached
  const another = { task: follow({ text: 'Next.' }), sessionId }
  const { detail } = problem(await ask('POST', `${url}/execute`, another), 409)
  assert.ok(String(detail).includes(runId), 'it says which run')
  problem(await ask('POST', `${url}/tool/execute`, { tool: 'list_files', input: {}, sessionId }), 409)
  problem(await remove(sessionId), 409)
  gate.open()
  await settled(url, runId)
  const waiting = await runTask(url, { task: follow(call('ask_user', { question: 'What now?' })), sessionId })
  assert.equal(waiting.status, 'waiting')
  problem(await ask('POST', `${url}/execute`, another), 409)
  await ask('POST', `${url}/runs/${waiting.runId}/cancel`)
  await until('the end', async () => (await settled(url, waiting.runId)).status === 'cancelled')
  assert.equal((await runTask(url, another)).answer, 'Next.')
})

test('of many runs asked for at once in one session, one is taken', async () => {
  const { sessionId } = await runTask(url, { task: follow({ text: 'Ready.' }), repo })
  const gate = stint.gate()
  const body = { task: follow({ text: 'Mine.', hold: gate.hold }), sessionId }
  const answers = await Promise.all(Array.from({ length: 6 }, () => ask<RunJson>('POST', `${url}/execute`, body)))
  gate.open()
  const taken = answers.filter(({ status }) => status === 202)
  assert.equal(taken.length, 1)
  for (const answer of answers) if (answer.status !== 202) problem(answer, 409)
  await settled(url, taken[0]?.body.runId ?? '')
})

test('another repo for a session is refused or taken, not passed over', async (t) => {
  const { sessionId } = await runTask(url, { task: follow({ text: 'Ready.' }), repo })
  const body = {
    task: follow(call('list_files'), { text: 'Listed.' }),
    sessionId,
    repo: { url: makeRepo(t, { 'z.txt': 'z' }) },
  }
  const answer = await ask<RunJson>('POST', `${url}/execute`, body)
  if (answer.status !== 202) return void problem(answer, [409, 422])
  await settled(url, answer.body.runId)
  const listed = (await transcript(url, answer.body.runId)).findLast((message) => message.role === 'tool')
  assert.match(listed?.content ?? '', /z\.txt/)
})

test('a removed session is gone with all that hangs on it', async () => {
  const write = call('write_file', { path: 'b.txt', content: 'b\n' })
  const { runId, sessionId } = await runTask(url, { task: follow(write, { text: 'Written.' }), repo })
  const bystander = await runTask(url, { task: follow(write, { text: 'Kept.' }), repo })
  assert.equal((await remove(sessionId)).status, 204)
  problem(await session(sessionId), 404)
  for (const path of ['', '/events?after=0', '/messages', '/diff'])
    problem(await ask('GET', `${url}/runs/${runId}${path}`), 404)
  problem(await ask('POST', `${url}/execute`, { task: 'x', sessionId }), 404)
  problem(await remove(sessionId), 404)
  const { body } = await ask<{ items: RunJson[] }>('GET', `${url}/runs?limit=100`)
  assert.ok(!body.items.some((run) => run.sessionId === sessionId))
  assert.equal((await ask('GET', `${url}/runs/${bystander.runId}`)).status, 200)
  const diff = await ask<string>('GET', `${url}/runs/${bystander.runId}/diff`, undefined, { accept: '*/*' })
  assert.match(diff.body, /b\.txt/)
})

const filesBelow = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))

/** A session that knows a word which is nowhere else, and the files below the server's folder before it. */
async function knowing(word: string): Promise<{ sessionId: string; before: number; holding: () => string[] }> {
  const before = filesBelow(stint.home).filter((path) => !path.includes('/.code/')).length
  const own = { url: makeRepo(file, { 'own.txt': `${word}\n` }) }
  const write = call('write_file', { path: 'made.txt', content: `${word} ${'z'.repeat(50_000)}\n` })
  const { sessionId } = await runTask(url, { task: follow(write, { text: word }), repo: own })
  const holding = () => filesBelow(stint.home).filter((path) => existsSync(path) && readFileSync(path).includes(word))
  assert.ok(holding().length > 1, 'it is found while the session is there')
  return { sessionId, before, holding }
}
const word = () => `word-${randomUUID()}`

test('the workspace and the snapshots of a removed session are removed', async () => {
  const { sessionId, before, holding } = await knowing(word())
  assert.equal((await remove(sessionId)).status, 204)
  // The index is of the person's repository, which is still there, and not of the session.
  const ofSession = (path: string) => !path.includes('/.code/')
  const left = () => filesBelow(stint.home).filter(ofSession).length - before
  await until('the files to go', () => left() <= 0, 5000).catch(() => assert.fail(`${left()} files are left`))
  assert.deepEqual(
    holding().filter((path) => !path.includes('stint.db')),
    [],
  )
})

test('what was said in a removed session is on the disk no more', async () => {
  const { sessionId, holding } = await knowing(word())
  assert.equal((await remove(sessionId)).status, 204)
  await until('the words to go', () => holding().length === 0, 5000).catch(() => assert.deepEqual(holding(), []))
})
