/** Repos that are not as repos usually are: other repos inside, replaced folders, strange names, foreign owners. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, lstatSync, readdirSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { runnerProcess } from './support/runner-process.ts'
import { Box, good, listing } from './support/sandbox.ts'
import { made, names, notGit, status } from './support/source.ts'
import { placeOf } from './support/tree.ts'
import { git, makeRepo, tempFolder, write } from './support/world.ts'

test('submodules and nested repos are copied as plain files', async (t) => {
  const inner = makeRepo(t, { 'in.txt': 'i\n', '.gitignore': '*.tmp\n' })
  const repo = makeRepo(t, { a: 'a\n' })
  git(repo, '-c', 'protocol.file.allow=always', 'submodule', '--quiet', 'add', inner, 'sub')
  git(repo, 'commit', '-qm', 'subs')
  write(repo, { 'sub/changed.txt': 'c\n', 'sub/x.tmp': 't\n' })
  execFileSync('git', ['clone', '-q', inner, join(repo, 'nested')])
  execFileSync('git', ['init', '-q', join(repo, 'nested-empty')])
  write(repo, { 'nested/own.txt': 'o\n' })
  const { files } = await made(t, repo)
  const inside = ['.gitignore', 'changed.txt', 'in.txt'].map((name) => `sub/${name}`)
  assert.deepEqual(names(files), [
    '.gitmodules',
    'a',
    'nested/.gitignore',
    'nested/in.txt',
    'nested/own.txt',
    ...inside,
  ])
})

test('a submodule that was never fetched is an empty place, and stops nothing', async (t) => {
  const inner = makeRepo(t, { 'in.txt': 'i\n' })
  const repo = makeRepo(t, { a: 'a\n' })
  git(repo, '-c', 'protocol.file.allow=always', 'submodule', '--quiet', 'add', inner, 'sub')
  git(repo, 'commit', '-qm', 'subs')
  git(repo, 'submodule', '--quiet', 'deinit', '-f', 'sub')
  const folder = tempFolder(t)
  const places = { home: join(folder, 'home'), objects: join(folder, 'objects') }
  const b = new Box(places.home, places.objects, await runnerProcess(t, places, { ms: 5000 }))
  assert.equal(good(await b.prepare({ url: repo })).facts.files, 2)
})

test('a tracked file replaced by a folder, a folder by a file, a folder by a link', async (t) => {
  const repo = makeRepo(t, { file: 'f\n', 'folder/x': 'x\n', 'moved/y': 'y\n', keep: 'k\n' })
  const outside = tempFolder(t)
  write(outside, { y: 'outside\n' })
  rmSync(join(repo, 'file'))
  write(repo, { 'file/inside': 'i\n' })
  rmSync(join(repo, 'folder'), { recursive: true })
  write(repo, { folder: 'now a file\n' })
  const both = await made(t, repo)
  assert.deepEqual(both.files, listing(repo, notGit))
  rmSync(join(repo, 'moved'), { recursive: true })
  symlinkSync(outside, join(repo, 'moved'))
  const linked = await made(t, repo)
  assert.deepEqual(linked.files, listing(repo, notGit))
  assert.equal(lstatSync(join(linked.tree, 'moved')).isSymbolicLink(), true)
})

test('names as they come, of files and of the folder of the repo', async (t) => {
  const files = {
    'a b': '1\n',
    'n\nl': '1\n',
    '"q"': '1\n',
    '-rf': '1\n',
    '日本/é': '1\n',
    'tab\tx': '1\n',
    '*': '1\n',
    ':x': '1\n',
  }
  const repo = makeRepo(t, files)
  for (const name of ['with space', "q'uote", '日本語', 'per%20cent', 'a%b', 'hash#?x=1', '-dash', 'a:b']) {
    const place = join(repo, '..', name)
    renameSync(repo, place)
    const failure = await made(t, place).then(
      ({ files: found }) => assert.deepEqual(found, listing(place, notGit), name),
      (error: Error) => error.message,
    )
    renameSync(place, repo)
    assert.equal(failure, undefined, name)
  }
})

test('a file whose name is no UTF-8 is not lost', async (t) => {
  const repo = makeRepo(t, { a: 'a\n' })
  writeFileSync(placeOf(repo, 'caf\xe9'), 'tracked\n')
  git(repo, 'add', '-A')
  git(repo, 'commit', '-qm', 'name')
  writeFileSync(placeOf(repo, 'na\xefve'), 'untracked\n')
  const { files, tree } = await made(t, repo)
  assert.deepEqual(files, listing(repo, notGit))
  assert.deepEqual(
    status(tree).filter((line) => line.startsWith('D')),
    [],
    'nothing looks deleted',
  )
})

test('what is left out of a working tree on purpose does not look deleted', async (t) => {
  const repo = makeRepo(t, { 'in/a': 'a\n', 'out/b': 'b\n' })
  git(repo, 'sparse-checkout', 'set', 'in')
  assert.equal(existsSync(join(repo, 'out/b')), false)
  const { tree } = await made(t, repo)
  assert.deepEqual(status(tree), [])
})

test('a repo that belongs to somebody else is read all the same', {
  skip: process.getuid?.() !== 0 && 'only root can give files away',
}, async (t) => {
  const repo = makeRepo(t, { a: 'a\n' })
  execFileSync('chown', ['-R', '65534:65534', repo])
  assert.deepEqual(names((await made(t, repo)).files), ['a'])
  assert.equal(statSync(join(repo, '.git')).uid, 65534)
})

test('a repo of another kind: its own hash, line ends, objects elsewhere, data elsewhere', async (t) => {
  const folder = tempFolder(t)
  const repo = makeRepo(t, { a: 'a\n' })
  const of = (name: string) => join(folder, name)
  execFileSync('git', ['init', '-q', '--object-format=sha256', of('sha256')])
  execFileSync('git', ['clone', '-q', '--shared', repo, of('shared')])
  execFileSync('git', ['clone', '-q', `--separate-git-dir=${of('data')}`, repo, of('apart')])
  execFileSync('git', ['clone', '-q', '-c', 'core.autocrlf=true', repo, of('crlf')])
  for (const name of ['sha256', 'shared', 'apart', 'crlf']) {
    write(of(name), { new: '1\r\n' })
    git(of(name), 'add', '-A')
    git(of(name), 'commit', '-qm', 'new')
    for (const ref of [undefined, git(of(name), 'branch', '--show-current')]) {
      const copy = await made(t, of(name), ref)
      assert.deepEqual(status(copy.tree), [], name)
      assert.equal(git(copy.tree, 'rev-parse', 'HEAD'), git(of(name), 'rev-parse', 'HEAD'))
      assert.equal(copy.text('new'), '1\r\n', name)
    }
  }
})

test('nothing that a repo configures is run when it is copied', async (t) => {
  const repo = makeRepo(t, { a: 'a\n', '.gitattributes': '* filter=evil\n' })
  const out = tempFolder(t)
  const keys = ['core.fsmonitor', 'uploadpack.packObjectsHook', 'core.alternateRefsCommand']
  for (const name of [...keys, 'filter.evil.smudge', 'filter.evil.clean', 'core.sshCommand'])
    git(repo, 'config', name, `touch ${out}/${name}; cat`)
  git(repo, 'config', 'core.worktree', out)
  write(out, { secret: 's\n' })
  const found = readdirSync(out)
  for (const ref of [undefined, 'main'])
    assert.deepEqual(names((await made(t, repo, ref)).files), ['.gitattributes', 'a'])
  assert.deepEqual(readdirSync(out), found)
})
