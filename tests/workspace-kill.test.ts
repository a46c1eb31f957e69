/**
 * `kill -9` of the runner at every point of a write, a command and an upload: the retried step starts from the old
 * snapshot and ends the same, and the object store holds nothing that is not what its name says.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { s3Snapshots } from '../functions/adapters/s3-snapshots.ts'
import { sandboxOver } from '../functions/adapters/sandbox-client.ts'
import type { Layer } from '../functions/core/types.ts'
import { Runner } from '../sandbox-runner/runner.ts'
import { processesOf, runnerProcess } from './support/runner-process.ts'
import { startS3 } from './support/s3.ts'
import { type Box, box, good, listing, nextCallId, UNHELD } from './support/sandbox.ts'
import { ROOT, tempFolder, until } from './support/world.ts'

const POINTS_MAX = 60
const entry = join(ROOT, 'tests/support/dying-runner.ts')
const LARGE = 'head -c 300000 /bin/bash > big; mkdir -p d/f; echo x >> log'

async function dying(t: TestContext, places: { home: string; objects?: string }, dies: string) {
  process.env.STINT_TEST_DIES = dies
  try {
    return await runnerProcess(t, places as Pick<Box, 'home' | 'objects'>, { entry, ms: 60_000 })
  } finally {
    delete process.env.STINT_TEST_DIES
  }
}

const wholeObjects = (folder: string): void => {
  for (const name of readdirSync(folder).filter((name) => /^[0-9a-f]{64}$/.test(name)))
    assert.equal(
      createHash('sha256')
        .update(readFileSync(join(folder, name)))
        .digest('hex'),
      name,
    )
}

for (const [what, tool, input] of [
  ['a write', 'write_file', { path: 'd/new', content: 'written\n' }],
  ['a command', 'run_command', { command: LARGE }],
] as const)
  test(`killed before each thing that ${what} does to the disk`, async (t) => {
    const b = await box(t, { a: 'a\n', 'd/e': 'e\n' })
    const start = b.head
    const before = listing(b.tree)
    assert.equal((await b.use(tool, input)).ok, true)
    const after = listing(b.tree)
    let points = 0
    for (; points < POINTS_MAX; points++) {
      const callId = nextCallId()
      b.head = start
      const runner = await dying(t, b, `before ${points + 1}`)
      b.door = runner
      // From the start it must come back to first: what was there is another step's.
      const died = await b.perform([{ callId, tool, input }]).then(
        () => false,
        () => true,
      )
      await runner.kill()
      b.door = new Runner({ home: b.home, objects: b.objects, machine: UNHELD })
      await until('a left command to end', () => processesOf(callId).length === 0)
      wholeObjects(b.objects)
      const shown = `point ${points + 1}`
      if (died && points % 3 === 0) {
        good(await b.perform([{ callId: nextCallId(), tool: 'read_file', input: { path: 'a' } }]))
        assert.deepEqual(listing(b.tree), before, `${shown}: the old snapshot`)
      }
      const again = await b.use(tool, input, callId)
      assert.equal(again.ok, true, `${shown}: ${again.output}`)
      assert.deepEqual(listing(b.tree), after, `${shown}: it ends the same`)
      if (!died) break
    }
    assert.ok(points >= 6 && points < POINTS_MAX, `${points} points`)
  })

test('killed at each step of an upload, and in the middle of its body', async (t) => {
  const [home, s3] = [tempFolder(t), await startS3(t)]
  const snapshots = s3Snapshots({ ...s3, prefix: '', retryMs: 1 })
  const signal = new AbortController().signal
  const layers: Layer[] = []
  const common = { runId: 'run_1', workspaceId: 'wsp_1', fence: 1, layers: async () => layers, signal }
  const over = async (dies: string) => {
    const runner = await dying(t, { home }, dies)
    const sandbox = sandboxOver(
      { send: (request) => runner.handle(request as never), close: async () => {} },
      { isolation: 'none', lend: snapshots.lend },
    )
    return { runner, sandbox }
  }
  const first = await over('never 0')
  const prepared = await first.sandbox.prepare(common)
  assert.ok(prepared.ok)
  layers.push(...prepared.layers)
  await first.runner.kill()
  const { head } = prepared
  for (const dies of ['before fetch', 'after fetch', 'in the body']) {
    s3.objects.clear()
    const callId = nextCallId()
    const request = {
      ...common,
      start: head,
      head,
      calls: [{ callId, tool: 'run_command', input: { command: LARGE } }],
    }
    const { runner, sandbox } = await over(dies === 'in the body' ? 'never 0' : dies)
    s3.onBody = dies === 'in the body' ? () => void runner.child.kill('SIGKILL') : undefined
    const lost = await sandbox.perform(request)
    assert.equal(lost.ok, false, `${dies}: nobody heard of a layer that may not be there`)
    await runner.kill()
    s3.onBody = undefined
    for (const [name, { body }] of s3.objects) assert.equal(createHash('sha256').update(body).digest('hex'), name)
    const next = await over('never 0')
    const again = await next.sandbox.perform(request)
    assert.ok(again.ok && again.change, `${dies}: ${JSON.stringify(again)}`)
    assert.equal(again.change.layer.inline, undefined)
    assert.equal(s3.objects.get(again.change.layer.id)?.body.length, again.change.layer.bytes, dies)
    assert.equal(readFileSync(join(home, 'wsp_1/tree/log'), 'utf8'), 'x\n')
    await next.runner.kill()
  }
})
