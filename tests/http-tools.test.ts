import assert from 'node:assert/strict'
import { existsSync, readFileSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { file, follow, following, problem, transcript } from './support/http.ts'
import { ask, call, git, makeRepo, runTask, settled, write } from './support/world.ts'

type Tool = { name: string; category: string; description: string; risk: string } & Record<string, unknown>
type Result = {
  runId: string
  sessionId: string
  callId: string
  ok: boolean
  output: string
  data?: unknown
  error?: { code: string; message: string; hint?: string }
  risk: string
  durationMs: number
  truncated: boolean
  status?: string
  approval?: Record<string, unknown>
}
const stint = await following(file)
const { url } = stint
const folder = makeRepo(file, { 'a.txt': 'alpha\nbeta\n', 'sub/b.txt': 'gamma\n' })
const repo = { url: folder }
const perform = (tool: unknown, input: unknown, extra: object = { repo }) =>
  ask<Result>('POST', `${url}/tool/execute`, { tool, input, ...extra })
/** A call that is performed, and its result. */
async function result(tool: string, input: unknown, extra?: object): Promise<Result> {
  const { status, body } = await perform(tool, input, extra)
  assert.equal(status, 200, JSON.stringify(body))
  return body
}

const CATEGORIES: Record<string, string> = {
  'file operations': 'read_file read_files write_file edit_file apply_patch delete_file list_files',
  'code analysis': 'outline find_symbol diagnostics',
  execution: 'run_command run_tests run_benchmark',
  'git operations': 'git_status git_diff git_log git_commit git_push open_pull_request',
  'context search': 'search_text search_code recall remember',
  'AI-assisted': 'generate_tests generate_docs explain_code review_changes',
  'run control': 'update_plan ask_user delegate',
}

test('every tool tells its name, category, description, schema, risk and where it runs', async () => {
  const { status, body } = await ask<{ items: Tool[] }>('GET', `${url}/tools`)
  assert.equal(status, 200)
  assert.ok(body.items.length >= 15)
  assert.equal(new Set(body.items.map((tool) => tool.name)).size, body.items.length)
  for (const tool of body.items) {
    assert.ok(CATEGORIES[tool.category]?.split(' ').includes(tool.name), `${tool.name} in ${tool.category}`)
    assert.ok(tool.description.length > 10, tool.name)
    assert.ok(['read', 'write', 'execute', 'external'].includes(tool.risk), tool.name)
    const schema = tool.inputSchema as { type: string; properties: Record<string, { type?: string }> }
    assert.equal(schema.type, 'object', tool.name)
    for (const [name, property] of Object.entries(schema.properties))
      assert.notEqual(property.type, 'object', `${tool.name}.${name} is flat`)
    assert.equal(typeof tool.runs, 'string', tool.name)
  }
})

test('the model is offered at most 12 of them', async () => {
  await runTask(url, { task: follow({ text: 'Done.' }), repo })
  const tools = stint.requests.at(-1)?.tools as unknown[]
  assert.ok(tools.length > 0 && tools.length <= 12, String(tools.length))
})

test('a result has its whole shape, and its run can be looked up', async () => {
  const body = await result('read_file', { path: 'a.txt' })
  assert.match(body.runId, /^run_/)
  assert.match(body.sessionId, /^ses_/)
  assert.match(body.callId, /^call_/)
  assert.match(body.output, /alpha[\s\S]*beta/)
  assert.deepEqual([body.ok, body.risk, body.truncated, body.error], [true, 'read', false, undefined])
  assert.ok(Number.isFinite(body.durationMs) && body.durationMs >= 0)
  const { body: run } = await ask('GET', `${url}/runs/${body.runId}`)
  assert.deepEqual([run.status, run.stopReason, run.sessionId], ['completed', 'done', body.sessionId])
})

test('calls of one session share their files, and the repo itself stays as it is', async () => {
  const { sessionId } = await result('write_file', { path: 'sub/new.txt', content: 'made\n' })
  const session = { sessionId }
  assert.match((await result('read_file', { path: 'sub/new.txt' }, session)).output, /made/)
  await result('edit_file', { path: 'a.txt', oldText: 'alpha', newText: 'omega' }, session)
  assert.match((await result('git_diff', {}, session)).output, /-alpha\n\+omega/)
  assert.match((await result('git_status', {}, session)).output, /new\.txt/)
  assert.match((await result('search_text', { pattern: '^om.ga$' }, session)).output, /a\.txt:1:omega/)
  assert.match((await result('list_files', { path: 'sub' }, session)).output, /b\.txt[\s\S]*new\.txt/)
  const both = await result('read_files', { paths: ['a.txt', 'sub/b.txt'] }, session)
  assert.match(both.output, /omega[\s\S]*gamma/)
  assert.equal((await result('delete_file', { path: 'sub/b.txt' }, session)).ok, true)
  assert.equal((await result('read_file', { path: 'sub/b.txt' }, session)).ok, false)
  assert.equal((await result('read_file', { path: 'sub/new.txt' })).ok, false, 'another session does not see it')
  const next = await runTask(url, { task: follow(call('read_file', { path: 'a.txt' }), { text: 'Read.' }), sessionId })
  const read = (await transcript(url, next.runId)).findLast((message) => message.role === 'tool')
  assert.match(read?.content ?? '', /omega/)
  assert.equal(git(folder, 'status', '--porcelain'), '')
})

test('without repo and session a call has an empty workspace of its own', async () => {
  const made = await result('write_file', { path: 'x.txt', content: 'x' }, {})
  assert.equal(made.ok, true)
  assert.match((await result('list_files', {}, { sessionId: made.sessionId })).output, /x\.txt/)
  assert.doesNotMatch((await result('list_files', {}, {})).output, /x\.txt/)
})

test('a failed call is a result with a code, a message and a hint', async () => {
  const cases: [string, unknown, RegExp][] = [
    ['read_file', { path: 'none.txt' }, /./],
    ['edit_file', { path: 'a.txt', oldText: 'not there', newText: 'x' }, /./],
    ['apply_patch', { patch: 'nonsense' }, /./],
    ['delete_file', { path: 'none.txt' }, /./],
    ['read_file', {}, /^invalid_arguments$/],
    ['read_file', { path: 5 }, /^invalid_arguments$/],
    ['list_files', { limit: -1 }, /^invalid_arguments$/],
    ['no_such_tool', {}, /^unknown_tool$/],
  ]
  for (const [tool, input, code] of cases) {
    const told = `${tool} ${JSON.stringify(input)}`
    const body = await result(tool, input)
    assert.equal(body.ok, false, told)
    assert.match(body.error?.code ?? '', /^[a-z_]+$/, told)
    assert.match(body.error?.code ?? '', code, told)
    assert.ok((body.error?.message ?? '').length > 3, told)
    assert.ok((body.error?.hint ?? '').length > 3, `${told} has a hint`)
    assert.notEqual(body.output, '', told)
  }
})

test('a command that fails is told with its exit code and output', async () => {
  const body = await result('run_command', { command: 'ls none-such' })
  assert.match(body.output, /none-such/)
  assert.match(JSON.stringify(body), /"exitCode":[12]\b/)
})

test('what resolves outside the workspace is refused and nothing is touched', async (t) => {
  const outside = makeRepo(t, { 'secret.txt': 'secret\n' })
  const trapped = makeRepo(t, { 'a.txt': 'a\n' })
  symlinkSync(outside, join(trapped, 'link'))
  write(trapped, { 'b.txt': 'b\n' })
  git(trapped, 'add', '-A')
  git(trapped, 'commit', '-qm', 'link')
  const { sessionId } = await result('list_files', {}, { repo: { url: trapped } })
  const name = `stint-escaped-${process.pid}.txt`
  for (const path of [
    `../${name}`,
    `sub/../../${name}`,
    `/tmp/${name}`,
    '.git/hooks/x',
    'sub/../.git/config',
    'link/x',
  ]) {
    const body = await result('write_file', { path, content: 'escaped' }, { sessionId })
    assert.deepEqual([body.ok, body.error?.code], [false, 'path_outside_workspace'], path)
  }
  for (const path of ['../../../../../../etc/hostname', '/etc/hostname', '.git/config', 'link/secret.txt']) {
    const body = await result('read_file', { path }, { sessionId })
    assert.equal(body.error?.code, 'path_outside_workspace', path)
    assert.doesNotMatch(body.output, /secret\n|\[core\]/)
  }
  assert.equal((await result('delete_file', { path: 'link/secret.txt' }, { sessionId })).ok, false)
  for (const place of [`/tmp/${name}`, join(dirname(outside), name), join(outside, 'x')]) assert.ok(!existsSync(place))
  assert.equal(readFileSync(join(outside, 'secret.txt'), 'utf8'), 'secret\n')
})

test('output over the limit keeps head and tail and says so', async () => {
  const command = 'echo first-line; yes filling | head -n 60000; echo last-line'
  const { body, status } = await perform('run_command', { command })
  const output = status === 202 ? await approved(body) : body.output
  if (status === 200) assert.equal(body.truncated, true)
  assert.ok(output.length < 120_000, String(output.length))
  assert.match(output, /^[\s\S]{0,200}first-line/)
  assert.match(output, /last-line[\s\S]{0,200}$/)
  assert.match(output, /480[,. ]?021|480[,. ]?022|60[,. ]?002/, 'the full size is named')
})

/** Approves a waiting call and gives what it answered. */
async function approved(body: Result): Promise<string> {
  const callId = String(body.approval?.callId)
  const decided = await ask('POST', `${url}/runs/${body.runId}/decisions`, { callId, approved: true })
  assert.equal(decided.status, 202)
  assert.equal((await settled(url, body.runId)).status, 'completed')
  return (await transcript(url, body.runId)).findLast((message) => message.role === 'tool')?.content ?? ''
}

const guarded = { path: '.github/workflows/ci.yml', content: 'on: push\n' }

test('a call that needs approval answers 202, and is performed once approved', async () => {
  const { status, body, headers } = await perform('write_file', guarded)
  assert.equal(status, 202)
  assert.equal(body.status, 'waiting')
  assert.match(body.runId, /^run_/)
  assert.match(String(body.approval?.callId), /^call_/)
  assert.match(JSON.stringify(body.approval), /workflows\/ci\.yml/)
  assert.ok(headers.get('location')?.endsWith(body.runId))
  assert.match(await approved(body), /ci\.yml/)
  assert.match(await (await fetch(`${url}/runs/${body.runId}/diff`)).text(), /on: push/)
})

test('a denied call ends as a result with approval_denied', async () => {
  const { body } = await perform('write_file', guarded)
  assert.equal(body.status, 'waiting')
  const callId = String(body.approval?.callId)
  await ask('POST', `${url}/runs/${body.runId}/decisions`, { callId, approved: false })
  assert.equal((await settled(url, body.runId)).status, 'completed')
  const last = (await transcript(url, body.runId)).findLast((message) => message.role === 'tool')
  assert.equal(last?.error?.code, 'approval_denied')
})

test('requests of the wrong shape are refused', async () => {
  problem(await ask('POST', `${url}/tool/execute`, {}), 422)
  problem(await perform(5, {}), 422)
  problem(await perform('list_files', 'x'), 422)
  problem(await perform('list_files', {}, { repo, colour: 'red' }), 422)
  problem(await perform('list_files', {}, { sessionId: 'ses_00000000000000000000000000' }), 404)
  problem(await perform('list_files', {}, { repo: { url: '/no/such/folder' } }), 422)
})
