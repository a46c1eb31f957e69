/** Repos whose content is hostile: names that mean something else elsewhere, links out, submodules, very many files. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { Carrier } from '../sandbox-runner/carrier.ts'
import { PrepareReply } from '../sandbox-runner/protocol.ts'
import { noBackend, serve } from './support/git-http.ts'
import { Box, boxOf, good } from './support/sandbox.ts'
import { git, makeRepo, tempFolder, write } from './support/world.ts'

/** Writes an object as it is, however wrong. */
const object = (repo: string, type: string, content: Uint8Array): string =>
  execFileSync('git', ['-C', repo, 'hash-object', '-t', type, '--literally', '-w', '--stdin'], {
    input: content,
    encoding: 'utf8',
  }).trim()

type Entry = { mode: string; name: string; id: string }
const tree = (repo: string, entries: Entry[]): string =>
  object(
    repo,
    'tree',
    Buffer.concat(entries.flatMap(({ mode, name, id }) => [Buffer.from(`${mode} ${name}\0`), Buffer.from(id, 'hex')])),
  )

/** A bare repo whose one commit holds a file at a path of these names, as no honest git would make it. */
function crooked(t: TestContext, names: string[], mode = '100755'): string {
  const root = tempFolder(t)
  const repo = join(root, 'repo.git')
  mkdirSync(repo)
  git(repo, 'init', '-q', '--bare', '-b', 'main')
  let id = object(repo, 'blob', Buffer.from('#!/bin/sh\ntouch /tmp/stint-hostile\n'))
  let kind = mode
  for (const name of [...names].reverse()) {
    id = tree(repo, [{ mode: kind, name, id }])
    kind = '40000'
  }
  const commit = `tree ${id}\nauthor a <a> 1 +0000\ncommitter a <a> 1 +0000\n\nm\n`
  git(repo, 'update-ref', 'refs/heads/main', object(repo, 'commit', Buffer.from(commit)))
  return root
}

async function carried(t: TestContext, root: string) {
  const folder = tempFolder(t)
  const carrier = new Carrier({ home: join(folder, 'home'), objects: join(folder, 'objects') })
  const repo = { url: `http://${await serve(t, root)}/repo.git` }
  const workspace = { id: 'wsp_1', fence: 1 }
  return { folder, reply: PrepareReply.parse(await carrier.handle({ op: 'prepare', runId: 'run_1', workspace, repo })) }
}

test('a repo that would write into .git, or out of its folder, is not cloned', { skip: noBackend }, async (t) => {
  for (const names of [
    ['.git', 'hooks', 'post-checkout'],
    ['.GIT', 'config'],
    ['.Git ', 'config'],
    ['git~1', 'config'],
    ['.g\u200cit', 'config'],
    ['sub', '.git', 'config'],
    ['..', 'out'],
    ['a/../../out'],
    ['/tmp/stint-hostile'],
  ]) {
    const { folder, reply } = await carried(t, crooked(t, names))
    assert.ok(!reply.ok, names.join('/'))
    assert.match(reply.code, /^(clone_failed|repo_not_found)$/)
    assert.match(reply.message, /cannot be cloned: .*\S/)
    assert.deepEqual(readdirSync(folder).sort(), ['home', 'objects'])
    assert.deepEqual(readdirSync(join(folder, 'home')), [], 'nothing of it stays')
  }
  assert.equal(existsSync('/tmp/stint-hostile'), false)
})

