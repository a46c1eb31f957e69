/**
 * A seeded random test of workspaces: whatever was done to the files, a snapshot holds them byte for byte, and the tree can
 * be brought from any snapshot to any other. A failure names its seed; `STINT_TEST_SEED` runs that one alone.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { handsFor } from '../sandbox-runner/hands.ts'
import { RACY_MS } from '../sandbox-runner/workspace/manifest.ts'
import { type StoredLayer, Workspace } from '../sandbox-runner/workspace/workspace.ts'
import { handsOf, listing, random } from './support/sandbox.ts'
import { change, contentOf } from './support/tree.ts'
import { pause, tempFolder } from './support/world.ts'

function open(t: TestContext, home: string): Workspace {
  const workspace = new Workspace(home, 'w')
  t.after(() => workspace.lock.close())
  mkdirSync(workspace.tree, { recursive: true })
  return workspace
}

/** The snapshot of these layers in a place where nothing was before. */
function restored(t: TestContext, layers: StoredLayer[]): Workspace {
  const elsewhere = open(t, tempFolder(t, 'stint-restored-'))
  for (const layer of layers) assert.equal(elsewhere.stack.adopt(layer, readFileSync(layer.path)), true)
  const last = layers.at(-1)
  if (!last) throw new Error('no layers')
  assert.equal(elsewhere.stack.has(last.snapshot), true)
  elsewhere.settle(last.snapshot)
  return elsewhere
}

const given = process.env.STINT_TEST_SEED
const SEEDS = given ? [Number(given)] : [1, 2, 3, 4, 5, 6]
for (const seed of SEEDS)
  test(`random changes, captured, restored elsewhere and settled back and forth (seed ${seed})`, async (t) => {
    const rng = random(seed)
    const home = tempFolder(t, 'stint-work-')
    let workspace = open(t, home)
    const layers: StoredLayer[] = []
    const states: Record<string, string>[] = []
    const outside = join(home, 'w/outside')
    mkdirSync(outside, { mode: 0o750 })
    change(workspace.tree, rng, 20)
    for (let step = 0; step < 14; step++) {
      const now = listing(workspace.tree)
      if (rng.below(4) === 0) await pause(RACY_MS * 2)
      const captured = workspace.capture()
      if (captured) {
        layers.push(captured.layer)
        states.push(now)
        assert.deepEqual(listing(restored(t, layers).tree), now, `seed ${seed}, restored at step ${step}`)
      } else assert.deepEqual(states.at(-1), now, `seed ${seed}, step ${step}: a change was not seen`)
      assert.deepEqual(listing(workspace.tree), now, 'a capture changes no file')
      workspace.markDirty()
      change(workspace.tree, rng, 1 + rng.below(6))
    }
    for (let jump = 0; jump < 40; jump++) {
      if (rng.below(3) === 0) {
        workspace.markDirty()
        change(workspace.tree, rng, rng.below(4))
      }
      if (rng.below(4) === 0) await pause(RACY_MS * 2)
      if (rng.below(4) === 0) workspace = open(t, home)
      const to = rng.below(layers.length)
      const layer = layers[to]
      if (!layer) continue
      workspace.settle(layer.snapshot)
      assert.deepEqual(listing(workspace.tree), states[to], `seed ${seed}, jump ${jump} to ${to + 1}`)
      assert.equal(lstatSync(outside).mode & 0o777, 0o750, `seed ${seed}, jump ${jump}: something changed outside`)
    }
  })

test('what the file tools name is all that changed', async (t) => {
  const rng = random(21)
  const workspace = open(t, tempFolder(t))
  const names = ['a', 'b', 'd/a', 'd/b', 'd/e/f', 'g/h/i/j', 'k l']
  for (const name of names.slice(0, 4)) writeNew(workspace, name)
  workspace.capture()
  for (let step = 0; step < 150; step++) {
    const { hands, written } = handsFor(workspace, handsOf(`call_${step}`))
    for (let n = rng.below(3); n >= 0; n--) {
      const name = rng.pick(names)
      await (rng.below(3) === 0 ? hands.remove(name) : hands.write(name, contentOf(rng))).catch(() => undefined)
    }
    const before = workspace.files()
    const captured = workspace.capture(written)
    const state = workspace.stack.state(workspace.current?.count ?? 0)
    const scanned = workspace.capture()
    assert.deepEqual(
      scanned?.paths,
      undefined,
      `step ${step}: ${[...written]} of ${[...before.keys()]}; ${captured?.paths}`,
    )
    assert.deepEqual([...state.keys()].sort(), Object.keys(listing(workspace.tree)), `step ${step}`)
  }
})

