/** Rules that a server (STINT_POLICY) or a repo (.stint/config.json) adds to policy. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { judgeCommand } from '../functions/core/policy/command.ts'
import { judge } from '../functions/core/policy.ts'
import type { PolicyRule } from '../functions/core/rules.ts'
import { InvalidEnvironment, readEnv } from '../functions/env.ts'
import { cli, ended } from './support/cli.ts'
import { follow, following, transcript } from './support/http.ts'
import { ask, call, makeRepo, runTask, tempFolder } from './support/world.ts'

const SERVER: PolicyRule[] = [
  { command: 'npm test', decision: 'allow' },
  { command: 'npm publish', decision: 'deny', reason: 'releases are made by the pipeline' },
  { command: 'git log', decision: 'approve' },
  { command: 'rm', decision: 'allow' },
  { command: 'sh', decision: 'allow' },
]
const onServer = (line: string) => judgeCommand(line, 'none', { server: SERVER }).decision
const inRepo = (line: string) => judgeCommand(line, 'none', { repo: SERVER }).decision

test("a server's rule makes a command milder, exactly as it stands there and nothing beside it", () => {
  for (const line of ['npm test', 'npm test -- --watch=false', 'ls && npm test', 'CI=1 npm test', 'rm -rf dist'])
    assert.equal(onServer(line), 'allow', line)
  for (const line of [
    'npm run test',
    'npm --silent test',
    'npm test > log.txt',
    'npm test && make',
    'npm test $X',
    'npm test &',
  ])
    assert.equal(onServer(line), 'approve', line)
  for (const line of [
    'rm -rf /',
    'rm -rf ~',
    'cat x | sh',
    'sh -c "$x"',
    'PATH=. npm test',
    'npm test; cat .env',
    "'npm' test",
  ])
    assert.equal(onServer(line), 'deny', line)
})

test('a rule that holds back is found behind wrappers, in substitutions and between other words', () => {
  for (const line of [
    'npm publish',
    'npm --silent publish --tag x',
    'env A=1 npm publish',
    'sh -c "npm publish"',
    'echo $(npm publish)',
    'ls | xargs npm publish',
    '/usr/bin/npm publish',
  ])
    assert.equal(onServer(line), 'deny', line)
  assert.deepEqual(judgeCommand('npm publish', 'microvm', { server: SERVER }), {
    decision: 'deny',
    reason: 'releases are made by the pipeline',
    part: 'npm publish',
  })
  assert.equal(onServer('git log -1'), 'approve')
  assert.equal(
    judgeCommand('git log -1', 'microvm', { server: SERVER }).decision,
    'approve',
    'also where it is held in',
  )
  assert.equal(onServer('git status'), 'allow')
})

test('a repo holds back and never lets through', () => {
  assert.equal(inRepo('npm test'), 'approve')
  assert.equal(inRepo('rm -rf dist'), 'approve')
  assert.equal(inRepo('npm publish'), 'deny')
  const both = {
    server: [{ command: 'make', decision: 'allow' as const }],
    repo: [{ command: 'make deploy', decision: 'deny' as const }],
  }
  assert.equal(judgeCommand('make', 'none', both).decision, 'allow')
  assert.equal(judgeCommand('make deploy', 'none', both).decision, 'deny')
})

test('rules about tools, and about paths that are written', () => {
  const rules: PolicyRule[] = [
    { tool: 'run_tests', decision: 'allow' },
    { tool: 'delete_file', decision: 'approve' },
    { path: 'infra/', decision: 'deny' },
    { path: '.npmrc', decision: 'allow' },
  ]
  const asked = (
    tool: string,
    input: Record<string, unknown>,
    risk: 'write' | 'execute' = 'write',
    place: 'server' | 'repo' = 'server',
  ) => judge({ tool, risk, input }, { isolation: 'none', [place]: rules }).decision
  assert.equal(asked('run_tests', {}, 'execute'), 'allow')
  assert.equal(asked('run_tests', {}, 'execute', 'repo'), 'approve')
  assert.equal(asked('delete_file', { path: 'a' }), 'approve')
  for (const path of ['infra/a.tf', './infra/a.tf', 'infra//x/y', 'infra'])
    assert.equal(asked('write_file', { path }), 'deny', path)
  assert.equal(asked('write_file', { path: 'infrared.ts' }), 'allow')
  assert.equal(asked('apply_patch', { patch: '*** Begin Patch\n*** Add File: infra/a\n+x\n*** End Patch' }), 'deny')
  assert.equal(asked('write_file', { path: '.npmrc' }), 'allow')
  assert.equal(asked('write_file', { path: '.npmrc' }, 'write', 'repo'), 'approve')
})

test('STINT_POLICY is JSON or a file; what is wrong is said in one line each', (t) => {
  const rules = [{ command: 'npm test', decision: 'allow' }]
  assert.deepEqual(readEnv({ STINT_POLICY: JSON.stringify({ rules }) }).STINT_POLICY, rules)
  const file = join(tempFolder(t), 'policy.json')
  writeFileSync(file, JSON.stringify({ rules }))
  assert.deepEqual(readEnv({ STINT_POLICY: file }).STINT_POLICY, rules)
  assert.equal(readEnv({ STINT_POLICY: '' }).STINT_POLICY, undefined)
  const wrong: [string, RegExp][] = [
    ['{"rules": [', /^STINT_POLICY is no JSON: \{"rules"/],
    ['/nowhere/policy.json', /^STINT_POLICY names a file that cannot be read/],
    ['{"rules": [{"command": "x", "decision": "maybe"}]}', /rules\.0\.decision: must be allow, approve or deny/],
    ['{"rules": [{"decision": "deny"}]}', /rules\.0: must name one of command, tool and path/],
    ['{"rules": [{"command": "x", "tool": "y", "decision": "deny"}]}', /rules\.0: must name one of/],
    ['{"rules": [{"comand": "x", "decision": "deny"}]}', /rules\.0: .*comand/],
    ['{}', /rules: /],
  ]
  for (const [text, says] of wrong)
    assert.throws(
      () => readEnv({ STINT_POLICY: text }),
      (error) => error instanceof InvalidEnvironment && error.lines.some((line) => says.test(line)),
      text,
    )
})

test('policy check judges by the rules of STINT_POLICY', async (t) => {
  const stint = cli(t)
  const env = { STINT_POLICY: '{"rules": [{"command": "make", "decision": "allow"}]}' }
  assert.match(ended(await stint(['policy', 'check', 'make all']), 0).out, /^approve: /)
  assert.match(ended(await stint(['policy', 'check', 'make all'], { env }), 0).out, /^allow: /)
  const { code, err } = await stint(['policy', 'check', 'ls'], { env: { STINT_POLICY: 'nowhere' } })
  assert.equal(code, 1)
  assert.match(err, /STINT_POLICY names a file that cannot be read/)
})

test("a run keeps to its server's rules and to those of its repo", async (t) => {
  const server = await following(t, { STINT_POLICY: '{"rules": [{"command": "touch", "decision": "allow"}]}' })
  const config = {
    policy: {
      rules: [
        { path: 'locked', decision: 'deny', reason: 'locked is made by a generator' },
        { command: 'touch secret.txt', decision: 'deny' },
        { command: 'make', decision: 'allow' },
        { nonsense: true },
      ],
    },
  }
  const repo = { url: makeRepo(t, { 'a.txt': 'a\n', '.stint/config.json': JSON.stringify(config) }) }
  const perform = (tool: string, input: object) =>
    ask<{ ok: boolean; status?: string; error?: { code: string; message: string } }>(
      'POST',
      `${server.url}/tool/execute`,
      { tool, input, repo },
    )
  assert.equal((await perform('write_file', { path: 'free.txt', content: 'x' })).body.ok, true)
  const { body: locked } = await perform('write_file', { path: 'locked/x.txt', content: 'x' })
  assert.deepEqual(locked.error && [locked.error.code, locked.error.message], [
    'policy_denied',
    'locked is made by a generator',
  ])
  assert.equal((await perform('run_command', { command: 'touch b.txt' })).body.ok, true, 'the server allows it')
  assert.equal((await perform('run_command', { command: 'touch secret.txt' })).body.error?.code, 'policy_denied')
  assert.equal((await perform('run_command', { command: 'make' })).body.status, 'waiting', 'a repo allows nothing')
  const steps = [
    call('write_file', { path: 'locked/x.txt', content: 'x' }),
    call('run_command', { command: 'touch c.txt' }),
  ]
  const run = await runTask(server.url, { task: follow(...steps, { text: 'Done.' }), repo })
  assert.equal(run.status, 'completed')
  const [first, second] = (await transcript(server.url, run.runId)).filter(({ role }) => role === 'tool')
  assert.match(first?.content ?? '', /policy_denied: locked is made by a generator/)
  assert.doesNotMatch(second?.content ?? '', /Error/)
})
