import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { folderSnapshots } from '../functions/adapters/folder-snapshots.ts'
import { redisStore } from '../functions/adapters/redis-store.ts'
import { redisTcp } from '../functions/adapters/redis-tcp.ts'
import { redisUpstash } from '../functions/adapters/redis-upstash.ts'
import { begin, makeRun, next, storeContract } from './contract/store.ts'
import { ownPrefix, REDIS_URL, redisMissing, upstashBridge } from './support/redis.ts'
import { tempFolder } from './support/world.ts'

storeContract(
  'redis over TCP',
  async (t) => {
    const [prefix, objects] = [ownPrefix(t), folderSnapshots(join(tempFolder(t), 'objects'))]
    const open = async () => {
      const store = redisStore({ transport: redisTcp(REDIS_URL), objects, prefix })
      t.after(() => store.close())
      return store
    }
    return { store: await open(), again: open }
  },
  redisMissing,
)

storeContract(
  'redis over the Upstash protocol',
  async (t) => {
    const [prefix, bridge] = [ownPrefix(t), await upstashBridge(t)]
    const objects = folderSnapshots(join(tempFolder(t), 'objects'))
    const open = async () => redisStore({ transport: redisUpstash(bridge), objects, prefix })
    return { store: await open(), again: open }
  },
  redisMissing,
)

const skip = redisMissing ? { skip: redisMissing } : {}

test('upstash: an answer that got lost is asked for again, and nothing is done twice', skip, async (t) => {
  const [prefix, bridge] = [ownPrefix(t), await upstashBridge(t)]
  const objects = folderSnapshots(join(tempFolder(t), 'objects'))
  const store = redisStore({ transport: redisUpstash(bridge), objects, prefix })
  const lost = <T>(request: () => Promise<T>): Promise<T> => {
    bridge.deaf = 1
    return request()
  }
  const run = makeRun()
  assert.ok((await begin(store, makeRun())).ok, 'the scripts are known now')
  assert.ok((await lost(() => begin(store, run))).ok)
  const claim = await lost(() => store.claim({ runId: run.runId, owner: 'me', leaseMs: 5000, now: 1000 }))
  assert.ok(claim.ok)
  await store.commit(next(run, claim.token))
  const one = next({ ...run, step: 1 }, claim.token, { messages: [{ role: 'user', content: 'a', from: 'person' }] })
  assert.ok((await lost(() => store.commit(one))).ok)
  assert.equal((await store.messages(run.runId, 0)).length, 1)
})

test('upstash: a refusal is said without the command and without the token', skip, async (t) => {
  const bridge = await upstashBridge(t)
  const objects = folderSnapshots(join(tempFolder(t), 'objects'))
  const wrong = redisStore({ transport: redisUpstash({ url: bridge.url, token: 'hunter2' }), objects })
  await assert.rejects(begin(wrong, makeRun({ task: 'a secret task' })), (error: Error) => {
    assert.match(error.message, /401: Unauthorized/)
    assert.doesNotMatch(String(error.stack) + JSON.stringify(error), /hunter2|secret task/)
    return true
  })
  const nobody = redisStore({ transport: redisUpstash({ url: 'http://127.0.0.1:9', token: 'x' }), objects })
  await assert.rejects(nobody.run('run_x'), /Upstash Redis cannot be reached: (ECONNREFUSED|bad port)/)
})

test('redis: a claim is one round trip, a commit is one, and neither grows with the run', skip, async (t) => {
  const [prefix, bridge] = [ownPrefix(t), await upstashBridge(t)]
  const objects = folderSnapshots(join(tempFolder(t), 'objects'))
  const store = redisStore({ transport: redisUpstash(bridge), objects, prefix })
  let run = makeRun()
  await begin(store, run)
  const warm = await store.claim({ runId: run.runId, owner: 'me', leaseMs: 5000, now: 1000 })
  assert.ok(warm.ok)
  const bytes: number[] = []
  for (let i = 0; i < 200; i++) {
    const made = next(run, warm.token, { messages: [{ role: 'user', content: 'x'.repeat(500), from: 'person' }] })
    bridge.requests.length = 0
    assert.ok((await store.commit(made)).ok)
    assert.equal(bridge.requests.length, i === 0 ? 2 : 1, 'the first one brings the script')
    bytes.push(JSON.stringify(bridge.requests).length)
    run = made.run
  }
  assert.ok((bytes[199] ?? 0) <= 1.05 * (bytes[10] ?? 0), `${bytes[10]} bytes, later ${bytes[199]}`)
  bridge.requests.length = 0
  assert.ok((await store.claim({ runId: run.runId, owner: 'me', leaseMs: 5000, now: 1001 })).ok)
  assert.equal(bridge.requests.length, 1)
})

test('redis: a lease whose process is gone is free at once, and due', skip, async (t) => {
  const [prefix, objects, dead] = [ownPrefix(t), folderSnapshots(join(tempFolder(t), 'objects')), new Set<string>()]
  const mayLive = (owner: string) => !dead.has(owner)
  const store = redisStore({ transport: redisTcp(REDIS_URL), objects, prefix, mayLive })
  t.after(() => store.close())
  const run = makeRun()
  await begin(store, run)
  assert.ok((await store.claim({ runId: run.runId, owner: 'gone', leaseMs: 60_000, now: 1000 })).ok)
  assert.ok(!(await store.claim({ runId: run.runId, owner: 'new', leaseMs: 60_000, now: 1001 })).ok)
  assert.deepEqual(await store.due({ now: 1001, limit: 9 }), [])
  dead.add('gone')
  assert.deepEqual(await store.due({ now: 1001, limit: 9 }), [{ runId: run.runId, step: 0 }])
  assert.ok((await store.claim({ runId: run.runId, owner: 'new', leaseMs: 60_000, now: 1001 })).ok)
  assert.deepEqual(await store.due({ now: 1002, limit: 9 }), [])
})

test('redis: what is named as due is all that was put off', skip, async (t) => {
  const [prefix, objects] = [ownPrefix(t), folderSnapshots(join(tempFolder(t), 'objects'))]
  const store = redisStore({ transport: redisTcp(REDIS_URL), objects, prefix })
  t.after(() => store.close())
  const made = Array.from({ length: 60 }, () => makeRun())
  for (const run of made) await begin(store, run)
  const seen = new Set<string>()
  for (let i = 0; i < 60; i++)
    for (const { runId } of await store.due({ now: 3000, limit: 20, againMs: 60_000 })) {
      assert.ok(!seen.has(runId))
      seen.add(runId)
    }
  assert.equal(seen.size, 60)
})
