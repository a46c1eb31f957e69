/** Whole servers that are woken from outside: by QStash, and by a queue in Redis that they share. */
import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { test } from 'node:test'
import { InvalidEnvironment, readEnv } from '../functions/env.ts'
import { startSystem } from '../functions/server.ts'
import type { Context } from './contract/queue.ts'
import { execute, follow, following, makeKey } from './support/http.ts'
import { startQstash } from './support/qstash.ts'
import { ownPrefix, REDIS_URL, redisMissing } from './support/redis.ts'
import { ask, call, makeRepo, pause, runTask, settled, startStint, tempFolder, until } from './support/world.ts'

const skip = redisMissing ? { skip: redisMissing } : {}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

async function behindQstash(t: Context, env: Record<string, string> = {}, copies = 1) {
  const qstash = await startQstash(t, { copies })
  const port = await freePort()
  const stint = await startStint(t, {
    PORT: String(port),
    STINT_PUBLIC_URL: `http://127.0.0.1:${port}`,
    QSTASH_URL: qstash.url,
    QSTASH_TOKEN: qstash.token,
    QSTASH_CURRENT_SIGNING_KEY: qstash.currentKey,
    QSTASH_NEXT_SIGNING_KEY: qstash.nextKey,
    ...env,
  })
  return { qstash, stint }
}

test('a server behind QStash: runs go from start to end, every wake-up twice', async (t) => {
  const { qstash, stint } = await behindQstash(t, {}, 2)
  await until('a word about it', () => /woken by QStash/.test(stint.output()))
  const run = await runTask(stint.url, {
    task: 'walk 6',
    model: 'scripted',
    approval: 'auto',
    repo: { url: makeRepo(t) },
  })
  assert.deepEqual([run.status, run.turns], ['completed', 6])
  await until('both answers', () => qstash.answers.length === 2)
  assert.deepEqual([qstash.answers, qstash.published.length], [[204, 204], 1])
  for (const path of ['wake', 'given-up', 'sweep'])
    assert.equal((await ask('POST', `${stint.url}/internal/${path}`, { run: run.runId })).status, 401, path)
})

test('a server behind QStash with keys: the signature is the key of a wake-up, and of nothing else', async (t) => {
  const { entry, headers } = makeKey('one', 'run+read')
  const { stint } = await behindQstash(t, { STINT_API_KEY_HASHES: entry })
  const body = { task: 'walk 2', model: 'scripted' }
  assert.equal((await ask('POST', `${stint.url}/execute`, body)).status, 401)
  const { body: admin } = await ask<{ code: string }>('POST', `${stint.url}/execute`, body, headers)
  assert.equal(admin.code, 'forbidden', 'the scripted model is for admins')
  const called = await ask<{ runId: string }>(
    'POST',
    `${stint.url}/tool/execute`,
    { tool: 'list_files', input: { path: '.' } },
    headers,
  )
  await until('the end', async () => {
    const { body: run } = await ask<{ status: string }>(
      'GET',
      `${stint.url}/runs/${called.body.runId}`,
      undefined,
      headers,
    )
    return run.status === 'completed'
  })
})

test('without QStash there is no such door', async (t) => {
  const stint = await startStint(t)
  assert.equal((await ask('POST', `${stint.url}/internal/wake`, { run: 'run_x' })).status, 404)
})

test('two servers on one Redis: a run goes on at the other one when its server is killed', skip, async (t) => {
  const home = tempFolder(t)
  const env = { REDIS_URL, STINT_REDIS_PREFIX: ownPrefix(t), STINT_HOME: home }
  const first = await following(t, env)
  const gate = first.gate()
  const write = (n: number) => call('write_file', { path: `${n}.txt`, content: `${n}\n` })
  const task = follow(write(1), { ...write(2), hold: gate.hold }, write(3), { text: 'Done.' })
  const { runId } = await execute(first.url, { task, repo: { url: makeRepo(t) }, approval: 'auto' })
  await gate.reached
  await first.kill('SIGKILL')
  gate.open()
  const second = await following(t, env)
  const run = await settled(second.url, runId, 90_000)
  assert.deepEqual([run.status, run.turns, run.diffStat.files], ['completed', 4, 3])
})

test('two servers on one Redis share the work; a terminal takes none of it', skip, async (t) => {
  const home = tempFolder(t)
  const env = { REDIS_URL, STINT_REDIS_PREFIX: ownPrefix(t), STINT_HOME: home }
  const servers = [await startStint(t, env), await startStint(t, env)]
  const terminal = await startSystem(
    readEnv({ ...env, LOG_LEVEL: 'silent' }),
    () => {},
    () => false,
  )
  t.after(() => terminal.stop())
  assert.equal(terminal.wakes, 'in this process')
  const url = servers[0]?.url ?? ''
  const repo = { url: makeRepo(t) }
  const ids = await Promise.all(
    Array.from({ length: 8 }, () =>
      execute(url, { task: 'walk 4', model: 'scripted', approval: 'auto', repo }).then(({ runId }) => runId),
    ),
  )
  for (const runId of ids) assert.equal((await settled(url, runId, 60_000)).status, 'completed')
  await pause(50)
})

test('settings of a queue that are half set or at odds stop the start with one line', () => {
  const keys = { QSTASH_TOKEN: 't', QSTASH_CURRENT_SIGNING_KEY: 'a', QSTASH_NEXT_SIGNING_KEY: 'b' }
  const whole = { ...keys, STINT_PUBLIC_URL: 'https://stint.example' }
  const lines = (env: Record<string, string>): string[] => {
    try {
      readEnv(env)
      return []
    } catch (error) {
      assert.ok(error instanceof InvalidEnvironment)
      return error.lines
    }
  }
  assert.deepEqual(lines(whole), [])
  const sqs = { SQS_QUEUE_URL: 'https://sqs.eu-west-1.amazonaws.com/1/stint' }
  assert.deepEqual(lines({ ...sqs, AWS_ACCESS_KEY_ID: 'AKIA', AWS_SECRET_ACCESS_KEY: 's' }), [])
  assert.deepEqual(lines({ ...sqs, AWS_ACCESS_KEY_ID: 'AKIA' }), [
    'AWS_SECRET_ACCESS_KEY must be set too, because SQS_QUEUE_URL is',
  ])
  assert.deepEqual(lines({ STINT_PUBLIC_URL: 'https://stint.example' }), [])
  assert.deepEqual(lines({ QSTASH_TOKEN: 't', STINT_PUBLIC_URL: 'https://stint.example' }), [
    'QSTASH_CURRENT_SIGNING_KEY and QSTASH_NEXT_SIGNING_KEY must be set too, because QSTASH_TOKEN is',
  ])
  assert.deepEqual(lines(keys), ['STINT_PUBLIC_URL must be set too, because QSTASH_TOKEN is'])
  assert.deepEqual(lines({ QSTASH_URL: 'https://qstash.upstash.io' }), [
    'QSTASH_TOKEN must be set too, because QSTASH_URL is',
  ])
  assert.match(lines({ ...whole, SQS_QUEUE_URL: 'https://sqs.eu-west-1.amazonaws.com/1/stint' })[0] ?? '', /unset one/)
  assert.deepEqual(lines({ SQS_QUEUE_URL: 'stint' }), ['SQS_QUEUE_URL is no http(s) address'])
})
