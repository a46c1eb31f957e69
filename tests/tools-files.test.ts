import assert from 'node:assert/strict'
import { chmodSync, linkSync, lstatSync, readFileSync, statSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { type Box, box, boxOf, listing } from './support/sandbox.ts'
import { git, makeRepo, tempFolder, write } from './support/world.ts'

const numbered = (lines: number) => Array.from({ length: lines }, (_, i) => `line ${i + 1}\n`).join('')
async function code(b: Box, tool: string, input: unknown): Promise<string | undefined> {
  const { error, output } = await b.use(tool, input)
  if (error) assert.match(output, new RegExp(`^Error ${error.code}: `))
  return error?.code
}

test('read_file shows lines from 1 and says how to go on', async (t) => {
  const b = await box(t, { 'a.txt': numbered(2000), 'b.txt': 'one\ntwo', empty: '' })
  assert.equal((await b.use('read_file', { path: 'b.txt' })).output, 'one\ntwo')
  assert.equal((await b.use('read_file', { path: 'empty' })).output, '[empty is empty]')
  const part = await b.use('read_file', { path: 'a.txt', offset: 10, limit: 2 })
  assert.equal(part.output, 'line 10\nline 11\n[lines 10-11 of 2000; offset 12 goes on]')
  assert.deepEqual([part.truncated, part.data], [true, { path: 'a.txt', from: 10, to: 11, lines: 2000 }])
  let text = ''
  for (let offset: number | undefined = 1; offset !== undefined; ) {
    const { output } = await b.use('read_file', { path: 'a.txt', offset })
    const [, shown = output, , next] = /^(.*?\n?)\[lines [\d-]+ of 2000(; offset (\d+) goes on)?\]$/s.exec(output) ?? []
    text += shown
    offset = next === undefined ? undefined : Number(next)
  }
  assert.equal(text, numbered(2000))
  assert.equal(await code(b, 'read_file', { path: 'b.txt', offset: 3 }), 'out_of_range')
})

test('read_file bounds what it shows: many bytes, long lines', async (t) => {
  const wide = `${'x'.repeat(900)}\n`.repeat(200)
  const b = await box(t, { 'wide.txt': wide, 'min.js': 'y'.repeat(300_000), 'emoji.txt': `x${'😀'.repeat(5000)}` })
  const first = await b.use('read_file', { path: 'wide.txt' })
  assert.ok(Buffer.byteLength(first.output) < 40_000)
  assert.match(first.output, /\[lines 1-\d+ of 200; offset \d+ goes on\]$/)
  const line = await b.use('read_file', { path: 'min.js' })
  assert.equal(line.truncated, true)
  assert.match(line.output, /line of 300000 characters/)
  assert.ok((await b.use('read_file', { path: 'emoji.txt' })).output.isWellFormed(), 'a character is not cut in two')
})

test('read_file names what it cannot show, with a way out', async (t) => {
  const b = await box(t, {
    'src/parser.ts': 'x\n',
    'pic.png': Buffer.from([137, 80, 0, 1]),
    'utf16.txt': Buffer.from('\ufeffhi', 'utf16le'),
  })
  const lost = await b.use('read_file', { path: 'parser.ts' })
  assert.match(lost.error?.hint ?? '', /src\/parser\.ts/)
  assert.match((await b.use('read_file', { path: 'src/prser.ts' })).output, /Near it: src\/parser\.ts/)
  assert.equal(await code(b, 'read_file', { path: 'pic.png' }), 'binary_file')
  assert.equal(await code(b, 'read_file', { path: 'utf16.txt' }), 'binary_file')
  assert.equal(await code(b, 'read_file', { path: 'src' }), 'is_directory')
  for (const input of [{}, { path: 1 }, { path: 'src', offset: 0 }, { path: 'src', limit: 1e9 }, null, 'src'])
    assert.equal(await code(b, 'read_file', input), 'invalid_arguments')
})

test('a file of 50 MB is neither opened nor edited nor searched, yet kept, listed and restored', async (t) => {
  const b = await box(t, { 'a.txt': 'needle\n' })
  const made = await b.run('yes "a needle in here" | head -c 50000000 > big.txt')
  assert.equal(made.ok, true)
  const big = await b.use('read_file', { path: 'big.txt' })
  assert.equal(big.error?.code, 'too_large')
  assert.match(big.output, /50000000 bytes.*\n.*run_command/)
  assert.equal(await code(b, 'edit_file', { path: 'big.txt', oldText: 'a', newText: 'b' }), 'too_large')
  assert.equal((await b.use('search_text', { pattern: 'needle' })).output, 'a.txt:1:needle')
  assert.equal((await b.use('list_files', {})).output, 'a.txt\nbig.txt')
  assert.match(await b.diff(), /Binary files \/dev\/null and b\/big\.txt differ/)
  const before = statSync(join(b.tree, 'big.txt')).size
  await b.run('rm big.txt')
  b.head = b.layers.at(-2)?.snapshot ?? b.head
  await b.use('list_files', {})
  assert.equal(statSync(join(b.tree, 'big.txt')).size, before)
})

test('read_files shows several, a failed one among them', async (t) => {
  const b = await box(t, { a: '1\n', b: '2\n', long: numbered(9000) })
  const done = await b.use('read_files', { paths: ['a', 'gone', 'long', '.git/config'] })
  assert.match(done.output, /^=== a\n1\n=== gone\nError not_found: .*\n=== long\nline 1\n/s)
  assert.match(done.output, /=== \.git\/config\nError path_outside_workspace/)
  assert.match(done.output, /\[lines 1-\d+ of 9000; offset \d+ goes on\]/)
  assert.ok(Buffer.byteLength(done.output) < 40_000)
  assert.equal((await b.use('read_files', { paths: ['x', 'y'] })).ok, false)
  assert.equal(await code(b, 'read_files', { paths: [] }), 'invalid_arguments')
})

test('write_file creates with folders, replaces, and counts lines', async (t) => {
  const b = await box(t, { a: '1\n' })
  assert.match(
    (await b.use('write_file', { path: 'x/y/z.ts', content: 'a\nb' })).output,
    /Created x\/y\/z\.ts \(2 lines\)/,
  )
  assert.match((await b.use('write_file', { path: 'a', content: '' })).output, /Replaced a \(0 lines\)/)
  assert.equal(await code(b, 'write_file', { path: 'x', content: '' }), 'is_directory')
  assert.equal(await code(b, 'write_file', { path: 'a/b', content: '' }), 'invalid_path')
  assert.equal(await code(b, 'write_file', { path: 'big', content: 'x'.repeat(4 * 1024 * 1024 + 1) }), 'too_large')
})

test('a changed file keeps its mode, its other names and the links that lead to it', async (t) => {
  const repo = makeRepo(t, { a: 'a\n', b: 'b\n', c: 'c\n', secret: 's\n' })
  for (const [name, mode] of [
    ['a', 0o775],
    ['b', 0o664],
    ['secret', 0o600],
  ] as const)
    chmodSync(join(repo, name), mode)
  symlinkSync('c', join(repo, 'l'))
  const b = await boxOf(t, repo)
  linkSync(join(b.tree, 'c'), join(b.tree, 'twin'))
  for (const path of ['a', 'b', 'l', 'secret']) await b.use('write_file', { path, content: 'new\n' })
  assert.deepEqual([b.text('c'), b.text('twin'), lstatSync(join(b.tree, 'l')).isSymbolicLink()], ['new\n', 'c\n', true])
  const modes = ['a', 'b', 'secret'].map((name) => (statSync(join(b.tree, name)).mode & 0o777).toString(8))
  assert.deepEqual(modes, ['775', '664', '600'])
})

test('no name that lies in wait makes a write leave the workspace', async (t) => {
  const outside = tempFolder(t)
  write(outside, { victim: 'untouched' })
  const repo = makeRepo(t, { 'a.txt': 'a\n' })
  symlinkSync(join(outside, 'victim'), join(repo, '.a.txt.stint-part'))
  git(repo, 'add', '-A')
  const b = await boxOf(t, repo)
  for (const [tool, input] of [
    ['write_file', { path: 'a.txt', content: 'b\n' }],
    ['edit_file', { path: 'a.txt', oldText: 'b', newText: 'c' }],
  ] as const)
    await b.use(tool, input)
  assert.equal(readFileSync(join(outside, 'victim'), 'utf8'), 'untouched')
  assert.equal(lstatSync(join(b.tree, 'a.txt')).isFile(), true)
})

test('edit_file says where and how; what it cannot keep it does not write', async (t) => {
  const latin = Buffer.from('caf\xe9\nfoo\n', 'latin1')
  const b = await box(t, { 'a.ts': 'a\nb\nb\n', 'w.txt': 'a\r\nb\r\n', 'l.txt': latin })
  assert.equal(
    (await b.use('edit_file', { path: 'a.ts', oldText: 'a\n', newText: 'A\n' })).output,
    'Edited a.ts at line 1.',
  )
  const all = await b.use('edit_file', { path: 'a.ts', oldText: 'b', newText: 'c', replaceAll: true })
  assert.equal(all.output, 'Edited a.ts at 2 places, first at line 2.')
  const loose = await b.use('edit_file', { path: 'w.txt', oldText: 'a \nb', newText: 'x\ny' })
  assert.match(loose.output, /without regard to trailing spaces; it reads now:\nx\r?\ny/)
  assert.equal(b.text('w.txt'), 'x\r\ny\r\n')
  const done = await b.use('edit_file', { path: 'l.txt', oldText: 'foo', newText: 'bar' })
  const kept = readFileSync(join(b.tree, 'l.txt')).toString('latin1')
  assert.equal(kept, done.ok ? 'caf\xe9\nbar\n' : 'caf\xe9\nfoo\n')
})

test('delete_file takes a file, a link and no folder', async (t) => {
  const b = await box(t, { 'd/a': 'a\n', b: 'b\n' })
  assert.deepEqual((await b.use('delete_file', { path: 'd/a' })).paths.sort(), ['d', 'd/a'])
  assert.equal(await code(b, 'delete_file', { path: 'd' }), 'is_directory')
  assert.match((await b.use('delete_file', { path: 'bb' })).output, /not_found/)
  await b.run('ln -s b link; ln -s gone dangling')
  await b.use('delete_file', { path: 'link' })
  assert.deepEqual(Object.keys(listing(b.tree, (path) => path === '.git')), ['b', 'd', 'dangling'])
  assert.equal((await b.use('delete_file', { path: 'dangling' })).ok, true)
})

test('list_files: sorted, ignored left out, folders counted when there are many', async (t) => {
  const files = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`lib/${i % 3}/f${i}.ts`, '']))
  const b = await box(t, {
    ...files,
    '.gitignore': 'node_modules/\n*.log\n',
    'a.log': '',
    'src/x.ts': '',
    'src/y.js': '',
  })
  await b.run('mkdir node_modules; touch node_modules/m new.log new.ts')
  const all = await b.use('list_files', {})
  assert.equal(
    all.output,
    '.gitignore\nlib/0/ (100 files)\nlib/1/ (100 files)\nlib/2/ (100 files)\nnew.ts\nsrc/x.ts\nsrc/y.js\n[304 files in all; list_files with path or glob shows more]',
  )
  assert.equal((await b.use('list_files', { path: 'src' })).output, 'src/x.ts\nsrc/y.js')
  assert.equal((await b.use('list_files', { glob: '*.js' })).output, 'src/y.js')
  assert.equal((await b.use('list_files', { glob: 'src/**/*.ts' })).output, 'src/x.ts')
  assert.equal((await b.use('list_files', { glob: '*.{js,md}' })).output, 'src/y.js')
  assert.match((await b.use('list_files', { path: 'lib', limit: 2 })).output, /^lib\/0.*\nlib\/1.*\n\[300 files in all/)
  assert.equal((await b.use('list_files', { path: 'node_modules' })).output, 'No files under node_modules.')
  assert.equal(await code(b, 'list_files', { path: 'nowhere' }), 'not_found')
  assert.equal(await code(b, 'list_files', { path: '.git' }), 'path_outside_workspace')
})