test('a file in the place of .gitmodules, options as names of submodules and as addresses: nothing is fetched or run', {
  skip: noBackend,
}, async (t) => {
  const root = tempFolder(t)
  const mark = join(root, 'mark')
  const repo = join(root, 'repo.git')
  mkdirSync(repo)
  git(repo, 'init', '-q', '-b', 'main')
  write(repo, {
    '.gitmodules': [
      `[submodule "a"]\n\tpath = a\n\turl = ext::touch ${mark}\n\tupdate = !touch ${mark}\n`,
      `[submodule "b"]\n\tpath = b\n\turl = --upload-pack=touch ${mark}\n`,
      '[submodule "../../x"]\n\tpath = "c\\r"\n\turl = ssh://-oProxyCommand=x/y\n',
    ].join(''),
    'file.txt': 'text\n',
  })
  git(repo, 'add', '-A')
  for (const path of ['a', 'b', 'c'])
    git(repo, 'update-index', '--add', '--cacheinfo', `160000,${'1'.repeat(40)},${path}`)
  git(repo, 'commit', '-q', '-m', 'm')
  const { reply } = await carried(t, root)
  assert.ok(reply.ok, JSON.stringify(reply))
  const folder = tempFolder(t)
  const box = new Box(join(folder, 'home'), join(folder, 'objects'))
  good(await box.prepare({ url: repo }))
  for (const tool of ['git_status', 'git_diff']) assert.ok((await box.use(tool, {})).ok)
  assert.equal(existsSync(mark), false)
})

test('links that lead out are links: neither read, searched, written through nor followed by a diff', async (t) => {
  const outside = tempFolder(t)
  write(outside, { 'secret.txt': 'OUTSIDE LINE\n' })
  const repo = makeRepo(t, { 'in.txt': 'inside line\n' })
  execFileSync('ln', ['-s', join(outside, 'secret.txt'), join(repo, 'out.txt')])
  execFileSync('ln', ['-s', outside, join(repo, 'folder')])
  git(repo, 'add', '-A')
  git(repo, 'commit', '-q', '-m', 'links')
  const box = await boxOf(t, repo)
  for (const path of ['out.txt', 'folder/secret.txt'])
    assert.equal((await box.use('read_file', { path })).error?.code, 'path_outside_workspace')
  assert.equal((await box.use('write_file', { path: 'out.txt', content: 'x' })).error?.code, 'path_outside_workspace')
  const told = [
    await box.use('search_text', { pattern: 'LINE' }),
    await box.use('search_code', { query: 'outside line' }),
    await box.use('git_diff', { base: 'HEAD~1' }),
  ]
  for (const { output } of told) assert.doesNotMatch(output, /OUTSIDE/)
  assert.equal(execFileSync('cat', [join(outside, 'secret.txt')], { encoding: 'utf8' }), 'OUTSIDE LINE\n')
})

test('a hundred thousand files, and folders a thousand deep, are copied, searched and diffed', async (t) => {
  const repo = join(tempFolder(t), 'repo')
  mkdirSync(repo)
  git(repo, 'init', '-q', '-b', 'main')
  const deep = `${'d/'.repeat(1000)}needle.txt`
  const lines = [
    'blob\nmark :1\ndata 5\nsame\n',
    'blob\nmark :2\ndata 9\nhaystack\n',
    'commit refs/heads/main\ncommitter a <a> 1 +0000\ndata 1\nm',
    ...Array.from({ length: 100_000 }, (_, i) => `M 100644 :1 n${i % 300}/f${i}.txt`),
    `M 100644 :2 ${deep}`,
  ]
  execFileSync('git', ['-C', repo, 'fast-import', '--quiet'], { input: `${lines.join('\n')}\n` })
  const folder = tempFolder(t)
  const box = new Box(join(folder, 'home'), join(folder, 'objects'))
  good(await box.prepare({ url: repo, ref: 'main' }))
  assert.equal(box.facts.files, 100_001)
  assert.match((await box.use('search_text', { pattern: 'haystack' })).output, /needle\.txt:1/)
  await box.use('write_file', { path: 'n7/f7.txt', content: 'other\n' })
  assert.match((await box.use('git_diff', {})).output, /^-same\n\+other$/m)
  assert.match((await box.use('git_status', {})).output, /M n7\/f7\.txt/)
  assert.match(await box.diff(), /^-same\n\+other$/m)
})
