/**
 * Vectors in Chroma, a server of one's own or Chroma Cloud, over its HTTP interface (v2). A client of our own: the vendor's
 * has no time-outs and no retries, and brings a server with it. Vectors are ours, made before; Chroma keeps them, what they
 * stand for and whose they are, and no text. Quotas of Chroma Cloud (docs.trychroma.com/cloud/quotas-limits): 300 records
 * a write and 300 results, 10 requests of a kind at once.
 */
import { z } from 'zod'
import type { Clock, Vectors } from '../ports.ts'
import { VectorSizeError } from '../ports.ts'
import { askJson, ServiceError } from './http-json.ts'

const RECORDS_AT_ONCE = 300
const RESULTS_MAX = 300
const COLLECTIONS_PAGE = 100
const AT_ONCE_MAX = 8
const REQUEST_MS_MAX = 5000

export type ChromaOptions = {
  /** Of the server; Chroma Cloud's is https://api.trychroma.com. */
  url: string
  apiKey?: string
  tenant?: string
  database?: string
  /** Begins the name of every collection, so that several Stints can share one database. */
  prefix?: string
}

const Collection = z.object({
  id: z.string(),
  name: z.string(),
  configuration_json: z.record(z.string(), z.unknown()).nullish(),
})
type Collection = { id: string; scoreOf: (distance: number) => number }
const Found = z.object({
  ids: z.array(z.array(z.string())),
  distances: z.array(z.array(z.number().nullable())),
  metadatas: z.array(z.array(z.record(z.string(), z.unknown()).nullable())),
})
const Ids = z.object({ ids: z.array(z.string()) })

export function chromaVectors(
  { url, apiKey, tenant = 'default_tenant', database = 'default_database', prefix = 'stint-' }: ChromaOptions,
  clock: Pick<Clock, 'sleep'>,
  msMax = REQUEST_MS_MAX,
): Vectors {
  const root = `${url.replace(/\/+$/, '')}/api/v2`
  const base = `${root}/tenants/${encodeURIComponent(tenant)}/databases/${encodeURIComponent(database)}/collections`
  const where = `Chroma at ${new URL(url).host}`
  const service = {
    where,
    headers: apiKey ? { 'x-chroma-token': apiKey } : ({} as Record<string, string>),
    msMax,
    clock,
  }
  const known = new Map<string, Promise<Collection>>()
  const inTurn = atMost(AT_ONCE_MAX)
  const ask = (to: string, given?: { method?: string; body?: unknown }): Promise<unknown> =>
    inTurn(() => askJson(service, to, given))

  function collectionOf(name: string): Promise<Collection> {
    const made = known.get(name)
    if (made) return made
    const making = ask(base, {
      body: { name: nameOf(prefix, name), get_or_create: true, configuration: { hnsw: { space: 'cosine' } } },
    })
      .then((answer) => collectionIn(answer))
      .catch((error: unknown) => {
        known.delete(name)
        throw error
      })
    known.set(name, making)
    return making
  }

  /** Once more where somebody removed the collection that we knew. */
  async function within<T>(name: string, work: (collection: Collection) => Promise<T>): Promise<T> {
    try {
      return await work(await collectionOf(name))
    } catch (error) {
      if (!(error instanceof ServiceError) || error.status !== 404) throw error
      known.delete(name)
      return work(await collectionOf(name))
    }
  }

  /** All that are ours. */
  async function collections(): Promise<{ id: string }[]> {
    const found: z.infer<typeof Collection>[] = []
    for (let offset = 0; ; offset += COLLECTIONS_PAGE) {
      const answer = await ask(`${base}?limit=${COLLECTIONS_PAGE}&offset=${offset}`, { method: 'GET' })
      const page = z.array(Collection).parse(answer)
      found.push(...page)
      if (page.length < COLLECTIONS_PAGE) return found.filter(({ name }) => name.startsWith(prefix))
    }
  }

  return {
    async upsert(collection, records) {
      const size = records[0]?.vector.length ?? 0
      const odd = records.find(({ vector }) => vector.length !== size)
      if (odd) throw new VectorSizeError(collection, size, odd.vector.length)
      // Chroma refuses an id that is twice in one request.
      for (const part of parts([...new Map(records.map((record) => [record.id, record])).values()]))
        await within(collection, ({ id }) =>
          ask(`${base}/${id}/upsert`, {
            body: {
              ids: part.map((record) => record.id),
              embeddings: part.map(({ vector }) => vector),
              metadatas: part.map(({ ref, shelf, sessionId }) => ({ ref, shelf, ...(sessionId ? { sessionId } : {}) })),
            },
          }),
        ).catch(sizeTold(collection, size))
    },

    async nearest(collection, { vector, shelves, limit }) {
      if (shelves.length === 0 || limit < 1) return []
      const answer = await within(collection, async ({ id, scoreOf }) => ({
        scoreOf,
        found: Found.parse(
          await ask(`${base}/${id}/query`, {
            body: {
              query_embeddings: [vector],
              n_results: Math.min(limit, RESULTS_MAX),
              where: { shelf: { $in: shelves } },
              include: ['metadatas', 'distances'],
            },
          }),
        ),
      })).catch(sizeTold(collection, vector.length))
      const { scoreOf, found } = answer
      return (found.ids[0] ?? []).map((id, i) => ({
        id,
        ref: String(found.metadatas[0]?.[i]?.ref ?? ''),
        score: scoreOf(found.distances[0]?.[i] ?? 2),
      }))
    },

    async ids(collection) {
      const found: string[] = []
      for (let offset = 0; ; offset += RESULTS_MAX) {
        const body = { include: [], limit: RESULTS_MAX, offset }
        const { ids } = await within(collection, async ({ id }) => Ids.parse(await ask(`${base}/${id}/get`, { body })))
        found.push(...ids)
        if (ids.length < RESULTS_MAX) return found
      }
    },

    async known(collection, ids) {
      const found: string[] = []
      for (const part of parts(ids))
        found.push(
          ...(await within(collection, async ({ id }) =>
            Ids.parse(await ask(`${base}/${id}/get`, { body: { ids: part, include: [], limit: part.length } })),
          ).then((answer) => answer.ids)),
        )
      return found
    },

    async delete(collection, ids) {
      for (const part of parts(ids))
        await within(collection, ({ id }) => ask(`${base}/${id}/delete`, { body: { ids: part } }))
    },

    async forget(sessionId) {
      for (const { id } of await collections()) await ask(`${base}/${id}/delete`, { body: { where: { sessionId } } })
    },

    async check() {
      await ask(`${base}?limit=1`, { method: 'GET' })
    },

    async close() {},
  }
}

