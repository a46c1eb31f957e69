/** What people and repos can do to code search: queries of no words, files of no use, and a machine that dies under it. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { bounded, FILES_MAX } from '../sandbox-runner/indexing/select.ts'
import { CodeWork } from '../sandbox-runner/indexing/work.ts'
import { repoAround } from '../sandbox-runner/workspace/repo.ts'
import { file, following } from './support/http.ts'
import { ask, git, makeRepo, ROOT, tempFolder, until } from './support/world.ts'

const stint = await following(file)
type Found = { results: { path: string }[]; code?: string; detail?: string }
const search = (body: object) => ask<Found>('POST', `${stint.url}/code/search`, body)

test('any query is answered: stop words, signs, another script, ten kilobytes, bytes that are no text', async () => {
  const folder = makeRepo(file, {
    'src/поиск.ts': 'export function найтиФайл() {}\n',
    'src/kensaku.py': '# 検索機能を追加する\ndef kensaku(): pass\n',
    'src/latin.ts': Buffer.from('// Grüße an alle\nexport const greeting = 1\n', 'latin1'),
    'src/utf16.ts': Buffer.from('\ufeffexport const wide = 1\n', 'utf16le'),
    'src/long.js': `let needle = ${'1+'.repeat(5_000_000)}1`,
    'src/deep.js': `${'('.repeat(50_000)}\n${'{'.repeat(50_000)}\nfunction deepest() {}\n`,
    'src/the.ts': 'export const the = "of"\n',
  })
  symlinkSync('..', join(folder, 'src/loop'))
  symlinkSync('loop', join(folder, 'loop'))
  const repo = { url: folder }
  const paths = async (query: string, more: object = {}) => {
    const { status, body } = await search({ query, repo, ...more })
    assert.equal(status, 200, `${query.slice(0, 40)}: ${JSON.stringify(body).slice(0, 200)}`)
    return body.results.map(({ path }) => path)
  }
  assert.deepEqual((await paths('найтиФайл')).slice(0, 1), ['src/поиск.ts'])
  assert.deepEqual((await paths('検索')).slice(0, 1), ['src/kensaku.py'])
  assert.deepEqual((await paths('greeting')).slice(0, 1), ['src/latin.ts'])
  assert.deepEqual(await paths('the'), ['src/the.ts'], 'a stop word alone is looked for as it stands')
  for (const query of [
    '?',
    '()[]{}*+\\',
    '😀',
    '\u0000',
    '\ud800',
    "'; DROP TABLE analyses; --",
    '../../etc/passwd',
    '#',
    'a',
  ])
    assert.ok(Array.isArray(await paths(query)))
  assert.ok((await paths(`greeting ${'parse the configuration file '.repeat(350)}`)).includes('src/latin.ts'))
  assert.ok(Array.isArray(await paths('x'.repeat(10_000))))
  for (const mode of ['exact', 'regex']) assert.ok(Array.isArray(await paths('a'.repeat(10_000), { mode })))
  assert.ok(!(await paths('needle')).includes('src/long.js'), 'one line of ten megabytes is no code')
  for (const query of ['', '   ', 'x'.repeat(20_001)]) assert.equal((await search({ query, repo })).status, 422)
  assert.equal((await search({ query: 'x', repo: { url: `${folder}/gone` } })).body.code, 'repo_not_found')
  const empty = tempFolder(file)
  git(empty, 'init', '-q')
  assert.deepEqual((await search({ query: 'anything', repo: { url: empty } })).body.results, [])
})

test('exact search sees what belongs to the repo, by whichever way it looks', async () => {
  const folder = makeRepo(file, {
    '.gitignore': 'out/\n*.log\n',
    '.ignore': 'hidden/\n',
    'a.ts': 'needle\n',
    'hidden/b.ts': 'needle\n',
    '.github/c.yml': 'needle\n',
    '.env': 'needle=1\n',
    'bin.dat': Buffer.from([110, 0, 110, 10]),
  })
  const add = (path: string, text: string) => {
    mkdirSync(join(folder, path, '..'), { recursive: true })
    writeFileSync(join(folder, path), text)
  }
  add('kept.log', 'needle\n')
  git(folder, 'add', '-f', 'kept.log')
  add('out/d.ts', 'needle\n')
  add('other.log', 'needle\n')
  add('new/e.ts', 'needle needle\n')
  add('nested/f.ts', 'needle\n')
  git(join(folder, 'nested'), 'init', '-q')
  symlinkSync('a.ts', join(folder, 'link.ts'))
  const wanted = ['.github/c.yml', 'a.ts', 'hidden/b.ts', 'kept.log', 'new/e.ts']
  for (const [query, mode] of [
    ['needle', 'exact'],
    ['need(le|les)', 'regex'],
    // No text is in every match of this: all files are looked at.
    ['[n][e][e][d][l][e]', 'regex'],
    ['(?i)NEEDLE', 'regex'],
  ]) {
    const { body } = await search({ query, mode, repo: { url: folder }, limit: 100 })
    assert.deepEqual(
      body.results.map(({ path }) => path),
      wanted,
      query,
    )
  }
  const { body } = await search({ query: 'needle', mode: 'exact', repo: { url: folder }, limit: 2 })
  assert.deepEqual(
    body.results.map(({ path }) => path),
    wanted.slice(0, 2),
  )
})

test('of more files than one index holds those near the top are searched, and the rest is told', () => {
  const files = new Map(
    Array.from({ length: FILES_MAX + 50 }, (_, at) => [at % 2 ? `a/b/c/${at}.ts` : `a/${at}.ts`, at]),
  )
  const kept = bounded(files)
  assert.equal(kept.files.size, FILES_MAX)
  assert.equal(kept.left, 50)
  assert.ok([...files.keys()].filter((path) => path.split('/').length === 2).every((path) => kept.files.has(path)))
})

test('killed while it indexes, again and again: nothing is lost, nothing is there twice', async (t) => {
  const folder = tempFolder(t)
  const [top, kept] = [join(folder, 'repo'), join(folder, 'index')]
  mkdirSync(top)
  const FILES = 2400
  for (let at = 0; at < FILES; at++)
    writeFileSync(
      join(top, `file${at}.ts`),
      Array.from({ length: 30 }, (_, line) => `export function value${at}Of${line}() { return ${at * line} }\n`).join(
        '',
      ),
    )
  git(top, 'init', '-q')
  git(top, 'add', '.')
  git(top, 'commit', '-qm', 'Start')
  const repo = repoAround(top)
  assert.ok(repo)
  const where = { kind: 'repo' as const, repo, view: join(folder, 'view') }
  const script = `
    import { CodeWork } from ${JSON.stringify(join(ROOT, 'sandbox-runner/indexing/work.ts'))}
    await new CodeWork(${JSON.stringify(kept)}).answer({ where: ${JSON.stringify(where)}, waitMs: 600000 })`
  const analyses = () => {
    try {
      const db = new DatabaseSync(join(kept, 'index.db'), { readOnly: true })
      const { count } = db.prepare('SELECT count(*) AS count FROM analyses').get() as { count: number }
      db.close()
      return count
    } catch {
      return 0
    }
  }
  let before = 0
  for (let round = 0; round < 3; round++) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'ignore' })
    const ended = new Promise((resolve) => child.once('exit', resolve))
    await until('some of the files are kept', () => analyses() > before || child.exitCode !== null, 60_000)
    child.kill('SIGKILL')
    await ended
    const now = analyses()
    assert.ok(now >= before, 'what was kept stays')
    before = now
  }
  assert.ok(before > 0)
  const answered = await new CodeWork(kept).answer({
    where,
    waitMs: 600_000,
    search: { query: 'value2399Of7', limit: 3 },
  })
  assert.ok(answered.kind === 'ready', JSON.stringify(answered))
  assert.equal(answered.indexed.files, FILES)
  assert.equal(answered.results[0]?.path, 'file2399.ts')
  const db = new DatabaseSync(join(kept, 'index.db'))
  t.after(() => db.close())
  const count = (sql: string) => (db.prepare(sql).get() as { count: number }).count
  assert.equal(count('SELECT count(*) AS count FROM analyses'), FILES, 'each content is kept once')
  assert.equal(count('SELECT count(DISTINCT id) AS count FROM contents WHERE id > 0'), FILES)
  assert.equal(count('SELECT count(*) AS count FROM contents WHERE id > 0 AND id NOT IN (SELECT id FROM analyses)'), 0)
  assert.equal((db.prepare('PRAGMA integrity_check').get() as { integrity_check: string }).integrity_check, 'ok')
})
