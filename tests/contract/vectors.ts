/** What every place for vectors must do. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { VectorRecord, Vectors } from '../../functions/ports.ts'

export type VectorsMaker = (t: { after(done: () => unknown): void }) => Promise<Vectors>

/** Of length 1, in the plane, at this angle from the first axis. */
const at = (degrees: number, size = 8): number[] => {
  const vector = new Array<number>(size).fill(0)
  vector[0] = Math.cos((degrees * Math.PI) / 180)
  vector[1] = Math.sin((degrees * Math.PI) / 180)
  return vector
}
const record = (id: string, degrees: number, part: Partial<VectorRecord> = {}): VectorRecord => ({
  id,
  vector: at(degrees),
  ref: `ref-${id}`,
  shelf: 'user:a',
  ...part,
})

export function vectorsContract(name: string, make: VectorsMaker, skip?: string): void {
  const check = (what: string, body: (vectors: Vectors) => Promise<void>) =>
    test(`${name}: ${what}`, skip ? { skip } : {}, async (t) => body(await make(t)))
  const near = async (vectors: Vectors, degrees: number, shelves = ['user:a'], limit = 9) =>
    (await vectors.nearest('c', { vector: at(degrees), shelves, limit })).map(({ id }) => id)

  check('the nearest come first, with their cosine and what they stand for', async (vectors) => {
    assert.deepEqual(await near(vectors, 0), [], 'nothing in a collection that is not there')
    await vectors.upsert('c', [record('far', 80), record('near', 10), record('middle', 40), record('behind', 170)])
    const found = await vectors.nearest('c', { vector: at(0), shelves: ['user:a'], limit: 3 })
    assert.deepEqual(
      found.map(({ id, ref }) => [id, ref]),
      [
        ['near', 'ref-near'],
        ['middle', 'ref-middle'],
        ['far', 'ref-far'],
      ],
    )
    for (const [i, degrees] of [10, 40, 80].entries())
      assert.ok(
        Math.abs((found[i]?.score ?? 9) - Math.cos((degrees * Math.PI) / 180)) < 1e-4,
        `${i}: ${found[i]?.score}`,
      )
  })

  check('only the shelves that are asked for, and no other collection', async (vectors) => {
    await vectors.upsert('c', [
      record('a', 1),
      record('b', 2, { shelf: 'user:b' }),
      record('in', 3, { shelf: 'user:a in https://example.com/x.git' }),
      record('odd', 4, { shelf: 'repo:/home/o\'brien/"x" $1' }),
    ])
    await vectors.upsert('other', [record('z', 0)])
    assert.deepEqual(await near(vectors, 0), ['a'])
    assert.deepEqual(await near(vectors, 0, ['user:b', 'repo:/home/o\'brien/"x" $1']), ['b', 'odd'])
    assert.deepEqual(await near(vectors, 0, []), [])
    assert.deepEqual(await near(vectors, 0, ['user']), [])
  })

  check('put again it is the same record, with what was put last', async (vectors) => {
    await vectors.upsert('c', [record('a', 10), record('b', 20)])
    await vectors.upsert('c', [record('a', 10)])
    await vectors.upsert('c', [record('b', 5, { ref: 'other' }), record('b', 5, { ref: 'newest' })])
    const found = await vectors.nearest('c', { vector: at(0), shelves: ['user:a'], limit: 9 })
    assert.deepEqual(
      found.map(({ id, ref }) => [id, ref]),
      [
        ['b', 'newest'],
        ['a', 'ref-a'],
      ],
    )
    await vectors.upsert('c', [record('a', 10, { shelf: 'org:x' })])
    assert.deepEqual(await near(vectors, 0), ['b'])
    await vectors.upsert('c', [])
  })

  check('what is known, and what is removed', async (vectors) => {
    assert.deepEqual(await vectors.known('c', ['a']), [])
    await vectors.upsert('c', [record('a', 1), record('b', 2), record('d', 3)])
    assert.deepEqual((await vectors.known('c', ['a', 'x', 'd'])).sort(), ['a', 'd'])
    await vectors.delete('c', ['a', 'x'])
    await vectors.delete('c', ['a'])
    await vectors.delete('none', ['a'])
    assert.deepEqual(await near(vectors, 0), ['b', 'd'])
  })

  check('a session is removed from every collection, and no other session', async (vectors) => {
    await vectors.upsert('c', [
      record('a', 1, { sessionId: 'ses_1' }),
      record('b', 2, { sessionId: 'ses_2' }),
      record('n', 3),
    ])
    await vectors.upsert('d', [record('a', 1, { sessionId: 'ses_1' })])
    await vectors.forget('ses_1')
    await vectors.forget('ses_1')
    await vectors.forget('ses_none')
    assert.deepEqual(await near(vectors, 0), ['b', 'n'])
    assert.deepEqual(await vectors.known('d', ['a']), [])
  })

  check('vectors of another size are refused, and nothing is kept of the request', async (vectors) => {
    await vectors.upsert('c', [record('a', 1)])
    const wrong = { name: 'VectorSizeError', message: /of 8 numbers.*have 3.*EMBEDDINGS_MODEL/ }
    await assert.rejects(vectors.upsert('c', [record('b', 2, { vector: at(0, 3) })]), wrong)
    await assert.rejects(vectors.nearest('c', { vector: at(0, 3), shelves: ['user:a'], limit: 1 }), wrong)
    await assert.rejects(vectors.upsert('c', [record('b', 2), record('x', 2, { vector: at(0, 3) })]), wrong)
    assert.deepEqual(await near(vectors, 0), ['a'])
  })

  check('more than one request may hold', async (vectors) => {
    const many = Array.from({ length: 700 }, (_, i) => record(`r${i}`, i / 10))
    await vectors.upsert('c', many)
    assert.equal((await vectors.known('c', [...many.map(({ id }) => id), 'x'])).length, 700)
    assert.deepEqual(await near(vectors, 0, ['user:a'], 3), ['r0', 'r1', 'r2'])
    const ids = async (collection: string) => (await vectors.ids(collection)).sort()
    assert.deepEqual(await ids('c'), many.map(({ id }) => id).sort())
    assert.deepEqual(await ids('none'), [])
    await vectors.delete(
      'c',
      many.slice(1).map(({ id }) => id),
    )
    assert.deepEqual(await near(vectors, 0), ['r0'])
  })

  check('many at once', async (vectors) => {
    await Promise.all(Array.from({ length: 40 }, (_, i) => vectors.upsert('c', [record(`r${i}`, i)])))
    const answers = await Promise.all(Array.from({ length: 40 }, () => near(vectors, 0, ['user:a'], 50)))
    assert.ok(answers.every((ids) => ids.length === 40))
    await vectors.check()
  })
}
