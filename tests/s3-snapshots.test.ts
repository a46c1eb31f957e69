/** Objects in S3: what every store does, what the wire does to it, and layers that a runner without credentials moves. */
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { s3Snapshots } from '../functions/adapters/s3-snapshots.ts'
import { type ClientOptions, sandboxOver } from '../functions/adapters/sandbox-client.ts'
import { OBJECT_FRESH_MS } from '../functions/core/limits.ts'
import type { Layer, SnapshotRef } from '../functions/core/types.ts'
import { InvalidEnvironment, readEnv } from '../functions/env.ts'
import type { Request } from '../sandbox-runner/protocol.ts'
import { Runner } from '../sandbox-runner/runner.ts'
import { snapshotsContract } from './contract/snapshots.ts'
import { type S3, startS3 } from './support/s3.ts'
import { UNHELD } from './support/sandbox.ts'
import { makeRepo, tempFolder } from './support/world.ts'

const opened = (s3: S3, more: Partial<Parameters<typeof s3Snapshots>[0]> = {}) =>
  s3Snapshots({ ...s3, prefix: 'a/b', retryMs: 1, ...more })

snapshotsContract('s3', async (t) => opened(await startS3(t)))
snapshotsContract('s3 at the top of a bucket, as Google speaks it', async (t) =>
  opened(await startS3(t), { prefix: '', dialect: 'gcs' }),
)

test('busy answers, hang-ups and cut bodies are tried again, and end', async (t) => {
  const s3 = await startS3(t)
  const snapshots = opened(s3)
  const bytes = randomBytes(100_000)
  s3.faults.push(503, 'hang up', 500, 'hang up after')
  const id = await snapshots.put(bytes)
  assert.deepEqual(s3.objects.get(`a/b/${id}`)?.body, bytes)
  s3.faults.push('cut', 503, 'cut', 'hang up')
  assert.deepEqual(await snapshots.get(id), bytes)
  s3.faults.push(503, 503, 503, 503, 503, 503)
  await assert.rejects(snapshots.get(id), new RegExp(`reading object ${id} failed.*503.*SlowDown`))
  s3.faults.length = 0
  await assert.rejects(opened(s3, { secretAccessKey: 'another' }).put(bytes), /403.*SignatureDoesNotMatch/)
  assert.equal(s3.refused.length, 1, 'a refusal is not asked for again')
})

test('an object that is not what its name says is an error that names it', async (t) => {
  const s3 = await startS3(t)
  const snapshots = opened(s3)
  const id = await snapshots.put(Buffer.from('whole'))
  s3.objects.set(`a/b/${id}`, { body: Buffer.from('wholf'), at: 0 })
  await assert.rejects(snapshots.get(id), new RegExp(`the stored object ${id} is damaged`))
})

test('an object is written once, and again only when it is so old that it might be removed', async (t) => {
  const s3 = await startS3(t)
  const snapshots = opened(s3)
  const id = await snapshots.put(Buffer.from('x'))
  const stored = s3.objects.get(`a/b/${id}`)
  assert.ok(stored)
  await snapshots.put(Buffer.from('x'))
  assert.equal(s3.objects.get(`a/b/${id}`), stored)
  assert.equal(await snapshots.lend?.put(id), undefined)
  stored.at = Date.now() - OBJECT_FRESH_MS - 60_000
  assert.notEqual(await snapshots.lend?.put(id), undefined)
  await snapshots.put(Buffer.from('x'))
  assert.ok((s3.objects.get(`a/b/${id}`)?.at ?? 0) > Date.now() - 60_000)
})

test('an address that is lent is good for that one object and content', async (t) => {
  const s3 = await startS3(t)
  const { lend } = opened(s3)
  assert.ok(lend)
  const [bytes, other] = [randomBytes(1000), randomBytes(1000)]
  const id = createHash('sha256').update(bytes).digest('hex')
  const to = await lend.put(id)
  assert.ok(to)
  const put = (url: string, body: Buffer, headers = to.headers) =>
    fetch(url, { method: 'PUT', headers, body: body as never })
  assert.equal((await put(to.url, other)).status, 400, 'other bytes')
  assert.equal((await put(to.url, bytes, {})).status, 403, 'without the conditions')
  assert.equal((await put(to.url.replace(id, id.replace(/^./, 'e')), bytes)).status, 403, 'another object')
  assert.equal((await put(to.url, bytes)).status, 200)
  assert.equal((await put(to.url, bytes)).status, 412, 'it never changes')
  const from = await lend.get(id)
  assert.deepEqual(Buffer.from(await (await fetch(from.url)).arrayBuffer()), bytes)
  assert.equal((await fetch(from.url, { method: 'DELETE' })).status, 403)
})