test('a file that only its content tells apart is brought back, however long ago it changed', async (t) => {
  const workspace = open(t, tempFolder(t))
  writeFileSync(join(workspace.tree, 'a'), 'aaa')
  const first = workspace.capture()
  writeFileSync(join(workspace.tree, 'a'), 'bbb')
  await pause(RACY_MS * 3)
  workspace.capture()
  if (first) workspace.settle(first.snapshot)
  assert.equal(readFileSync(join(workspace.tree, 'a'), 'utf8'), 'aaa')
})

test('a change within the same moment as the capture is seen by the next one', (t) => {
  const workspace = open(t, tempFolder(t))
  for (let round = 0; round < 50; round++) {
    const text = String(round).padStart(4)
    writeFileSync(join(workspace.tree, 'a'), text)
    const time = statSync(join(workspace.tree, 'a')).mtimeMs / 1000
    utimesSync(join(workspace.tree, 'a'), time, 1e9)
    assert.ok(workspace.capture(), text)
  }
})

test('times before 1970 and far ahead are kept, and do not hide changes', (t) => {
  const workspace = open(t, tempFolder(t))
  const layers: StoredLayer[] = []
  for (const [i, time] of [-1e9, 0, 1.5, 4e9, 1e10].entries()) {
    writeFileSync(join(workspace.tree, 'a'), `${i}`)
    utimesSync(join(workspace.tree, 'a'), time, time)
    const captured = workspace.capture()
    if (captured) layers.push(captured.layer)
    assert.equal(statSync(join(restored(t, layers).tree, 'a')).mtimeMs, statSync(join(workspace.tree, 'a')).mtimeMs)
  }
  assert.equal(layers.length, 5)
})

test('modes of files and of empty folders are brought back', (t) => {
  const workspace = open(t, tempFolder(t))
  writeFileSync(join(workspace.tree, 'file'), '')
  mkdirSync(join(workspace.tree, 'folder'))
  const first = workspace.capture()
  if (!first) throw new Error('nothing was captured')
  const before = listing(workspace.tree)
  workspace.markDirty()
  for (const name of ['file', 'folder']) chmodSync(join(workspace.tree, name), 0o711)
  workspace.settle(first.snapshot)
  assert.deepEqual(listing(workspace.tree), before)
})

test('a link in the place of an empty folder makes way; what it leads to is not touched', (t) => {
  const home = tempFolder(t)
  const workspace = open(t, home)
  mkdirSync(join(workspace.tree, 'd'))
  const first = workspace.capture()
  if (!first) throw new Error('nothing was captured')
  mkdirSync(join(home, 'outside'), { mode: 0o700 })
  workspace.markDirty()
  rmdirSync(join(workspace.tree, 'd'))
  symlinkSync(join(home, 'outside'), join(workspace.tree, 'd'))
  workspace.settle(first.snapshot)
  assert.equal(lstatSync(join(home, 'outside')).mode & 0o777, 0o700)
  assert.deepEqual(listing(workspace.tree), { d: 'folder 755' })
})

test('a pipe, which no snapshot keeps, does not stand in the way', (t) => {
  const workspace = open(t, tempFolder(t))
  writeNew(workspace, 'src/deep/a')
  const first = workspace.capture()
  if (!first) throw new Error('nothing was captured')
  const before = listing(workspace.tree)
  for (const command of [
    'rm -r src; mkfifo src',
    'rm -r src/deep; mkfifo src/deep',
    'rm src/deep/a; mkfifo src/deep/a',
  ]) {
    workspace.markDirty()
    execFileSync('sh', ['-c', command], { cwd: workspace.tree })
    workspace.settle(first.snapshot)
    assert.deepEqual(listing(workspace.tree), before, command)
    assert.equal(lstatSync(join(workspace.tree, 'src/deep/a')).isFile(), true)
  }
})

test('a large file, many files and long names come back', (t) => {
  const workspace = open(t, tempFolder(t))
  const large = Buffer.alloc(9_000_001)
  for (let i = 0; i < large.length; i += 7) large[i] = (i * 2_654_435_761) % 256
  writeFileSync(join(workspace.tree, 'large'), large)
  for (let i = 0; i < 3000; i++) writeNew(workspace, `many/${i % 50}/${i}`)
  let deep = ''
  for (let i = 0; i < 12; i++) deep += `${'n'.repeat(250)}/`
  writeNew(workspace, `${deep}end`)
  const captured = workspace.capture()
  if (!captured) throw new Error('nothing was captured')
  assert.deepEqual(listing(restored(t, [captured.layer]).tree), listing(workspace.tree))
  renameSync(join(workspace.tree, 'many'), join(workspace.tree, 'moved'))
  rmSync(join(workspace.tree, 'large'))
  workspace.capture()
  workspace.settle(captured.snapshot)
  assert.equal(readFileSync(join(workspace.tree, 'large')).equals(large), true)
})

function writeNew({ tree }: Workspace, path: string): void {
  mkdirSync(join(tree, path, '..'), { recursive: true })
  writeFileSync(join(tree, path), `${path}\n`)
}
