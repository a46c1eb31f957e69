import assert from 'node:assert/strict'
import { chmodSync, existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { box, boxOf, listing } from './support/sandbox.ts'
import { makeRepo } from './support/world.ts'

const patch = (...lines: string[]) => ({ patch: ['*** Begin Patch', ...lines, '*** End Patch'].join('\n') })

test('one patch adds, changes, moves and deletes files, and says what it did', async (t) => {
  const b = await box(t, { 'a.txt': 'one\ntwo\n', 'b.txt': 'b\n', 'sub/c.txt': 'c\n', 'd.txt': 'd\n' })
  const done = await b.use(
    'apply_patch',
    patch(
      ...['*** Add File: new/deep/e.txt', '+e', '+f'],
      ...['*** Update File: a.txt', '@@', ' one', '-two', '+2', '+3'],
      ...['*** Update File: sub/c.txt', '*** Move to: moved/c.txt', '@@', '-c', '+C'],
      ...['*** Update File: d.txt', '*** Move to: moved/d.txt'],
      '*** Delete File: b.txt',
    ),
  )
  assert.equal(done.ok, true)
  assert.equal(
    done.output,
    'A new/deep/e.txt (+2)\nM a.txt (+2 -1)\nR sub/c.txt -> moved/c.txt (+1 -1)\nR d.txt -> moved/d.txt (+0 -0)\nD b.txt',
  )
  assert.deepEqual(Object.keys(listing(b.tree, (path) => path.startsWith('.git'))), [
    'a.txt',
    'moved/c.txt',
    'moved/d.txt',
    'new/deep/e.txt',
    'sub',
  ])
  assert.deepEqual([b.text('a.txt'), b.text('moved/c.txt'), b.text('new/deep/e.txt')], ['one\n2\n3\n', 'C\n', 'e\nf\n'])
  assert.match(await b.diff(), /^diff --git a\/a\.txt b\/a\.txt\n/)
})

test('a patch of which one part fails changes nothing at all', async (t) => {
  const b = await box(t, { 'a.txt': 'one\n', 'b.txt': 'b\n', 'sub/c.txt': 'c\n' })
  const before = listing(b.tree)
  const head = b.head
  const start = [
    '*** Add File: new.txt',
    '+n',
    '*** Update File: a.txt',
    '@@',
    '-one',
    '+two',
    '*** Delete File: b.txt',
  ]
  const failing: [string, string[]][] = [
    ['patch_does_not_apply', ['*** Update File: sub/c.txt', '@@', '-zz', '+y']],
    ['not_found', ['*** Update File: gone.txt', '@@', '-zz', '+y']],
    ['not_found', ['*** Delete File: gone.txt']],
    ['already_exists', ['*** Add File: sub/c.txt', '+y']],
    ['already_exists', ['*** Update File: sub/c.txt', '*** Move to: sub/../a.txt', '@@', '-c', '+y']],
    ['path_outside_workspace', ['*** Add File: ../x.txt', '+y']],
    ['path_outside_workspace', ['*** Add File: .git/hooks/x', '+y']],
    ['secret_file', ['*** Update File: sub/c.txt', '*** Move to: .env', '@@', '-c', '+y']],
    ['is_directory', ['*** Delete File: sub']],
    ['invalid_path', ['*** Add File: new.txt/below', '+y']],
    ['invalid_path', ['*** Add File: sub/c.txt/below', '+y']],
    ['too_large', ['*** Add File: large', `+${'x'.repeat(4 * 1024 * 1024)}`]],
  ]
  for (const [code, lines] of failing) {
    const done = await b.use('apply_patch', patch(...start, ...lines))
    assert.equal(done.error?.code, code, lines[0])
    assert.notEqual(done.output, '')
    assert.deepEqual(listing(b.tree), before, `${code}: ${lines[0]}`)
    assert.deepEqual(b.head, head)
  }
  const twice = await b.use('apply_patch', patch(...start, '*** Update File: a.txt', '*** Delete File: a.txt'))
  assert.equal(twice.error?.code, 'invalid_patch')
})

test('several updates of one file are one, in whatever order they come', async (t) => {
  const b = await box(t, { 'a.txt': 'one\ntwo\nthree\nfour\n' })
  const inOrder = patch('*** Update File: a.txt', '-one', '+1', '*** Update File: a.txt', '-four', '+4')
  assert.equal((await b.use('apply_patch', inOrder)).ok, true)
  assert.equal(b.text('a.txt'), '1\ntwo\nthree\n4\n')
  const reverse = patch('*** Update File: a.txt', '-4', '+four', '*** Update File: a.txt', '-1', '+one')
  assert.equal((await b.use('apply_patch', reverse)).output, 'M a.txt (+2 -2)')
  assert.equal(b.text('a.txt'), 'one\ntwo\nthree\nfour\n')
})

test('one file under two spellings loses neither change', async (t) => {
  const b = await box(t, { 'a.txt': 'one\ntwo\n' })
  const done = await b.use(
    'apply_patch',
    patch('*** Update File: a.txt', '-one', '+1', '*** Update File: ./a.txt', '-two', '+2'),
  )
  assert.equal(b.text('a.txt'), done.ok ? '1\n2\n' : 'one\ntwo\n')
})

test('two files that would become one are refused', async (t) => {
  const b = await box(t, { p: 'P\n', q: 'Q\n' })
  const moves = patch('*** Update File: p', '*** Move to: z', '*** Update File: q', '*** Move to: z')
  const adds = patch('*** Update File: p', '*** Move to: z', '*** Add File: z', '+z')
  for (const both of [moves, adds]) {
    assert.equal((await b.use('apply_patch', both)).ok, false)
    assert.deepEqual([b.text('p'), b.text('q'), existsSync(join(b.tree, 'z'))], ['P\n', 'Q\n', false])
  }
})

test('a file keeps its mode when it is changed or moved', async (t) => {
  const repo = makeRepo(t, { 'run.sh': '#!/bin/sh\n', 'go.sh': '#!/bin/sh\n' })
  for (const name of ['run.sh', 'go.sh']) chmodSync(join(repo, name), 0o755)
  const b = await boxOf(t, repo)
  await b.use('apply_patch', patch('*** Update File: run.sh', '@@', '+echo'))
  await b.use('apply_patch', patch('*** Update File: go.sh', '*** Move to: bin/go.sh', '@@', '+echo'))
  assert.equal(statSync(join(b.tree, 'run.sh')).mode & 0o777, 0o755, 'changed')
  assert.equal(statSync(join(b.tree, 'bin/go.sh')).mode & 0o777, 0o755, 'moved')
})

test('what is only moved keeps every byte, also through another spelling and several updates', async (t) => {
  const bytes = Buffer.from([137, 80, 0, 255, 10])
  const b = await box(t, { 'pic.png': bytes, 'a.txt': 'one\ntwo\n', 'b.txt': 'b\n' })
  const moved = await b.use('apply_patch', patch('*** Update File: pic.png', '*** Move to: img/pic.png'))
  assert.equal(moved.output, 'R pic.png -> img/pic.png (+0 -0)')
  assert.deepEqual(readFileSync(join(b.tree, 'img/pic.png')), bytes)
  const twice = patch(
    ...['*** Update File: a.txt', '-one', '+1', '*** Update File: ./a.txt', '*** Move to: c.txt', '-two', '+2'],
    ...['*** Update File: b.txt', '*** Move to: ./b.txt', '-b', '+B'],
  )
  assert.equal((await b.use('apply_patch', twice)).output, 'R a.txt -> c.txt (+2 -2)\nM b.txt (+1 -1)')
  assert.deepEqual([b.text('c.txt'), b.text('b.txt'), existsSync(join(b.tree, 'a.txt'))], ['1\n2\n', 'B\n', false])
})

test('a link is deleted and moved itself, what it leads to is updated, never both', async (t) => {
  const b = await box(t, { a: 'a\n', 'c/d': 'd\n' })
  await b.run('ln -s a l; ln -s a m; ln -s gone dangling; ln -s /dev/zero zero; ln -s c folder')
  const done = await b.use(
    'apply_patch',
    patch(
      ...['*** Delete File: l', '*** Delete File: dangling', '*** Delete File: zero', '*** Delete File: folder'],
      ...['*** Update File: m', '-a', '+b'],
    ),
  )
  assert.equal(done.ok, true, done.output)
  assert.deepEqual(listing(b.tree, (path) => path === '.git').m, 'link a')
  assert.deepEqual([b.text('a'), b.text('c/d')], ['b\n', 'd\n'])
  const both = patch('*** Update File: m', '*** Move to: n', '-b', '+c', '*** Delete File: a')
  assert.equal((await b.use('apply_patch', both)).error?.code, 'invalid_patch')
  const move = await b.use('apply_patch', patch('*** Update File: m', '*** Move to: n', '-b', '+c'))
  assert.equal(move.ok, true, move.output)
  assert.deepEqual([b.text('a'), b.text('n'), existsSync(join(b.tree, 'm'))], ['b\n', 'c\n', false])
})

test('a file with CRLF and one without a last newline keep them; a wrong place shows the real lines', async (t) => {
  const b = await box(t, { 'w.txt': 'a\r\nb\r\n', 'n.txt': 'a\nb' })
  await b.use(
    'apply_patch',
    patch('*** Update File: w.txt', ' a', '-b', '+c', '*** Update File: n.txt', ' a', '-b', '+c'),
  )
  assert.deepEqual([b.text('w.txt'), b.text('n.txt')], ['a\r\nc\r\n', 'a\nc'])
  const wrong = await b.use('apply_patch', patch('*** Update File: n.txt', ' a', '-x', '+y'))
  assert.match(wrong.output, /^Error patch_does_not_apply: .*\nx\nNothing was changed\. .*\na\nc$/s)
})

test('a file that is no UTF-8 or binary is refused or keeps its other bytes', async (t) => {
  const latin = Buffer.from('caf\xe9\nfoo\n', 'latin1')
  const b = await box(t, { 'l.txt': latin, 'b.bin': Buffer.from([1, 0, 2, 10]) })
  const done = await b.use('apply_patch', patch('*** Update File: l.txt', '-foo', '+bar'))
  const bytes = (await b.run('od -An -tx1 l.txt')).output.trim()
  assert.equal(bytes, done.ok ? '63 61 66 e9 0a 62 61 72 0a' : '63 61 66 e9 0a 66 6f 6f 0a')
  assert.equal((await b.use('apply_patch', patch('*** Update File: b.bin', '-a', '+b'))).error?.code, 'binary_file')
})

test('what goes wrong shows no more of a file than the model can take', async (t) => {
  const b = await box(t, { 'min.js': `begin\n${'x = 1; '.repeat(100_000)}\nend\n` })
  const done = await b.use('apply_patch', patch('*** Update File: min.js', ' begin', '-middle', '+y', ' end'))
  assert.equal(done.error?.code, 'patch_does_not_apply')
  assert.ok(done.output.length < 40_000, `the answer has ${done.output.length} characters`)
})