/** A runner that knows no folder and no key, and the functions' side of it. */
function remote(t: TestContext, options: ClientOptions) {
  const home = tempFolder(t)
  let runner = new Runner({ home, machine: UNHELD })
  const asked: Request[] = []
  const transport = {
    async send(request: Request) {
      asked.push(request)
      return JSON.parse(JSON.stringify(await runner.handle(request as Exclude<Request, { op: 'health' }>)))
    },
    async close() {},
  }
  const sandbox = sandboxOver(transport, { isolation: 'none', ...options })
  const layers: Layer[] = []
  let [start, head]: SnapshotRef[] = []
  let calls = 0
  const signal = new AbortController().signal
  const common = { runId: 'run_1', workspaceId: 'wsp_1', fence: 1, layers: async () => layers, signal }
  return {
    home,
    asked,
    layers,
    /** Another instance that has nothing. */
    anew() {
      rmSync(join(home, 'wsp_1'), { recursive: true, force: true })
      runner = new Runner({ home, machine: UNHELD })
    },
    async prepare(url: string) {
      const reply = await sandbox.prepare({ ...common, repo: { url } })
      if (reply.ok) {
        layers.push(...reply.layers)
        start = reply.head
        head = reply.head
      }
      return reply
    },
    async run(command: string, callId = `call_${process.pid}z${++calls}`) {
      assert.ok(start && head)
      const call = { callId, tool: 'run_command', input: { command } }
      const reply = await sandbox.perform({ ...common, start, head, calls: [call] })
      if (reply.ok && reply.change) {
        layers.push(reply.change.layer)
        head = reply.change.head
      }
      return reply
    },
  }
}

test('large layers go to the store by lent addresses before they are told of, and come back on an empty instance', async (t) => {
  const s3 = await startS3(t)
  const there = remote(t, { lend: opened(s3).lend })
  const big = randomBytes(300_000)
  assert.equal((await there.prepare(makeRepo(t, { 'big.bin': big }))).ok, true)
  await there.run('head -c 200000 /dev/urandom > more.bin; echo small > s')
  await there.run('echo small >> s')
  const large = there.layers.filter(({ inline }) => inline === undefined)
  assert.equal(large.length, 2)
  for (const { id, bytes } of large) assert.equal(s3.objects.get(`a/b/${id}`)?.body.length, bytes)
  const more = readFileSync(join(there.home, 'wsp_1/tree/more.bin'))
  there.anew()
  s3.faults.push(503, 'cut')
  const reply = await there.run('cat s')
  assert.equal(reply.ok && reply.results[0]?.output, 'small\nsmall')
  assert.deepEqual(readFileSync(join(there.home, 'wsp_1/tree/more.bin')), more)
  assert.deepEqual(readFileSync(join(there.home, 'wsp_1/tree/big.bin')), big)
  assert.equal(JSON.stringify(there.asked).includes('test-secret'), false)
  assert.deepEqual(s3.refused, [])
})

test('a layer that the store did not take is not told of; the same call later stores it and is not done twice', async (t) => {
  const s3 = await startS3(t)
  const there = remote(t, { lend: opened(s3).lend })
  await there.prepare(makeRepo(t, { a: 'a' }))
  const call = `call_${process.pid}once`
  // The look goes through; the upload meets a store that is down.
  s3.faults.push(404, 503, 503, 503, 503, 503)
  const first = await there.run('head -c 200000 /dev/urandom > big; echo x >> log', call)
  assert.deepEqual([first.ok, !first.ok && first.code, !first.ok && first.retry], [false, 'objects_unreachable', true])
  assert.equal(s3.objects.size, 0)
  s3.faults.length = 0
  const again = await there.run('head -c 200000 /dev/urandom > big; echo x >> log', call)
  assert.equal(again.ok, true)
  assert.equal(s3.objects.size, 1)
  assert.equal(readFileSync(join(there.home, 'wsp_1/tree/log'), 'utf8'), 'x\n')
})

test('a damaged or lost object is an error that names it and says what may be whole', async (t) => {
  const s3 = await startS3(t)
  const there = remote(t, { lend: opened(s3).lend })
  await there.prepare(makeRepo(t, { a: 'a' }))
  await there.run('head -c 200000 /dev/urandom > big')
  const { id } = there.layers.find(({ inline }) => inline === undefined) ?? { id: '' }
  const body = s3.objects.get(`a/b/${id}`)?.body
  assert.ok(body)
  const changed = Buffer.from(body)
  changed[1000] = (changed[1000] ?? 0) ^ 1
  for (const [what, stored] of [
    ['damaged', changed],
    ['lost', undefined],
  ] as const) {
    there.anew()
    if (stored) s3.objects.set(`a/b/${id}`, { body: stored, at: 0 })
    else s3.objects.delete(`a/b/${id}`)
    const reply = await there.run('true')
    assert.equal(reply.ok, false)
    assert.match(JSON.stringify(reply), new RegExp(`layer 2 .*${id}.*${what}.*fork the run at an earlier step`))
    assert.equal(existsSync(join(there.home, 'wsp_1/tree/big')), false)
  }
})

test('the bucket is named by the environment, with keys', () => {
  const keys = { AWS_ACCESS_KEY_ID: 'k', AWS_SECRET_ACCESS_KEY: 's' }
  assert.equal(
    readEnv({ SNAPSHOT_BUCKET: 's3://my-bucket/some/where', ...keys }).SNAPSHOT_BUCKET,
    's3://my-bucket/some/where',
  )
  for (const [wrong, why] of [
    [{ SNAPSHOT_BUCKET: 'my-bucket', ...keys }, /SNAPSHOT_BUCKET must be s3:\/\//],
    [{ SNAPSHOT_BUCKET: 's3://my-bucket' }, /AWS_ACCESS_KEY_ID must be set/],
  ] as const)
    assert.throws(
      () => readEnv(wrong),
      (error) => error instanceof InvalidEnvironment && why.test(error.message),
    )
})
