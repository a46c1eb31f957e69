/** Vectors in SQLite and in Chroma, real where there is one and by its protocol; the embeddings that make them. */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { chromaVectors } from '../functions/adapters/chroma.ts'
import { httpEmbedder } from '../functions/adapters/http-embedder.ts'
import { lexicalEmbedder } from '../functions/adapters/lexical-embedder.ts'
import { sqliteVectors } from '../functions/adapters/sqlite-vectors.ts'
import { systemClock } from '../functions/adapters/system.ts'
import type { Clock } from '../functions/ports.ts'
import { vectorsContract } from './contract/vectors.ts'
import { CHROMA_URL, chromaMissing, fakeChroma } from './support/chroma.ts'
import { tempFolder } from './support/world.ts'

vectorsContract('sqlite', async (t) => {
  const vectors = sqliteVectors(join(tempFolder(t), 'vectors.db'), systemClock)
  t.after(() => vectors.close())
  return vectors
})

vectorsContract("chroma's protocol", async (t) => chromaVectors({ url: (await fakeChroma(t)).url }, systemClock))

let count = 0
vectorsContract(
  'a real chroma',
  async () => {
    const prefix = `test-${process.pid}-${Date.now()}-${count++}-`
    return chromaVectors({ url: CHROMA_URL ?? '', prefix }, systemClock, 30_000)
  },
  chromaMissing,
)

/** A clock whose pauses take no time, and are told. */
function quick(): Pick<Clock, 'sleep'> & { slept: number[] } {
  const slept: number[] = []
  return {
    slept,
    async sleep(ms) {
      slept.push(ms)
    },
  }
}
const one = { id: 'a', vector: [1, 0], ref: 'r', shelf: 's' }
const query = { vector: [1, 0], shelves: ['s'], limit: 5 }

test('chroma: 429, 5xx, a reset and silence are asked again a few times, then told', async (t) => {
  const fake = await fakeChroma(t)
  const clock = quick()
  const vectors = chromaVectors({ url: fake.url }, clock, 300)
  await vectors.upsert('c', [one])
  for (const fault of [429, 503, 'reset', 'silence', 'no json'] as const) {
    fake.faults = [fault]
    assert.equal((await vectors.nearest('c', query)).length, 1, String(fault))
  }
  assert.equal(clock.slept.length, 5)
  fake.faults = [429, 429, 429]
  await assert.rejects(vectors.nearest('c', query), /Chroma at 127\.0\.0\.1:\d+ answered 429: made for a test/)
  fake.faults = ['silence', 'silence', 'silence']
  await assert.rejects(vectors.nearest('c', query), /did not answer in time/)
  fake.faults = [400]
  const before = fake.requests.length
  await assert.rejects(vectors.nearest('c', query), /answered 400/)
  assert.equal(fake.requests.length, before + 1, 'what cannot help is not tried')
})

test('chroma: a pause that it asks for is kept when it is short, and not waited for when it is long', async (t) => {
  const fake = await fakeChroma(t)
  const clock = quick()
  const vectors = chromaVectors({ url: fake.url }, clock)
  Object.assign(fake, { faults: [429], retryAfter: '2' })
  await vectors.check()
  assert.deepEqual(clock.slept, [2000])
  Object.assign(fake, { faults: [429], retryAfter: '600' })
  await assert.rejects(vectors.check(), /answered 429/)
  assert.deepEqual(clock.slept, [2000])
})

test('chroma: a collection that somebody removed is made again', async (t) => {
  const fake = await fakeChroma(t)
  const vectors = chromaVectors({ url: fake.url }, quick())
  await vectors.upsert('c', [one])
  fake.collections = []
  assert.deepEqual(await vectors.nearest('c', query), [])
  await vectors.upsert('c', [one])
  assert.equal((await vectors.nearest('c', query)).length, 1)
})

test("chroma: the cloud's key is sent and never told; no more than its ten requests at once", async (t) => {
  const fake = await fakeChroma(t)
  fake.slowMs = 30
  const vectors = chromaVectors({ url: fake.url, apiKey: 'ck-secret', tenant: 't/1', database: 'd' }, quick())
  await Promise.all(Array.from({ length: 60 }, (_, i) => vectors.upsert('c', [{ ...one, id: `r${i}` }])))
  assert.ok(fake.atOnce > 1 && fake.atOnce <= 10, String(fake.atOnce))
  assert.ok(fake.headers.every((headers) => headers['x-chroma-token'] === 'ck-secret'))
  fake.faults = [401]
  await assert.rejects(vectors.check(), (error: Error) => !/ck-secret/.test(String(error.stack)))
  await assert.rejects(chromaVectors({ url: 'http://127.0.0.1:1' }, quick()).check(), /cannot be reached/)
})

