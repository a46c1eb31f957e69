import assert from 'node:assert/strict'
import { existsSync, lstatSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { execute, file, follow, following, problem, transcript } from './support/http.ts'
import { ask, call, git, makeRepo, runTask, settled, tempFolder, write } from './support/world.ts'

const stint = await following(file)
const { url } = stint

async function diffOf(runId: string): Promise<string> {
  const response = await fetch(`${url}/runs/${runId}/diff`)
  assert.equal(response.status, 200)
  assert.match(response.headers.get('content-type') ?? '', /^text\/x-diff/)
  return response.text()
}

/** The repo's first state with the diff put on it by git itself. */
function applied(t: TestContext, repo: string, diff: string): string {
  const folder = join(tempFolder(t), 'copy')
  git(repo, 'clone', '-q', repo, folder)
  write(folder, { '.git/run.diff': diff })
  git(folder, 'apply', '--index', '--whitespace=nowarn', '.git/run.diff')
  return folder
}

test('the transcript has the task, what the model said, its calls and their results in order', async () => {
  const repo = { url: makeRepo(file, { 'a.txt': 'alpha\n' }) }
  const task = follow(call('read_file', { path: 'a.txt' }), call('read_file', { path: 'none' }), { text: 'All read.' })
  const { runId } = await runTask(url, { task, repo })
  const messages = await transcript(url, runId)
  assert.deepEqual(
    messages.map((message) => message.role),
    ['system', 'user', 'assistant', 'tool', 'assistant', 'tool', 'assistant'],
  )
  const [, asked, said, read, , missing, last] = messages
  assert.ok(asked?.content.includes(task))
  assert.match(JSON.stringify(said), /"tool":"read_file".*"path":"a\.txt"/)
  assert.match(read?.content ?? '', /alpha/)
  assert.equal(missing?.ok, false)
  assert.ok(missing?.error?.code)
  assert.equal(last?.content, 'All read.')
  const seen: unknown[] = []
  let cursor: string | undefined
  do {
    const query = new URLSearchParams({ limit: '2', ...(cursor ? { cursor } : {}) })
    const page = await ask<{ items: unknown[]; nextCursor?: string }>('GET', `${url}/runs/${runId}/messages?${query}`)
    assert.ok(page.body.items.length <= 2)
    seen.push(...page.body.items)
    cursor = page.body.nextCursor
  } while (cursor)
  assert.deepEqual(seen, messages)
  for (const part of ['messages', 'diff'])
    problem(await ask('GET', `${url}/runs/run_00000000000000000000000000/${part}`), 404)
})

test('git apply takes the diff: changed, new, removed, odd names, no last newline', async (t) => {
  const source = {
    'changed.txt': Array.from({ length: 40 }, (_, i) => `line ${i}\n`).join(''),
    'gone.txt': 'bye\n',
    'no-newline.txt': 'end',
    'crlf.txt': 'one\r\ntwo\r\n',
    'with "quotes".txt': 'odd\n',
  }
  const repo = makeRepo(t, source)
  const task = follow(
    call('edit_file', { path: 'changed.txt', oldText: 'line 3\n', newText: 'line three\n' }),
    call('edit_file', { path: 'changed.txt', oldText: 'line 35\n', newText: '' }),
    call('delete_file', { path: 'gone.txt' }),
    call('write_file', { path: 'no-newline.txt', content: 'the end' }),
    call('edit_file', { path: 'crlf.txt', oldText: 'two', newText: 'three' }),
    call('write_file', { path: 'a new folder/größe ☃.txt', content: 'new\n' }),
    call('write_file', { path: 'empty.txt', content: '' }),
    call('write_file', { path: 'with "quotes".txt', content: 'odder\n' }),
    { text: 'Done.' },
  )
  const run = await runTask(url, { task, repo: { url: repo } })
  assert.equal(run.diffStat.files, 7)
  const folder = applied(t, repo, await diffOf(run.runId))
  const text = (path: string) => readFileSync(join(folder, path), 'utf8')
  assert.equal(text('changed.txt'), source['changed.txt'].replace('line 3\n', 'line three\n').replace('line 35\n', ''))
  assert.equal(existsSync(join(folder, 'gone.txt')), false)
  assert.equal(text('no-newline.txt'), 'the end')
  assert.equal(text('crlf.txt'), 'one\r\nthree\r\n')
  assert.equal(text('a new folder/größe ☃.txt'), 'new\n')
  assert.equal(text('empty.txt'), '')
  assert.equal(text('with "quotes".txt'), 'odder\n')
})

test('git apply takes what commands did: modes, links, binary files, moved files', async (t) => {
  const bytes = Uint8Array.from({ length: 2000 }, (_, i) => (i * 7) % 256)
  const moved = Array.from({ length: 30 }, (_, i) => `moved ${i}\n`).join('')
  const repo = makeRepo(t, {
    'bytes.bin': bytes,
    'old.bin': bytes.toReversed(),
    'run.sh': 'echo hi\n',
    'from.txt': moved,
    'a\ttab.txt': '1\n',
  })
  const command = [
    'chmod +x run.sh',
    'ln -s run.sh link',
    'rm old.bin',
    'cp bytes.bin copy.bin',
    'printf end >> bytes.bin',
    'echo 2 >> a*tab.txt',
    'mkdir -p deep/er',
    'mv from.txt deep/er/to.txt',
  ].join(' && ')
  const task = follow(call('run_command', { command }), { text: 'Done.' })
  const run = await runTask(url, { task, repo: { url: repo }, approval: 'auto' })
  const folder = applied(t, repo, await diffOf(run.runId))
  assert.ok((lstatSync(join(folder, 'run.sh')).mode & 0o111) !== 0, 'executable')
  assert.equal(readFileSync(join(folder, 'a\ttab.txt'), 'utf8'), '1\n2\n')
  assert.equal(readlinkSync(join(folder, 'link')), 'run.sh')
  assert.equal(existsSync(join(folder, 'old.bin')), false)
  assert.deepEqual(new Uint8Array(readFileSync(join(folder, 'copy.bin'))), bytes)
  assert.equal(readFileSync(join(folder, 'bytes.bin')).length, bytes.length + 3)
  assert.equal(readFileSync(join(folder, 'deep/er/to.txt'), 'utf8'), moved)
  assert.equal(existsSync(join(folder, 'from.txt')), false)
})

test('mid-run the diff shows what was changed so far', async (t) => {
  const repo = makeRepo(t, { 'a.txt': 'one\n' })
  const gate = stint.gate()
  const task = follow(
    call('write_file', { path: 'a.txt', content: 'two\n' }),
    { ...call('write_file', { path: 'b.txt', content: 'b\n' }), hold: gate.hold },
    { text: 'Done.' },
  )
  const { runId } = await execute(url, { task, repo: { url: repo } })
  await gate.reached
  const half = applied(t, repo, await diffOf(runId))
  assert.equal(readFileSync(join(half, 'a.txt'), 'utf8'), 'two\n')
  assert.equal(existsSync(join(half, 'b.txt')), false)
  gate.open()
  await settled(url, runId)
  const whole = applied(t, repo, await diffOf(runId))
  assert.equal(readFileSync(join(whole, 'b.txt'), 'utf8'), 'b\n')
})

test('a commit made by the run does not hide its changes, and the repo itself stays as it was', async (t) => {
  const repo = makeRepo(t, { 'a.txt': 'one\n' })
  const head = git(repo, 'rev-parse', 'HEAD')
  const task = follow(
    call('write_file', { path: 'a.txt', content: 'two\n' }),
    call('git_commit', { message: 'Two' }),
    call('git_log', {}),
    { text: 'Done.' },
  )
  const run = await runTask(url, { task, repo: { url: repo }, approval: 'auto' })
  assert.match((await transcript(url, run.runId)).findLast((message) => message.role === 'tool')?.content ?? '', /Two/)
  assert.equal(readFileSync(join(applied(t, repo, await diffOf(run.runId)), 'a.txt'), 'utf8'), 'two\n')
  assert.deepEqual(run.diffStat, { files: 1, additions: 1, deletions: 1 })
  assert.deepEqual([git(repo, 'rev-parse', 'HEAD'), git(repo, 'status', '--porcelain')], [head, ''])
  assert.equal(git(repo, 'for-each-ref', '--format=%(refname)'), 'refs/heads/main')
})

test('a run that changes nothing has an empty diff', async () => {
  const run = await runTask(url, { task: follow({ text: 'Nothing to do.' }), repo: { url: makeRepo(file) } })
  assert.equal(await diffOf(run.runId), '')
})

test('ref chooses what the run sees', async (t) => {
  const repo = makeRepo(t, { 'a.txt': 'main\n' })
  git(repo, 'checkout', '-q', '-b', 'side')
  write(repo, { 'a.txt': 'side\n' })
  git(repo, 'commit', '-qam', 'side')
  git(repo, 'checkout', '-q', 'main')
  const task = follow(call('read_file', { path: 'a.txt' }), { text: 'Read.' })
  const read = async (ref: string) =>
    (await transcript(url, (await runTask(url, { task, repo: { url: repo, ref } })).runId)).find(
      (message) => message.role === 'tool',
    )?.content ?? ''
  assert.match(await read('side'), /side/)
  assert.match(await read(git(repo, 'rev-parse', 'main')), /main/)
  problem(await ask('POST', `${url}/execute`, { task, repo: { url: repo, ref: 'no-such-branch' } }), 422)
  problem(await ask('POST', `${url}/execute`, { task, repo: { url: repo, ref: '--upload-pack=x' } }), 422)
})