test('names as they come: listed, read, changed, searched and deleted', async (t) => {
  const names = [
    'a b',
    'q\'uo"te',
    '-rf',
    '$(id)',
    '[x].ts',
    '日本語',
    '😀',
    'a;b',
    '*',
    '#x',
    '~',
    '&',
    'é',
    '.dot',
    'x'.repeat(200),
  ]
  const b = await box(t, Object.fromEntries(names.map((name) => [name, `in ${name}\n`])))
  assert.deepEqual((await b.use('list_files', {})).output.split('\n'), [...names].sort())
  for (const path of names) {
    assert.equal((await b.use('read_file', { path })).output, `in ${path}`)
    assert.equal((await b.use('edit_file', { path, oldText: 'in', newText: 'on' })).ok, true, path)
    assert.equal((await b.use('search_text', { pattern: 'on ', path })).output, `${path}:1:on ${path}`)
    assert.equal((await b.use('delete_file', { path })).ok, true, path)
  }
  assert.equal((await b.use('list_files', {})).output, 'No files.')
})

test('an empty repo and no repo at all can be worked in', async (t) => {
  const folder = tempFolder(t)
  git(folder, 'init', '-q', '-b', 'main')
  for (const b of [await boxOf(t, folder), await boxOf(t)]) {
    assert.equal((await b.use('list_files', {})).output, 'No files.')
    assert.match((await b.use('search_text', { pattern: 'x' })).output, /No line matches/)
    assert.equal(await code(b, 'read_file', { path: 'x' }), 'not_found')
    assert.equal((await b.use('write_file', { path: 'x', content: 'x\n' })).ok, true)
    assert.match(await b.diff(), /^diff --git a\/x b\/x\nnew file mode 100644\n/)
  }
})
