/**
 * Objects in S3 or a store that speaks its protocol (MinIO, R2, Google Cloud Storage by its interoperable keys), each
 * under `prefix/<sha256>`.
 *
 * Guarantees: an object is there whole or not at all, and never changes: a write carries its hash, which the store
 * checks, and is refused where the object exists already, which is as good as done. What is read is compared with its
 * name. Whatever broke off is tried again, for a bounded time. Who has no credentials puts and gets by an address that is
 * signed here for that one object (`lend`).
 */
import { AwsClient } from 'aws4fetch'
import { OBJECT_FRESH_MS } from '../core/limits.ts'
import type { Lent, Snapshots, StoredObject } from '../ports.ts'
import { checkedId, DamagedObject, isId, sha256, userName } from './objects.ts'

export type S3Options = {
  bucket: string
  /** Without slashes at its ends; '' for none. */
  prefix: string
  /** Where the buckets are; the bucket is a part of the path. Left out: Amazon's, of that region. */
  endpoint?: string | undefined
  region: string
  accessKeyId: string
  secretAccessKey: string
  sessionToken?: string | undefined
  /** Google knows neither the condition nor the checksum by Amazon's names; its objects are compared when read. */
  dialect?: 's3' | 'gcs'
  fetch?: typeof fetch
  /** For tests. */
  retryMs?: number
}

const ATTEMPTS_MAX = 5
const RETRY_MS_FIRST = 200
const REQUEST_MS_MAX = 120_000
/** All tries of one operation together. */
const OPERATION_MS_MAX = 300_000
const LENT_SECONDS = 3600
const DELETES_AT_ONCE_MAX = 8
const ERROR_CHARS_MAX = 300

type Sent = { status: number; headers: Headers; body: Buffer }
type Asked = { method: string; headers?: Record<string, string>; body?: Uint8Array; query?: Record<string, string> }