/** Names have 3 to 512 characters of a few kinds, and begin and end with a letter or digit. */
const nameOf = (prefix: string, name: string): string => `${prefix}${name.replace(/[^\w.-]+/g, '-').slice(0, 400)}-c`

/** The server may keep another space than the one asked for; for vectors of length 1 each tells the cosine. */
function collectionIn(answer: unknown): Collection {
  const { id, configuration_json } = Collection.parse(answer)
  const spaces = ['hnsw', 'spann'].map((kind) => (configuration_json?.[kind] as { space?: string } | null)?.space)
  const l2 = spaces.includes('l2')
  return { id, scoreOf: (distance) => 1 - (l2 ? distance / 2 : distance) }
}

/** Chroma tells of another size in words alone. */
const sizeTold =
  (collection: string, given: number) =>
  (error: unknown): never => {
    const size = error instanceof ServiceError && error.status === 400 && /dimension of (\d+)/.exec(error.message)?.[1]
    throw size ? new VectorSizeError(collection, size, given) : error
  }

const parts = <T>(items: T[]): T[][] =>
  Array.from({ length: Math.ceil(items.length / RECORDS_AT_ONCE) }, (_, i) =>
    items.slice(i * RECORDS_AT_ONCE, (i + 1) * RECORDS_AT_ONCE),
  )

/** Lets so much work go on side by side, and the rest wait in its order. */
function atMost(count: number) {
  const waiting: (() => void)[] = []
  let going = 0
  return async <T>(work: () => Promise<T>): Promise<T> => {
    if (going >= count) await new Promise<void>((resolve) => waiting.push(resolve))
    else going++
    try {
      return await work()
    } finally {
      const next = waiting.shift()
      if (next) next()
      else going--
    }
  }
}
