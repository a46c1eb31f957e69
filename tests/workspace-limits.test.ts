/** Workspaces in bad surroundings: without rights, on a full disk, with what a snapshot cannot hold. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { runnerProcess } from './support/runner-process.ts'
import { Box, good, listing } from './support/sandbox.ts'
import { makeRepo, tempFolder } from './support/world.ts'

const NOBODY = 65534
const isRoot = process.getuid?.() === 0

/** A workspace whose runner has no more rights than any user, whoever runs the tests. */
async function user(t: TestContext, files: Record<string, string>): Promise<Box> {
  const folder = tempFolder(t, 'stint-user-')
  const url = makeRepo(t, files)
  if (isRoot) {
    chownSync(folder, NOBODY, NOBODY)
    chmodSync(join(url, '..'), 0o755)
    execFileSync('chown', ['-R', `${NOBODY}:${NOBODY}`, join(url, '..')])
  }
  const places = { home: join(folder, 'home'), objects: join(folder, 'objects') }
  const b = new Box(places.home, places.objects, await runnerProcess(t, places, isRoot ? { uid: NOBODY } : {}))
  good(await b.prepare({ url }))
  return b
}

const HARD: Record<string, string> = {
  'a file that may not be read': 'chmod 000 a',
  'a new file that may not be read': 'echo x > new; chmod 000 new',
  'a folder that may not be listed': 'chmod 000 d',
  'a folder that may not be entered': 'chmod 600 d',
  'a folder that may not be written': 'echo 2 > d/e/f; chmod 555 d/e d',
  'an empty folder without rights': 'mkdir m; chmod 000 m',
}
for (const [what, command] of Object.entries(HARD))
  test(`${what} ends no run: the call answers, and the snapshot before can be had again`, async (t) => {
    const b = await user(t, { a: 'a\n', 'd/e/f': 'f\n' })
    const [first, before] = [b.head, listing(b.tree)]
    const reply = await b.perform([{ callId: 'call_hard', tool: 'run_command', input: { command } }])
    assert.equal(reply.ok, true, JSON.stringify(reply))
    const again = await b.perform([{ callId: 'call_next', tool: 'read_file', input: { path: 'd/e/f' } }], first)
    assert.equal(again.ok && again.results[0]?.output, 'f', JSON.stringify(again))
    assert.deepEqual(listing(b.tree), before)
  })

test('a read-only file is changed like any other; a read-only folder is a result', async (t) => {
  const b = await user(t, { a: 'a\n', 'd/f': 'f\n' })
  await b.run('chmod 444 a')
  assert.equal((await b.use('edit_file', { path: 'a', oldText: 'a', newText: 'b' })).ok, true)
  await b.run('chmod 555 d')
  const refused = await b.use('write_file', { path: 'd/new', content: 'x' })
  assert.equal(refused.error?.code, 'no_permission')
  assert.doesNotMatch(refused.output, /stint-user-/, 'no path of the host')
  assert.equal((await b.use('read_file', { path: 'd/f' })).output, 'f')
})

const MIB = 1024 * 1024
/** A small disk of its own; undefined where nobody may mount one. */
function smallDisk(t: TestContext, mib: number): string | undefined {
  const place = mkdtempSync(join(tmpdir(), 'stint-disk-'))
  t.after(() => {
    spawnSync('umount', ['-l', place])
    rmSync(place, { recursive: true, force: true })
  })
  const options = ['-t', 'tmpfs', '-o', `size=${mib}m,nr_inodes=4000`, 'tmpfs', place]
  return isRoot && spawnSync('mount', options).status === 0 ? place : undefined
}

