/** The diff between two snapshots is one that git takes, and gives what the second one holds. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { diffStat, diffText } from '../sandbox-runner/workspace/diff.ts'
import { IgnoreRules } from '../sandbox-runner/workspace/ignored.ts'
import { Workspace } from '../sandbox-runner/workspace/workspace.ts'
import { box, boxOf, listing, random } from './support/sandbox.ts'
import { change, entriesOf, placeOf, UTF8_NAMES } from './support/tree.ts'
import { git, makeRepo, tempFolder, write } from './support/world.ts'

function open(t: TestContext): Workspace {
  const workspace = new Workspace(tempFolder(t, 'stint-diff-'), 'w')
  t.after(() => workspace.lock.close())
  mkdirSync(workspace.tree, { recursive: true })
  return workspace
}

/** What git keeps of a tree: no empty folders, of a mode only whether it is executable. */
const asGit = (root: string) =>
  Object.fromEntries(
    Object.entries(listing(root, (path) => path === '.git'))
      .filter(([, what]) => !what.startsWith('folder'))
      .map(([path, what]) => [
        path,
        what.replace(/^file (\d+)/, (_, mode: string) => (Number.parseInt(mode, 8) & 0o100 ? 'file x' : 'file -')),
      ]),
  )

function copyOf(t: TestContext, tree: string): string {
  const folder = join(tempFolder(t, 'stint-apply-'), 'copy')
  cpSync(tree, folder, { recursive: true, verbatimSymlinks: true })
  // Git knows no empty folders, and would stumble over one in the place of a file.
  for (const { path, kind } of entriesOf(folder).toReversed())
    if (kind === 'folder' && readdirSync(placeOf(folder, path)).length === 0) rmdirSync(placeOf(folder, path))
  git(folder, 'init', '-q')
  return folder
}

function apply(folder: string, diff: string): string {
  const args = ['-C', folder, '-c', 'core.autocrlf=false', 'apply', '--whitespace=nowarn', '-']
  return spawnSync('git', args, { input: diff, encoding: 'utf8', maxBuffer: 1e9 }).stderr
}

for (let seed = 1; seed <= 24; seed++)
  test(`git apply takes the diff of random trees and gives the same tree (seed ${seed})`, (t) => {
    const rng = random(seed)
    const workspace = open(t)
    change(workspace.tree, rng, 25, UTF8_NAMES)
    workspace.capture()
    const folder = copyOf(t, workspace.tree)
    const from = workspace.current?.count ?? 0
    for (let step = 0; step < 3; step++) {
      workspace.markDirty()
      change(workspace.tree, rng, 1 + rng.below(9), UTF8_NAMES)
      workspace.capture()
    }
    const diff = diffText(workspace, from, workspace.current?.count ?? 0)
    const errors = diff === '' ? '' : apply(folder, diff)
    assert.deepEqual(asGit(folder), asGit(workspace.tree), `seed ${seed}: ${errors}`)
  })

/** A workspace before and after a shell line, with its diff. */
async function changed(t: TestContext, files: Record<string, string | Uint8Array>, command: string) {
  const b = await box(t, files)
  const before = copyOf(t, b.tree)
  const done = await b.run(command)
  assert.equal(done.ok, true, done.output)
  const diff = await b.diff()
  const errors = apply(before, diff)
  return { b, diff, errors, given: asGit(before), wanted: asGit(b.tree) }
}

