/** Clones over HTTP from git's own server program. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { ToolFailure } from '../sandbox-runner/define.ts'
import { noBackend, serve } from './support/git-http.ts'
import { boxOf, listing } from './support/sandbox.ts'
import { made } from './support/source.ts'
import { git, makeRepo, write } from './support/world.ts'

async function failure(work: Promise<unknown>): Promise<ToolFailure> {
  try {
    await work
  } catch (error) {
    if (error instanceof ToolFailure) return error
    throw error
  }
  throw new Error('it was cloned')
}

/** A repo with three branches, a tag and more history than is taken, and where it is served. */
async function served(t: TestContext, password?: string) {
  const repo = makeRepo(t, { a: '1\n', 'run.sh': '#!/bin/sh\n' })
  const first = git(repo, 'rev-parse', 'HEAD')
  git(repo, 'tag', 'v1')
  git(repo, 'checkout', '-q', '-b', 'side')
  write(repo, { a: 'side\n' })
  git(repo, 'commit', '-qam', 'side')
  git(repo, 'checkout', '-q', '-b', 'decade1')
  git(repo, 'checkout', '-q', 'main')
  for (let i = 0; i < 60; i++) git(repo, 'commit', '-q', '--allow-empty', '-m', `c${i}`)
  return { repo, first, host: await serve(t, join(repo, '..'), password) }
}

test('clone over http: the default branch, a branch, a tag, a commit', { skip: noBackend }, async (t) => {
  const { repo, first, host } = await served(t)
  const url = `http://${host}/repo`
  const main = await made(t, url)
  assert.deepEqual(main.source, { name: 'repo', branch: 'main', commit: git(repo, 'rev-parse', 'main') })
  assert.deepEqual(
    listing(main.tree, (path) => path === '.git'),
    listing(repo, (path) => path === '.git'),
  )
  assert.equal(git(main.tree, 'rev-list', '--count', 'HEAD'), '50')
  const side = await made(t, `${url}/.git`, 'side')
  assert.deepEqual([side.text('a'), side.source.branch], ['side\n', 'side'])
  for (const ref of ['v1', first]) assert.equal((await made(t, url, ref)).text('a'), '1\n', ref)
  assert.equal((await made(t, url, git(repo, 'rev-parse', 'side'))).text('a'), 'side\n')
  const hexName = await made(t, url, 'decade1')
  assert.deepEqual(
    [hexName.text('a'), hexName.source.branch],
    ['side\n', 'decade1'],
    'a branch whose name looks like a commit',
  )
})

test('what cannot be cloned is refused with a code, and no password is shown or kept', {
  skip: noBackend,
}, async (t) => {
  const { host } = await served(t, 'hunter2')
  for (const ref of ['nowhere', 'dead'.repeat(10), '--upload-pack=touch /tmp/stint-pwned'])
    assert.equal((await failure(made(t, `http://user:hunter2@${host}/repo`, ref))).code, 'ref_not_found', ref)
  const wrong = await failure(made(t, `http://user:letmein@${host}/repo`))
  assert.equal(wrong.code, 'repo_not_found')
  assert.doesNotMatch(wrong.message, /letmein/)
  assert.equal((await failure(made(t, `http://${host}/repo`))).code, 'repo_not_found')
  assert.equal((await failure(made(t, `http://user:hunter2@${host}/gone`))).code, 'repo_not_found')
  assert.match((await failure(made(t, 'http://127.0.0.1:1/repo'))).code, /^(repo_not_found|clone_failed)$/)
  const { tree, source } = await made(t, `http://user:hunter2@${host}/repo`)
  assert.equal(source.name, 'repo')
  const found = execFileSync('sh', ['-c', 'grep -rl hunter2 . || true'], { cwd: tree, encoding: 'utf8' })
  assert.equal(found, '')
})

test('other transports are not tried', async (t) => {
  for (const url of [
    'ext::sh -c "touch /tmp/stint-pwned"',
    'git://127.0.0.1:1/x',
    'ftp://127.0.0.1:1/x',
    '--upload-pack=touch /tmp/stint-pwned',
    'relative/path',
    '',
  ]) {
    const { code } = await failure(made(t, url))
    assert.match(code, /^(repo_\w+|clone_failed)$/, url)
  }
  assert.equal(existsSync('/tmp/stint-pwned'), false)
})

test('a cloned workspace is worked in like any other', { skip: noBackend }, async (t) => {
  const { host } = await served(t)
  const b = await boxOf(t, `http://${host}/repo`, 'v1')
  assert.deepEqual([b.facts.name, b.facts.files], ['repo', 2])
  await b.use('edit_file', { path: 'a', oldText: '1', newText: '2' })
  assert.match((await b.use('git_commit', { message: 'two' })).output, /two/)
  assert.match(await b.diff(), /^-1\n\+2$/m)
})
