/**
 * What runs learnt: kept in long-term memory, found by vectors, told to later runs. Something new is compared with its
 * nearest neighbours in its scope, and is added, confirms one of them, or takes its place.
 *
 * A fact holds the text of one source alone, so that it goes with the session it comes from. Vectors hold no text: one
 * whose fact is gone or says something else by now is not believed.
 */
import { createHash } from 'node:crypto'
import { bareWords, cleanFact, sameFact, scopesOf, type Whose } from '../core/facts.ts'
import { FACT_KEPT_MS, FACTS_PER_SCOPE_MAX } from '../core/limits.ts'
import type { Fact } from '../core/records.ts'
import type { Clock, Embedder, Kept, Learnt, LongTerm, Memory, Recalled, Source, Vectors } from '../ports.ts'

export type FactsOptions = {
  longTerm: () => Promise<Pick<LongTerm, 'facts'>>
  vectors: Vectors
  embedder: Embedder
  /** Needs nothing and always answers: what is ranked by when the others do not. */
  words: Embedder
  clock: Pick<Clock, 'now'>
  poorer(error: Error): void
}

/** Two texts of one scope that are nearer than this say the same, or one of them is out of date. */
const ALIKE = 0.9
const NEIGHBOURS_MAX = 5
/** Newest facts that are looked at whatever the vectors say. */
const LISTED_MAX = 100
const NEAREST_MAX = 40
/** Facts that `tidy` makes vectors of at once. */
const TIDIED_AT_ONCE = 200
const TRIES = 3

const hash = (text: string): string => createHash('sha256').update(text).digest('hex')
/** What a fact is in the index: its content, so that putting it again is the same. */
const vectorId = ({ scope, text }: Pick<Fact, 'scope' | 'text'>): string => hash(`${scope}\n${text}`)

