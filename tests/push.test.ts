/** A run that edits, commits, pushes and proposes, on a server that speaks as GitHub does and real git behind it. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { noBackend } from './support/git-http.ts'
import { type Github, startGithub } from './support/github.ts'
import { transcript } from './support/http.ts'
import {
  ask,
  call,
  git,
  makeRepo,
  type RunJson,
  runTask,
  type Stint,
  scripted,
  settled,
  startStint,
  tempFolder,
  until,
  write,
} from './support/world.ts'

const FILES = { 'a.txt': 'one\n', '.github/workflows/ci.yml': 'on: push\n' }
const EDIT = [
  call('edit_file', { path: 'a.txt', oldText: 'one', newText: 'two' }),
  call('git_commit', { message: 'Two' }),
]
const PROPOSE = [
  call('git_push'),
  call('open_pull_request', { title: 'Two instead of one', body: 'Because.' }),
  { text: 'Proposed.' },
]

type Approval = { kind: string; callId: string; tool: string; reason: string; preview: string; part?: string }
const held = (run: RunJson) => run.waitingFor as unknown as Approval | undefined
const decide = (stint: { url: string }, run: RunJson, approved: boolean) =>
  ask('POST', `${stint.url}/runs/${run.runId}/decisions`, { callId: held(run)?.callId, approved })
const heads = ({ bare }: Github) =>
  Object.fromEntries(
    git(bare, 'for-each-ref', '--format=%(refname:lstrip=2) %(objectname)', 'refs/heads')
      .split('\n')
      .map((line) => line.split(' ') as [string, string]),
  )
const branchOf = ({ sessionId }: RunJson) => `stint/${sessionId.replace('ses_', '')}`
const errors = async (url: string, runId: string) =>
  (await transcript(url, runId)).flatMap(({ error }) => (error ? [error.code] : []))

async function world(t: TestContext, turns: Parameters<typeof scripted>[1], env: Record<string, string> = {}) {
  const github = await startGithub(t, FILES)
  const model = await scripted(t, turns)
  const all = { GROQ_BASE_URL: model.url, ...github.env, ...env }
  return { github, env: all, stint: await startStint(t, all) }
}

test('edits, commits, asks, pushes and proposes: one branch, one draft, tokens that may only that', {
  skip: noBackend,
}, async (t) => {
  const { github, stint } = await world(t, [...EDIT, ...PROPOSE])
  let run = await runTask(stint.url, { task: 'Make it two.', repo: { url: github.address } })
  assert.equal(held(run)?.tool, 'git_push')
  assert.match(held(run)?.reason ?? '', /^pushes 1 commit, up to [0-9a-f]{12}, to stint\/\w+ of http:.*shop\.git$/)
  assert.deepEqual(Object.keys(heads(github)), ['main'], 'nothing is pushed before somebody agrees')
  await decide(stint, run, true)
  run = await settled(stint.url, run.runId)
  assert.equal(held(run)?.tool, 'open_pull_request')
  await decide(stint, run, true)
  run = await until('the end', async () => {
    const now = await settled(stint.url, run.runId)
    return now.status !== 'waiting' && now
  })
  assert.equal(run.status, 'completed', JSON.stringify(await transcript(stint.url, run.runId)))

  const branch = branchOf(run)
  assert.deepEqual(Object.keys(heads(github)).sort(), ['main', branch])
  assert.equal(git(github.bare, 'show', `${branch}:a.txt`), 'two')
  assert.equal(git(github.bare, 'rev-parse', `${branch}~1`), heads(github).main)
  assert.equal(github.pulls.length, 1)
  const [pull] = github.pulls
  assert.deepEqual(
    [pull?.title, pull?.draft, (pull?.base as { ref: string } | undefined)?.ref],
    ['Two instead of one', true, 'main'],
  )
  assert.match(pull?.body ?? '', /^Because\.\n\n---\nStint, run_/)
  const rights = [...github.tokens.values()].map(({ permissions }) => JSON.stringify(permissions))
  assert.deepEqual(rights, [
    '{"contents":"read"}',
    '{"contents":"read"}',
    '{"contents":"write"}',
    '{"contents":"read","pull_requests":"write"}',
  ])
  const secrets = [...github.tokens.keys()].flatMap((token) => ['-e', token])
  const found = () => execFileSync('grep', ['-rlaF', ...secrets, stint.home], { encoding: 'utf8' })
  assert.throws(found, { status: 1 }, 'no token is kept')

  const { body: page } = await ask<{ items: { type: string; data: { tool?: string } }[] }>(
    'GET',
    `${stint.url}/runs/${run.runId}/events?after=0`,
  )
  const pushes = page.items.filter(({ data }) => data.tool === 'git_push').map(({ type }) => type)
  assert.deepEqual(pushes, ['approval.requested', 'run.waiting', 'tool.started', 'tool.completed'])
})

test('a later run of the session adds to the branch, and the pull request is adopted as it is', {
  skip: noBackend,
}, async (t) => {
  const { github, stint } = await world(t, ({ messages }) => {
    const tasks = messages.filter(({ role, content }) => role === 'user' && /\n---\nWorkspace: /.test(`${content}`))
    const again = /again/.test(`${tasks.at(-1)?.content}`)
    const answers = messages
      .slice(messages.indexOf(tasks.at(-1) ?? {}))
      .filter(({ role }) => role === 'assistant').length
    const edit = again
      ? [call('write_file', { path: 'b.txt', content: 'b\n' }), call('git_commit', { message: 'Three' })]
      : EDIT
    return [...edit, ...PROPOSE][answers] ?? { text: 'Done.' }
  })
  const first = await runTask(stint.url, { task: 'Do it.', repo: { url: github.address }, approval: 'auto' })
  const [pull] = github.pulls
  assert.ok(pull)
  pull.title = 'A better title'
  const second = await runTask(stint.url, { task: 'Do it again.', sessionId: first.sessionId, approval: 'auto' })
  assert.deepEqual([first.status, second.status], ['completed', 'completed'])
  assert.equal(git(github.bare, 'rev-list', '--count', branchOf(first)), '3')
  assert.deepEqual(
    github.pulls.map(({ title }) => title),
    ['A better title'],
  )
  const told = (await transcript(stint.url, second.runId)).find(({ tool }) => tool === 'open_pull_request')
  assert.match(told?.content ?? '', /proposed already by draft pull request #1/)
})

test('a push that changes what the forge runs waits for a person under any approval, with the diff', {
  skip: noBackend,
}, async (t) => {
  const turns = [
    call('run_command', { command: 'echo "# evil" >> .github/workflows/ci.yml; echo x >> a.txt' }),
    call('git_commit', { message: 'CI' }),
    call('git_push', { branch: 'ci' }),
    { text: 'Done.' },
  ]
  for (const approved of [false, true]) {
    const { github, stint } = await world(t, turns)
    const asked = { task: 'Change CI.', repo: { url: github.address }, approval: 'auto' }
    const run = await runTask(stint.url, asked)
    assert.equal(run.status, 'waiting')
    assert.equal(held(run)?.part, '.github/workflows/ci.yml')
    assert.match(held(run)?.preview ?? '', /^\+# evil$/m)
    assert.doesNotMatch(held(run)?.preview ?? '', /^\+x$/m, 'the rest is in the diff of the run')
    assert.deepEqual(Object.keys(heads(github)), ['main'])
    await decide(stint, run, approved)
    await until('the end', async () => (await settled(stint.url, run.runId)).status === 'completed')
    assert.deepEqual(Object.keys(heads(github)).sort(), approved ? ['main', 'stint/ci'] : ['main'])
    assert.deepEqual(await errors(stint.url, run.runId), approved ? [] : ['approval_denied'])
    const mayWorkflows = [...github.tokens.values()].some(({ permissions }) => permissions.workflows === 'write')
    assert.equal(mayWorkflows, approved)
  }
  const { github, stint } = await world(t, turns)
  const refused = await runTask(stint.url, { task: 'x', repo: { url: github.address }, approval: 'deny' })
  assert.ok((await errors(stint.url, refused.runId)).includes('approval_denied'))
})

test('killed with -9 at the push or at the proposal, before or after it took place: one branch, one pull request', {
  skip: noBackend,
}, async (t) => {
  const isPush = ({ method, url = '' }: IncomingMessage) => method === 'POST' && url.endsWith('/git-receive-pack')
  const isPull = ({ method, url = '' }: IncomingMessage) => method === 'POST' && url.endsWith('/pulls')
  for (const [what, when] of [
    [isPush, 'before'],
    [isPush, 'after'],
    [isPull, 'before'],
    [isPull, 'after'],
  ] as const)
    await t.test(`${what === isPush ? 'push' : 'proposal'}, ${when} it took place`, async (t) => {
      const home = tempFolder(t, 'stint-home-')
      const { github, env, stint } = await world(t, [...EDIT, ...PROPOSE], { STINT_HOME: home })
      let killed = false
      const kill = async (request: IncomingMessage) => {
        if (killed || !what(request)) return false
        killed = true
        await stint.kill('SIGKILL')
        return true
      }
      if (when === 'after') github.loseAnswer = kill
      else
        github.intercept = async (request) => {
          const now = await kill(request)
          if (now) request.socket.destroy()
          return now
        }
      const asked = { task: 'Make it two.', repo: { url: github.address }, approval: 'auto' }
      const { runId } = (await ask<{ runId: string }>('POST', `${stint.url}/execute`, asked)).body
      await until('the kill', () => stint.child.signalCode === 'SIGKILL', 60_000)
      const again: Stint = await startStint(t, env)
      const run = await settled(again.url, runId, 60_000)
      assert.equal(run.status, 'completed', JSON.stringify(run))
      assert.deepEqual(await errors(again.url, runId), [])
      assert.deepEqual(Object.keys(heads(github)).sort(), ['main', branchOf(run)])
      assert.equal(git(github.bare, 'rev-list', '--count', `main..${branchOf(run)}`), '1')
      assert.equal(github.pulls.length, 1)
    })
})

test('nothing of somebody else is overwritten, and what cannot be pushed says why', { skip: noBackend }, async (t) => {
  const { github, stint } = await world(t, [
    call('git_push', { branch: 'mine' }),
    ...EDIT,
    call('git_push', { branch: 'mine' }),
    call('git_push', { branch: '../main' }),
    call('open_pull_request', { title: 'x', body: '' }),
    { text: 'Done.' },
  ])
  const other = join(tempFolder(t), 'other')
  execFileSync('git', ['clone', '-q', github.bare, other])
  write(other, { 'theirs.txt': 'theirs\n' })
  git(other, 'add', '-A')
  git(other, 'commit', '-q', '-m', 'theirs')
  git(other, 'push', '-q', 'origin', 'HEAD:refs/heads/stint/mine')
  const before = heads(github)
  const run = await runTask(stint.url, { task: 'Go.', repo: { url: github.address }, approval: 'auto' })
  assert.equal(run.status, 'completed')
  assert.deepEqual(await errors(stint.url, run.runId), [
    'nothing_to_push',
    'branch_moved',
    'invalid_arguments',
    'branch_missing',
  ])
  assert.deepEqual(heads(github), before)
  assert.deepEqual(github.pulls, [])

  const local = await runTask(stint.url, { task: 'Go.', repo: { url: makeRepo(t, FILES) }, approval: 'auto' })
  assert.ok((await errors(stint.url, local.runId)).includes('forge_missing'))
  assert.ok(readFileSync(join(stint.home, 'stint.db')).length > 0)
})

test('deliver: what the model did is committed, pushed and proposed when it is done, unasked but for CI', {
  skip: noBackend,
}, async (t) => {
  const edit = (path: string): Parameters<typeof scripted>[1] => [
    call('write_file', { path, content: 'made\n' }),
    { text: 'Made it.\n\nAnd checked it.' },
  ]
  await t.test('a change', async (t) => {
    const { github, stint } = await world(t, edit('b.txt'))
    const deliver = { branch: 'made', pullRequest: 'ready' }
    const run = await runTask(stint.url, { task: 'Make b.\nSoon.', repo: { url: github.address }, deliver })
    assert.equal(run.status, 'completed', JSON.stringify(run))
    assert.match(
      run.answer ?? '',
      /^Made it\.\n\nAnd checked it\.\n\nPushed 1 commit to stint\/made .*\nOpened pull request #1: http/,
    )
    const [pull] = github.pulls
    assert.deepEqual([pull?.title, pull?.draft], ['Make b.', false])
    assert.match(pull?.body ?? '', /^Made it\.\n\nAnd checked it\.\n/)
    assert.equal(git(github.bare, 'log', '-1', '--format=%s', 'stint/made'), 'Make b.')
  })
  await t.test('a change of CI', async (t) => {
    const { github, stint } = await world(t, [
      call('run_command', { command: 'echo "# evil" >> .github/workflows/ci.yml' }),
      { text: 'Made it.' },
    ])
    const asked = {
      task: 'Make CI.',
      repo: { url: github.address },
      approval: 'auto',
      deliver: { pullRequest: 'draft' },
    }
    const run = await runTask(stint.url, asked)
    assert.match(held(run)?.preview ?? '', /^\+# evil$/m)
    await decide(stint, run, false)
    const ended = await until('the end', async () => {
      const now = await settled(stint.url, run.runId)
      return now.status !== 'waiting' && now
    })
    assert.equal(ended.status, 'completed')
    assert.match(ended.answer ?? '', /^Made it\.\n\nA person refused this call/)
    assert.deepEqual([Object.keys(heads(github)), github.pulls.length], [['main'], 0])
  })
  await t.test('no change', async (t) => {
    const { github, stint } = await world(t, [{ text: 'Nothing to do.' }])
    const run = await runTask(stint.url, {
      task: 'Look.',
      repo: { url: github.address },
      deliver: { pullRequest: 'draft' },
    })
    assert.equal(run.answer, 'Nothing to do.\n\nNothing was changed, so nothing was pushed.')
    assert.deepEqual(Object.keys(heads(github)), ['main'])
  })
  await t.test('a repo of no forge, a branch that is none', async (t) => {
    const { github, stint } = await world(t, [{ text: 'x' }])
    const send = (url: string, branch: string) =>
      ask<{ code: string }>('POST', `${stint.url}/execute`, { task: 'x', repo: { url }, deliver: { branch } })
    const local = await send(makeRepo(t), 'x')
    assert.deepEqual([local.status, local.body.code], [422, 'deliver_refused'])
    assert.equal((await send(github.address, '../main')).status, 422)
  })
})
