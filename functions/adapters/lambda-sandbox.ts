/**
 * The sandbox-runner as a Lambda function: each request is one invocation, of the environment that belongs to its
 * workspace. What does not fit into one (6 MB each way) goes in several: layers are brought before the request that
 * needs them, a large answer is fetched in parts. An invocation is never repeated by the library: who asks again is the
 * engine, with the same call ids.
 */
import { gunzipSync } from 'node:zlib'
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda'
import { z } from 'zod'
import type { Layer, Request } from '../../sandbox-runner/protocol.ts'
import { subjectOf } from '../../sandbox-runner/token.ts'
import type { Transport } from './sandbox-client.ts'

/** Lambda takes 6 MB (6,291,556 bytes); a little is left for what is around. */
export const REQUEST_BYTES_MAX = 5_500_000
/** For a cold start, and the way of a large payload. */
const INVOKE_MS_MORE = 30_000
const CONNECT_MS_MAX = 5_000
const INVOCATIONS_AT_ONCE_MAX = 500

const Parts = z.object({ ok: z.literal(true), state: z.literal('parts'), id: z.string(), parts: z.number().int() })
const Part = z.object({ ok: z.literal(true), bytes: z.base64() })

export type LambdaOptions = {
  /** Name or ARN. */
  name: string
  /** Made with PER_TENANT: the sandbox is, the carrier is not. */
  perTenant: boolean
  /** Who is asked of a function that is both; left out, the sandbox. */
  to?: 'sandbox' | 'carrier'
  /** Where Lambda is; left out, as AWS's own settings say. */
  endpoint?: string | undefined
}

export function lambdaRunner({ name, perTenant, to = 'sandbox', endpoint }: LambdaOptions): Transport {
  const client = new LambdaClient({
    ...(endpoint ? { endpoint } : {}),
    maxAttempts: 1,
    requestHandler: { connectionTimeout: CONNECT_MS_MAX, httpsAgent: { maxSockets: INVOCATIONS_AT_ONCE_MAX } },
  })

  async function invoke(event: object, tenant: string, timeoutMs: number): Promise<unknown> {
    const { FunctionError, Payload } = await client.send(
      new InvokeCommand({
        FunctionName: name,
        Payload: JSON.stringify({ ...event, to }),
        ...(perTenant ? { TenantId: tenant } : {}),
      }),
      { abortSignal: AbortSignal.timeout(timeoutMs + INVOKE_MS_MORE) },
    )
    const said = Buffer.from(Payload ?? []).toString()
    if (FunctionError) throw new Error(`the function ${name} failed: ${said.slice(0, 300)}`)
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
    async close() {
      client.destroy()
    },
  }
}

/** A push is not brought in parts: it would wait somewhere with its credential. */
const PUSH_TOO_LARGE = {
  ok: false as const,
  code: 'pack_too_large',
  message: `the commits have more bytes than one request to the carrier takes (${REQUEST_BYTES_MAX})`,
  retry: false,
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