export function factMemory(options: FactsOptions): Pick<Memory, 'recall' | 'remember' | 'facts' | 'tidy'> {
  const { longTerm, vectors, embedder, words, clock, poorer } = options

  async function embedded(texts: string[]): Promise<{ collection: string; made: number[][] }> {
    const made = await embedder.embed(texts)
    return { collection: `facts-${embedder.name}-${made[0]?.length ?? 0}`, made }
  }

  /** The vector goes after the record: a record without one is found by `tidy`. */
  async function index(fact: Fact, before?: Fact): Promise<void> {
    try {
      const { collection, made } = await embedded([fact.text])
      const [vector = []] = made
      const { id: ref, scope: shelf, sessionId } = fact
      const record = { id: vectorId(fact), vector, ref, shelf, ...(sessionId ? { sessionId } : {}) }
      if (vector.some((number) => number !== 0)) await vectors.upsert(collection, [record])
      if (before && vectorId(before) !== record.id) await vectors.delete(collection, [vectorId(before)])
      // Its session may have been removed in between.
      if (!(await (await longTerm()).facts.get(fact.id))) await vectors.delete(collection, [record.id])
    } catch (error) {
      poorer(error as Error)
    }
  }

  /** Facts of these scopes that are near, best first; only those that still say what the index knows. */
  async function near(scopes: string[], query: string, limit: number): Promise<{ fact: Fact; score: number }[]> {
    const { collection, made } = await embedded([query])
    const [vector = []] = made
    if (vector.every((number) => number === 0)) return []
    const found = await vectors.nearest(collection, { vector, shelves: scopes, limit })
    const { facts } = await longTerm()
    const read = await Promise.all(
      found.map(async ({ id, ref, score }) => {
        const fact = await facts.get(ref)
        return fact && scopes.includes(fact.scope) && vectorId(fact) === id ? [{ fact, score }] : []
      }),
    )
    return read.flat()
  }

  /** The same by words alone. */
  async function byWords(facts: Fact[], query: string): Promise<{ fact: Fact; score: number }[]> {
    const [wanted = [], ...vectorsOf] = await words.embed([query, ...facts.map(({ text }) => text)])
    return facts.map((fact, i) => ({ fact, score: cosine(wanted, vectorsOf[i] ?? []) }))
  }

  /** What in this scope says the same, or is about the same dead end. */
  async function counterpart(scope: string, text: string, fingerprint: string | undefined): Promise<Fact | undefined> {
    const { facts } = await longTerm()
    if (fingerprint !== undefined) {
      const [same] = (await facts.list({ scopes: [scope], key: fingerprint, limit: 1 })).items
      if (same) return same
    }
    const listed = (await facts.list({ scopes: [scope], limit: LISTED_MAX })).items
    const same = listed.find((fact) => sameFact(fact.text, text))
    if (same) return same
    const neighbours = await near([scope], text, NEIGHBOURS_MAX).catch((error: Error) => {
      poorer(error)
      return byWords(listed, text)
    })
    const [best] = neighbours.filter(({ score }) => score >= ALIKE).sort((a, b) => b.score - a.score)
    return best?.fact
  }

  async function remember(scope: string, learnt: Learnt, source: Source): Promise<Kept> {
    const text = cleanFact(learnt.text)
    if (text === undefined) return { what: 'dropped', why: 'nothing is left of it that may be kept' }
    const { facts } = await longTerm()
    for (let tried = 1; tried <= TRIES; tried++) {
      const before = await counterpart(scope, text, learnt.fingerprint)
      const fact = before ? confirmed(before, { ...learnt, text }, source) : added(scope, { ...learnt, text }, source)
      if (fact === before) return { what: 'known', fact }
      if (await facts.put(fact, before?.updatedAt)) {
        await index(fact, before)
        if (!before) await makeRoom(scope)
        return { what: before ? 'merged' : 'added', fact }
      }
      if (!before) return { what: 'dropped', why: 'its session was removed' }
    }
    return { what: 'dropped', why: 'others change it at this moment' }
  }

  function added(scope: string, { kind, text, confidence, fingerprint }: Learnt, { id, ...from }: Source): Fact {
    const now = clock.now()
    return {
      // Its source's time, then what it says: told again from there it is the same, and newer ones sort higher.
      id: `fct_${id.slice(id.indexOf('_') + 1).slice(0, 10)}${hash(`${scope}\n${bareWords(text)}`).slice(0, 16)}`,
      ...{ scope, kind, text, confidence: between(confidence), ...from },
      ...(fingerprint === undefined ? {} : { fingerprint }),
      createdAt: now,
      updatedAt: now,
      ...(from.by === undefined ? { expiresAt: now + FACT_KEPT_MS } : {}),
      data: { last: mark(id) },
    }
  }

  /**
   * The newer text stands, with its source alone; the same text stays what it was, and is more certain. What a person
   * wrote no run changes.
   */
  function confirmed(before: Fact, learnt: Learnt, { id, ...from }: Source): Fact {
    if (before.by !== undefined && from.by === undefined) return before
    if (before.data?.last === mark(id) && sameFact(before.text, learnt.text)) return before
    const now = Math.max(clock.now(), before.updatedAt + 1)
    const { runId: _run, sessionId: _session, ...kept } = before
    const origin = sameFact(before.text, learnt.text)
      ? before
      : { ...kept, ...from, text: learnt.text, kind: learnt.kind }
    return {
      ...origin,
      confidence: between(1 - (1 - before.confidence) * (1 - between(learnt.confidence) / 2)),
      updatedAt: now,
      // What a person wrote has no end, and keeps none.
      ...(before.expiresAt === undefined ? {} : { expiresAt: now + FACT_KEPT_MS }),
      data: { ...before.data, last: mark(id) },
    }
  }

  async function makeRoom(scope: string): Promise<void> {
    const { facts } = await longTerm()
    const { items, nextCursor } = await facts.list({ scopes: [scope], limit: FACTS_PER_SCOPE_MAX })
    if (!nextCursor) return
    const { items: over } = await facts.list({ scopes: [scope], limit: NEAREST_MAX, cursor: nextCursor })
    for (const fact of items.length > 0 ? over : []) await remove(fact)
  }

  async function remove(fact: Fact): Promise<boolean> {
    const gone = await (await longTerm()).facts.delete(fact.id)
    await embedded([fact.text])
      .then(({ collection }) => vectors.delete(collection, [vectorId(fact)]))
      // It stands for nothing any more, and is not believed.
      .catch((error: Error) => poorer(error))
    return gone
  }

  async function recall(whose: Whose, query: string, limit: number): Promise<Recalled> {
    const scopes = scopesOf(whose)
    const lacking: string[] = []
    const without = (what: string) => (error: Error) => {
      poorer(error)
      lacking.push(what)
      return undefined
    }
    const listed = await longTerm()
      .then(({ facts }) => facts.list({ scopes, limit: LISTED_MAX }))
      .catch(without('long-term memory did not answer: nothing is recalled'))
    if (!listed) return { facts: [], poorer: lacking.join('; ') }
    const nearest =
      (await near(scopes, query, NEAREST_MAX).catch(without('vector memory did not answer: ranked by words'))) ??
      (await byWords(listed.items, query))
    const scores = new Map(nearest.map(({ fact, score }) => [fact.id, score]))
    const all = new Map([...listed.items, ...nearest.map(({ fact }) => fact)].map((fact) => [fact.id, fact]))
    const ranked = [...all.values()]
      .map((fact) => ({ fact, rank: (scores.get(fact.id) ?? 0) + fact.confidence / 3 }))
      .sort((a, b) => b.rank - a.rank || (a.fact.id < b.fact.id ? 1 : -1))
      .map(({ fact }) => fact)
    // Two persons' sharing may have made the same fact twice.
    const said = new Set<string>()
    const once = ranked.filter(({ text }) => !said.has(bareWords(text)) && said.add(bareWords(text)))
    return { facts: once.slice(0, limit), ...(lacking.length > 0 ? { poorer: lacking.join('; ') } : {}) }
  }

  return {
    recall,
    remember,
    facts: {
      get: async (id) => (await longTerm()).facts.get(id),
      list: async (filter) => (await longTerm()).facts.list(filter),
      async change(fact, to) {
        const changed = { ...fact, ...to, updatedAt: Math.max(clock.now(), fact.updatedAt + 1) }
        if (!(await (await longTerm()).facts.put(changed, fact.updatedAt))) return undefined
        await index(changed, fact)
        return changed
      },
      delete: remove,
    },

    async tidy() {
      // Only the size is asked for: it is part of the collection's name.
      const { collection } = await embedded(['size'])
      // Vectors before facts: one that is written in between has its fact already.
      const there = new Set(await vectors.ids(collection))
      const { facts } = await longTerm()
      let made = 0
      for (let cursor: string | undefined; ; ) {
        const page = await facts.list({ limit: TIDIED_AT_ONCE, ...(cursor === undefined ? {} : { cursor }) })
        for (const fact of page.items) {
          if (there.delete(vectorId(fact))) continue
          await index(fact)
          made++
        }
        cursor = page.nextCursor
        if (cursor === undefined) break
      }
      await vectors.delete(collection, [...there])
      return made + there.size
    },
  }
}

/** Names a source without telling it: the fact may outlive it. */
const mark = (id: string): string => hash(id).slice(0, 16)
const between = (confidence: number): number => Math.min(1, Math.max(0, confidence))
const cosine = (a: number[], b: number[]): number => a.reduce((sum, number, i) => sum + number * (b[i] ?? 0), 0)
