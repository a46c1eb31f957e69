/** The runner behind an address: the contract of all homes, and who gets in with which token. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { httpRunner } from '../functions/adapters/http-sandbox.ts'
import { sandboxOver } from '../functions/adapters/sandbox-client.ts'
import { systemClock } from '../functions/adapters/system.ts'
import { readEnv } from '../functions/env.ts'
import { HTTP_REQUEST_BYTES_MAX } from '../sandbox-runner/limits.ts'
import { signToken, TOKEN_SECONDS } from '../sandbox-runner/token.ts'
import { sandboxContract } from './contract/sandbox.ts'
import { runElsewhere } from './support/elsewhere.ts'
import { httpRunnerProcess, SECRET } from './support/http-runner.ts'
import { ask, ROOT, tempFolder, until } from './support/world.ts'

sandboxContract(
  'HTTP',
  async (t) => {
    const runner = await httpRunnerProcess(t, { STINT_HOME: tempFolder(t), STINT_ISOLATION: 'none' })
    const transport = httpRunner({ url: runner.url, secret: SECRET }, systemClock)
    // Connections stand for a moment only, so that every longer call takes several.
    return {
      transport: { ...transport, waitMs: 400 },
      async kill() {
        await runner.kill()
        await runner.start()
      },
    }
  },
  { stops: true },
)

test('a token opens the runner for its own run and workspace, for a few minutes, and for nothing else', async (t) => {
  const { url, log } = await httpRunnerProcess(t, { STINT_HOME: tempFolder(t), STINT_ISOLATION: 'none' })
  const now = Math.floor(Date.now() / 1000)
  const exp = now + TOKEN_SECONDS
  const workspace = { id: 'wsp_1', fence: 1 }
  const prepare = { op: 'prepare', runId: 'run_1', workspace }
  const mine = { run: 'run_1', workspace: 'wsp_1', exp }
  const good = signToken(SECRET, mine)
  const answered = async (token: string | undefined, body: unknown) => {
    const response = await fetch(url, {
      method: 'POST',
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    })
    const reply = (await response.json()) as { ok: boolean; code?: string }
    return `${response.status} ${reply.ok ? 'ok' : reply.code}`
  }
  assert.equal(await answered(good, prepare), '200 ok')
  const [head = '', claims = '', signature = ''] = good.split('.')
  const forged = Buffer.from(JSON.stringify({ ...mine, run: 'run_2' })).toString('base64url')
  const refused: [string | undefined, unknown, string][] = [
    [undefined, prepare, '401 unauthorized'],
    ['', prepare, '401 unauthorized'],
    ['x', prepare, '401 unauthorized'],
    [SECRET, prepare, '401 unauthorized'],
    [signToken('another secret that is long enough', mine), prepare, '401 unauthorized'],
    [`${head}.${forged}.${signature}`, prepare, '401 unauthorized'],
    [`${head}.${claims}.${signature.slice(0, -2)}`, prepare, '401 unauthorized'],
    [`${head}.${claims}.`, prepare, '401 unauthorized'],
    [signToken(SECRET, { ...mine, exp: now - 61 - 1 }), prepare, '401 token_expired'],
    [good, { ...prepare, runId: 'run_2' }, '403 forbidden'],
    [good, { ...prepare, workspace: { ...workspace, id: 'wsp_2' } }, '403 forbidden'],
    [good, { op: 'forget', workspace }, '403 forbidden'],
    [good, { op: 'stop', callIds: ['call_1'] }, '403 forbidden'],
    [good, '{', '400 bad_request'],
    [good, { ...prepare, withinMs: 'long' }, '400 bad_request'],
  ]
  for (const [token, body, expected] of refused)
    assert.equal(await answered(token, body), expected, JSON.stringify([token?.slice(0, 20), body]))
  assert.equal((await fetch(new URL('/health', url))).status, 200)
  assert.equal((await fetch(url)).status, 405)
  assert.equal((await fetch(new URL('/elsewhere', url), { method: 'POST' })).status, 404)
  assert.doesNotMatch(log(), /secret|v1\./)
})

test('a request that is too large is refused, and the next one is served', async (t) => {
  const { url } = await httpRunnerProcess(t, { STINT_HOME: tempFolder(t), STINT_ISOLATION: 'none' })
  const token = signToken(SECRET, { exp: Date.now() / 1000 + 60 })
  const send = (body: string) => fetch(url, { method: 'POST', headers: { authorization: `Bearer ${token}` }, body })
  const large = await send('x'.repeat(HTTP_REQUEST_BYTES_MAX + 1)).then(
    ({ status }) => status,
    () => 'broken off',
  )
  assert.ok(large === 413 || large === 'broken off', String(large))
  assert.equal((await send('{"op":"health"}')).status, 200)
})

test('SIGTERM: the call under way is finished and answered', async (t) => {
  const runner = await httpRunnerProcess(t, { STINT_HOME: tempFolder(t), STINT_ISOLATION: 'none' })
  const sandbox = sandboxOver(httpRunner({ url: runner.url, secret: SECRET }, systemClock))
  const at = {
    runId: 'run_1',
    workspaceId: 'wsp_1',
    fence: 1,
    layers: async () => [],
    signal: AbortSignal.timeout(60_000),
  }
  const made = await sandbox.prepare(at)
  assert.ok(made.ok)
  const input = { command: 'touch begun; sleep 1; echo done' }
  const calls = [{ callId: 'call_1', tool: 'run_command', input }]
  const running = sandbox.perform({ ...at, start: made.head, head: made.head, calls })
  await until('the command to run', () => spawnSync('pgrep', ['-f', 'touch begun; sleep 1']).status === 0)
  const [reply] = await Promise.all([running, runner.kill('SIGTERM')])
  assert.equal(reply.ok && reply.results[0]?.output, 'done')
})

test('the server says in one line what is missing for its start', () => {
  const start = (env: Record<string, string | undefined>) =>
    spawnSync(process.execPath, ['--disable-warning=ExperimentalWarning', join(ROOT, 'sandbox-runner/http.ts')], {
      env: { PATH: process.env.PATH, ...env },
      encoding: 'utf8',
    })
  for (const env of [{}, { SANDBOX_TOKEN: 'short' }]) {
    const { status, stderr } = start(env)
    assert.equal(status, 1)
    assert.match(stderr, /^SANDBOX_TOKEN .*\n$/)
  }
})

test('a whole run with its commands behind an address, and its large layers in the bucket', async (t) => {
  const home = tempFolder(t)
  const runner = await httpRunnerProcess(t, { STINT_HOME: home, STINT_ISOLATION: 'none' })
  const { url, before, diff } = await runElsewhere(t, { SANDBOX_URL: runner.url, SANDBOX_TOKEN: SECRET })
  await runner.kill()
  const health = await ask<{ checks: { sandbox: { ok: boolean } } }>('GET', `${url}/ready`)
  assert.deepEqual([health.status, health.body.checks.sandbox.ok], [503, false])
  rmSync(home, { recursive: true })
  await runner.start()
  assert.equal(await diff(), before, 'restored on an empty disk')
})

test('half a setting stops the start with one line', () => {
  const lines = (env: Record<string, string>) => {
    try {
      readEnv(env)
    } catch (error) {
      return (error as Error).message
    }
    return ''
  }
  assert.match(lines({ SANDBOX_URL: 'https://a' }), /^SANDBOX_TOKEN must be set too/)
  assert.match(lines({ SANDBOX_URL: 'https://a', SANDBOX_TOKEN: SECRET }), /^SNAPSHOT_BUCKET must be set too/)
  assert.match(lines({ SANDBOX_FUNCTION: 'a' }), /^SNAPSHOT_BUCKET must be set too/)
  assert.match(lines({ SANDBOX_URL: 'https://a', SANDBOX_TOKEN: 'short' }), /^SANDBOX_TOKEN must have 32/)
  assert.match(lines({ CARRIER_URL: 'https://a' }), /^SANDBOX_URL must be set too/)
})