test('the built-in embedding brings near what is spelled alike, in any script', async () => {
  const embedder = lexicalEmbedder()
  assert.match(embedder.name, /^lexical-[0-9a-f]{8}$/)
  assert.equal(embedder.name, lexicalEmbedder().name)
  const texts = [
    'npm test needs the server on port 8080',
    'run npm tests against a server, port 8080',
    'commit messages are written in the imperative',
    'тесты запускаются командой make',
    '',
    `${'x'.repeat(2_000_000)} \0 \uD800`,
  ]
  const vectors = await embedder.embed(texts)
  const cosine = (a: number, b: number) =>
    (vectors[a] ?? []).reduce((sum, number, i) => sum + number * (vectors[b]?.[i] ?? 0), 0)
  assert.ok(cosine(0, 1) > 0.6, String(cosine(0, 1)))
  assert.ok(cosine(0, 2) < 0.3, String(cosine(0, 2)))
  assert.ok(cosine(3, 3) > 0.999)
  assert.ok((vectors[4] ?? []).every((number) => number === 0))
})

type Asked = { url: string; key: string; input: string[]; model: string }

async function embeddings(t: TestContext, reply: (asked: Asked) => unknown) {
  const asked: Asked[] = []
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part as Buffer)
    const body = JSON.parse(Buffer.concat(parts).toString()) as { input: string[]; model: string }
    const all = { url: request.url ?? '', key: String(request.headers.authorization), ...body }
    asked.push(all)
    const given = reply(all)
    response.writeHead(typeof given === 'number' ? given : 200, { 'content-type': 'application/json' })
    response.end(JSON.stringify(typeof given === 'number' ? { error: { message: 'busy' } } : given))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  return { asked, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

test('embeddings from a server: in order, in batches, of length 1, wherever the address points', async (t) => {
  const { asked, url } = await embeddings(t, ({ input }) => ({
    data: input.map((text, index) => ({ index, embedding: [text.length, 0, 3] })).reverse(),
  }))
  const embedder = httpEmbedder({ url: `${url}/v1/`, model: 'm', apiKey: 'k' }, quick())
  assert.equal(embedder.name, 'm')
  const vectors = await embedder.embed(Array.from({ length: 130 }, (_, i) => 'x'.repeat(i)))
  assert.deepEqual(
    asked.map(({ input }) => input.length),
    [64, 64, 2],
  )
  assert.deepEqual(vectors[4], [0.8, 0, 0.6])
  assert.deepEqual([asked[0]?.url, asked[0]?.key, asked[0]?.model], ['/v1/embeddings', 'Bearer k', 'm'])
  await httpEmbedder({ url, model: 'm' }, quick()).embed(['a'])
  await httpEmbedder({ url: `${url}/api/embeddings`, model: 'm' }, quick()).embed(['a'])
  assert.deepEqual(
    asked.slice(3).map((one) => one.url),
    ['/v1/embeddings', '/api/embeddings'],
  )
  assert.deepEqual(await embedder.embed([]), [])
})

test('embeddings from a server: what is wrong with an answer is told, and a busy one is asked again', async (t) => {
  let answer: unknown = 429
  const { asked, url } = await embeddings(t, () => answer)
  const embedder = httpEmbedder({ url, model: 'm' }, quick())
  await assert.rejects(embedder.embed(['a']), /embeddings server at 127\.0\.0\.1:\d+ answered 429: busy/)
  assert.equal(asked.length, 3)
  answer = { data: [{ index: 0, embedding: [1, 2] }] }
  assert.equal((await embedder.embed(['a'])).length, 1)
  answer = { data: [{ index: 0, embedding: [1, 2, 3] }] }
  await assert.rejects(embedder.embed(['a']), /different sizes under one model name \(m\)/)
  for (const odd of [
    { data: [] },
    { data: [{ index: 0, embedding: [] }] },
    { data: [{ index: 0, embedding: ['x'] }] },
    {},
    null,
  ]) {
    answer = odd
    await assert.rejects(embedder.embed(['a']), /one vector for each text/, JSON.stringify(odd))
  }
})
