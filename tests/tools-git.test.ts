import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { box, boxOf } from './support/sandbox.ts'
import { git, makeRepo, tempFolder, write } from './support/world.ts'

test('status, diff and log of a repo with changes of every kind', async (t) => {
  const b = await box(t, { a: 'a\n', b: 'b\n', c: 'c\n', '.gitignore': 'x.log\n' })
  assert.match((await b.use('git_status', {})).output, /^## main\nNothing changed since the last commit\.$/)
  assert.equal((await b.use('git_diff', {})).output, 'No changes.')
  await b.run('echo 2 >> a; rm b; git mv c d; echo n > new; echo l > x.log')
  const status = await b.use('git_status', {})
  assert.deepEqual((status.data as { files: string[] }).files.sort(), [' D b', ' M a', '?? new', 'R  c -> d'])
  const diff = await b.use('git_diff', {})
  assert.match(diff.output, /diff --git a\/a b\/a\n.*\+2\n/s)
  assert.match(diff.output, /deleted file mode/)
  assert.match(diff.output, /New files, not yet added: new$/)
  assert.match((await b.use('git_diff', { path: 'a' })).output, /^diff --git a\/a b\/a\n(?:(?!diff --git).)*$/s)
  assert.match((await b.use('git_diff', { path: 'b' })).output, /^-b$/m, 'a deleted file')
  assert.match((await b.use('git_log', {})).output, /^[0-9a-f]{7,} \d{4}-\d\d-\d\d Test: start$/)
})

test('git_commit takes all changes or those of the given paths', async (t) => {
  const b = await box(t, { a: 'a\n', b: 'b\n', 'd/[id].ts': '1\n', 'd/i.ts': '1\n' })
  await b.run('echo 2 >> a; echo 2 >> b; echo 2 >> d/i.ts; echo 2 >> "d/[id].ts"; echo n > new')
  const first = await b.use('git_commit', { message: 'only a\n\n# kept', paths: ['a'] })
  assert.match(first.output, /^Committed [0-9a-f]{7,} only a\n.*1 file changed/)
  assert.equal((await b.run('git log -1 --format=%B')).output, 'only a\n\n# kept')
  await b.use('git_commit', { message: 'brackets', paths: ['d/[id].ts'] })
  assert.equal((await b.run('git show --name-only --format= HEAD')).output, 'd/[id].ts', 'a name is no pattern')
  await b.use('git_commit', { message: 'rest' })
  assert.match((await b.use('git_status', {})).output, /Nothing changed/)
  assert.match((await b.run('git show --name-only --format= HEAD')).output, /^b\n(d\/i\.ts\n)?new$/)
  const nothing = await b.use('git_commit', { message: 'again' })
  assert.equal(nothing.error?.code, 'nothing_to_commit')
  assert.equal((await b.use('git_log', { limit: 2 })).output.split('\n').length, 2)
  assert.equal((await b.use('git_log', { path: 'a' })).output.split('\n').length, 2)
  assert.equal(await b.diff().then((text) => /^diff --git a\/new b\/new$/m.test(text)), true)
})

test('a commit of some paths leaves what was staged before staged', async (t) => {
  const b = await box(t, { a: 'a\n', b: 'b\n' })
  await b.run('echo 2 >> a; echo 2 >> b; git add b')
  await b.use('git_commit', { message: 'only a', paths: ['a'] })
  assert.equal((await b.run('git show --name-only --format= HEAD')).output, 'a')
  assert.equal((await b.run('git diff --cached --name-only')).output, 'b')
  await b.run('git rm -q --cached b; echo n > n; git add n; echo 3 >> a')
  await b.use('git_commit', { message: 'a again', paths: ['./a'] })
  assert.equal((await b.run('git diff --cached --name-status')).output, 'D\tb\nA\tn')
})

test('a merge is committed as a whole', async (t) => {
  const b = await box(t, { a: 'a\n', b: 'b\n' })
  await b.run('git checkout -q -b side; echo s > a; echo s > b; git commit -qam side; git checkout -q main')
  await b.run('echo m > a; git commit -qam main; git merge -q side; echo both > a')
  assert.equal((await b.use('git_commit', { message: 'part', paths: ['a'] })).error?.code, 'merge_under_way')
  assert.match((await b.use('git_commit', { message: 'merged' })).output, /merged/)
  assert.equal((await b.run('git log -1 --format=%p | wc -w; cat b; git status --short')).output, '2\ns')
})

test('a repeated commit is the same commit', async (t) => {
  const made: string[] = []
  for (const _ of [1, 2]) {
    const b = await box(t, { a: 'a\n' })
    await b.run('git checkout -q --orphan new; git rm -q -r --cached .; echo 2 > a')
    await b.use('git_commit', { message: 'x' }, 'call_01hzy3qkq5aaaaaaaaaaaaaaaa')
    made.push((await b.run('git rev-parse HEAD; git log -1 --format=%ci')).output)
  }
  assert.equal(made[0], made[1])
  assert.match(made[0] ?? '', /\n2024-/)
})

test('what git cannot do is a result in its own words', async (t) => {
  const b = await box(t, { a: 'a\n' })
  assert.equal((await b.use('git_diff', { base: 'nowhere' })).error?.code, 'unknown_revision')
  for (const base of ['--output=x', '-p', 'a b', '$(id)', ''])
    assert.equal((await b.use('git_diff', { base })).error?.code, 'invalid_arguments', base)
  for (const tool of ['git_diff', 'git_log'])
    assert.equal((await b.use(tool, { path: '../x' })).error?.code, 'path_outside_workspace')
  assert.equal((await b.use('git_commit', { message: 'x', paths: ['gone'] })).ok, false)
  assert.equal((await b.use('git_commit', { message: '' })).error?.code, 'invalid_arguments')
  await b.run('touch .git/index.lock; echo 2 > a')
  const locked = await b.use('git_commit', { message: 'x' })
  assert.match(locked.output, /index\.lock/)
})

test('git_diff takes a base: a branch, a tag, a commit back', async (t) => {
  const b = await box(t, { a: 'a\n' })
  await b.run('git branch old; git tag v1; echo 2 >> a; git commit -qam two; echo 3 >> a')
  for (const base of ['old', 'v1', 'HEAD~1', 'HEAD^', 'main@{0}~1'])
    assert.match((await b.use('git_diff', { base })).output, /\+2\n\+3$/, base)
})

test('a long diff keeps head and tail and says how to see the rest', async (t) => {
  const b = await box(t, { a: '', b: '' })
  await b.run('seq 20000 > a; seq 5 > b')
  const done = await b.use('git_diff', {})
  assert.equal(done.truncated, true)
  assert.match(done.output, /\d{6} bytes in all; git_diff with path/)
  assert.match(done.output, /\+5$/)
  assert.ok(Buffer.byteLength(done.output) < 25_000)
})

test('a repo without commits, and one whose .git is gone', async (t) => {
  const b = await boxOf(t)
  assert.equal((await b.use('git_log', {})).output, 'No commits yet.')
  assert.match((await b.use('git_status', {})).output, /No commits yet on main/)
  await b.use('write_file', { path: 'a', content: 'a\n' })
  assert.match((await b.use('git_diff', {})).output, /New files, not yet added: a/)
  assert.match((await b.use('git_commit', { message: 'first' })).output, /first/)
  await b.run('rm -rf .git')
  for (const [tool, input] of Object.entries({
    git_status: {},
    git_diff: {},
    git_log: {},
    git_commit: { message: 'x' },
  }))
    assert.equal((await b.use(tool, input)).error?.code, 'not_git', tool)
})

test('a workspace whose .git is gone does not fall through to a repo around it', async (t) => {
  const b = await box(t, { a: 'a\n' })
  const around = join(b.home, '..')
  git(around, 'init', '-q')
  await b.run('rm -rf .git')
  for (const [tool, input] of Object.entries({ git_status: {}, git_diff: {}, git_commit: { message: 'x' } }))
    assert.equal((await b.use(tool, input)).error?.code, 'not_git', tool)
  assert.throws(() => git(around, 'rev-parse', '--verify', '-q', 'HEAD'), 'nothing was committed there')
})

test('nothing that the repo configures is run', async (t) => {
  const b = await box(t, { a: 'a\n', '.gitattributes': '* filter=evil diff=evil merge=evil\n' })
  const out = tempFolder(t)
  const evil = (name: string) => `touch ${out}/${name}; cat`
  const settings: Record<string, string> = {
    'core.fsmonitor': evil('fsmonitor'),
    'core.pager': evil('pager'),
    'core.editor': evil('editor'),
    'diff.external': evil('external'),
    'diff.evil.command': evil('diff-command'),
    'diff.evil.textconv': evil('textconv'),
    'gpg.program': evil('gpg'),
    'commit.gpgSign': 'true',
    'log.showSignature': 'true',
    'core.alternateRefsCommand': evil('refs'),
    'filter.evil.clean': evil('clean'),
    'filter.evil.smudge': evil('smudge'),
    'filter.evil.process': evil('process'),
  }
  const hooks = [
    'pre-commit',
    'commit-msg',
    'post-commit',
    'post-index-change',
    'reference-transaction',
    'prepare-commit-msg',
  ]
  await b.run(
    [
      'mkdir -p .git/hooks; echo b > a; echo n > new',
      ...hooks.map(
        (name) => `printf '#!/bin/sh\\ntouch ${out}/hook-${name}\\n' > .git/hooks/${name}; chmod +x .git/hooks/${name}`,
      ),
      ...Object.entries(settings).map(([name, value]) => `git config ${name} '${value}'`),
    ].join('\n'),
  )
  for (const name of readdirSync(out)) await b.run(`rm ${out}/${name}`)
  for (const [tool, input] of Object.entries({
    git_status: {},
    git_diff: {},
    git_log: {},
    git_commit: { message: 'x' },
  }))
    await b.use(tool, input)
  assert.deepEqual(readdirSync(out), [])
})

test('the repo cannot point git at other places', async (t) => {
  const out = tempFolder(t)
  write(out, { 'secret.txt': 'SECRET LINE\n' })
  const other = makeRepo(t, { 'other.txt': 'OTHER LINE\n' })
  for (const command of [
    `git config core.worktree ${out}`,
    `rm -rf .git; echo 'gitdir: ${other}/.git' > .git`,
    `rm -rf .git; ln -s ${other}/.git .git`,
  ]) {
    const b = await box(t, { a: 'a\n' })
    const head = git(other, 'rev-parse', 'HEAD')
    await b.run(command)
    for (const [tool, input] of Object.entries({ git_status: {}, git_diff: {}, git_commit: { message: 'x' } }))
      assert.doesNotMatch((await b.use(tool, input)).output, /secret\.txt|OTHER LINE/, `${command}: ${tool}`)
    assert.equal(git(other, 'rev-parse', 'HEAD'), head, command)
  }
})

test('names as they come, also in git', async (t) => {
  const names = ['a b', '"q"', "it's", '-rf', '*', '[x]', ':x', ':(top)x', 'é', '日本']
  const b = await box(t, Object.fromEntries(names.map((name) => [name, '1\n'])))
  await b.run('for f in *; do echo 2 >> "./$f"; done')
  for (const path of names) {
    const diff = await b.use('git_diff', { path })
    assert.equal((diff.output.match(/^diff --git/gm) ?? []).length, 1, `diff of ${path}: ${diff.output}`)
    const log = await b.use('git_log', { path })
    assert.match(log.output, /start$/, path)
    const commit = await b.use('git_commit', { message: 'one', paths: [path] })
    assert.match(commit.output, /1 file changed/, path)
  }
})

test('a commit takes names that are no UTF-8, folders that became links, and lets repos inside alone', async (t) => {
  const b = await box(t, { 'd/x': 'x\n', f: 'f\n' })
  const out = tempFolder(t)
  await b.run('touch "$(printf "caf\\351")"; rm -r d f; ln -s /etc d; mkdir f; touch f/i; git init -q empty')
  assert.match((await b.use('git_commit', { message: 'x' })).output, /5 files changed/)
  assert.equal((await b.run('git status --short')).output, '?? empty/')
  await b.run(
    `git init -q in && cd in && git commit -q --allow-empty -m in && cd .. && git add in && git commit -qm in && cd in
    echo '* filter=evil' > .gitattributes; echo 1 > file; git add .; git config filter.evil.clean 'touch ${out}/ran; cat'
    echo 2 > file; echo 2 > ../f/i`,
  )
  for (const paths of [[], ['.']]) await b.use('git_commit', { message: 'y', paths })
  assert.deepEqual(readdirSync(out), [])
})

test('nothing in .git leads git out of the workspace', async (t) => {
  const out = tempFolder(t)
  write(out, { note: 'note\n' })
  const other = makeRepo(t, { 'other.txt': 'OTHER LINE\n' })
  const head = git(other, 'rev-parse', 'HEAD')
  for (const command of [
    `ln -s ${out}/note .git/COMMIT_EDITMSG`,
    `rm -rf .git/logs; mkdir .git/logs; ln -s ${out}/note .git/logs/HEAD`,
    `rm -rf .git/refs/heads; ln -s ${other}/.git/refs/heads .git/refs/heads`,
    `rm -rf .git/objects; ln -s ${other}/.git/objects .git/objects`,
    `mkdir -p .git/objects/info; echo ${other}/.git/objects > .git/objects/info/alternates; echo ${head} > .git/refs/heads/main`,
    `echo ${other}/.git > .git/commondir`,
    'rm .git/HEAD; mkfifo .git/HEAD',
    'rm -r .git/info; touch .git/info; mkfifo .git/refs/heads/pipe',
  ]) {
    const b = await box(t, { a: 'a\n' })
    await b.run(`echo 2 >> a; ${command}`)
    for (const [tool, input] of Object.entries({ git_status: {}, git_log: {}, git_commit: { message: 'x' } })) {
      const { ok, output } = await b.use(tool, input)
      assert.equal(ok, false, `${command}: ${tool}: ${output}`)
      assert.doesNotMatch(output, /OTHER LINE/)
    }
    assert.equal(git(other, 'rev-parse', 'HEAD'), head, command)
    assert.equal(readFileSync(join(out, 'note'), 'utf8'), 'note\n', command)
  }
})
