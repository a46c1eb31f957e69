/** What the command says of itself and of the machine: help, tools, policy, keys, doctor, and starts that cannot work. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { cli, ended, STINT } from './support/cli.ts'
import { ask, ROOT, scripted, startStint, until } from './support/world.ts'

const COMMANDS = 'run serve runs show watch diff approve deny say cancel tools policy keys demo doctor'.split(' ')
const KEY = 'gsk_test0123456789abcdefSECRET'

test('--help is everywhere, on stdout, and touches nothing', async (t) => {
  const stint = cli(t)
  const all = ended(await stint(['--help']), 0).out
  for (const name of COMMANDS) {
    assert.match(all, new RegExp(`stint ${name}\\b`))
    const { out, err } = ended(await stint(name === 'policy' ? [name, 'check', '--help'] : [name, '-h']), 0)
    assert.match(out, new RegExp(`^stint ${name}\\b.*\\n\\w`))
    assert.equal(err, '')
  }
  assert.equal(ended(await stint(['help', 'run']), 0).out, ended(await stint(['run', '--help']), 0).out)
  assert.match(ended(await stint(['--version']), 0).out, /^\d+\.\d+\.\d+\n$/)
  assert.equal((await stint([])).code, 2)
  assert.ok(!existsSync(stint.home), 'help needs no STINT_HOME')
})

test('what is not known is refused with exit code 2 and a way on', async (t) => {
  const stint = cli(t)
  for (const [args, says] of [
    [['dance'], /"dance".*stint --help/],
    [['runs', 'all'], /"all" is one word too many/],
    [['runs', '--colour'], /--colour[\s\S]*stint runs --help/],
    [['show'], /stint runs/],
    [['diff'], /stint runs/],
    [['watch'], /stint runs/],
    [['approve', 'run_x'], /stint show/],
    [['say', 'run_x'], /stint say RUN/],
    [['cancel'], /stint runs/],
    [['policy', 'list'], /policy check/],
    [['policy', 'check'], /command line/],
    [['keys', 'create'], /--offline/],
    [['keys', 'create', '--offline', '--scopes', 'run,fly'], /fly/],
    [['show', 'run_nowhere'], /no (such )?run/i],
    [['runs', '--status', 'asleep'], /status/],
    [['runs', '--limit', 'x'], /limit/],
  ] as [string[], RegExp][]) {
    const { code, out, err } = await stint(args)
    assert.equal(code, 2, `${args.join(' ')}: ${err}`)
    assert.equal(out, '')
    assert.match(err, says)
    assert.doesNotMatch(err, /\n\s+at /)
  }
  await t.test('also when JavaScript knows the word', async () => {
    const { code, err } = await stint(['constructor'])
    assert.deepEqual([code, /no command "constructor"/.test(err)], [2, true], err)
  })
})

test('NO_COLOR and pipes are plain, FORCE_COLOR is not', async (t) => {
  const stint = cli(t)
  const tools = async (env = {}) => ended(await stint(['tools'], { env }), 0).out
  const [plain, forced, refused] = [
    await tools(),
    await tools({ FORCE_COLOR: '1' }),
    await tools({ FORCE_COLOR: '1', NO_COLOR: '1' }),
  ]
  assert.ok(!plain.includes('\u001b') && forced.includes('\u001b[3'))
  assert.equal(refused, plain)
  for (const word of ['read_file', 'run_command', 'ask_user', 'execute', '{path, offset?, limit?}'])
    assert.ok(plain.includes(word), word)
  const listed = JSON.parse(ended(await stint(['tools', '--json']), 0).out) as { name: string; risk: string }[]
  assert.ok(listed.every(({ name, risk }) => plain.includes(name) && risk))
})

test('policy check judges one command, and from a pipe one a line', async (t) => {
  const stint = cli(t)
  assert.match(ended(await stint(['policy', 'check', 'git status']), 0).out, /^allow: /)
  assert.match(ended(await stint(['policy', 'check', 'ls; rm -rf /tmp/x']), 0).out, /^approve: .*\(rm -rf \/tmp\/x\)/)
  const one = JSON.parse(ended(await stint(['policy', 'check', 'echo "', '--json']), 0).out) as Record<string, string>
  assert.deepEqual(Object.keys(one), ['verdict', 'reason', 'part'])
  assert.equal(one.verdict, 'deny')
  const lines = ['ls', 'npm test', 'cat ../x', 'a\nb', "echo 'é'", '', 'x'.repeat(100_000)].map((line) =>
    JSON.stringify(line),
  )
  const input = [...lines, 'no json', '7', '["ls"]'].join('\n')
  const { out, err } = ended(await stint(['policy', 'check', '--json', '--stdin'], { input }), 0)
  const verdicts = out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, string>)
  assert.equal(verdicts.length, 10, 'a verdict for each line, also for the last without an end')
  for (const verdict of verdicts) {
    assert.deepEqual(Object.keys(verdict), ['verdict', 'reason', 'part'])
    assert.match(verdict.verdict ?? '', /^(allow|approve|deny)$/)
  }
  assert.deepEqual(
    verdicts.slice(0, 3).map(({ verdict }) => verdict),
    ['allow', 'approve', 'approve'],
  )
  assert.deepEqual(
    verdicts.slice(-3).map(({ verdict }) => verdict),
    ['deny', 'deny', 'deny'],
  )
  assert.equal(err, '')
})

test('keys create --offline prints a key once and a hash that a server takes, with its scopes', async (t) => {
  const stint = cli(t)
  const make = async (...more: string[]) => {
    const { out } = ended(await stint(['keys', 'create', '--offline', ...more]), 0)
    return { key: /sk_stint_\S+/.exec(out)?.[0] ?? '', hash: /STINT_API_KEY_HASHES=(\S+)/.exec(out)?.[1] ?? '' }
  }
  const [worker, reader] = [await make(), await make('--scopes', 'read', '--id', 'reader')]
  assert.ok(worker.key !== reader.key && !worker.hash.includes(worker.key))
  const server = await startStint(t, { STINT_API_KEY_HASHES: `${worker.hash},${reader.hash}`, HOST: '127.0.0.1' })
  const as = async (key: string, method: string, path: string, body?: object) =>
    (await ask(method, server.url + path, body, key ? { authorization: `Bearer ${key}` } : {})).status
  assert.deepEqual(
    await Promise.all([worker.key, reader.key, `${worker.key}x`, ''].map((key) => as(key, 'GET', '/runs'))),
    [200, 200, 401, 401],
  )
  assert.equal(await as(reader.key, 'POST', '/execute', { task: 'x' }), 403)
  assert.equal(await as(worker.key, 'POST', '/execute', { task: 'x' }), 503, 'it may, but there is no model')
  assert.ok(!existsSync(stint.home), 'nothing is stored')
})

test('doctor says what is missing and what is wrong, and never a secret', async (t) => {
  const model = await scripted(t, [])
  // Like some servers it repeats the key that it refuses.
  const refusing = createServer((request, response) => {
    const error = { message: `Incorrect API key: ${request.headers.authorization}`, code: 'invalid_api_key' }
    response.writeHead(401, { 'content-type': 'application/json' }).end(JSON.stringify({ error }))
  })
  await new Promise<void>((resolve) => refusing.listen(0, '127.0.0.1', resolve))
  t.after(() => refusing.close())
  const stint = cli(t)
  const doctor = (code: number, env: Record<string, string>, ...more: string[]) =>
    stint(['doctor', ...more], { env }).then((done) => ended(done, code).out + done.err)
  const nothing = await doctor(0, {})
  assert.match(nothing, /model .*none[\s\S]*set GROQ_API_KEY/)
  for (const name of ['node', 'git', 'store', 'sandbox', 'isolation', 'home'])
    assert.match(nothing, new RegExp(`^. ${name}\\b`, 'm'))
  assert.match(await doctor(0, { GROQ_API_KEY: KEY, GROQ_BASE_URL: model.url }), /✓ model .*openai\/gpt-oss-120b/)
  const other = await doctor(1, { GROQ_API_KEY: KEY, GROQ_BASE_URL: model.url, STINT_MODEL_STRONG: 'gone/away' })
  assert.match(other, /✗ model .*gone\/away/)
  const wrong = { GROQ_API_KEY: KEY, GROQ_BASE_URL: `http://127.0.0.1:${(refusing.address() as AddressInfo).port}` }
  const refused = await doctor(1, wrong)
  assert.match(refused, /✗ model .*401[\s\S]*GROQ_API_KEY/)
  const checks = JSON.parse(await doctor(1, wrong, '--json')) as { name: string; state: string; fix?: string }[]
  assert.match(checks.find(({ name }) => name === 'model')?.fix ?? '', /GROQ_API_KEY/)
  const nobody = await doctor(1, { GROQ_API_KEY: KEY, GROQ_BASE_URL: 'http://127.0.0.1:9' })
  assert.match(nobody, /✗ model /)
  await t.test('not even when the model server repeats the key', () => assert.ok(!refused.includes(KEY), refused))
  await t.test('nor a password in GROQ_BASE_URL', async () => {
    const { out, err } = await stint(['doctor'], { env: { GROQ_BASE_URL: model.url.replace('//', '//me:hunter2@') } })
    assert.doesNotMatch(out + err, /hunter2/)
  })
  await t.test('and it looks at a server from outside', async () => {
    const { out } = ended(await stint(['keys', 'create', '--offline', '--scopes', 'read']), 0)
    const server = await startStint(t, {
      GROQ_BASE_URL: model.url,
      STINT_API_KEY_HASHES: /STINT_API_KEY_HASHES=(\S+)/.exec(out)?.[1] ?? '',
    })
    const key = /sk_stint_\S+/.exec(out)?.[0] ?? ''
    assert.match(await doctor(0, { STINT_API_KEY: key }, '--server', server.url), /✓ server[\s\S]*✓ key[\s\S]*✓ model/)
    const unknown = await doctor(1, { STINT_API_KEY: 'sk_stint_wrongSECRET' }, '--server', server.url)
    assert.match(unknown, /✗ key[\s\S]*STINT_API_KEY/)
    assert.doesNotMatch(unknown, /wrongSECRET/)
    assert.match(await doctor(1, {}, '--server', 'http://127.0.0.1:9'), /✗ server /)
  })
})

test('a STINT_HOME that cannot be written is said in one line, and doctor still reports', async (t) => {
  const stint = cli(t)
  mkdirSync(stint.home)
  writeFileSync(join(stint.home, 'file'), '')
  const env = { STINT_HOME: join(stint.home, 'file/home'), PORT: '0' }
  for (const args of [['runs'], ['run', 'x', '--model', 'scripted'], ['serve']])
    await t.test(`stint ${args[0]}`, async () => {
      const { out, err } = ended(await stint(args, { env }), 1)
      assert.equal(out, '')
      assert.match(err, /^stint.*STINT_HOME.*file\/home.*\n$/, 'one line that names the folder and the variable')
    })
  await t.test('stint doctor', async () => {
    const { out, err } = ended(await stint(['doctor'], { env }), 1)
    assert.match(out, /✗ start [\s\S]*STINT_HOME/, err)
  })
})

const OLD = '/usr/bin/node'
const oldVersion = (() => {
  try {
    return execFileSync(OLD, ['--version'], { encoding: 'utf8' }).trim()
  } catch {
    return 'none'
  }
})()
const skip = /^v2[0-3]\./.test(oldVersion) ? false : `needs ${OLD} older than 24 (found: ${oldVersion})`

test('started with an older Node the command finds the one that came with it', { skip }, async (t) => {
  const stint = cli(t)
  const { out } = ended(await stint(['doctor'], { node: OLD }), 0)
  assert.match(out, /node +v2[4-9]/)
  assert.equal((await stint(['dance'], { node: OLD })).code, 2)
  const serving = stint.start(['serve'], { node: OLD, env: { PORT: '0' } })
  const url = await until('the server', () => /listening on (\S+)/.exec(serving.so_far().out)?.[1])
  serving.child.kill('SIGTERM')
  assert.equal((await serving.done).code, 0, 'a signal reaches the Node behind it')
  await assert.rejects(ask('GET', `${url}/health`))
  await t.test('and where none came with it, it says what to do', () => {
    const bare = join(stint.home, '../bare')
    mkdirSync(join(bare, 'cli'), { recursive: true })
    cpSync(STINT, join(bare, 'cli/stint.js'))
    cpSync(join(ROOT, 'package.json'), join(bare, 'package.json'))
    assert.throws(
      () => execFileSync(OLD, [join(bare, 'cli/stint.js'), 'runs'], { encoding: 'utf8', stdio: 'pipe' }),
      ({ status, stderr }: { status: number; stderr: string }) =>
        status === 1 && /^stint needs Node 24.*v2.*npm ci/.test(stderr),
    )
  })
})
