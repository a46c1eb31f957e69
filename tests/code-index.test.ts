import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { CodeStore } from '../sandbox-runner/indexing/store.ts'
import { type Asked, CodeWork } from '../sandbox-runner/indexing/work.ts'
import { repoAround } from '../sandbox-runner/workspace/repo.ts'

type Bench = {
  refresh: () => Promise<void>
  top: string
  folder: string
  git: (...args: string[]) => string
  write: (path: string, text: string | Uint8Array) => void
  found: (
    query: string,
    more?: Partial<NonNullable<Asked['search']>>,
    ref?: string,
    work?: CodeWork,
  ) => Promise<string[]>
}

function bench(t: TestContext): Bench {
  const place = mkdtempSync(join(tmpdir(), 'stint-code-'))
  t.after(() => rmSync(place, { recursive: true, force: true }))
  const [top, folder] = [join(place, 'repo'), join(place, 'index')]
  const git = (...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@b', ...args], { cwd: top, encoding: 'utf8' })
  const write = (path: string, text: string | Uint8Array) => {
    mkdirSync(join(top, path, '..'), { recursive: true })
    writeFileSync(join(top, path), text)
  }
  mkdirSync(top)
  git('init', '-q', '-b', 'main')
  let mine: CodeWork | undefined
  const found: Bench['found'] = async (query, more = {}, ref = undefined, work = undefined) => {
    mine ??= new CodeWork(folder)
    const answered = await (work ?? mine).answer({ ...asked(top, folder, ref), search: { query, limit: 10, ...more } })
    assert.equal(answered.kind, 'ready', JSON.stringify(answered))
    return answered.kind === 'ready' ? answered.results.map(({ path }) => path) : []
  }
  /** Without a search the index is brought up to date at once, whatever was held for fresh on a slow machine. */
  const refresh = async () => {
    mine ??= new CodeWork(folder)
    assert.equal((await mine.answer(asked(top, folder))).kind, 'ready')
  }
  return { top, folder, git, write, found, refresh }
}

function asked(top: string, folder: string, ref?: string): Asked {
  const repo = repoAround(top)
  assert.ok(repo)
  return { where: { kind: 'repo', repo, view: join(folder, 'view'), ref }, waitMs: 60_000 }
}

test('what lies uncommitted is found, what is ignored, secret, vendored or no text is not', async (t) => {
  const { write, git, found, top } = bench(t)
  write('.gitignore', 'out/\n')
  write('src/paint.ts', 'export function mixColours() {}\n')
  git('add', '.')
  git('commit', '-qm', 'Start')
  write('src/fresh.ts', 'export function mixColoursAgain() {}\n')
  write('out/made.ts', 'export function mixColoursOut() {}\n')
  write('node_modules/x/a.js', 'function mixColoursVendored() {}\n')
  write('.env', 'mixColours=1\n')
  write('src/long.js', `let mixColours = ${'1+'.repeat(5_000_000)}1`)
  write('src/binary.ts', Uint8Array.of(1, 0, 2))
  write('src/latin.ts', Buffer.from('// mixColours für\n', 'latin1'))
  symlinkSync('..', join(top, 'src/loop'))
  symlinkSync('paint.ts', join(top, 'src/link.ts'))
  assert.deepEqual((await found('mixColours')).sort(), ['src/fresh.ts', 'src/latin.ts', 'src/paint.ts'])
})

test('a change is found after it, a removal no more, and another ref has its own files', async (t) => {
  const { write, git, found, top, refresh } = bench(t)
  for (let at = 0; at < 30; at++) write(`src/file${at}.ts`, `export const value${at} = 1\n`)
  write('src/apple.ts', 'export function peelApple() {}\n')
  git('add', '.')
  git('commit', '-qm', 'Start')
  assert.deepEqual((await found('peelApple')).slice(0, 1), ['src/apple.ts'])
  write('src/apple.ts', 'export function peelPear() {}\n')
  git('rm', '-q', 'src/file3.ts')
  await refresh()
  assert.deepEqual((await found('peelPear')).slice(0, 1), ['src/apple.ts'])
  assert.deepEqual(await found('peelApple', { paths: ['src/apple.ts'] }), ['src/apple.ts'])
  assert.ok(!(await found('value3')).includes('src/file3.ts'))
  git('commit', '-qam', 'Pears')
  assert.deepEqual((await found('value3', {}, 'HEAD~1')).slice(0, 1), ['src/file3.ts'])
  assert.ok(!(await found('value3', {}, 'HEAD')).includes('src/file3.ts'))
  rmSync(join(top, 'src/apple.ts'))
  await refresh()
  assert.ok(!(await found('peelPear')).includes('src/apple.ts'))
})

test('path, glob and language narrow a search', async (t) => {
  const { write, found } = bench(t)
  write('a/one.ts', 'export const route = 1\n')
  write('b/two.ts', 'export const route = 2\n')
  write('b/three.py', 'route = 3\n')
  assert.deepEqual((await found('route', { paths: ['b'] })).sort(), ['b/three.py', 'b/two.ts'])
  assert.deepEqual(await found('route', { paths: ['./b/'], language: 'Python' }), ['b/three.py'])
  assert.deepEqual((await found('route', { paths: ['**/*.ts'] })).sort(), ['a/one.ts', 'b/two.ts'])
  assert.equal((await found('route', { limit: 1 })).length, 1)
})

test('a second process finds the index as it was kept, and one that is damaged is made again', async (t) => {
  const { write, found, folder } = bench(t)
  write('a.ts', 'export const route = 1\n')
  assert.deepEqual(await found('route'), ['a.ts'])
  assert.deepEqual(await found('route', {}, undefined, new CodeWork(folder)), ['a.ts'])
  for (const end of ['-wal', '-shm']) rmSync(join(folder, `index.db${end}`), { force: true })
  writeFileSync(join(folder, 'index.db'), 'no database'.repeat(1000))
  assert.deepEqual(await found('route', {}, undefined, new CodeWork(folder)), ['a.ts'])
})

test('an empty repo, a repo without commits, a ref that is not there', async (t) => {
  const { found, top, folder, write, git } = bench(t)
  assert.deepEqual(await found('anything'), [])
  write('a.ts', 'let x = 1\n')
  git('add', '.')
  git('commit', '-qm', 'Start')
  const answered = await new CodeWork(folder).answer(asked(top, folder, 'nowhere'))
  assert.equal(answered.kind === 'failed' && answered.code, 'ref_not_found')
})

test('the same content is analysed once, by whatever hash it is known', (t) => {
  const { folder } = bench(t)
  const store = new CodeStore(join(folder, 'index.db'))
  const analysis = { chunks: [], terms: ['x'], postings: Uint32Array.of(0, 1), length: 1 }
  const [first] = store.add([{ keys: ['a', 'b'], analysis }])
  assert.deepEqual(store.add([{ keys: ['b', 'c'], analysis }]), [first])
  assert.equal(store.id('c'), first)
  assert.deepEqual(store.add([{ keys: ['d'], analysis: undefined }]), [0])
  assert.deepEqual(store.analysis(first ?? 0), analysis)
})
