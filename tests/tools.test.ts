/** Tools as the engine reaches them: the real runner as a child process, over its socket, through its adapter. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { childSandbox } from '../functions/adapters/child-sandbox.ts'
import type { Sandbox, SandboxResult } from '../functions/ports.ts'
import { SANDBOX_TOOLS } from '../sandbox-runner/catalogue.ts'
import { runnerProcess, running } from './support/runner-process.ts'
import { Box, box, boxOf, good, nextCallId } from './support/sandbox.ts'
import { git, makeRepo, ROOT, tempFolder, until, write } from './support/world.ts'

const entry = join(ROOT, 'sandbox-runner/server.ts')

/** A prepared workspace behind the adapter; `use` moves its head. */
async function child(t: TestContext, files?: Record<string, string>) {
  const folder = tempFolder(t)
  const places = { home: join(folder, 'home'), objects: join(folder, 'objects') }
  const options = { entry, ...places, isolation: 'none' as const }
  const sandbox: Sandbox = childSandbox(options)
  t.after(() => sandbox.close())
  const never = new AbortController().signal
  const layers = async () => kept
  const at = { runId: 'run_1', workspaceId: 'wsp_1', fence: 1 }
  const prepared = good(await sandbox.prepare({ ...at, repo: { url: makeRepo(t, files) }, layers, signal: never }))
  const kept = [...prepared.layers]
  let { head } = prepared
  const start = head
  const perform = async (calls: [tool: string, input: unknown][], signal = never, callId = nextCallId()) => {
    const list = calls.map(([tool, input], i) => ({ callId: i === 0 ? callId : nextCallId(), tool, input }))
    const done = good(await sandbox.perform({ ...at, start, head, calls: list, layers, signal }))
    if (done.change) {
      head = done.change.head
      kept.push(done.change.layer)
    }
    return done.results
  }
  const use = async (tool: string, input: unknown, signal?: AbortSignal) =>
    (await perform([[tool, input]], signal))[0] as SandboxResult
  const tree = join(options.home, 'wsp_1/tree')
  const diff = async () => good(await sandbox.diff({ workspaceId: 'wsp_1', start, head, layers })).diff
  return { sandbox, options, prepared, perform, use, tree, diff, kept }
}

test('a whole small task through the adapter: look, edit, test, diff, commit', async (t) => {
  const files = {
    'package.json': '{"scripts":{"test":"node t.js"}}',
    't.js': 'process.exit(require("./a") === 2 ? 0 : 1)\n',
    'a.js': 'module.exports = 1\n',
  }
  const { prepared, use, perform, diff, sandbox } = await child(t, files)
  assert.deepEqual([prepared.facts.branch, prepared.facts.files, prepared.facts.testCommand], ['main', 3, 'npm test'])
  assert.deepEqual(prepared.facts.top, ['a.js', 'package.json', 't.js'])
  const looks = await perform([
    ['list_files', {}],
    ['read_file', { path: 'a.js' }],
    ['search_text', { pattern: 'exports' }],
    ['git_status', {}],
  ])
  assert.deepEqual(
    looks.map(({ ok }) => ok),
    [true, true, true, true],
  )
  assert.equal((await use('run_tests', {})).ok, false)
  assert.equal((await use('edit_file', { path: 'a.js', oldText: '1', newText: '2' })).ok, true)
  assert.equal((await use('run_tests', {})).ok, true)
  assert.match(await diff(), /^-module\.exports = 1\n\+module\.exports = 2$/m)
  assert.equal((await use('git_commit', { message: 'two' })).ok, true)
  const health = await sandbox.health()
  assert.match(health.detail, /^Node v\d+.*git version \d/)
  assert.match(health.ok ? health.isolation : '', /^none: STINT_ISOLATION is none/)
  assert.equal(await sandbox.isolation(), 'none')
})

test('every tool answers strange input with a result that says what is wrong', async (t) => {
  const { perform } = await child(t)
  const strange = [
    null,
    [],
    'x',
    7,
    {},
    { path: null },
    { path: 'x'.repeat(5000) },
    { path: '\0' },
    {
      path: '..',
      paths: ['..'],
      content: '',
      oldText: 'a',
      newText: 'b',
      command: 'true',
      cwd: '..',
      message: 'm',
      pattern: '(',
    },
  ]
  for (const { name, changes } of SANDBOX_TOOLS) {
    if (changes) continue
    const results = await perform(strange.map((input) => [name, input]))
    for (const { ok, output, error } of results) {
      assert.notEqual(output, '')
      if (!ok)
        assert.ok(
          error?.code && error.message && !['sandbox_fault', 'no_permission'].includes(error.code),
          `${name}: ${output}`,
        )
    }
  }
  for (const { name, changes } of SANDBOX_TOOLS)
    if (changes && !['run_tests', 'run_benchmark', 'diagnostics'].includes(name))
      for (const input of strange) {
        const [result] = await perform([[name, input]])
        assert.equal(result?.ok, false, `${name} ${JSON.stringify(input)}`)
        assert.ok(result.error?.code && result.error.code !== 'sandbox_fault', result.output)
      }
  const [unknown] = await perform([['no_such_tool', {}]])
  assert.equal(unknown?.error?.code, 'unknown_tool')
})

