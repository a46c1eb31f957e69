/**
 * Every path of the corpus by the hands a tool has. `allow` and `approve` (a person is asked before, elsewhere) are
 * carried out; `deny` fails, and nothing outside, nothing in `.git` and no other file was made or changed.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { ToolFailure } from '../sandbox-runner/define.ts'
import { handsFor } from '../sandbox-runner/hands.ts'
import { isGitName, isSecretName, resolvePath } from '../sandbox-runner/workspace/paths.ts'
import { Workspace } from '../sandbox-runner/workspace/workspace.ts'
import { handsOf, listing } from './support/sandbox.ts'
import { ROOT, tempFolder } from './support/world.ts'

type Case = { path: string; setup: string; verdict: 'allow' | 'approve' | 'deny'; why: string; op: 'read' | 'write' }

const CASES = readFileSync(join(ROOT, 'tests/corpus/paths.jsonl'), 'utf8')
  .split('\n')
  .filter(Boolean)
  .map((line) => JSON.parse(line) as Case)
const CODES = ['path_outside_workspace', 'invalid_path', 'secret_file', 'is_directory', 'not_found']

test('the corpus has all its cases', () => assert.ok(CASES.length >= 108, `${CASES.length}`))

for (const [number, { path, setup, verdict, why, op }] of CASES.entries())
  test(`${op} ${JSON.stringify(path.slice(0, 60))}: ${verdict}, ${why} (${number + 1})`, async (t) => {
    const home = tempFolder(t, 'stint-path-')
    const workspace = new Workspace(home, 'ws')
    t.after(() => workspace.lock.close())
    mkdirSync(workspace.tree)
    const shell = setup.replaceAll('$WS', workspace.tree)
    execFileSync('bash', ['-c', shell], { cwd: workspace.tree, stdio: 'ignore', env: env() })
    workspace.capture()
    const before = listing(home)
    const { hands } = handsFor(workspace, handsOf('call_1'))
    // The corpus names the place beside the workspace by the workspace's own name.
    const asked = path.replaceAll('$WS', workspace.tree)
    const failure = await (op === 'read' ? hands.read(asked) : hands.write(asked, 'written')).then(
      () => undefined,
      (error: unknown) => error,
    )
    if (verdict === 'deny') {
      assert.ok(failure instanceof ToolFailure, failure === undefined ? 'it was carried out' : String(failure))
      assert.ok(CODES.includes(failure.code), failure.code)
      assert.deepEqual(listing(home), before)
      if (path.startsWith('/') && path !== '/') assert.equal(existsSync('/tmp/stint-corpus-x'), false)
    } else {
      assert.equal(failure, undefined)
      if (op === 'read') assert.deepEqual(listing(home), before)
      else assert.equal(readFileSync(join(workspace.tree, path.replaceAll('$WS/', '')), 'utf8'), 'written')
    }
  })

test('a path of more bytes than a system takes is refused', () => {
  assert.throws(() => resolvePath('/tmp', 'a/'.repeat(2100), 'write'), { code: 'invalid_path' })
})

test('the answer is the real place, whichever way it was named', (t) => {
  const root = tempFolder(t)
  execFileSync('bash', ['-c', 'mkdir -p a/b && echo x > a/b/f && ln -s a/b l && ln -s "$PWD/a" m'], { cwd: root })
  for (const path of ['a/b/f', 'l/f', 'm/b/f', 'l/../b/f', `${root}/l/f`, './a//b/./f'])
    assert.deepEqual(resolvePath(root, path, 'read'), { real: 'a/b/f', absolute: join(root, 'a/b/f'), kind: 'file' })
  assert.deepEqual(resolvePath(root, 'l/', 'read').real, 'a/b')
  assert.deepEqual(resolvePath(root, 'l/new/x', 'write'), {
    real: 'a/b/new/x',
    absolute: join(root, 'a/b/new/x'),
    kind: 'nothing',
  })
})

test('what no text can be is refused like any other bad path', () => {
  for (const path of [undefined, null, 7, {}, [], ['a']])
    assert.throws(() => resolvePath('/tmp', path, 'read'), { code: 'invalid_path' })
})

test('spellings of .git and names of secrets', () => {
  for (const name of [
    '.git',
    '.GIT',
    '.Git.',
    '.git ',
    '.git . .',
    'GIT~1',
    'git~12',
    '.git::$DATA',
    '.gıt',
    '．ｇｉｔ',
  ])
    assert.equal(isGitName(name), true, name)
  for (const name of ['git', '.gitignore', '.github', 'x.git', '.git2', 'git~', '..git', '.gi', '.gitmodules'])
    assert.equal(isGitName(name), false, name)
  for (const name of ['.env', '.env.local', '.ENV.Production', 'id_ed25519', 'a.pem', 'B.KEY', '.pgpass', '.htpasswd'])
    assert.equal(isSecretName(name), true, name)
  for (const name of ['.env.example', '.env.template', 'env', 'id_rsa.pub', 'pem', 'keys.ts', '.environment'])
    assert.equal(isSecretName(name), false, name)
})

/** The setups call `node`: the one that runs this test. */
function env(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${dirname(process.execPath)}:${process.env.PATH ?? ''}` }
}