const CHANGES: Record<string, [files: Record<string, string | Uint8Array>, command: string]> = {
  'a file that is no UTF-8': [{ l: Buffer.from('caf\xe9\nfoo\nbar\n', 'latin1') }, 'sed -i s/foo/baz/ l'],
  'a file that becomes UTF-8': [{ l: Buffer.from('caf\xe9\n', 'latin1') }, 'printf "caf\\xc3\\xa9\\n" > l'],
  'a name that is no UTF-8': [{ a: '' }, "printf x > $'caf\\xe9'"],
  'a file with returns': [{ w: 'a\r\nb\r\nc\r\n' }, 'sed -i s/b/x/ w'],
  'returns that come and go': [{ w: 'a\r\nb\nc\rd\n' }, "printf 'a\\nb\\r\\nc\\rd' > w"],
  'no newline before and after': [
    { n: 'a\nb', m: 'a\n', o: 'a' },
    "printf 'a\\nc' > n; printf a > m; printf 'a\\n' > o",
  ],
  'separators inside a line': [{ s: 'a\u2028b\u0085c\u000bd\u000ce\n' }, 'echo x >> s'],
  'empty files': [{ gone: '', 'gone too': '' }, 'rm gone*; touch new "new too"; chmod +x "new too"'],
  modes: [{ x: 'x\n', y: 'y\n' }, 'chmod +x x; chmod +x y; echo 2 >> y'],
  'a file becomes a folder and back': [{ a: 'a\n', 'b/c': 'c\n' }, 'rm a; mkdir a; echo x > a/x; rm -r b; echo b > b'],
  'a file becomes a link and back': [
    { a: 'a\n', c: 'c\n' },
    'rm a; ln -s c a; ln -s "no newline" l; ln -s x/y "a link"',
  ],
  'binary files': [
    { b: Buffer.from([0, 1, 2, 3]), d: Buffer.from([0]) },
    "printf '\\0\\7' >> b; rm d; printf '\\0' > n; head -c 9000 /dev/zero > z",
  ],
  'a binary file that becomes text': [{ b: Buffer.from([0, 1]) }, 'echo text > b'],
  'names with everything': [
    { 'a "q"': '1\n', 'tab\tx': '1\n', 'b\\s': '1\n' },
    'for f in *; do echo 2 >> "$f"; done; echo 1 > "new name"; echo x > "$(printf \'n\\nl\')"; echo é > é',
  ],
  'lines that look like a diff': [
    { d: '--- a/x\n+++ b/x\n@@ -1 +1 @@\n-x\n' },
    "printf -- '-- a\\n++ b\\n\\\\ No newline\\n' > d",
  ],
  'a file over a megabyte': [{ big: 'x\n'.repeat(700_000) }, 'echo y >> big; sed -i 1d big'],
}
for (const [what, [files, command]] of Object.entries(CHANGES))
  test(`git apply takes: ${what}`, async (t) => {
    const { errors, given, wanted, diff } = await changed(t, files, command)
    assert.deepEqual(given, wanted, `${errors}\n${diff.slice(0, 600)}`)
  })

test('the diff is git’s own, line for line, where git has one', async (t) => {
  const { b, diff } = await changed(
    t,
    { a: 'a\nb\nc\nd\ne\nf\ng\nh\n', x: 'x\n', 'gone.txt': 'g\n' },
    'sed -i "s/b/B/; s/g/G/" a; chmod +x x; rm gone.txt; echo n > new',
  )
  await b.run('git add -A')
  const own = (await b.run('git diff --cached --no-renames')).output
  const bare = (text: string) =>
    text
      .replace(/^index .*\n/gm, '')
      .replace(/^(@@ .* @@).*$/gm, '$1')
      .trim()
  assert.equal(bare(diff), bare(own))
})

test('files, added and removed lines are counted; ignored and git’s own are left out', async (t) => {
  const repo = makeRepo(t, { '.gitignore': '*.log\nout/\n', a: 'a\nb\n', 'kept.log': 'k\n' })
  git(repo, 'add', '-f', 'kept.log')
  const b = await boxOf(t, repo)
  await b.run('echo c >> a; echo 2 > kept.log; echo x > new.log; mkdir out; echo o > out/o; git add a; echo n > new')
  const reply = await b.perform([{ callId: 'call_stat', tool: 'write_file', input: { path: 'm', content: '1\n2\n' } }])
  assert.deepEqual(reply.ok && reply.change?.diffStat, { files: 4, additions: 5, deletions: 1 })
  const diff = await b.diff()
  assert.deepEqual(
    diff.match(/^diff --git .*$/gm),
    ['a', 'kept.log', 'new'].map((name) => `diff --git a/${name} b/${name}`),
  )
  assert.equal(await b.diff(b.head, b.head), '')
})

