/**
 * The sandbox-runner on Lambda: takes invocations from the Runtime API one after the other, and answers each by the
 * protocol. A command ends within its invocation, a few seconds before that would be ended; nothing goes on after an
 * answer, because the environment is frozen then. One environment serves one workspace (PER_TENANT), and a request for
 * another is refused. An answer larger than Lambda lets through is kept and fetched in parts.
 *
 * It speaks the Runtime API itself, so the image needs no client of AWS's.
 */
import { join } from 'node:path'
import { z } from 'zod'
import { answerTo, type Handler, readRequest } from './answer.ts'
import { Carrier } from './carrier.ts'
import { startedAs } from './entry.ts'
import { nothingHolds } from './exec/isolation.ts'
import { commandLimits } from './exec/watch.ts'
import { failure } from './faults.ts'
import { KeptAnswers, PartRequest } from './large.ts'
import { ANSWER_MS_RESERVED } from './limits.ts'
import { Runner } from './runner.ts'
import { subjectOf } from './token.ts'

export type Invocation = { deadlineMs: number; tenant?: string | undefined }

/** Who answers, by what a request names as `of`. */
export type Parts = { sandbox?: Handler; carrier?: Handler }
const Addressed = z.object({ of: z.enum(['sandbox', 'carrier']).default('sandbox') })

export function lambdaHandler(parts: Parts, kept: KeptAnswers) {
  return async (event: unknown, { deadlineMs, tenant }: Invocation): Promise<object> => {
    const part = PartRequest.safeParse(event)
    if (part.success) return kept.part(part.data)
    const addressed = Addressed.safeParse(event)
    const handler = addressed.success ? parts[addressed.data.of] : undefined
    if (!handler) return failure('bad_request', 'nobody of that name answers here', false)
    const read = readRequest(event)
    if ('status' in read) return read.body
    const { workspace } = subjectOf(read.request)
    if (tenant !== undefined && workspace !== undefined && workspace.id !== tenant)
      return failure('forbidden', 'this environment belongs to another workspace', false)
    const untilMs = Math.min(read.untilMs ?? Number.POSITIVE_INFINITY, deadlineMs - ANSWER_MS_RESERVED)
    const { body } = await answerTo(handler, { ...read, untilMs, answerWithinMs: undefined })
    return kept.keepIfLarge(body)
  }
}

async function main(environment: Record<string, string | undefined> = process.env): Promise<void> {
  const api = `http://${environment.AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime`
  const home = environment.STINT_HOME ?? '/tmp/stint'
  const post = async (path: string, body: unknown) =>
    fetch(`${api}/${path}`, { method: 'POST', body: JSON.stringify(body) }).then((response) => response.arrayBuffer())
  let answer: ReturnType<typeof lambdaHandler>
  try {
    const parts = open(environment.STINT_PART ?? 'all', home)
    await parts.sandbox?.endOrphans()
    answer = lambdaHandler(parts, new KeptAnswers(join(home, 'large')))
  } catch (error) {
    await post('init/error', problem(error))
    process.exit(1)
  }
  for (;;) {
    const next = await fetch(`${api}/invocation/next`)
    const header = (name: string) => next.headers.get(`lambda-runtime-${name}`) ?? undefined
    const id = header('aws-request-id')
    try {
      const invocation = { deadlineMs: Number(header('deadline-ms')), tenant: header('aws-tenant-id') }
      await post(`invocation/${id}/response`, await answer(await next.json(), invocation))
    } catch (error) {
      await post(`invocation/${id}/error`, problem(error))
    }
  }
}

/** Commands share the machine with the runner alone: what holds them in is the machine, and its network. */
function open(part: string, home: string): Parts {
  // What is too large to travel goes where the functions lend an address: no disk here is more than a cache.
  const places = (name: string) => ({ home: join(home, name) })
  const words =
    'a microVM of its own for each workspace: commands reach the runner and what its network reaches, and nothing of others'
  const isolation = { ...nothingHolds(words), kind: 'microvm' as const }
  const machine = { isolation, limits: commandLimits() }
  return {
    ...(part === 'carrier' ? {} : { sandbox: new Runner({ ...places('workspaces'), machine, egress: false }) }),
    ...(part === 'sandbox' ? {} : { carrier: new Carrier(places('carrier')) }),
  }
}

const problem = (error: unknown) => ({
  errorType: (error as Error).name ?? 'Error',
  errorMessage: (error as Error).message ?? String(error),
})

if (startedAs('lambda')) await main()
