/** The guarantees of the runner when something dies, lies or comes twice. */
import assert from 'node:assert/strict'
import {
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { Runner } from '../sandbox-runner/runner.ts'
import { DamagedLayer } from '../sandbox-runner/workspace/layer-reader.ts'
import { Workspace } from '../sandbox-runner/workspace/workspace.ts'
import { processesOf, runnerProcess, running } from './support/runner-process.ts'
import { type Box, box, good, listing, nextCallId, random, UNHELD } from './support/sandbox.ts'
import { makeRepo, pause, tempFolder, until } from './support/world.ts'

const anew = (b: Box) => {
  b.door = new Runner({ home: b.home, objects: b.objects, machine: UNHELD })
}
const command = (text: string, callId = nextCallId()) => ({ callId, tool: 'run_command', input: { command: text } })

test('a runner killed in the middle of a change: the next one starts from the snapshot', async (t) => {
  const b = await box(t, { a: 'a\n', 'd/e/f': 'f\n', same: 'aaa\n' })
  const before = listing(b.tree)
  const rng = random(5)
  for (let round = 0; round < 8; round++) {
    const runner = await runnerProcess(t, b)
    b.door = runner
    const mess =
      'echo bbb > same; rm -r d; mkdir -p a.d/x; for i in $(seq 400); do echo $i > n$i; done; ln -s a l; chmod 600 a; sleep 0.2'
    const callId = nextCallId()
    const lost = b.perform([command(mess, callId)]).catch(() => undefined)
    await pause(rng.below(250))
    await runner.kill()
    await lost
    anew(b)
    // What the killed runner left behind may still write: that is tested below, here it is waited for.
    await until('the left command to end', () => processesOf(callId).length === 0)
    assert.equal((await b.use('read_file', { path: 'same' })).output, 'aaa', `round ${round}`)
    assert.deepEqual(listing(b.tree), before, `round ${round}`)
  }
})

test('a runner killed in the middle of a command leaves no process that goes on writing', async (t) => {
  const b = await box(t, { a: 'a\n' })
  const runner = await runnerProcess(t, b)
  b.door = runner
  const callId = nextCallId()
  const text = 'echo $$ > pid; sleep 1; echo late > late.txt; sleep 300'
  const lost = b.perform([command(text, callId)]).catch(() => undefined)
  await until(
    'the command',
    () => existsSync(join(b.tree, 'pid')) && readFileSync(join(b.tree, 'pid'), 'utf8').endsWith('\n'),
  )
  const pid = Number(readFileSync(join(b.tree, 'pid'), 'utf8'))
  t.after(() => running(pid) && process.kill(-pid, 'SIGKILL'))
  await runner.kill()
  await lost
  anew(b)
  assert.equal((await b.use('read_file', { path: 'a' })).output, 'a')
  const again = b.use('run_command', { command: 'sleep 1.5; ls', timeoutSec: 20 }, callId)
  assert.equal((await again).output, 'a', 'the same call again sees nothing of the first try')
  assert.equal(running(pid), false)
})

test('a repeated call is answered from the journal and not performed twice, also by another runner', async (t) => {
  const b = await box(t, { a: '' })
  const call = command('echo x >> a; echo done')
  const first = good(await b.perform([call]))
  assert.deepEqual(good(await b.perform([call])), first)
  anew(b)
  assert.deepEqual(good(await b.perform([call])), first)
  assert.equal(b.text('a'), 'x\n')
  const both = command('echo y >> a')
  const head = first.change?.head
  const [one, two] = await Promise.all([b.perform([both], head), b.perform([both], head)])
  assert.deepEqual(one, two)
  assert.equal(b.text('a'), 'x\ny\n')
})

test('a call whose change was never committed is performed anew from the snapshot it names', async (t) => {
  const b = await box(t, { a: 'start\n' })
  await b.perform([command('echo one >> a; sleep 0.1')])
  const done = await b.use('run_command', { command: 'echo two >> a; cat a' })
  assert.equal(done.output, 'start\ntwo')
  assert.match(await b.diff(), /^ start\n\+two$/m)
})

test('a lower fence is refused, a higher one raises it, for every runner', async (t) => {
  const b = await box(t, { a: 'a\n' })
  b.fence = 5
  assert.equal((await b.run('echo b > a')).ok, true)
  b.fence = 4
  for (const door of [b.door, new Runner({ home: b.home, objects: b.objects, machine: UNHELD })]) {
    b.door = door
    const replies = await Promise.all([
      b.perform([command('echo c > a')]),
      b.perform([{ callId: 'c', tool: 'read_file', input: { path: 'a' } }]),
      b.prepare(),
    ])
    assert.deepEqual(
      replies.map((reply) => !reply.ok && [reply.code, reply.retry]),
      Array(3).fill(['fenced', false]),
    )
  }
  assert.equal(b.text('a'), 'b\n')
})

test('two runner processes on one home exclude each other', async (t) => {
  const b = await box(t, { n: '0\n' })
  const doors = await Promise.all([runnerProcess(t, b), runnerProcess(t, b)])
  const overlap = 'mkdir busy || echo overlap >> log; n=$(cat n); sleep 0.02; echo $((n + 1)) > n; rmdir busy'
  const heads = [b.head]
  await Promise.all(
    doors.map(async (door) => {
      for (let i = 0; i < 8; i++) {
        // Each starts from what the last one made; who comes with an old head is brought back to it, never mixed.
        const request = {
          op: 'perform' as const,
          runId: 'run_1',
          workspace: { id: b.id, fence: 1, start: b.start, head: b.head },
          calls: [command(overlap)],
        }
        const reply = (await door.handle(request)) as { ok: boolean; change?: { head: typeof b.head } }
        assert.equal(reply.ok, true, JSON.stringify(reply))
        if (reply.change) heads.push(reply.change.head)
      }
    }),
  )
  assert.equal(existsSync(join(b.tree, 'log')), false)
  assert.ok(heads.slice(1).every(({ count }) => count === b.head.count + 1))
  assert.equal(b.text('n'), '1\n')
})

test('a workspace forgotten while others wait for it leaves nobody waiting', async (t) => {
  const b = await box(t, { a: 'a\n' })
  const first = b.perform([command('sleep 0.3')])
  const forgotten = b.door.handle({ op: 'forget', workspace: { id: b.id, fence: 1 } })
  const later = b.perform([command('true')])
  await first
  assert.deepEqual(await forgotten, { ok: true })
  const reply = await Promise.race([later, pause(5000).then(() => 'no answer within 5 s')])
  assert.equal((reply as { code?: string }).code, 'need_layers', JSON.stringify(reply))
})

async function prepared(t: TestContext) {
  const b = await box(t, { a: 'a\n' })
  const url = makeRepo(t, { a: 'a\n', b: 'b\n' })
  unlinkSync(join(b.home, b.id, 'prepared.json'))
  return { b, url }
}
for (const how of ['by the same runner', 'by another runner'])
  test(`a preparation cut off just before its answer was stored is made again ${how}`, async (t) => {
    const { b, url } = await prepared(t)
    if (how !== 'by the same runner') anew(b)
    b.layers.length = 0
    const reply = good(await b.prepare({ url }))
    assert.deepEqual([reply.head.count, reply.layers.length, reply.facts.files], [1, 1, 2])
    rmSync(join(b.home, b.id), { recursive: true })
    anew(b)
    const read = good(await b.perform([{ callId: 'r', tool: 'read_file', input: { path: 'b' } }], b.head, b.layers))
    assert.equal(read.results[0]?.output, 'b')
  })

test('small files of ours that are damaged do not lose the workspace', async (t) => {
  for (const name of ['settled.json', 'journal.json', 'made.json', 'prepared.json']) {
    const b = await box(t, { a: 'a\n' })
    await b.run('echo b > a')
    for (const text of ['', '\0\0\0\0', '{"snap']) {
      writeFileSync(join(b.home, b.id, name), text)
      anew(b)
      const layers = b.layers
      const reply = await b.perform([command('cat a')], b.head, layers)
      assert.equal(
        reply.ok && reply.results[0]?.output,
        'b',
        `${name} ${JSON.stringify(text)}: ${JSON.stringify(reply)}`,
      )
    }
  }
})

test('a damaged layer is detected, wherever the damage is, and never taken for files', async (t) => {
  const rng = random(9)
  const home = tempFolder(t)
  const workspace = new Workspace(home, 'w')
  t.after(() => workspace.lock.close())
  workspace.settle({ id: '', count: 0 })
  const noise = Buffer.from(Array.from({ length: 5000 }, () => rng.below(256)))
  for (const [name, content] of [
    ['noise', noise],
    ['text', 'hello '.repeat(500)],
  ] as const)
    writeFileSync(join(workspace.tree, name), content)
  const captured = workspace.capture()
  if (!captured) throw new Error('nothing was captured')
  const { layer, snapshot } = captured
  const before = listing(workspace.tree)
  const bytes = readFileSync(layer.path)
  const wrong: string[] = []
  for (let n = 0; n < 120; n++) {
    const at = n < 8 ? bytes.length - 1 - n : rng.below(bytes.length)
    const changed = Buffer.from(bytes)
    changed[at] = (changed[at] ?? 0) ^ (1 << rng.below(8))
    assert.equal(workspace.stack.adopt(layer, changed), false, 'a layer from elsewhere is checked by its name')
    writeFileSync(layer.path, changed)
    rmSync(workspace.tree, { recursive: true, force: true })
    workspace.markDirty()
    const other = new Workspace(home, 'w')
    try {
      other.settle(snapshot)
      if (JSON.stringify(listing(other.tree)) !== JSON.stringify(before)) wrong.push(`byte ${at} of ${bytes.length}`)
    } catch (error) {
      assert.ok(error instanceof DamagedLayer, `byte ${at}: ${error}`)
    } finally {
      other.lock.close()
    }
  }
  assert.deepEqual(wrong.slice(0, 5), [], `${wrong.length} of 120 damages went unseen`)
})

test('a layer that is cut off, empty or gone is asked for again', async (t) => {
  for (const damage of [
    (path: string) => truncateSync(path, statSync(path).size >> 1),
    (path: string) => truncateSync(path, 0),
    unlinkSync,
  ]) {
    const b = await box(t, { a: 'a\n' })
    await b.run('echo b > b')
    const folder = join(b.home, b.id, 'layers')
    for (const name of readdirSync(folder)) damage(join(folder, name))
    rmSync(b.tree, { recursive: true })
    writeFileSync(join(b.home, b.id, 'dirty'), '')
    anew(b)
    const read = [{ callId: 'r', tool: 'read_file', input: { path: 'b' } }]
    const first = await b.perform(read)
    const reply = first.ok ? first : await b.perform(read, b.head, b.layers)
    assert.equal(
      reply.ok && reply.results[0]?.output,
      'b',
      `first ${JSON.stringify(first)}, then ${JSON.stringify(reply)}`,
    )
  }
})