test('a full disk: the answer says so, nothing is lost, and work goes on once there is room', async (t) => {
  const disk = smallDisk(t, 12)
  if (!disk) return t.skip('a small disk can be mounted by root only')
  const b = new Box(join(disk, 'home'), join(disk, 'objects'))
  good(await b.prepare({ url: makeRepo(t, { a: 'a\n' }) }))
  const before = listing(b.tree)
  const ballast = join(disk, 'ballast')
  for (const command of [
    'head -c 5000000 /dev/urandom > big',
    'seq 400000',
    'for i in $(seq 300); do head -c 9000 /dev/urandom > f$i; done',
  ]) {
    const free = Number(execFileSync('stat', ['-f', '-c', '%a', disk], { encoding: 'utf8' })) * 4096
    writeFileSync(ballast, Buffer.alloc(Math.max(0, free - 6 * MIB)))
    const full = await b.perform([
      { callId: `call_${command}`.replaceAll(/\W/g, ''), tool: 'run_command', input: { command } },
    ])
    if (!full.ok) assert.deepEqual([full.code, full.retry], ['disk_full', true], full.message)
    rmSync(ballast, { force: true })
    assert.equal((await b.use('read_file', { path: 'a' })).output, 'a', command)
    assert.deepEqual(listing(b.tree), before, command)
  }
  const done = await b.run('echo b > a')
  assert.equal(done.ok, true)
  const left = readdirSync(join(b.home, b.id)).filter((name) => name.endsWith('.part'))
  assert.deepEqual(left, [], 'nothing half-written is left to fill the disk')
})

test('a disk that is full before anything begins is told, and mended by making room', async (t) => {
  const disk = smallDisk(t, 4)
  if (!disk) return t.skip('a small disk can be mounted by root only')
  const places = { home: join(disk, 'home'), objects: join(disk, 'objects') }
  const b = new Box(places.home, places.objects, await runnerProcess(t, places, { ms: 5000 }))
  const fill = () => spawnSync('sh', ['-c', `head -c 100m /dev/zero > ${disk}/ballast`])
  const url = makeRepo(t, { a: 'a\n' })
  fill()
  const full = await b.prepare({ url }).catch((error: Error) => error.message)
  rmSync(join(disk, 'ballast'))
  assert.equal(typeof full === 'object' && !full.ok && full.code, 'disk_full', JSON.stringify(full))
  assert.equal((await b.prepare({ url })).ok, true)
  fill()
  assert.equal((await b.use('read_file', { path: 'a' })).output, 'a', 'reading needs no room')
})

test('a workspace of many steps can be made again elsewhere', async (t) => {
  const b = await user(t, { a: 'a\n' })
  for (let n = 0; n < 150; n++)
    await b.use('write_file', { path: `f${n % 3}`, content: randomBytes(120_000).toString('base64') })
  assert.ok(b.layers.every((layer) => layer.inline !== undefined))
  const before = b.text('f2')
  const places = { home: join(tempFolder(t), 'home'), objects: b.objects }
  const other = new Box(places.home, places.objects, await runnerProcess(t, places))
  const reply = await Object.assign(other, { start: b.start, head: b.head }).perform(
    [{ callId: 'r', tool: 'read_file', input: { path: 'a' } }],
    b.head,
    b.layers,
  )
  assert.equal(reply.ok, true, JSON.stringify(reply))
  assert.equal(other.text('f2'), before)
})

test('sockets, pipes and devices are left out; the folder they stood in is not lost', async (t) => {
  const b = await user(t, { a: 'a\n' })
  await b.run('mkdir run; mkfifo run/pipe; mkdir kept; touch kept/x')
  const at = b.head
  await b.run('rm -r run kept')
  b.head = at
  assert.equal((await b.use('read_file', { path: 'kept/x' })).ok, true)
  assert.equal(existsSync(join(b.tree, 'run')), true)
})

test('a workspace that is gone from the disk is made again, tree and all', async (t) => {
  const b = await user(t, { a: 'a\n' })
  await b.run('echo b > b')
  const before = listing(b.tree)
  for (const gone of ['tree', 'tree/.git', 'settled.json', 'layers']) {
    rmSync(join(b.home, b.id, gone), { recursive: true })
    if (gone !== 'settled.json') writeFileSync(join(b.home, b.id, 'dirty'), '')
    if (isRoot) execFileSync('chown', ['-R', `${NOBODY}`, join(b.home, b.id)])
    b.door = await runnerProcess(t, b, isRoot ? { uid: NOBODY } : {})
    const reply = await b.perform([{ callId: 'r', tool: 'read_file', input: { path: 'b' } }], b.head, b.layers)
    assert.equal(reply.ok && reply.results[0]?.output, 'b', `${gone}: ${JSON.stringify(reply)}`)
    assert.deepEqual(listing(b.tree), before, gone)
  }
  mkdirSync(join(b.home, b.id, 'more'), { recursive: true })
})
