/**
 * The sandbox-runner as a server for others (Cloud Run, compose, Kubernetes): the protocol by POST /, with a token for
 * each request (`token.ts`); GET /health says that it is alive. The carrier answers at POST /carrier, by the same
 * protocol; with STINT_PART only one of both is there, because a container that runs commands had better see no credential.
 *
 *     SANDBOX_TOKEN=… PORT=8080 node sandbox-runner/http.ts
 *
 * SANDBOX_TOKEN=- reads it from the standard input, for a start whose environment others can see (image/entry.sh).
 * SIGTERM: what is under way ends first, then the process.
 */
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { type Answer, answerTo, type Handler, readRequest, refusal } from './answer.ts'
import { Carrier } from './carrier.ts'
import { startedAs } from './entry.ts'
import { HTTP_REQUEST_BYTES_MAX } from './limits.ts'
import { LongRequests } from './long.ts'
import { Runner } from './runner.ts'
import { bodyOf, machineOf, send } from './server.ts'
import { permits, readToken, subjectOf } from './token.ts'

const Settings = z.object({
  SANDBOX_TOKEN: z.string().min(32, 'must have 32 characters or more; make it by: openssl rand -hex 32'),
  PORT: z.coerce.number().int().min(0).max(65_535).default(8080),
  HOST: z.string().default('0.0.0.0'),
  STINT_HOME: z.string().default(join(tmpdir(), 'stint')),
  STINT_ISOLATION: z.enum(['auto', 'none']).default('auto'),
  STINT_PART: z.enum(['all', 'sandbox', 'carrier']).default('all'),
})

export async function main(environment: Record<string, string | undefined> = process.env): Promise<Server> {
  const { SANDBOX_TOKEN: given } = environment
  const token = given === '-' ? readFileSync(0, 'utf8').trim() : given
  const read = Settings.safeParse({ ...environment, SANDBOX_TOKEN: token })
  if (!read.success) {
    for (const { path, message } of read.error.issues) process.stderr.write(`${path.join('.')} ${message}\n`)
    process.exit(1)
  }
  const {
    SANDBOX_TOKEN: secret,
    PORT,
    HOST,
    STINT_HOME: home,
    STINT_ISOLATION: isolation,
    STINT_PART: part,
  } = read.data
  const handlers = await open(part, home, isolation)
  const all = Object.values(handlers)
  for (const handler of all)
    handler.endOrphans().catch((error: Error) => process.stderr.write(`sandbox-runner: ${error.message}\n`))
  const server = serve(handlers, secret)
  server.listen(PORT, HOST, () => {
    const address = server.address()
    process.stdout.write(`sandbox-runner listening on ${typeof address === 'object' ? address?.port : PORT}\n`)
  })
  const leave = () => {
    server.close()
    server.closeIdleConnections()
    if (all.every(({ busy }) => busy === 0)) process.exit(0)
    setTimeout(leave, 50)
  }
  for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, leave)
  return server
}

/** Who answers at which path. */
export type Handlers = Record<string, Handler>

async function open(part: 'all' | 'sandbox' | 'carrier', home: string, isolation: 'auto' | 'none'): Promise<Handlers> {
  // What is too large to travel goes where the functions lend an address: no disk here is more than a cache.
  const places = (name: string) => ({ home: join(home, name) })
  const machine = await machineOf({ isolation })
  return {
    ...(part === 'carrier' ? {} : { '/': new Runner({ ...places('workspaces'), machine, egress: false }) }),
    ...(part === 'sandbox' ? {} : { '/carrier': new Carrier(places('carrier')) }),
  }
}

export function serve(handlers: Handlers, secret: string): Server {
  const served = Object.fromEntries(
    Object.entries(handlers).map(([path, handler]) => [path, { handler, secret, long: new LongRequests() }]),
  )
  const server = createServer((request, response) => {
    respond(served, request, response).catch((error: Error) => {
      process.stderr.write(`sandbox-runner: ${error.message}\n`)
      if (!response.headersSent) send(response, refusal(500, 'sandbox_error', 'the runner could not answer'))
    })
  })
  server.keepAliveTimeout = 600_000
  server.requestTimeout = 60_000
  return server
}

type Served = { handler: Handler; long: LongRequests; secret: string }

async function respond(
  served: Record<string, Served>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (request.method === 'GET' && request.url === '/health') return send(response, { status: 200, body: { ok: true } })
  const here = served[request.url ?? '']
  if (!here) return send(response, refusal(404, 'not_found', 'nobody answers at this path'))
  if (request.method !== 'POST') return send(response, refusal(405, 'bad_request', 'the protocol is asked by POST'))
  send(response, await answer(here, request))
}

async function answer({ handler, long, secret }: Served, request: IncomingMessage): Promise<Answer> {
  const [, token = ''] = /^Bearer (.+)$/.exec(request.headers.authorization ?? '') ?? []
  const claims = readToken(secret, token, Date.now())
  if (claims === 'wrong') return refusal(401, 'unauthorized', 'the token is not signed by SANDBOX_TOKEN')
  if (claims === 'expired') return refusal(401, 'token_expired', 'the token has expired; do the clocks agree?')
  const body = await bodyOf(request, HTTP_REQUEST_BYTES_MAX)
  if (body === undefined) return refusal(413, 'too_large', `a request may have ${HTTP_REQUEST_BYTES_MAX} bytes`)
  const read = readRequest(body)
  if ('status' in read) return read
  if (!permits(claims, subjectOf(read.request))) return refusal(403, 'forbidden', 'the token was made for another run')
  return answerTo(handler, read, long)
}

if (startedAs('http')) await main()
