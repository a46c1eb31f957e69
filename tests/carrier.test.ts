/** Clones by the carrier: with a credential made for the occasion, which is found nowhere afterwards. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { lambdaRunner } from '../functions/adapters/lambda-sandbox.ts'
import { Carrier } from '../sandbox-runner/carrier.ts'
import { isCiFile } from '../sandbox-runner/carry/ci.ts'
import { PrepareReply, Request } from '../sandbox-runner/protocol.ts'
import { Runner } from '../sandbox-runner/runner.ts'
import { noBackend } from './support/git-http.ts'
import { startGithub } from './support/github.ts'
import { UNHELD } from './support/sandbox.ts'
import { ask, call, makeRepo, runTask, scripted, startStint, tempFolder } from './support/world.ts'

const FILES = { 'a.txt': 'private\n', 'README.md': '# Shop\n' }
const workspace = { id: 'wsp_1', fence: 1 }

/** Files below a folder that hold any of these texts. */
function holders(folder: string, texts: string[]): string[] {
  const patterns = texts.flatMap((text) => ['-e', text])
  try {
    return execFileSync('grep', ['-rlaF', ...patterns, folder], { encoding: 'utf8' })
      .trim()
      .split('\n')
  } catch {
    return []
  }
}

test('a private repo is cloned with a token for it alone, and the token is found nowhere', {
  skip: noBackend,
}, async (t) => {
  const github = await startGithub(t, FILES)
  const model = await scripted(t, [
    call('read_file', { path: 'a.txt' }),
    call('write_file', { path: 'b.txt', content: 'b\n' }),
    call('run_command', { command: 'env; git remote -v; cat .git/config' }),
    { text: 'Read it.' },
  ])
  const stint = await startStint(t, { GROQ_BASE_URL: model.url, ...github.env, LOG_LEVEL: 'debug' })
  const run = await runTask(stint.url, { task: 'Read.', repo: { url: github.address }, approval: 'auto' })
  assert.equal(run.status, 'completed', JSON.stringify(run))
  const { body: told } = await ask<{ items: { content: string }[] }>('GET', `${stint.url}/runs/${run.runId}/messages`)
  assert.ok(told.items.some(({ content }) => content.includes('private')))
  assert.ok(told.items.some(({ content }) => content.includes('Workspace: shop (branch main), 2 files')))

  assert.equal(github.tokens.size, 1, 'the run asked for one token')
  assert.deepEqual([...github.tokens.values()], [{ repo: 'shop', permissions: { contents: 'read' } }])
  const secrets = [...github.tokens.keys()].flatMap((token) => [
    token,
    Buffer.from(`x-access-token:${token}`).toString('base64'),
  ])
  assert.deepEqual(holders(stint.home, secrets), [])
  const events = await ask<unknown>('GET', `${stint.url}/runs/${run.runId}/events?after=0`)
  for (const text of [stint.output(), JSON.stringify(told), JSON.stringify(events.body)])
    for (const secret of secrets) assert.ok(!text.includes(secret))
  assert.deepEqual(
    readdirSync(join(stint.home, 'carrier')).filter((name) => name !== '.code'),
    [],
    'nothing stays there',
  )

  const found = await ask<{ results: { path: string }[] }>('POST', `${stint.url}/code/search`, {
    query: 'private',
    repo: { url: github.address },
  })
  assert.equal(found.body.results[0]?.path, 'a.txt', 'code search clones by the carrier too')

  const next = await runTask(stint.url, { task: 'Again.', sessionId: run.sessionId, approval: 'auto' })
  assert.equal(next.status, 'completed')
  const { body: later } = await ask<{ items: { content: string }[] }>('GET', `${stint.url}/runs/${next.runId}/messages`)
  assert.ok(later.items.some(({ content }) => content.includes('Workspace: shop (branch main), 3 files')))
})

test('without a right to the repo it is read as anybody may, and what refuses is told without a secret', {
  skip: noBackend,
}, async (t) => {
  const github = await startGithub(t, FILES)
  const stint = await startStint(t, {
    ...github.env,
    GITHUB_APP_ID: '',
    GITHUB_APP_PRIVATE_KEY: '',
    GITHUB_TOKEN: 'ghp_wrongwrong',
  })
  const run = await runTask(stint.url, { task: 'Read.', model: 'scripted', repo: { url: github.address } })
  assert.equal(run.stopReason, 'sandbox_error')
  assert.match(run.answer ?? '', /repo_not_found/)
  assert.doesNotMatch(JSON.stringify(run) + stint.output(), /wrongwrong/)
})

