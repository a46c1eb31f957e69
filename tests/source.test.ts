/** A workspace's files from a local repo, in every state a repo can be in; the original is only read. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { git as safeGit } from '../sandbox-runner/workspace/git.ts'
import { localPath, locate, makeTree } from '../sandbox-runner/workspace/source.ts'
import { listing } from './support/sandbox.ts'
import { codeOf, made, names, notGit, status } from './support/source.ts'
import { git, makeRepo, tempFolder, write } from './support/world.ts'

test('a repo as it stands: committed, changed, staged, deleted, untracked; ignored left out; the original untouched', async (t) => {
  const repo = makeRepo(t, {
    a: 'a\n',
    staged: 's\n',
    gone: 'g\n',
    'run.sh': '#!/bin/sh\n',
    'd/e': 'e\n',
    '.gitignore': '*.log\nout/\n',
  })
  chmodSync(join(repo, 'run.sh'), 0o755)
  git(repo, 'commit', '-qam', 'mode')
  write(repo, { a: 'changed\n', staged: 'new\n', new: 'n\n', 'x.log': 'l\n', 'out/o': 'o\n', 'd/new': 'n\n' })
  git(repo, 'add', 'staged')
  writeFileSync(join(repo, 'staged'), 'newer\n')
  rmSync(join(repo, 'gone'))
  symlinkSync('nowhere', join(repo, 'dangling'))
  symlinkSync('/etc/hostname', join(repo, 'outside'))
  chmodSync(join(repo, 'new'), 0o600)
  const [before, times] = [
    listing(repo),
    execFileSync('find', [repo, '-printf', '%p %T@ %C@ %i\n'], { encoding: 'utf8' }),
  ]
  const { tree, files, source, text } = await made(t, repo)
  assert.deepEqual(listing(repo), before)
  assert.equal(execFileSync('find', [repo, '-printf', '%p %T@ %C@ %i\n'], { encoding: 'utf8' }), times)
  const { gone: _, 'x.log': __, 'out/o': ___, ...expected } = listing(repo, notGit)
  assert.deepEqual(files, expected)
  assert.equal(text('staged'), 'newer\n')
  assert.deepEqual(source, { name: 'repo', branch: 'main', commit: git(repo, 'rev-parse', 'HEAD') })
  assert.deepEqual(status(tree), ['?? d/new', '?? dangling', '?? new', '?? outside', 'D gone', 'M a', 'M staged'])
  assert.equal(git(tree, 'log', '--format=%s'), 'mode\nstart')
})

test('the copy is a repo of its own: no remote, no hooks, no configuration, no way back', async (t) => {
  const repo = makeRepo(t)
  git(repo, 'config', 'user.email', 'someone@example.com')
  git(repo, 'config', 'remote.origin.url', 'https://user:token@example.com/x.git')
  git(repo, 'config', 'core.hooksPath', '/tmp/hooks')
  write(repo, { '.git/hooks/post-checkout': '#!/bin/sh\ntouch /tmp/stint-hook-ran\n' })
  chmodSync(join(repo, '.git/hooks/post-checkout'), 0o755)
  const { tree } = await made(t, repo)
  assert.equal(existsSync(join(tree, '.git/hooks')), false)
  assert.equal(git(tree, 'remote'), '')
  const search = 'grep -rlE "token|example.com|hooksPath" .git || true'
  assert.equal(execFileSync('sh', ['-c', search], { cwd: tree, encoding: 'utf8' }), '')
})

test('many commits become some history; a shallow source works', async (t) => {
  const repo = makeRepo(t)
  for (let i = 0; i < 60; i++) git(repo, 'commit', '-q', '--allow-empty', '-m', `c${i}`)
  const { tree } = await made(t, repo)
  assert.equal(git(tree, 'rev-list', '--count', 'HEAD'), '50')
  const shallow = join(tempFolder(t), 'shallow')
  execFileSync('git', ['clone', '-q', '--depth', '3', `file://${repo}`, shallow])
  write(shallow, { more: 'm\n' })
  const again = await made(t, shallow)
  assert.equal(git(again.tree, 'rev-list', '--count', 'HEAD'), '3')
  assert.deepEqual(names(again.files), ['README.md', 'more'])
})

test('a repo without a commit, with files staged and not', async (t) => {
  const repo = join(tempFolder(t), 'fresh')
  mkdirSync(repo)
  git(repo, 'init', '-q', '-b', 'trunk')
  write(repo, { a: 'a\n', b: 'b\n', '.gitignore': 'c\n', c: 'c\n' })
  git(repo, 'add', 'a')
  const { files, source, tree } = await made(t, repo)
  assert.deepEqual(names(files), ['.gitignore', 'a', 'b'])
  assert.equal(source.commit, undefined)
  assert.match(git(tree, 'status'), /No commits yet/)
  assert.equal(await codeOf(made(t, repo, 'main')), 'ref_not_found')
})

test('a detached HEAD, a linked worktree, a folder below the top', async (t) => {
  const repo = makeRepo(t, { a: '1\n', 'sub/b': 'b\n' })
  const first = git(repo, 'rev-parse', 'HEAD')
  write(repo, { a: '2\n' })
  git(repo, 'commit', '-qam', 'two')
  const worktree = join(tempFolder(t), 'tree')
  git(repo, 'worktree', 'add', '-q', '-b', 'side', worktree, first)
  write(worktree, { c: 'c\n' })
  const side = await made(t, worktree)
  assert.deepEqual(
    [side.source.branch, side.source.commit, side.text('a'), side.text('c')],
    ['side', first, '1\n', 'c\n'],
  )
  git(repo, 'checkout', '-q', '--detach', first)
  const detached = await made(t, repo)
  assert.deepEqual([detached.source.branch, detached.source.commit, detached.text('a')], [undefined, first, '1\n'])
  const below = await made(t, join(repo, 'sub'))
  assert.deepEqual(names(below.files), ['a', 'sub/b'])
  assert.deepEqual(await locate(join(repo, 'sub')), { top: repo, subdir: 'sub' })
})

test('a ref is a branch, a tag or a commit; uncommitted work stays out', async (t) => {
  const repo = makeRepo(t, { a: '1\n' })
  const first = git(repo, 'rev-parse', 'HEAD')
  git(repo, 'tag', '-a', 'v1', '-m', 'v1')
  git(repo, 'checkout', '-q', '-b', 'feature/x')
  write(repo, { a: '2\n' })
  git(repo, 'commit', '-qam', 'two')
  git(repo, 'checkout', '-q', 'main')
  for (let i = 0; i < 55; i++) git(repo, 'commit', '-q', '--allow-empty', '-m', `c${i}`)
  write(repo, { a: 'uncommitted\n', b: 'b\n' })
  for (const [ref, text] of [
    ['feature/x', '2\n'],
    ['v1', '1\n'],
    [first, '1\n'],
    [first.slice(0, 10), '1\n'],
    ['main', '1\n'],
    ['HEAD~3', '1\n'],
  ] as const) {
    const { text: read, files, tree, source } = await made(t, repo, ref)
    assert.equal(read('a'), text, ref)
    assert.deepEqual([names(files), status(tree)], [['a'], []], ref)
    assert.equal(source.commit, git(repo, 'rev-parse', `${ref}^{commit}`), ref)
  }
  assert.equal((await made(t, repo, 'feature/x')).source.branch, 'feature/x')
  for (const ref of ['nowhere', '--help', '-b', 'a b', ''])
    assert.equal(await codeOf(made(t, repo, ref)), 'ref_not_found', JSON.stringify(ref))
})

test('what is no repo is refused with a code', async (t) => {
  const folder = tempFolder(t)
  write(folder, { file: 'x' })
  assert.equal(await codeOf(made(t, join(folder, 'nowhere'))), 'repo_not_found')
  assert.equal(await codeOf(made(t, folder)), 'repo_not_git')
  assert.match(await codeOf(made(t, join(folder, 'file'))), /^repo_not_(git|found)$/)
  execFileSync('git', ['init', '-q', '--bare', join(folder, 'bare')])
  assert.equal(await codeOf(made(t, join(folder, 'bare'))), 'repo_not_git')
  assert.deepEqual([localPath('/a'), localPath('file:///a%20b'), localPath('https://x/y')], ['/a', '/a b', undefined])
  assert.match(await codeOf(made(t, 'file://host/x')), /^repo_/)
})

test('without a source there is an empty repo', async (t) => {
  const folder = tempFolder(t)
  assert.deepEqual(await makeTree(join(folder, 'tree'), join(folder, 'scratch'), undefined), {
    name: 'workspace',
    branch: 'main',
  })
  assert.equal((await safeGit(['status', '--porcelain'], { cwd: join(folder, 'tree') })).stdout, '')
})
