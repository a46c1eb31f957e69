/** The runner on Lambda, by the real wire on both sides: the contract of all homes, tenants, limits of payloads and time. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { lambdaRunner } from '../functions/adapters/lambda-sandbox.ts'
import { sandboxOver, type Transport } from '../functions/adapters/sandbox-client.ts'
import type { Layer, Request } from '../sandbox-runner/protocol.ts'
import { buildEntry } from '../scripts/build.ts'
import { sandboxContract } from './contract/sandbox.ts'
import { runElsewhere } from './support/elsewhere.ts'
import { ENTRY, type FakeLambdaOptions, fakeLambda, SANDBOX_COMMAND } from './support/lambda.ts'
import { good, nextCallId } from './support/sandbox.ts'
import { makeRepo, tempFolder } from './support/world.ts'

const KEYS = { accessKeyId: 'key', secretAccessKey: 'secret', region: 'eu-west-1' }

async function onLambda(t: TestContext, options: Partial<FakeLambdaOptions> = {}) {
  const lambda = await fakeLambda(t, { command: SANDBOX_COMMAND, ...options })
  const transport = lambdaRunner({ ...KEYS, name: 'fake', perTenant: true, endpoint: lambda.endpoint })
  return { lambda, transport }
}

sandboxContract(
  'Lambda',
  async (t) => {
    const { lambda, transport } = await onLambda(t)
    return { transport, kill: lambda.kill }
  },
  { stops: false, oneDisk: false },
)

/** A workspace through the port, whose head moves. */
async function desk(transport: Transport, files: Record<string, string>, t: TestContext) {
  const sandbox = sandboxOver(transport)
  const signal = new AbortController().signal
  const kept: Layer[] = []
  const at = { runId: 'run_1', workspaceId: 'wsp_1', fence: 1, layers: async () => kept, signal }
  const made = good(await sandbox.prepare({ ...at, repo: { url: makeRepo(t, files) } }))
  kept.push(...made.layers)
  let { head } = made
  const use = async (tool: string, input: unknown) => {
    const calls = [{ callId: nextCallId(), tool, input }]
    const done = good(await sandbox.perform({ ...at, start: made.head, head, calls }))
    if (done.change) {
      head = done.change.head
      kept.push(done.change.layer)
    }
    return done.results[0]
  }
  const diff = async () =>
    good(await sandbox.diff({ workspaceId: 'wsp_1', start: made.head, head, layers: at.layers })).diff
  return { sandbox, use, diff, kept }
}

test('an answer and a request beyond six megabytes go in parts', async (t) => {
  const { lambda, transport } = await onLambda(t)
  const { use, diff, kept } = await desk(transport, { a: 'a\n' }, t)
  // No compression makes them smaller, and each layer is small enough to travel: seven megabytes of them.
  for (let n = 0; n < 60; n++)
    assert.equal((await use('write_file', { path: `f${n}`, content: randomBytes(60_000).toString('hex') }))?.ok, true)
  assert.ok(JSON.stringify(kept).length > 7_000_000 / 1.5)
  for (let n = 0; n < 12; n++)
    await use('write_file', { path: `l${n}`, content: `${randomBytes(30).toString('hex')}\n`.repeat(9000) })
  const before = await diff()
  assert.ok(before.length > 7_000_000, `${before.length}`)
  await lambda.kill()
  assert.equal(await diff(), before, 'restored in another environment from all of its layers')
  assert.equal(lambda.environments(), 2)
})

test('a workspace has environments of its own, and they refuse any other', async (t) => {
  const { lambda, transport } = await onLambda(t)
  const prepare = (id: string): Request => ({ op: 'prepare', runId: 'run_1', workspace: { id, fence: 1 } })
  for (const id of ['wsp_1', 'wsp_2', 'wsp_1']) good((await transport.send(prepare(id))) as { ok: boolean })
  assert.equal(lambda.environments(), 2)
  const strayed = lambdaRunner({ ...KEYS, name: 'fake', perTenant: true, endpoint: lambda.endpoint })
  const reply = await fetch(`${lambda.endpoint}/2015-03-31/functions/fake/invocations`, {
    method: 'POST',
    headers: { 'x-amz-tenant-id': 'wsp_2' },
    body: JSON.stringify(prepare('wsp_1')),
  })
  assert.deepEqual(((await reply.json()) as { code: string }).code, 'forbidden')
  await strayed.close()
  assert.equal(await sandboxOver(transport).isolation(), 'microvm')
})

test('a command ends within its invocation, with what it did', async (t) => {
  const { transport } = await onLambda(t, { timeoutMs: 9000 })
  const { use } = await desk(transport, { a: 'a\n' }, t)
  const done = await use('run_command', { command: 'echo begun > b; sleep 60', timeoutSec: 300 })
  assert.equal(done?.error?.code, 'timeout')
  assert.equal((await use('run_command', { command: 'cat b' }))?.output, 'begun')
})

test('no credential of the function is in a command, nor in what the runner was started with', async (t) => {
  const { transport } = await onLambda(t)
  const { use } = await desk(transport, { a: 'a\n' }, t)
  const seen = await use('run_command', { command: 'env; tr "\\0" "\\n" < /proc/$PPID/environ; echo end' })
  assert.match(seen?.output ?? '', /^STINT_HOME=[\s\S]*end$/m)
  assert.doesNotMatch(seen?.output ?? '', /planted/)
})

test('a function that is not there, or fails, is an answer that may be tried again', async (t) => {
  const { lambda } = await onLambda(t)
  const gone = sandboxOver(lambdaRunner({ ...KEYS, name: 'gone', perTenant: true, endpoint: lambda.endpoint }))
  const request = {
    runId: 'run_1',
    workspaceId: 'wsp_1',
    fence: 1,
    layers: async () => [],
    signal: AbortSignal.timeout(1),
  }
  const reply = await gone.prepare(request)
  assert.ok(!reply.ok && reply.retry && /Function not found/.test(reply.message), JSON.stringify(reply))
  const broken = await fakeLambda(t, { command: ['/bin/sh', '-c', 'exit 1'] })
  const failed = await sandboxOver(
    lambdaRunner({ ...KEYS, name: 'fake', perTenant: true, endpoint: broken.endpoint }),
  ).prepare(request)
  assert.ok(!failed.ok && failed.retry && /Runtime exited/.test(failed.message), JSON.stringify(failed))
})

test('a whole run with its commands on Lambda', async (t) => {
  const { lambda } = await onLambda(t)
  const where = { SANDBOX_FUNCTION: 'fake', AWS_ENDPOINT_URL_LAMBDA: lambda.endpoint }
  const { before, diff } = await runElsewhere(t, where)
  await lambda.kill()
  assert.equal(await diff(), before, 'restored in another environment')
})

test('the bundle, as the image starts it', async (t) => {
  const { folder } = await buildEntry('sandbox-runner', tempFolder(t))
  const { transport } = await onLambda(t, { command: [ENTRY, process.execPath, folder] })
  const { use } = await desk(transport, { a: 'a\n' }, t)
  assert.equal((await use('run_command', { command: 'cat a' }))?.output, 'a')
})