test('a runner without network clones nothing, and a carrier does nothing else', async (t) => {
  const folder = tempFolder(t)
  const places = (name: string) => ({ home: join(folder, name), objects: join(folder, 'objects') })
  const runner = new Runner({ ...places('runner'), machine: UNHELD, egress: false })
  const carrier = new Carrier(places('carrier'))
  const address = { url: 'http://127.0.0.1:1/a/b' }
  const prepare = { op: 'prepare' as const, runId: 'run_1', workspace }
  const codeOf = async (reply: Promise<object>) => ((await reply) as { code?: string }).code

  assert.equal(await codeOf(runner.handle({ ...prepare, repo: address })), 'no_egress')
  assert.equal(await codeOf(runner.handle({ op: 'code', repo: address, waitMs: 1000 })), 'no_egress')
  const local = PrepareReply.parse(await runner.handle({ ...prepare, repo: { url: makeRepo(t) } }))
  assert.ok(local.ok, 'a folder needs no network')

  for (const url of [makeRepo(t), `file://${makeRepo(t)}`])
    assert.equal(await codeOf(carrier.handle({ ...prepare, repo: { url } })), 'bad_request')
  const marks = join(folder, 'marks')
  const calls = [{ callId: 'call_1', tool: 'run_command', input: { command: `touch ${marks}` } }]
  const { head } = local
  const perform = { op: 'perform' as const, runId: 'run_1', workspace: { ...workspace, start: head, head }, calls }
  assert.equal(await codeOf(carrier.handle({ ...perform, layers: local.layers })), 'bad_request')
  assert.equal(existsSync(marks), false)
})

test('a credential goes to the host it is for, and not to where that host sends git on', async (t) => {
  const asked: (string | undefined)[] = []
  const elsewhere = createServer((request, response) => {
    asked.push(request.headers.authorization)
    response.writeHead(404).end()
  })
  const first: (string | undefined)[] = []
  const host = createServer((request, response) => {
    first.push(request.headers.authorization)
    response.writeHead(302, { location: `http://127.0.0.1:${portOf(elsewhere)}${request.url}` }).end()
  })
  const portOf = (server: typeof host) => (server.address() as AddressInfo).port
  for (const server of [elsewhere, host]) {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    t.after(() => server.close())
  }
  const folder = tempFolder(t)
  const carrier = new Carrier({ home: join(folder, 'carrier'), objects: join(folder, 'objects') })
  const reply = await carrier.handle({
    op: 'prepare',
    runId: 'run_1',
    workspace,
    repo: { url: `http://127.0.0.1:${portOf(host)}/a/b` },
    credential: { username: 'me', password: 'hunter2' },
  })
  assert.equal((reply as { ok: boolean }).ok, false)
  assert.doesNotMatch(JSON.stringify(reply), /hunter2/)
  assert.equal(first[0], `Basic ${Buffer.from('me:hunter2').toString('base64')}`)
  assert.deepEqual(asked, [], 'nobody was asked elsewhere')
})

const PUSH = {
  op: 'push' as const,
  url: 'https://a/b/c',
  commit: '0'.repeat(40),
  boundary: [],
  perform: true,
  allowed: [],
}

test('no branch but one below stint/ is pushed, whoever asks', async (t) => {
  const folder = tempFolder(t)
  const carrier = new Carrier({ home: join(folder, 'carrier'), objects: join(folder, 'objects') })
  for (const branch of [
    'main',
    'stint',
    'stint/',
    'stint/../main',
    'stint/a..b',
    'stint/-f/../x',
    'stint/a b',
    'stint/a:main',
  ])
    assert.equal(Request.safeParse({ ...PUSH, pack: '', branch }).success, false, branch)
  for (const branch of ['stint/a', 'stint/fix/a-b_c.2'])
    assert.equal(Request.safeParse({ ...PUSH, pack: '', branch }).success, true, branch)
  const runner = new Runner({
    home: join(folder, 'runner'),
    objects: join(folder, 'objects'),
    machine: UNHELD,
    egress: false,
  })
  const asked = { ...PUSH, pack: '', branch: 'stint/a' }
  assert.equal(((await runner.handle(asked)) as { code?: string }).code, 'no_egress')
  const nowhere = (await carrier.handle({ ...asked, url: 'http://127.0.0.1:1/a/b' })) as {
    ok: boolean
    retry?: boolean
  }
  assert.deepEqual([nowhere.ok, nowhere.retry], [false, true], 'what cannot be reached may be reached later')
})

test('a push too large for one request is refused in words', async () => {
  const transport = lambdaRunner({
    accessKeyId: 'key',
    secretAccessKey: 'secret',
    region: 'eu-west-1',
    name: 'carrier',
    perTenant: false,
    to: 'carrier',
    endpoint: 'http://127.0.0.1:1',
  })
  const reply = await transport.send({ ...PUSH, branch: 'stint/a', pack: 'x'.repeat(6_000_000) })
  assert.equal((reply as { code?: string }).code, 'pack_too_large')
  await transport.close()
})

test('files that a forge runs by itself', () => {
  for (const path of [
    '.github/workflows/ci.yml',
    '.GitHub/Workflows/x.yaml',
    '.github',
    '.github/actions/build/action.yml',
    'action.yml',
    '.gitlab-ci.yml',
    '.gitlab/ci/test.yml',
    '.circleci/config.yml',
    'azure-pipelines.yml',
    'Jenkinsfile',
    'deploy/Jenkinsfile.prod',
    '.travis.yml',
    '.drone.yml',
    '.woodpecker/a.yaml',
    '.forgejo/workflows/a.yml',
    'bitbucket-pipelines.yml',
    '.buildkite/pipeline.yml',
    'cloudbuild.yaml',
  ])
    assert.equal(isCiFile(path), true, path)
  for (const path of ['src/ci.ts', 'docs/github/workflows/a.yml', '.github/CODEOWNERS', 'ci.yml', 'transaction.yml'])
    assert.equal(isCiFile(path), false, path)
})
