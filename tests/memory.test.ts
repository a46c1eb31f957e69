/** What is remembered, in its tiers: added, confirmed, brought up to date; found; and poorer, never wrong, without one. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { chromaVectors } from '../functions/adapters/chroma.ts'
import { lexicalEmbedder } from '../functions/adapters/lexical-embedder.ts'
import { localCache } from '../functions/adapters/local-cache.ts'
import { sqliteLongTerm } from '../functions/adapters/sqlite-longterm.ts'
import { sqliteVectors } from '../functions/adapters/sqlite-vectors.ts'
import { systemClock } from '../functions/adapters/system.ts'
import { cleanFact, knownText, ownScope, placeOf, scopesOf } from '../functions/core/facts.ts'
import { FACT_KEPT_MS, FACTS_PER_SCOPE_MAX } from '../functions/core/limits.ts'
import type { Fact } from '../functions/core/records.ts'
import { MemoryManager } from '../functions/memory/manager.ts'
import { ShortTermMemory } from '../functions/memory/short-term.ts'
import type { Embedder, LongTerm, Vectors } from '../functions/ports.ts'
import { fakeChroma } from './support/chroma.ts'
import { tempFolder } from './support/world.ts'

type Parts = { vectors?: Vectors; embedder?: Embedder; longTerm?: () => Promise<LongTerm> }

function made(t: TestContext, parts: Parts = {}) {
  const folder = tempFolder(t)
  const clock = { at: 1_800_000_000_000, now: () => clock.at }
  const longTerm = sqliteLongTerm(join(folder, 'longterm.db'), { ...systemClock, now: clock.now })
  const words = lexicalEmbedder()
  const told: string[] = []
  const manager = (other: Parts = {}) =>
    new MemoryManager({
      shortTerm: new ShortTermMemory({ cache: localCache(clock) }),
      longTerm: async () => longTerm,
      vectors: sqliteVectors(join(folder, 'vectors.db'), systemClock),
      embedder: words,
      words,
      clock,
      poorer: ({ message }) => told.push(message),
      ...parts,
      ...other,
    })
  const memory = manager()
  t.after(() => Promise.all([memory.close(), longTerm.close()]))
  return { memory, manager, longTerm, clock, told, folder }
}

const ANN = { by: 'ann', repo: 'https://github.com/acme/shop.git' }
const HERS = ownScope(ANN)
const learnt = (text: string, part = {}) => ({ kind: 'command' as const, text, confidence: 0.6, ...part })
const from = (id: string, sessionId = `ses_${id}`) => ({ id: `run_${id}`, runId: `run_${id}`, sessionId })
const texts = ({ facts }: { facts: Fact[] }) => facts.map(({ text }) => text)

test('what was learnt is recalled for its person on its repo, however the address is written, and for nobody else', async (t) => {
  const { memory } = made(t)
  await memory.remember(HERS, learnt('tests need REDIS_URL'), from('1'))
  await memory.remember(ownScope({ by: 'ann' }), learnt('answers in German', { kind: 'preference' }), from('2'))
  const asked = async (whose: object) => texts(await memory.recall(whose, 'run the tests', 9))
  const both = ['tests need REDIS_URL', 'answers in German']
  assert.deepEqual(await asked(ANN), both)
  assert.deepEqual(await asked({ by: 'ann', repo: 'git@github.com:acme/shop' }), both)
  assert.deepEqual(await asked({ by: 'ann', repo: 'ssh://git@GitHub.com/acme/shop/' }), both)
  assert.deepEqual(await asked({ by: 'ann', repo: 'https://github.com/acme/other' }), ['answers in German'])
  assert.deepEqual(await asked({ by: 'ann' }), ['answers in German'])
  for (const by of ['bob', undefined, 'an', 'ann in github.com/acme/shop', 'ann%20'])
    assert.deepEqual(await asked({ ...ANN, by }), [], String(by))
  assert.equal(placeOf('/home/me/shop/'), '/home/me/shop')
  assert.ok(scopesOf(ANN).includes('org:github.com/acme'))
})

test('what is shared with a repo, an organisation or all reaches whom it is shared with', async (t) => {
  const { memory } = made(t)
  for (const [scope, text] of [
    ['repo:github.com/acme/shop', 'of the repo'],
    ['org:github.com/acme', 'of the organisation'],
    ['all', 'of all'],
  ] as const)
    await memory.remember(scope, learnt(text), { id: 'req_1', by: 'root' })
  const asked = async (whose: object) => texts(await memory.recall(whose, 'of', 9)).sort()
  assert.deepEqual(await asked({ by: 'bob', repo: ANN.repo }), ['of all', 'of the organisation', 'of the repo'])
  assert.deepEqual(await asked({ by: 'bob', repo: 'https://github.com/acme/other' }), ['of all', 'of the organisation'])
  assert.deepEqual(await asked({ by: 'bob', repo: 'https://gitlab.com/acme/shop' }), ['of all'])
})

test('the same said again is confirmed, said nearly the same it is brought up to date, said otherwise it is new', async (t) => {
  const { memory, clock } = made(t)
  const first = await memory.remember(HERS, learnt('Run the unit tests with npm test.'), from('1'))
  assert.ok(first.what === 'added' && first.fact.confidence === 0.6)
  assert.equal(first.fact.expiresAt, clock.at + FACT_KEPT_MS)
  const again = await memory.remember(HERS, learnt('run the unit tests with NPM TEST'), from('1'))
  assert.equal(again.what, 'known', 'told twice by one run it is told once')
  clock.at += 1000
  const second = await memory.remember(HERS, learnt('run the unit tests with `npm test`'), from('2'))
  assert.ok(second.what === 'merged' && second.fact.id === first.fact.id)
  assert.ok(second.fact.confidence > 0.6 && second.fact.runId === 'run_1' && second.fact.text === first.fact.text)
  const third = await memory.remember(HERS, learnt('Run the unit tests with npm test -- --all'), from('3'))
  assert.ok(third.what === 'merged' && third.fact.id === first.fact.id)
  assert.deepEqual([third.fact.text, third.fact.runId], ['Run the unit tests with npm test -- --all', 'run_3'])
  assert.equal((await memory.remember(HERS, learnt('The database listens on port 5433'), from('4'))).what, 'added')
  assert.equal((await memory.facts.list({ scopes: [HERS], limit: 9 })).items.length, 2)
  assert.doesNotMatch(JSON.stringify((await memory.facts.list({ limit: 9 })).items[1]), /run_1|ses_1/)
})

test('a dead end is known by what it is about: the newest way out stands', async (t) => {
  const { memory } = made(t)
  const about = { kind: 'dead_end' as const, fingerprint: 'abc' }
  await memory.remember(HERS, learnt('npm ci fails with ERESOLVE; nothing helped', about), from('1'))
  await memory.remember(HERS, learnt('pin zod 4 first, then install', about), from('2'))
  await memory.remember(HERS, learnt('another trouble', { ...about, fingerprint: 'def' }), from('3'))
  assert.deepEqual(texts(await memory.recall(ANN, 'install zod', 9)), [
    'pin zod 4 first, then install',
    'another trouble',
  ])
})

test('what a person wrote stands: no run changes it, and it has no end', async (t) => {
  const { memory } = made(t)
  const written = await memory.remember(HERS, learnt('Deploy with make deploy'), { id: 'req_1', by: 'ann' })
  assert.ok(written.what === 'added' && written.fact.expiresAt === undefined)
  assert.equal((await memory.remember(HERS, learnt('deploy with `make deploy`!'), from('1'))).what, 'known')
  assert.deepEqual(texts(await memory.recall(ANN, 'deploy', 9)), ['Deploy with make deploy'])
})

test('secrets, control characters and endless texts do not enter', async (t) => {
  const { memory } = made(t)
  const kept = await memory.remember(
    HERS,
    learnt('the key is  sk_stint_abcdef123456\n\u001b[31mfor\u202e the api'),
    from('1'),
  )
  assert.ok(kept.what === 'added')
  assert.equal(kept.fact.text, 'the key is [secret] [31mfor the api')
  assert.equal((await memory.remember(HERS, learnt('password=hunter2hunter2'), from('2'))).what, 'dropped')
  assert.equal((await memory.remember(HERS, learnt(' \u0000 … '), from('2'))).what, 'dropped')
  assert.equal(cleanFact('x'.repeat(9999))?.length, 500)
  const told = knownText(Array.from({ length: 99 }, () => ({ kind: 'other' as const, text: 'x'.repeat(400) }))) ?? ''
  assert.ok(told.length < 2700, String(told.length))
  assert.equal(knownText([]), undefined)
})

test('a deleted fact is gone from every tier, a changed one is found by what it says now', async (t) => {
  const { memory, longTerm, folder, clock } = made(t)
  const one = await memory.remember(HERS, learnt('the marker-word is zanzibar'), from('1'))
  assert.ok(one.what === 'added')
  const changed = await memory.facts.change(one.fact, { text: 'the marker-word is timbuktu' })
  assert.ok(changed)
  clock.at += 5
  assert.equal(await memory.facts.change(one.fact, { text: 'late' }), undefined, 'somebody else was faster')
  assert.deepEqual(texts(await memory.recall(ANN, 'timbuktu', 9)), ['the marker-word is timbuktu'])
  assert.equal(await memory.facts.delete(changed), true)
  assert.equal(await memory.facts.delete(changed), false)
  assert.deepEqual(await memory.recall(ANN, 'timbuktu', 9), { facts: [] })
  assert.deepEqual((await longTerm.facts.list({ limit: 9 })).items, [])
  const vectors = sqliteVectors(join(folder, 'vectors.db'), systemClock)
  const [vector = []] = await lexicalEmbedder().embed(['timbuktu'])
  const left = await vectors.nearest(`facts-${lexicalEmbedder().name}-${vector.length}`, {
    vector,
    shelves: [HERS],
    limit: 9,
  })
  await vectors.close()
  assert.deepEqual(left, [])
})

test('a session is forgotten in all tiers, and what it still had to tell is not kept', async (t) => {
  const { memory, longTerm } = made(t)
  await memory.remember(HERS, learnt('from the first session'), from('1'))
  await memory.remember(HERS, learnt('another thing, of the second'), from('2'))
  await memory.forget('ses_1')
  await memory.forget('ses_1')
  assert.deepEqual(texts(await memory.recall(ANN, 'session', 9)), ['another thing, of the second'])
  assert.deepEqual(await memory.remember(HERS, learnt('too late for this one'), from('1')), {
    what: 'dropped',
    why: 'its session was removed',
  })
  assert.equal((await longTerm.facts.list({ limit: 9 })).items.length, 1)
})

test('a Chroma that is slow or busy makes it poorer and says so; what it missed is made up for', async (t) => {
  const fake = await fakeChroma(t)
  const vectors = chromaVectors({ url: fake.url }, { sleep: async () => {} }, 300)
  const { memory, told } = made(t, { vectors })
  await memory.remember(HERS, learnt('the linter is biome'), from('1'))
  fake.faults = Array.from({ length: 60 }, () => 429)
  await memory.remember(HERS, learnt('releases are tagged by hand'), from('2'))
  const poor = await memory.recall(ANN, 'release tags', 9)
  assert.deepEqual(texts(poor), ['releases are tagged by hand', 'the linter is biome'])
  assert.match(poor.poorer ?? '', /vector memory did not answer/)
  fake.faults = ['silence', 'silence', 'silence']
  assert.match((await memory.recall(ANN, 'linter', 9)).poorer ?? '', /vector memory/)
  assert.ok(told.some((line) => /429/.test(line)) && told.some((line) => /in time/.test(line)))
  fake.faults = []
  assert.equal(await memory.tidy(), 1, 'the one that got no vector')
  assert.equal(await memory.tidy(), 0)
  const rich = await memory.recall(ANN, 'release tags', 9)
  assert.deepEqual([texts(rich)[0], rich.poorer], ['releases are tagged by hand', undefined])
})

test('vectors go with facts whose time is over', async (t) => {
  const { memory, clock, longTerm, folder } = made(t)
  await memory.remember(HERS, learnt('soon forgotten'), from('1'))
  clock.at += FACT_KEPT_MS / 2
  await memory.remember(HERS, learnt('of a later day'), from('2'))
  clock.at += FACT_KEPT_MS / 2 + 1
  assert.deepEqual(texts(await memory.recall(ANN, 'forgotten', 9)), ['of a later day'])
  assert.equal(await longTerm.tidy(9), 1)
  assert.equal(await memory.tidy(), 1)
  assert.equal(await memory.tidy(), 0)
  const vectors = sqliteVectors(join(folder, 'vectors.db'), systemClock)
  const left = await vectors.ids(`facts-${lexicalEmbedder().name}-256`)
  await vectors.close()
  assert.equal(left.length, 1)
})

test('embeddings of another size begin a collection of their own, filled from what is known', async (t) => {
  const { memory, manager } = made(t)
  await memory.remember(HERS, learnt('the linter is biome'), from('1'))
  const other: Embedder = { name: lexicalEmbedder().name, embed: async (all) => all.map(() => [1, 0, 0]) }
  const later = manager({ embedder: other })
  t.after(() => later.close())
  assert.deepEqual(await later.recall(ANN, 'linter', 9).then(texts), ['the linter is biome'])
  assert.equal(await later.tidy(), 1)
  assert.deepEqual(await later.recall(ANN, 'linter', 9).then(texts), ['the linter is biome'])
  assert.deepEqual(await memory.recall(ANN, 'linter', 9).then(texts), ['the linter is biome'])
})

test('without long-term memory nothing is recalled, and it says so; a removal fails', async (t) => {
  const down = () => Promise.reject(new Error('the database is down'))
  const { memory, told } = made(t, { longTerm: down })
  const { facts, poorer } = await memory.recall(ANN, 'anything', 9)
  assert.deepEqual(facts, [])
  assert.match(poorer ?? '', /long-term memory did not answer/)
  assert.deepEqual(told, ['the database is down'])
  await assert.rejects(memory.forget('ses_1'), /down/)
})

test('a scope holds so many, and the oldest goes', async (t) => {
  const { memory, longTerm, clock } = made(t)
  for (let i = 0; i < FACTS_PER_SCOPE_MAX; i++)
    await longTerm.facts.put({
      id: `fct_${String(i).padStart(6, '0')}`,
      ...{ scope: HERS, kind: 'other', text: `fact ${i} ${(i * 7919).toString(36)}`, confidence: 0.5 },
      ...{ createdAt: clock.at, updatedAt: clock.at },
    })
  const kept = await memory.remember(HERS, learnt('one more than fits'), from('zzzzzzzzzz'))
  assert.equal(kept.what, 'added')
  assert.equal(await longTerm.facts.get('fct_000000'), undefined)
  assert.ok(await longTerm.facts.get('fct_000001'))
})
