import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { sqliteStore } from '../functions/adapters/sqlite-store.ts'
import { begin, makeRun, next, storeContract } from './contract/store.ts'
import { ROOT, tempFolder } from './support/world.ts'

storeContract('sqlite', async (t) => {
  const path = join(tempFolder(t), 'stint.db')
  const dead = new Set<string>()
  const open = async () => {
    const store = sqliteStore({ path, mayLive: (owner) => !dead.has(owner) })
    t.after(() => store.close())
    return store
  }
  return { store: await open(), again: open, dead }
})

test('sqlite: a lease whose process is gone is free at once, and due', async (t) => {
  const dead = new Set<string>()
  const store = sqliteStore({ path: join(tempFolder(t), 'stint.db'), mayLive: (owner) => !dead.has(owner) })
  t.after(() => store.close())
  const run = makeRun()
  await begin(store, run)
  await store.claim({ runId: run.runId, owner: 'gone', leaseMs: 60_000, now: 1000 })
  assert.deepEqual(await store.due({ now: 1001, limit: 9 }), [])
  dead.add('gone')
  assert.deepEqual(await store.due({ now: 1001, limit: 9 }), [{ runId: run.runId, step: 0 }])
  assert.ok((await store.claim({ runId: run.runId, owner: 'new', leaseMs: 60_000, now: 1001 })).ok)
})

test('sqlite: a database of a newer Stint is refused and left alone', async (t) => {
  const path = join(tempFolder(t), 'stint.db')
  const database = new DatabaseSync(path)
  database.exec('PRAGMA user_version = 99')
  database.close()
  assert.throws(() => sqliteStore({ path, mayLive: () => true }), /newer Stint/)
})

test('sqlite: several processes that open a new database at once all succeed', async (t) => {
  const path = join(tempFolder(t), 'stint.db')
  const code = `import { sqliteStore } from ${JSON.stringify(join(ROOT, 'functions/adapters/sqlite-store.ts'))}
const store = sqliteStore({ path: ${JSON.stringify(path)}, mayLive: () => true }); await store.runs({ limit: 1 }); await store.close()`
  const codes = await Promise.all(
    Array.from(
      { length: 6 },
      () =>
        new Promise((resolve) =>
          spawn(process.execPath, ['--input-type=module', '--disable-warning=ExperimentalWarning', '-e', code], {
            stdio: ['ignore', 'ignore', 'inherit'],
          }).once('exit', resolve),
        ),
    ),
  )
  assert.deepEqual(codes, [0, 0, 0, 0, 0, 0])
})

test('sqlite: what was acknowledged is there after kill -9 in the middle of many commits', async (t) => {
  const path = join(tempFolder(t), 'stint.db')
  const run = makeRun()
  const first = sqliteStore({ path, mayLive: () => false })
  await begin(first, run)
  await first.close()
  const code = `import { sqliteStore } from ${JSON.stringify(join(ROOT, 'functions/adapters/sqlite-store.ts'))}
import { next } from ${JSON.stringify(join(ROOT, 'tests/contract/store.ts'))}
const store = sqliteStore({ path: ${JSON.stringify(path)}, mayLive: () => false })
const claim = await store.claim({ runId: ${JSON.stringify(run.runId)}, owner: 'x', leaseMs: 5000, now: 1 })
let run = claim.run
for (;;) { const made = next(run, claim.token, { messages: [{ role: 'user', content: 'm' + run.step, from: 'person' }] }); const reply = await store.commit(made); if (!reply.ok) process.exit(3); run = made.run; process.stdout.write(run.step + '\\n') }`
  let acknowledged = 0
  for (let kill = 0; kill < 4; kill++) {
    const child = spawn(
      process.execPath,
      ['--input-type=module', '--disable-warning=ExperimentalWarning', '-e', code],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    )
    await new Promise<void>((resolve) => {
      child.stdout.on('data', (part: Buffer) => {
        acknowledged = Math.max(acknowledged, ...part.toString().trim().split('\n').map(Number))
        if (acknowledged > (kill + 1) * 40) child.kill('SIGKILL')
      })
      child.once('exit', () => resolve())
    })
    const store = sqliteStore({ path, mayLive: () => false })
    const found = await store.run(run.runId)
    assert.ok(found && found.step >= acknowledged, `${found?.step} stored, ${acknowledged} acknowledged`)
    const messages = await store.messages(run.runId, 0)
    assert.deepEqual(
      messages.map((message) => message.role === 'user' && message.content),
      Array.from({ length: found.step }, (_, i) => `m${i}`),
    )
    await store.close()
  }
  void next
})