test('what is new is new, however near it is to an ignored name', async (t) => {
  const b = await box(t, { '.gitignore': 'Build/\n*.LOG\n/Dist\nout/\n', 'pkg/.gitignore': '!out/\n' })
  for (const path of ['build/a.ts', 'x.log', 'dist', 'sub/Dist', 'pkg/out/a'])
    await b.use('write_file', { path, content: 'x\n' })
  await b.run('git add -A')
  const own = (await b.run('git diff --cached --name-only')).output
  assert.equal(((await b.diff()).match(/(?<=^diff --git a\/)\S+/gm) ?? []).join('\n'), own)
})

test('ignore rules say what git says, on random rules and trees', (t) => {
  const wrong: string[] = []
  for (let seed = 1; seed <= 30; seed++) {
    const { pick, below } = random(seed)
    const root = tempFolder(t, 'stint-ignore-')
    git(root, 'init', '-q')
    const words = ['a', 'b', 'lib', 'Lib', 'x.log', 'y.ts', 'node_modules']
    const paths = Array.from({ length: 40 }, () => Array.from({ length: 1 + below(4) }, () => pick(words)).join('/'))
    for (const path of paths)
      try {
        write(root, { [path]: '' })
      } catch {}
    const rule = () =>
      pick(['', '', '!']) +
      pick(['', '/', '**/']) +
      pick([...words, '*', '*.log', 'a/b', 'a/**', 'lib/*', '[ab]', '?', 'a/**/b', '*.l?g', '\\!a', 'x.log ', 'a*']) +
      pick(['', '', '/'])
    const folders = entriesOf(root)
      .filter(({ kind }) => kind === 'folder')
      .map(({ path }) => `${path}/`)
      .filter((path) => !path.startsWith('.git'))
    const texts: [string, string][] = []
    for (const folder of ['', pick(folders), pick(folders)]) {
      const text = Array.from({ length: 1 + below(5) }, rule)
        .concat(pick(['# note', '']))
        .join('\n')
      if (texts.some(([path]) => path === `${folder}.gitignore`)) continue
      writeFileSync(placeOf(root, `${folder}.gitignore`), text)
      texts.push([`${folder}.gitignore`, text])
    }
    const rules = new IgnoreRules(texts)
    const files = entriesOf(root)
      .filter(({ kind, path }) => kind === 'file' && !path.startsWith('.git/'))
      .map(({ path }) => path)
    const untracked = execFileSync('git', ['-C', root, 'ls-files', '-z', '--others', '--exclude-standard'], {
      encoding: 'utf8',
    }).split('\0')
    for (const path of files)
      if (rules.ignores(path) === untracked.includes(path))
        wrong.push(`${path} is ${untracked.includes(path) ? 'not ' : ''}ignored by git; rules ${JSON.stringify(texts)}`)
  }
  assert.deepEqual(wrong.slice(0, 6), [], `${wrong.length} paths differ`)
})

test('the repo’s own exclude list counts, and its .gitignore wins over it', async (t) => {
  const b = await box(t, { '.gitignore': '!b.tmp\n' })
  await b.run("echo '*.tmp' >> .git/info/exclude; touch a.tmp; echo b > b.tmp")
  assert.deepEqual((await b.diff()).match(/^diff --git .*$/gm), ['diff --git a/b.tmp b/b.tmp'])
  assert.equal((await b.use('list_files', {})).output, '.gitignore\nb.tmp')
})

test('two texts with nothing in common are compared in time', (t) => {
  const workspace = open(t)
  const lines = (mark: string) => Array.from({ length: 60_000 }, (_, i) => `${mark} ${(i * 7919) % 60_000}\n`).join('')
  writeFileSync(join(workspace.tree, 'a'), lines('old'))
  workspace.capture()
  const folder = copyOf(t, workspace.tree)
  writeFileSync(join(workspace.tree, 'a'), lines('new'))
  workspace.capture()
  const started = performance.now()
  assert.deepEqual(diffStat(workspace, 1, 2), { files: 1, additions: 60_000, deletions: 60_000 })
  const diff = diffText(workspace, 1, 2)
  assert.ok(performance.now() - started < 15_000)
  assert.equal(apply(folder, diff), '')
  assert.equal(readFileSync(join(folder, 'a'), 'utf8'), lines('new'))
  rmSync(join(workspace.tree, 'a'))
  assert.equal(lstatSync(folder).isDirectory(), true)
})
