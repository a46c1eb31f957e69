/** What every store of objects must do. */
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { test } from 'node:test'
import type { Snapshots, StoredObject } from '../../functions/ports.ts'

export function snapshotsContract(
  name: string,
  make: (t: { after(done: () => unknown): void }) => Promise<Snapshots>,
  skip?: string,
): void {
  const check = (what: string, body: (snapshots: Snapshots) => Promise<void>) =>
    test(`${name}: ${what}`, skip ? { skip } : {}, async (t) => body(await make(t)))

  check('bytes come back under the name of their hash', async (snapshots) => {
    for (const bytes of [Buffer.alloc(0), Buffer.from('text'), randomBytes(3_000_000)]) {
      const id = await snapshots.put(bytes)
      assert.equal(id, createHash('sha256').update(bytes).digest('hex'))
      assert.deepEqual(Buffer.from((await snapshots.get(id)) ?? []), Buffer.from(bytes))
    }
  })
  check('what is not there is undefined; putting it twice and deleting it twice is fine', async (snapshots) => {
    const id = await snapshots.put(Buffer.from('x'))
    assert.equal(await snapshots.put(Buffer.from('x')), id)
    await snapshots.delete([id, id])
    assert.equal(await snapshots.get(id), undefined)
    await snapshots.delete([id])
  })
  check('many writers of the same object leave it whole', async (snapshots) => {
    const bytes = randomBytes(500_000)
    const ids = await Promise.all(Array.from({ length: 8 }, () => snapshots.put(bytes)))
    assert.equal(new Set(ids).size, 1)
    assert.deepEqual(Buffer.from((await snapshots.get(ids[0] ?? '')) ?? []), bytes)
  })
  check('a list tells each object once, with its size and age, in pages', async (snapshots) => {
    const before = Date.now()
    const ids = await Promise.all(Array.from({ length: 7 }, (_, n) => snapshots.put(Buffer.alloc(n + 1, n))))
    const listed: StoredObject[] = []
    let cursor: string | undefined
    do {
      const page = await snapshots.list(3, cursor)
      assert.ok(page.items.length <= 3)
      listed.push(...page.items)
      cursor = page.nextCursor
    } while (cursor !== undefined)
    assert.deepEqual(listed.map(({ id }) => id).sort(), [...ids].sort())
    assert.deepEqual(listed.map(({ bytes }) => bytes).sort(), [1, 2, 3, 4, 5, 6, 7])
    for (const { at } of listed) assert.ok(at >= before - 2000 && at <= Date.now() + 2000)
  })
  check('it knows whether one store of runs alone has used it', async (snapshots) => {
    const asked = ['one', 'one', 'other', 'one'].map((store) => () => snapshots.isOnlyUser(store))
    const told: boolean[] = []
    for (const ask of asked) told.push(await ask())
    assert.deepEqual(told, [true, true, false, false])
    assert.deepEqual(await snapshots.list(10), { items: [] })
  })
  check('what is no id is refused, wherever it would lead', async (snapshots) => {
    for (const id of ['', '../x', 'A'.repeat(64), `${'a'.repeat(64)}/..`])
      await assert.rejects(snapshots.get(id), /object id/)
  })
}