test('a stop from outside ends the command and what it started', async (t) => {
  const { use, tree } = await child(t)
  const stop = new AbortController()
  const call = use('run_command', { command: 'setsid sleep 300 & echo $! > pid; sleep 300' }, stop.signal)
  await until(
    'the command',
    () => existsSync(join(tree, 'pid')) && readFileSync(join(tree, 'pid'), 'utf8').endsWith('\n'),
  )
  stop.abort()
  assert.equal((await call).error?.code, 'cancelled')
  assert.equal(running(Number(readFileSync(join(tree, 'pid'), 'utf8'))), false)
})

test('the caller goes away: the call is finished, its answer kept, and the runner leaves', async (t) => {
  const { sandbox, use, tree, options } = await child(t, { a: 'a\n' })
  const call = use('run_command', { command: 'touch begun; sleep 0.5; echo done > a' }).catch((error: Error) => error)
  await until('the command', () => existsSync(join(tree, 'begun')))
  await sandbox.close()
  assert.equal(readFileSync(join(tree, 'a'), 'utf8'), 'done\n')
  assert.equal(existsSync(join(options.home, 'wsp_1/dirty')), false)
  assert.ok((await call) instanceof Error)
})

test('a workspace that is lost here is made again from its layers, small and large', async (t) => {
  const first = await child(t, { a: 'a\n' })
  await first.use('run_command', { command: 'head -c 400000 /dev/urandom > big.bin; mkdir -p e/f; echo b > a' })
  await first.use('write_file', { path: 'c', content: 'c\n' })
  assert.ok(
    first.kept.some((layer) => layer.inline === undefined),
    'one layer is too large to travel',
  )
  const expected = (await first.use('run_command', { command: 'sha1sum a big.bin c; ls -a' })).output
  await first.sandbox.forget('wsp_1')
  assert.equal(existsSync(first.tree), false)
  assert.equal((await first.use('run_command', { command: 'sha1sum a big.bin c; ls -a' })).output, expected)
  assert.match(await first.diff(), /GIT binary patch|Binary files/)
})

test('only who knows the token is answered, and only a request', async (t) => {
  const made = await box(t)
  const runner = await runnerProcess(t, made)
  const bad = await runner.handle({ op: 'nothing' } as never)
  assert.deepEqual([(bad as { ok: boolean; code: string }).ok, (bad as { code: string }).code], [false, 'bad_request'])
  const outside = await runner.handle({ op: 'forget', workspace: { id: '../x', fence: 0 } } as never)
  assert.equal((outside as { code: string }).code, 'bad_request')
  const at = { id: 'wsp_1', fence: 1, start: made.start, head: made.head }
  const two = await runner.handle({
    op: 'perform',
    runId: 'r',
    workspace: at,
    calls: [1, 2].map((n) => ({ callId: `../../${n}`, tool: 'write_file', input: {} })),
  })
  assert.equal((two as { code: string }).code, 'bad_request')
})

test('nothing outside and no secret is shown by search, facts or a kept output', async (t) => {
  const out = tempFolder(t)
  write(out, { 'victim.txt': 'TOP-SECRET outside\n' })
  const repo = makeRepo(t, { 'a.txt': 'a\n', '.env': 'KEY=TOP-SECRET\n', 'certs/server.key': 'TOP-SECRET\n' })
  for (const name of ['link.txt', 'AGENTS.md', 'deep/link.txt']) {
    mkdirSync(join(repo, 'deep'), { recursive: true })
    symlinkSync(join(out, 'victim.txt'), join(repo, name))
  }
  git(repo, 'add', '-A')
  const b = await boxOf(t, repo)
  assert.doesNotMatch(JSON.stringify(b.facts), /TOP-SECRET/, 'AGENTS.md is a link to the outside')
  const search = await b.use('search_text', { pattern: 'TOP-SECRET' })
  assert.doesNotMatch(search.output, /link\.txt|AGENTS/, 'links that leave')
  assert.doesNotMatch(search.output, /KEY=|server\.key/, 'files that read_file refuses')
  await b.run(`rm -rf .stint; mkdir -p ${out}/kept; ln -s ${out}/kept .stint; seq 100000`)
  assert.equal(existsSync(join(out, 'kept/output')), false)
})

test('a pipe in the workspace blocks nobody', async (t) => {
  const made = await box(t, { 'a.txt': 'a\n', 'AGENTS.txt': 'x\n' })
  const b = new Box(made.home, made.objects, await runnerProcess(t, made, { ms: 8000 }))
  Object.assign(b, { start: made.start, head: made.head })
  await b.run('mkfifo pipe; ln -s pipe to-pipe; ln -s /dev/zero zero; ln -s /dev/tty tty')
  assert.equal((await b.use('read_file', { path: 'pipe' })).error?.code, 'invalid_path')
  assert.equal((await b.use('read_file', { path: 'to-pipe' })).error?.code, 'invalid_path')
  assert.equal((await b.use('write_file', { path: 'pipe', content: '' })).error?.code, 'invalid_path')
  assert.equal((await b.use('search_text', { pattern: 'a' })).output, 'a.txt:1:a')
})
