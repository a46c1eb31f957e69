/** A restore that is shared among threads: the same files as by one, and the same errors. */
import assert from 'node:assert/strict'
import { closeSync, mkdirSync, openSync, rmSync, symlinkSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { RESTORE_FILES_PER_THREAD_MIN } from '../sandbox-runner/limits.ts'
import { DamagedLayer } from '../sandbox-runner/workspace/layer-reader.ts'
import { Workspace } from '../sandbox-runner/workspace/workspace.ts'
import { listing } from './support/sandbox.ts'
import { tempFolder } from './support/world.ts'

function large(t: Parameters<typeof tempFolder>[0]) {
  const home = tempFolder(t)
  mkdirSync(join(home, 'w'))
  const workspace = new Workspace(home, 'w')
  workspace.begin()
  for (let folder = 0; folder < 50; folder++) {
    mkdirSync(join(workspace.tree, `d${folder}/e`), { recursive: true })
    for (let n = 0; n < RESTORE_FILES_PER_THREAD_MIN / 20; n++)
      writeFileSync(join(workspace.tree, `d${folder}/e/${n}`), `${folder} ${n}\n`.repeat(20), {
        mode: n % 7 ? 0o644 : 0o755,
      })
  }
  symlinkSync('d1/e/1', join(workspace.tree, 'link'))
  mkdirSync(join(workspace.tree, 'empty'), 0o700)
  const first = workspace.capture()
  assert.ok(first)
  return { home, workspace, first }
}

test('a large snapshot comes back the same, its last layers included', (t) => {
  const { workspace } = large(t)
  for (let n = 0; n < 5; n++) {
    writeFileSync(join(workspace.tree, `d${n * 9}/e/3`), `changed ${n}`)
    rmSync(join(workspace.tree, `d${n * 9}/e/4`))
    workspace.capture()
  }
  const before = listing(workspace.tree)
  const { current } = workspace
  assert.ok(current)
  rmSync(workspace.tree, { recursive: true })
  workspace.markDirty()
  workspace.settle(current)
  assert.deepEqual(listing(workspace.tree), before)
  assert.equal(workspace.capture(), undefined, 'what the threads tell of their files is what lies there')
})

test('a layer that is damaged far from its beginning is an error that names it, whichever thread meets it', (t) => {
  for (const share of [0.1, 0.9]) {
    const { workspace, first } = large(t)
    const file = openSync(first.layer.path, 'r+')
    writeSync(file, Buffer.alloc(64, 1), 0, 64, Math.floor(first.layer.bytes * share * 0.6))
    closeSync(file)
    rmSync(workspace.tree, { recursive: true })
    workspace.markDirty()
    assert.throws(
      () => workspace.settle(first.snapshot),
      (error: Error) => error instanceof DamagedLayer && error.message.includes(first.layer.id.slice(0, 12)),
    )
    assert.equal(workspace.stack.has(first.snapshot), false, 'it counts as not here')
  }
})
