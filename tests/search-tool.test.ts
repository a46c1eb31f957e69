/** `search_text` as a tool: what it shows, what it leaves out, and that no pattern holds up the others. */
import assert from 'node:assert/strict'
import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { byPlainCode, readPattern } from '../sandbox-runner/search/search.ts'
import { runnerProcess } from './support/runner-process.ts'
import { Box, box } from './support/sandbox.ts'
import { tempFolder, write } from './support/world.ts'

test('search_text shows path, line and text; limit, glob and path narrow it', async (t) => {
  const b = await box(t, {
    'a.ts': 'one\ntwo\none\n',
    'b.md': 'one\n',
    'sub/c.ts': 'one\r\n',
    'x.log': 'one\n',
    '.gitignore': 'y.log\n',
  })
  await b.run('echo one > y.log; echo one > new.ts')
  const hits = async (input: Record<string, unknown>) =>
    (await b.use('search_text', { pattern: 'one', ...input })).output
  assert.equal(await hits({}), 'a.ts:1:one\na.ts:3:one\nb.md:1:one\nnew.ts:1:one\nsub/c.ts:1:one\nx.log:1:one')
  assert.equal(await hits({ path: 'sub' }), 'sub/c.ts:1:one')
  assert.equal(await hits({ path: 'b.md' }), 'b.md:1:one')
  assert.equal(await hits({ glob: '*.ts', path: 'sub' }), 'sub/c.ts:1:one')
  assert.equal(await hits({ glob: 'sub/**' }), 'sub/c.ts:1:one')
  assert.match(await hits({ limit: 2 }), /^a\.ts:1:one\na\.ts:3:one\n\[more than 2 lines match/)
  assert.match(await hits({ pattern: 'three' }), /^No line matches three/)
  assert.match(await hits({ path: 'gone' }), /not_found/)
  assert.match(await hits({ path: '../x' }), /path_outside_workspace/)
  assert.match(await hits({ pattern: '' }), /invalid_arguments/)
})

test('a pattern that is no regular expression is searched for as it stands', async (t) => {
  const b = await box(t, { a: 'f(x\n[a\n*p = 1\nif (a) {\n' })
  for (const [pattern, line] of [
    ['f(x', 1],
    ['[a', 2],
    ['*p', 3],
  ] as const)
    assert.match((await b.use('search_text', { pattern })).output, new RegExp(`^(\\[.*\\]\n)?a:${line}:`), pattern)
})

test('a long line is shown around its hit, whole characters only', async (t) => {
  const b = await box(t, { a: `x${'😀'.repeat(3000)}needle${'😀'.repeat(3001)}\n` })
  const { output } = await b.use('search_text', { pattern: 'needle' })
  assert.match(output, /needle/)
  assert.ok(output.length < 400)
  assert.ok(output.isWellFormed(), 'no half characters')
})

test('many hits in long lines stay within what a model can take', async (t) => {
  const b = await box(t, { a: `needle ${'x'.repeat(1000)}\n`.repeat(2000) })
  const { output } = await b.use('search_text', { pattern: 'needle', limit: 500 })
  assert.ok(Buffer.byteLength(output) < 150_000)
})

for (const pattern of ['(x+x+)+y', 'x*x*x*x*y', '[^y]*[^y]*[^y]*y', '(.*)*$z'])
  test(`a pattern that takes for ever is given up, and nobody else waits: ${pattern}`, async (t) => {
    const made = await box(t, { a: `${'x'.repeat(30_000)}\n` })
    const runner = await runnerProcess(t, made, { ms: 40_000 })
    const b = new Box(made.home, made.objects, runner)
    Object.assign(b, { start: made.start, head: made.head })
    const search = b.use('search_text', { pattern }).then(
      ({ error }) => error?.code,
      (error: Error) => error.message,
    )
    const other = Promise.race([
      b.use('list_files', {}).then(() => 'answered'),
      new Promise((resolve) => setTimeout(resolve, 5000, 'not answered within 5 s').unref()),
    ])
    assert.equal(await other, 'answered')
    void search
  })

test('a pattern that took for ever is given up, its thread with it, and the next search is answered', async (t) => {
  const folder = tempFolder(t)
  write(folder, { a: `${'x'.repeat(30_000)}\n` })
  const search = (source: string, timeoutMs: number) =>
    byPlainCode({ root: folder, files: ['a'], pattern: readPattern(source), limit: 10, timeoutMs })
  await assert.rejects(search('(x+x+)+[yz]', 500), { code: 'timeout' })
  const before = process.cpuUsage()
  await new Promise((resolve) => setTimeout(resolve, 2000))
  assert.ok(process.cpuUsage(before).user < 1_500_000, 'nothing goes on')
  for (const source of ['(x)+', 'x+', '(?:x{1000}){1000}'])
    await search(source, 20_000).catch((error: { code: string }) => assert.equal(error.code, 'invalid_arguments'))
})

test('what may hold secrets is not shown by a search', async (t) => {
  const b = await box(t, { '.env': 'needle=1\n', '.env.example': 'needle=\n', '.aws/config': 'needle\n' })
  assert.equal((await b.use('search_text', { pattern: 'needle' })).output, '.env.example:1:needle=')
})

test('a link is searched where it leads, if that is inside, and never twice as much', async (t) => {
  const b = await box(t, { 'real/a.txt': 'needle\n' })
  symlinkSync('real/a.txt', join(b.tree, 'link.txt'))
  symlinkSync('real', join(b.tree, 'folder'))
  await b.run('true')
  const { output } = await b.use('search_text', { pattern: 'needle' })
  assert.match(output, /^(link\.txt:1:needle\n)?real\/a\.txt:1:needle$/)
})
