/** A server that speaks what we use of Chroma's interface, as the real one (1.0.0) answers it, with faults to order. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

type Context = { after(done: () => unknown): void }
type Kept = { vector: number[]; metadata: Record<string, unknown> }
type Collection = { id: string; name: string; size: number | undefined; records: Map<string, Kept> }
type Body = {
  name?: string
  ids?: string[]
  embeddings?: number[][]
  metadatas?: Record<string, unknown>[]
  query_embeddings?: number[][]
  n_results?: number
  limit?: number
  offset?: number
  where?: Record<string, unknown>
}

export type FakeChroma = {
  url: string
  /** `POST upsert`, … in their order. */
  requests: string[]
  headers: Record<string, unknown>[]
  /** Most that were open at once. */
  atOnce: number
  collections: Collection[]
  /** What the next requests get instead of an answer. */
  faults: (number | 'silence' | 'reset' | 'no json')[]
  /** How long each answer is held back. */
  slowMs: number
  retryAfter?: string
}

/** Why tests with a real Chroma are left out; it needs glibc 2.38, which Debian 12 has not. */
export const CHROMA_URL = process.env.STINT_TEST_CHROMA_URL
export const chromaMissing = CHROMA_URL === undefined ? 'STINT_TEST_CHROMA_URL names no Chroma server' : undefined

class Refusal extends Error {
  readonly status: number
  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

export async function fakeChroma(t: Context): Promise<FakeChroma> {
  const fake: FakeChroma = { url: '', requests: [], headers: [], atOnce: 0, collections: [], faults: [], slowMs: 0 }
  let open = 0
  const server = createServer(async (request, response) => {
    fake.atOnce = Math.max(fake.atOnce, ++open)
    response.once('close', () => open--)
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part as Buffer)
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://x')
    const [, api, , tenants, , databases, , collections, id, verb] = pathname.split('/')
    fake.requests.push(`${request.method} ${verb ?? id ?? 'collections'}`)
    fake.headers.push(request.headers)
    const answer = (status: number, body: unknown) => {
      const after = fake.retryAfter === undefined ? {} : { 'retry-after': fake.retryAfter }
      response.writeHead(status, { 'content-type': 'application/json', ...after }).end(JSON.stringify(body))
    }
    if (fake.slowMs > 0) await new Promise((resolve) => setTimeout(resolve, fake.slowMs))
    const fault = fake.faults.shift()
    if (fault === 'silence') return
    if (fault === 'reset') return void request.socket.destroy()
    if (fault === 'no json') return void response.writeHead(200).end('<html>')
    if (fault !== undefined) return answer(fault, { error: 'Fault', message: 'made for a test' })
    try {
      if ([api, tenants, databases, collections].join() !== 'api,tenants,databases,collections')
        throw new Refusal(404, `no ${pathname}`)
      const text = Buffer.concat(parts).toString()
      const body = (text === '' ? {} : JSON.parse(text)) as Body
      answer(
        200,
        id === undefined ? ofDatabase(request.method ?? '', body, searchParams) : ofCollection(id, verb, body),
      )
    } catch (error) {
      const { status = 500, message } = error as Partial<Refusal>
      answer(status, { error: 'InvalidArgumentError', message })
    }
  })

  const shown = ({ id, name }: Collection) => ({
    id,
    name,
    configuration_json: { hnsw: { space: 'cosine' }, spann: null },
  })

  function ofDatabase(method: string, { name = '' }: Body, query: URLSearchParams): unknown {
    if (method === 'GET') {
      const offset = Number(query.get('offset') ?? 0)
      return fake.collections.slice(offset, offset + Number(query.get('limit'))).map(shown)
    }
    if (!/^[a-z0-9][\w.-]{1,510}[a-z0-9]$/i.test(name)) throw new Refusal(400, `Expected a name, got ${name}`)
    const known = fake.collections.find((collection) => collection.name === name)
    if (known) return shown(known)
    const made = { id: `id-${fake.collections.length}`, name, size: undefined, records: new Map() }
    fake.collections.push(made)
    return shown(made)
  }

  function ofCollection(id: string, verb: string | undefined, body: Body): unknown {
    const collection = fake.collections.find((one) => one.id === id)
    if (!collection) throw new Refusal(404, `Collection [${id}] does not exist`)
    const { records } = collection
    const { ids = [], where = {} } = body
    if (ids.length > 300 || (body.n_results ?? 0) > 300) throw new Refusal(422, 'Quota exceeded')
    const sized = (vector: number[] = []) => {
      if (collection.size !== undefined && vector.length !== collection.size)
        throw new Refusal(
          400,
          `Collection expecting embedding with dimension of ${collection.size}, got ${vector.length}`,
        )
    }
    if (verb === 'upsert') {
      if (new Set(ids).size < ids.length) throw new Refusal(400, 'Expected IDs to be unique')
      for (const vector of body.embeddings ?? []) sized(vector)
      collection.size ??= body.embeddings?.[0]?.length
      for (const [i, key] of ids.entries())
        records.set(key, { vector: body.embeddings?.[i] ?? [], metadata: body.metadatas?.[i] ?? {} })
      return {}
    }
    if (verb === 'get' && body.ids === undefined)
      return { ids: [...records.keys()].slice(body.offset, (body.offset ?? 0) + (body.limit ?? 300)) }
    if (verb === 'get') return { ids: ids.filter((key) => records.has(key)) }
    if (verb === 'delete') {
      if (ids.length === 0 && Object.keys(where).length === 0) throw new Refusal(400, 'need ids or where')
      for (const [key, kept] of records) if (ids.includes(key) || matches(kept, where)) records.delete(key)
      return {}
    }
    if (verb !== 'query') throw new Refusal(404, `no ${verb}`)
    const [wanted = []] = body.query_embeddings ?? []
    sized(wanted)
    const found = [...records]
      .filter(([, kept]) => matches(kept, where))
      .map(([key, kept]) => ({
        key,
        kept,
        distance: 1 - kept.vector.reduce((sum, n, i) => sum + n * (wanted[i] ?? 0), 0),
      }))
      .sort((a, b) => a.distance - b.distance)
      .slice(0, body.n_results)
    return {
      ids: [found.map(({ key }) => key)],
      distances: [found.map(({ distance }) => distance)],
      metadatas: [found.map(({ kept }) => kept.metadata)],
    }
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  fake.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return fake
}

const matches = ({ metadata }: Kept, where: Record<string, unknown>): boolean => {
  const [[field, wanted] = []] = Object.entries(where)
  if (field === undefined) return false
  const any = (wanted as { $in?: unknown[] }).$in
  return any ? any.includes(metadata[field]) : metadata[field] === wanted
}
