/**
 * Lambda, asked by API Gateway (a REST API that streams answers) or by a function URL. A stream of events ends before
 * the invocation would be ended: the reader comes again with `Last-Event-ID` and misses nothing. Without keys it answers
 * nobody, because whoever knows the address can ask.
 */
import type { Context } from 'aws-lambda'
import { streamHandle } from 'hono/aws-lambda'
import { type Backend, backendHere } from './backend.ts'
import { STREAM_TAIL_MS } from './core/limits.ts'
import { InvalidEnvironment } from './env.ts'
import { faceOf } from './face.ts'
import type { Clock } from './ports.ts'
import { jsonLog } from './telemetry/log.ts'

type Invocation = { context: Pick<Context, 'getRemainingTimeInMillis'> }
type Served = { fetch(request: Request, invocation: object): Response | Promise<Response>; clock: Clock }

export function apiHandler(open: () => Promise<Backend>) {
  let served: Promise<Served> | undefined
  const fetch = async (request: Request, invocation: Invocation): Promise<Response> => {
    try {
      served ??= open().then(serve)
      const { fetch: answer, clock } = await served
      const leftMs = invocation.context.getRemainingTimeInMillis() - STREAM_TAIL_MS
      return endingAfter(await answer(request, invocation), clock, leftMs)
    } catch (error) {
      served = undefined
      return notSetUp(error)
    }
  }
  return streamHandle({ fetch } as unknown as Parameters<typeof streamHandle>[0])
}

function serve(backend: Backend): Served {
  if (!backend.env.STINT_API_KEY_HASHES?.length)
    throw new InvalidEnvironment(['STINT_API_KEY_HASHES must be set (made by "stint keys create --offline")'])
  return { fetch: faceOf(backend, { api: true, works: false }).fetch, clock: backend.wired.ports.clock }
}

/** The same answer; what it still says after `ms` is left out, and whoever produces it is told. */
function endingAfter(response: Response, clock: Clock, ms: number): Response {
  if (!response.body) return response
  const reader = response.body.getReader()
  const over = new AbortController()
  void clock.sleep(ms, over.signal).then(() => (over.signal.aborted ? undefined : reader.cancel()))
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await reader.read()
      if (!done) return controller.enqueue(value)
      over.abort()
      controller.close()
    },
    cancel(why) {
      over.abort()
      return reader.cancel(why)
    },
  })
  return new Response(body, response)
}

/** The log tells what is missing; whoever asks learns only that it is not the request. */
function notSetUp(error: unknown): Response {
  const lines = error instanceof InvalidEnvironment ? error.lines : [(error as Error).message]
  for (const line of lines) jsonLog('error')('error', `the API cannot start: ${line}`)
  const problem = {
    title: 'Not set up',
    status: 503,
    code: 'not_set_up',
    detail: 'The log of this function tells why.',
  }
  return Response.json(problem, { status: 503, headers: { 'content-type': 'application/problem+json' } })
}

export const handler = apiHandler(backendHere)
