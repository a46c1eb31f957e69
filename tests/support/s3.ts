/**
 * A small S3: one bucket over HTTP as docs.aws.amazon.com/AmazonS3/latest/API has it, path style. Every request must be
 * signed (Signature Version 4, by header or by query), computed here anew from the documentation; what is put is compared
 * with the hash and the checksum it came with; conditions hold. Faults are those that S3 clients meet.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

type Context = { after(done: () => unknown): void }
type Stored = { body: Buffer; at: number }

export type S3 = {
  endpoint: string
  bucket: string
  accessKeyId: string
  secretAccessKey: string
  region: string
  objects: Map<string, Stored>
  /** Requests that were let in, oldest first. */
  requests: { method: string; key: string; by: 'header' | 'address'; status: number }[]
  /** Refusals of a signature. */
  refused: string[]
  /** Called while a body arrives. */
  onBody?: (() => void) | undefined
  /** What happens to the next requests, one each: an answer of that status, a cut, or a hang-up before the work. */
  faults: (number | 'cut' | 'hang up' | 'hang up after')[]
}

const KEYS = { accessKeyId: 'test-key', secretAccessKey: 'test-secret', region: 'test-1' }

export async function startS3(t: Context): Promise<S3> {
  const s3: S3 = { ...KEYS, endpoint: '', bucket: 'bucket', objects: new Map(), requests: [], refused: [], faults: [] }
  const server = createServer((request, response) => void answer(s3, request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  s3.endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return s3
}

/** What a server is told of it. */
export const s3Env = ({ endpoint, bucket, accessKeyId, secretAccessKey, region }: S3): Record<string, string> => ({
  SNAPSHOT_BUCKET: `s3://${bucket}/some/where`,
  AWS_ENDPOINT_URL_S3: endpoint,
  AWS_ACCESS_KEY_ID: accessKeyId,
  AWS_SECRET_ACCESS_KEY: secretAccessKey,
  AWS_REGION: region,
})

async function answer(s3: S3, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const parts: Buffer[] = []
  try {
    for await (const part of request) {
      parts.push(part as Buffer)
      s3.onBody?.()
    }
  } catch {
    // Whoever sent it is gone: nothing was put.
    return
  }
  if (request.complete === false) return
  const body = Buffer.concat(parts)
  const url = new URL(request.url ?? '/', s3.endpoint)
  const by = url.searchParams.has('X-Amz-Signature') ? 'address' : 'header'
  const wrong = refusal(s3, request, url, body, by)
  const key = decodeURIComponent(url.pathname).replace(`/${s3.bucket}`, '').replace(/^\//, '')
  const send = (status: number, content: string | Buffer = '', headers: Record<string, string> = {}) => {
    s3.requests.push({ method: request.method ?? '', key, by, status })
    const bytes = Buffer.from(content as string)
    response.writeHead(status, { 'content-length': bytes.length, ...headers })
    response.end(request.method === 'HEAD' ? undefined : bytes)
  }
  const fail = (status: number, code: string) =>
    send(status, `<?xml version="1.0"?><Error><Code>${code}</Code><Message>told by the test</Message></Error>`)
  if (wrong) {
    s3.refused.push(wrong)
    return fail(403, 'SignatureDoesNotMatch')
  }
  const fault = s3.faults.shift()
  if (typeof fault === 'number') return fail(fault, fault === 503 ? 'SlowDown' : 'InternalError')
  if (fault === 'hang up') return void request.socket.destroy()
  const done = perform(s3, request, key, url, body)
  if (fault === 'hang up after') return void request.socket.destroy()
  if (fault === 'cut' && done.content !== undefined) {
    response.writeHead(done.status, { 'content-length': done.content.length, ...done.headers })
    response.write(done.content.subarray(0, Math.floor(done.content.length / 2)), () => request.socket.destroy())
    return
  }
  if (done.code) return fail(done.status, done.code)
  send(done.status, done.content ?? '', done.headers)
}

type Done = { status: number; code?: string; content?: Buffer; headers?: Record<string, string> }

function perform(s3: S3, { method, headers }: IncomingMessage, key: string, url: URL, body: Buffer): Done {
  const stored = s3.objects.get(key)
  if (method === 'GET' && key === '') return list(s3, url)
  if (method === 'PUT') {
    const checksum = headers['x-amz-checksum-sha256']
    if (checksum !== undefined && checksum !== createHash('sha256').update(body).digest('base64'))
      return { status: 400, code: 'BadDigest' }
    if (headers['if-none-match'] === '*' && stored) return { status: 412, code: 'PreconditionFailed' }
    s3.objects.set(key, { body, at: Date.now() })
    return { status: 200 }
  }
  if (method === 'DELETE') {
    s3.objects.delete(key)
    return { status: 204 }
  }
  if (!stored) return { status: 404, code: 'NoSuchKey' }
  return { status: 200, content: stored.body, headers: { 'last-modified': new Date(stored.at).toUTCString() } }
}

function list(s3: S3, url: URL): Done {
  const { prefix = '', 'start-after': after = '', 'max-keys': max = '1000' } = Object.fromEntries(url.searchParams)
  const keys = [...s3.objects.keys()].filter((key) => key.startsWith(prefix) && key > after).sort()
  const page = keys.slice(0, Number(max)).map((key) => {
    const { body, at } = s3.objects.get(key) ?? { body: Buffer.alloc(0), at: 0 }
    return `<Contents><Key>${key}</Key><LastModified>${new Date(at).toISOString()}</LastModified><Size>${body.length}</Size></Contents>`
  })
  const text = `<ListBucketResult><IsTruncated>${keys.length > page.length}</IsTruncated>${page.join('')}</ListBucketResult>`
  return { status: 200, content: Buffer.from(text) }
}

/** Why the request is not one of ours; undefined when it is. */
function refusal(
  s3: S3,
  request: IncomingMessage,
  url: URL,
  body: Buffer,
  by: 'header' | 'address',
): string | undefined {
  const query = new URLSearchParams(url.search)
  const header = /^AWS4-HMAC-SHA256 Credential=([^,]+), ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/.exec(
    request.headers.authorization ?? '',
  )
  const credential = by === 'header' ? header?.[1] : query.get('X-Amz-Credential')
  const names = (by === 'header' ? header?.[2] : query.get('X-Amz-SignedHeaders')) ?? ''
  const signature = (by === 'header' ? header?.[3] : query.get('X-Amz-Signature')) ?? ''
  const at = (by === 'header' ? request.headers['x-amz-date'] : query.get('X-Amz-Date'))?.toString() ?? ''
  const [id, day = '', region, service, end] = credential?.split('/') ?? []
  if (id !== s3.accessKeyId || region !== s3.region || service !== 's3' || end !== 'aws4_request') return 'credential'
  if (!names.split(';').includes('host')) return 'host is not signed'
  const time = Date.parse(at.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'))
  const seconds = by === 'header' ? 900 : Number(query.get('X-Amz-Expires'))
  if (!(Math.abs(Date.now() - time) <= seconds * 1000) || !at.startsWith(day)) return 'expired'
  const hash = by === 'header' ? (request.headers['x-amz-content-sha256'] ?? '') : 'UNSIGNED-PAYLOAD'
  if (hash !== 'UNSIGNED-PAYLOAD' && hash !== createHash('sha256').update(body).digest('hex')) return 'payload hash'
  for (const name of Object.keys(request.headers))
    if (/^(x-amz-|if-)/.test(name) && !names.split(';').includes(name)) return `${name} is not signed`
  query.delete('X-Amz-Signature')
  const encoded = (text: string) =>
    encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
  const pairs = [...query].map(([name, value]) => `${encoded(name)}=${encoded(value)}`).sort()
  const lines = names.split(';').map((name) => `${name}:${String(request.headers[name] ?? '').trim()}\n`)
  const canonical = [request.method, url.pathname, pairs.join('&'), lines.join(''), names, hash].join('\n')
  const scope = `${day}/${region}/s3/aws4_request`
  const text = ['AWS4-HMAC-SHA256', at, scope, createHash('sha256').update(canonical).digest('hex')].join('\n')
  const key = [day, s3.region, 's3', 'aws4_request'].reduce(
    (secret: string | Buffer, part) => createHmac('sha256', secret).update(part).digest(),
    `AWS4${s3.secretAccessKey}`,
  )
  const wanted = createHmac('sha256', key).update(text).digest()
  const given = Buffer.from(signature, 'hex')
  return given.length === wanted.length && timingSafeEqual(given, wanted) ? undefined : 'signature'
}