export function s3Snapshots(options: S3Options): Snapshots {
  const { bucket, prefix, region, dialect = 's3', retryMs = RETRY_MS_FIRST } = options
  const send = options.fetch ?? fetch
  const client = new AwsClient({
    accessKeyId: options.accessKeyId,
    secretAccessKey: options.secretAccessKey,
    ...(options.sessionToken ? { sessionToken: options.sessionToken } : {}),
    service: 's3',
    region,
    retries: 0,
  })
  const base = `${options.endpoint?.replace(/\/+$/, '') ?? `https://s3.${region}.amazonaws.com`}/${bucket}`
  const folder = prefix === '' ? '' : `${prefix}/`
  const addressOf = (id: string): string => `${base}/${folder}${checkedId(id)}`

  async function once(url: string, { method, headers = {}, body, query = {} }: Asked): Promise<Sent> {
    const address = new URL(url)
    for (const [name, value] of Object.entries(query)) address.searchParams.set(name, value)
    const signed = await client.sign(address.toString(), {
      method,
      headers: { 'x-amz-content-sha256': sha256(body ?? Buffer.alloc(0)), ...headers },
      ...(body === undefined ? {} : { body: body as Uint8Array<ArrayBuffer> }),
    })
    const response = await send(signed, { signal: AbortSignal.timeout(REQUEST_MS_MAX) })
    const received = Buffer.from(await response.arrayBuffer())
    const promised = response.headers.get('content-length')
    if (
      method !== 'HEAD' &&
      promised !== null &&
      !response.headers.has('content-encoding') &&
      Number(promised) !== received.length
    )
      throw new Error('the answer was cut off')
    return { status: response.status, headers: response.headers, body: received }
  }

  /** Until `good` takes the answer, or there is no sense in another try. */
  async function ask<T>(what: string, url: string, asked: Asked, good: (sent: Sent) => T | undefined): Promise<T> {
    const until = Date.now() + OPERATION_MS_MAX
    let last: Error | undefined
    for (let attempt = 0; attempt < ATTEMPTS_MAX && Date.now() < until; attempt++) {
      if (attempt > 0) await new Promise((resolve) => setTimeout(resolve, retryMs * 2 ** (attempt - 1)))
      let sent: Sent
      try {
        sent = await once(url, asked)
        const result = good(sent)
        if (result !== undefined) return result
      } catch (error) {
        last = error as Error
        continue
      }
      last = new Error(`${what}: ${bucket} answered ${sent.status}: ${reasonOf(sent.body)}`)
      if (sent.status < 500 && ![408, 409, 429].includes(sent.status)) throw last
    }
    throw last instanceof DamagedObject ? last : new Error(`${what} failed: ${last?.message ?? 'no answer in time'}`)
  }

  const condition: Record<string, string> = dialect === 's3' ? { 'if-none-match': '*' } : {}
  /** How old the object is; undefined: it is not there. */
  async function ageOf(id: string): Promise<number | undefined> {
    const seen = ({ status, headers }: Sent) =>
      status === 404
        ? { age: undefined }
        : status === 200
          ? { age: Date.now() - Date.parse(headers.get('last-modified') ?? '') || 0 }
          : undefined
    return (await ask(`looking for object ${id}`, addressOf(id), { method: 'HEAD' }, seen)).age
  }

  return {
    where: `${dialect === 'gcs' ? 'gs' : 's3'}://${bucket}${prefix === '' ? '' : `/${prefix}`}`,
    async put(bytes) {
      const id = sha256(bytes)
      const what = `storing object ${id}`
      const put = (headers: Record<string, string>) =>
        ask(what, addressOf(id), { method: 'PUT', headers, body: bytes }, ({ status }) =>
          status === 200 ? 'stored' : status === 412 ? 'there' : undefined,
        )
      // Stored again, so that it is not removed for its age before anything names it.
      if ((await put(condition)) === 'there' && ((await ageOf(id)) ?? Number.POSITIVE_INFINITY) > OBJECT_FRESH_MS)
        await put({})
      return id
    },
    async get(id) {
      const read = ({ status, body }: Sent) => {
        if (status === 404) return { body: undefined }
        if (status !== 200) return undefined
        // Cut or changed on the way, it may be whole the next time.
        if (sha256(body) !== id) throw new DamagedObject(id)
        return { body }
      }
      return (await ask(`reading object ${id}`, addressOf(id), { method: 'GET' }, read)).body
    },
    async delete(ids) {
      const gone = ({ status }: Sent) => (status === 204 || status === 200 || status === 404 ? true : undefined)
      const left = [...ids]
      const work = async () => {
        for (let id = left.pop(); id !== undefined; id = left.pop())
          await ask(`removing object ${id}`, addressOf(id), { method: 'DELETE' }, gone)
      }
      await Promise.all(Array.from({ length: DELETES_AT_ONCE_MAX }, work))
    },
    async isOnlyUser(store) {
      const place = `${folder}.stores/`
      const put = ({ status }: Sent) => (status === 200 ? true : undefined)
      await ask('noting a user', `${base}/${place}${userName(store)}`, { method: 'PUT', body: Buffer.alloc(0) }, put)
      const query = { 'list-type': '2', 'max-keys': '2', prefix: place }
      const listed = ({ status, body }: Sent) => (status === 200 ? body.toString() : undefined)
      const users = await ask('listing users', base, { method: 'GET', query }, listed)
      return users.split('<Contents>').length === 2
    },
    async list(limit, cursor) {
      const query: Record<string, string> = { 'list-type': '2', 'max-keys': String(limit), prefix: folder }
      if (cursor !== undefined) query['start-after'] = folder + cursor
      const listed = ({ status, body }: Sent) => (status === 200 ? body.toString() : undefined)
      return readList(await ask('listing objects', base, { method: 'GET', query }, listed), folder)
    },
    lend: {
      async put(id) {
        const age = await ageOf(id)
        if (age !== undefined && age < OBJECT_FRESH_MS) return undefined
        const headers: Record<string, string> = age === undefined ? { ...condition } : {}
        if (dialect === 's3') headers['x-amz-checksum-sha256'] = Buffer.from(checkedId(id), 'hex').toString('base64')
        return { ...(await lent(addressOf(id), 'PUT', headers)), headers }
      },
      get: (id) => lent(addressOf(id), 'GET', {}),
    },
  }

  async function lent(url: string, method: string, headers: Record<string, string>): Promise<Lent> {
    const address = new URL(url)
    address.searchParams.set('X-Amz-Expires', String(LENT_SECONDS))
    const signed = await client.sign(address.toString(), {
      method,
      headers,
      aws: { signQuery: true, allHeaders: true },
    })
    return { url: signed.url, headers: {} }
  }
}

function readList(xml: string, folder: string): { items: StoredObject[]; nextCursor?: string } {
  const of = (text: string, tag: string) => unescaped(new RegExp(`<${tag}>([^<]*)</${tag}>`).exec(text)?.[1] ?? '')
  const items = [...xml.matchAll(/<Contents>(.*?)<\/Contents>/gs)].flatMap(([, text = '']) => {
    const id = of(text, 'Key').slice(folder.length)
    return isId(id) ? [{ id, bytes: Number(of(text, 'Size')), at: Date.parse(of(text, 'LastModified')) }] : []
  })
  // What is no object of ours counts for the place all the same.
  const last = [...xml.matchAll(/<Key>([^<]*)<\/Key>/g)].at(-1)?.[1]?.slice(folder.length)
  return { items, ...(of(xml, 'IsTruncated') === 'true' && last !== undefined ? { nextCursor: last } : {}) }
}

const unescaped = (text: string): string =>
  text.replace(
    /&(amp|lt|gt|quot|apos);/g,
    (_, name: string) => ({ amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" })[name] ?? '',
  )

/** What the store says of a refusal, without the key ids and requests that it repeats. */
function reasonOf(body: Buffer): string {
  const text = body.subarray(0, 4096).toString()
  const [code, message] = ['Code', 'Message'].map((tag) => new RegExp(`<${tag}>([^<]*)</${tag}>`).exec(text)?.[1])
  return code ? `${code}${message ? ` (${message.slice(0, ERROR_CHARS_MAX)})` : ''}` : 'no reason given'
}
