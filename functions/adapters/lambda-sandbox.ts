/**
 * The sandbox-runner as a Lambda function: each request is one invocation, of the environment that belongs to its
 * workspace. What does not fit into one (6 MB each way) goes in several: layers are brought before the request that
 * needs them, a large answer is fetched in parts. An invocation is never repeated here: who asks again is the engine, with
 * the same call ids. Signed by a small client, because the vendor's own is 350 kB of every function that
 * asks; tests/vendor-clients.test.ts holds both against the same server.
 */
import { request as http } from 'node:http'
import { request as https } from 'node:https'
import { gunzipSync } from 'node:zlib'
import { AwsClient } from 'aws4fetch'
import { z } from 'zod'
import type { Layer, Request } from '../../sandbox-runner/protocol.ts'
import { subjectOf } from '../../sandbox-runner/token.ts'
import type { Transport } from './sandbox-client.ts'

/** Lambda takes 6 MB (6,291,556 bytes); a little is left for what is around. */
export const REQUEST_BYTES_MAX = 5_500_000
/** For a cold start, and the way of a large payload. */
const INVOKE_MS_MORE = 30_000
const KEEP_ALIVE_MS = 30_000

const Parts = z.object({ ok: z.literal(true), state: z.literal('parts'), id: z.string(), parts: z.number().int() })
const Part = z.object({ ok: z.literal(true), bytes: z.base64() })

export type LambdaOptions = {
  accessKeyId: string
  secretAccessKey: string
  sessionToken?: string | undefined
  region: string
  /** Name or ARN. */
  name: string
  /** Made with PER_TENANT: the sandbox is, the carrier is not. */
  perTenant: boolean
  /** Who is asked of a function that is both; left out, the sandbox. */
  to?: 'sandbox' | 'carrier'
  /** Where Lambda is; left out, Amazon's of that region. */
  endpoint?: string | undefined
}

export function lambdaRunner(options: LambdaOptions): Transport {
  const { name, perTenant, to = 'sandbox', endpoint, region, sessionToken, accessKeyId, secretAccessKey } = options
  const keys = { accessKeyId, secretAccessKey, ...(sessionToken ? { sessionToken } : {}) }
  const client = new AwsClient({ ...keys, service: 'lambda', region, retries: 0 })
  const base = (endpoint ?? `https://lambda.${region}.amazonaws.com`).replace(/\/+$/, '')
  const url = `${base}/2015-03-31/functions/${encodeURIComponent(name)}/invocations`

  async function invoke(event: object, tenant: string, timeoutMs: number): Promise<unknown> {
    const request = await client.sign(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(perTenant ? { 'x-amz-tenant-id': tenant } : {}) },
      body: JSON.stringify({ ...event, of: to }),
    })
    const { status, failed, said } = await posted(request, AbortSignal.timeout(timeoutMs + INVOKE_MS_MORE))
    if (status >= 300) throw new Error(`Lambda refused ${name} (${status}): ${said.slice(0, 300)}`)
    if (failed) throw new Error(`the function ${name} failed: ${said.slice(0, 300)}`)
    return JSON.parse(said)
  }

  /** A large answer in parts; its bytes are compressed JSON. */
  async function whole({ id, parts }: z.infer<typeof Parts>, tenant: string, timeoutMs: number): Promise<unknown> {
    const bytes: Buffer[] = []
    for (let part = 0; part < parts; part++) {
      const reply = Part.safeParse(await invoke({ op: 'part', id, part }, tenant, timeoutMs))
      if (!reply.success) throw new Error('a large answer was lost on its way')
      bytes.push(Buffer.from(reply.data.bytes, 'base64'))
    }
    return JSON.parse(gunzipSync(Buffer.concat(bytes)).toString())
  }

  return {
    async send(request: Request, { timeoutMs = INVOKE_MS_MORE } = {}) {
      // Another invocation would reach another environment. What is under way ends at its deadline.
      if (request.op === 'stop') return { ok: true }
      if (request.op === 'push' && tooLarge(request)) return PUSH_TOO_LARGE
      const { workspace } = subjectOf(request)
      const tenant = workspace?.id ?? 'none'
      let event: object = request
      if ('layers' in request && request.layers && tooLarge(request)) {
        const { layers, ...rest } = request
        for (const some of batches(layers)) {
          const brought = await invoke(
            { op: 'bring', workspace: { ...workspace, fence: 0 }, layers: some },
            tenant,
            timeoutMs,
          )
          if (!(brought as { ok?: boolean }).ok) return brought
        }
        event = rest
      }
      const said = await invoke(event, tenant, timeoutMs)
      const parts = Parts.safeParse(said)
      return parts.success ? whole(parts.data, tenant, timeoutMs) : said
    },
    async close() {},
  }
}

/** A push is not brought in parts: it would wait somewhere with its credential. */
const PUSH_TOO_LARGE = {
  ok: false as const,
  code: 'pack_too_large',
  message: `the commits have more bytes than one request to the carrier takes (${REQUEST_BYTES_MAX})`,
  retry: false,
}

/** Not by fetch, which gives up on an answer that does not begin within five minutes: a command may take ten. */
async function posted(signed: globalThis.Request, signal: AbortSignal) {
  const body = Buffer.from(await signed.arrayBuffer())
  const send = signed.url.startsWith('https:') ? https : http
  return new Promise<{ status: number; failed: boolean; said: string }>((resolve, reject) => {
    const headers = { ...Object.fromEntries(signed.headers), 'content-length': body.length }
    const request = send(signed.url, { method: 'POST', headers, signal }, (response) => {
      const parts: Buffer[] = []
      response.on('data', (part: Buffer) => parts.push(part))
      response.on('error', reject)
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          failed: response.headers['x-amz-function-error'] !== undefined,
          said: Buffer.concat(parts).toString(),
        }),
      )
    })
    // Nothing is said while a command runs, and what is silent is cut off on the way.
    request.setSocketKeepAlive(true, KEEP_ALIVE_MS)
    request.on('error', reject)
    request.end(body)
  })
}

const tooLarge = (value: object): boolean => Buffer.byteLength(JSON.stringify(value)) > REQUEST_BYTES_MAX

/** In their order, as many in one as fit. */
function batches(layers: Layer[]): Layer[][] {
  const all: Layer[][] = []
  let bytes = Number.POSITIVE_INFINITY
  for (const layer of layers) {
    const size = JSON.stringify(layer).length + 1
    bytes += size
    if (bytes > REQUEST_BYTES_MAX - 1000) {
      all.push([])
      bytes = size
    }
    all.at(-1)?.push(layer)
  }
  return all
}
