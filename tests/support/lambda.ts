/**
 * Lambda as a function and its callers meet it: the Invoke API before, the Runtime API behind, one environment (a
 * process, with a disk of its own) for one invocation at a time, kept for the next of the same tenant, frozen in
 * between, ended at its time limit. Payloads have Lambda's real limits.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { ROOT, tempFolder } from './world.ts'

const PAYLOAD_BYTES_MAX = 6_291_556

type Ended = { body: Buffer; error?: boolean }
type Job = { id: string; event: Buffer; deadlineMs: number; tenant: string | undefined; done: (ended: Ended) => void }

export type FakeLambdaOptions = {
  command: string[]
  env?: Record<string, string>
  timeoutMs?: number
  perTenant?: boolean
}

/** An execution environment: the process, and its end of the Runtime API. */
class Environment {
  readonly tenant: string | undefined
  private readonly server: Server
  private child: ChildProcess | undefined
  private waiting: ServerResponse | undefined
  private job: Job | undefined
  gone = false

  constructor(tenant: string | undefined) {
    this.tenant = tenant
    this.server = createServer((request, response) => void this.answer(request, response))
  }

  get idle(): boolean {
    return !this.gone && this.job === undefined
  }

  async start({ command: [program = '', ...args], env = {} }: FakeLambdaOptions, home: string): Promise<void> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve))
    const { port } = this.server.address() as AddressInfo
    const lambdas = {
      AWS_LAMBDA_RUNTIME_API: `127.0.0.1:${port}`,
      AWS_LAMBDA_FUNCTION_NAME: 'fake',
      AWS_ACCESS_KEY_ID: 'planted-key-id',
      AWS_SECRET_ACCESS_KEY: 'planted-secret-key',
      AWS_SESSION_TOKEN: 'planted-session-token',
    }
    this.child = spawn(program, args, {
      env: { PATH: process.env.PATH, STINT_HOME: home, ...lambdas, ...env },
      stdio: ['ignore', 'inherit', 'inherit'],
    })
    this.child.once('exit', () => this.end('Runtime exited'))
  }

  run(job: Job): void {
    this.job = job
    setTimeout(() => {
      if (this.job === job) this.kill(`Task timed out after ${(job.deadlineMs - Date.now()) / 1000} seconds`)
    }, job.deadlineMs - Date.now()).unref()
    this.child?.kill('SIGCONT')
    this.hand()
  }

  kill(why = 'killed'): void {
    this.child?.kill('SIGKILL')
    this.end(why)
  }

  private end(why: string): void {
    this.gone = true
    this.finish({
      body: Buffer.from(JSON.stringify({ errorType: 'Runtime.ExitError', errorMessage: why })),
      error: true,
    })
    this.server.closeAllConnections()
    this.server.close()
  }

  private finish(ended: Ended): void {
    const { job } = this
    this.job = undefined
    job?.done(ended)
  }

  private hand(): void {
    const { job, waiting } = this
    if (!waiting) return
    // Nothing to do: it is frozen, whatever it may have left running.
    if (!job) return void this.child?.kill('SIGSTOP')
    this.waiting = undefined
    waiting.writeHead(200, {
      'content-type': 'application/json',
      'lambda-runtime-aws-request-id': job.id,
      'lambda-runtime-deadline-ms': String(job.deadlineMs),
      'lambda-runtime-invoked-function-arn': 'arn:aws:lambda:eu-west-1:1:function:fake',
      ...(job.tenant === undefined ? {} : { 'lambda-runtime-aws-tenant-id': job.tenant }),
    })
    waiting.end(job.event)
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [, what = ''] = /^\/2018-06-01\/runtime\/(.*)$/.exec(request.url ?? '') ?? []
    if (what === 'invocation/next') {
      this.waiting = response
      return this.hand()
    }
    const body = await bytesOf(request)
    const ended: Ended = what.endsWith('/response') ? { body } : { body, error: true }
    if (body.length > PAYLOAD_BYTES_MAX) {
      response.writeHead(413).end('{"errorMessage":"Exceeded maximum allowed payload size (6291556 bytes)."}')
      return this.finish({
        body: Buffer.from(
          '{"errorType":"Function.ResponseSizeTooLarge","errorMessage":"Response payload size exceeded"}',
        ),
        error: true,
      })
    }
    response.writeHead(202).end('{}')
    this.finish(ended)
  }
}

export type FakeLambda = {
  endpoint: string
  /** Environments so far. */
  environments: () => number
  /** All environments at once, as they stand. */
  kill(): Promise<void>
}

export async function fakeLambda(t: Pick<TestContext, 'after'>, options: FakeLambdaOptions): Promise<FakeLambda> {
  const { timeoutMs = 60_000, perTenant = true } = options
  const environments: Environment[] = []
  const disks = tempFolder(t, 'stint-lambda-')
  const server = createServer(async (request, response) => {
    const refuse = (status: number, type: string, message: string) => {
      response.writeHead(status, { 'content-type': 'application/json', 'x-amzn-errortype': type })
      response.end(JSON.stringify({ Type: 'User', Message: message, message }))
    }
    const event = await bytesOf(request)
    if (!/^\/2015-03-31\/functions\/fake\/invocations$/.test(request.url ?? ''))
      return refuse(404, 'ResourceNotFoundException', 'Function not found')
    if (event.length > PAYLOAD_BYTES_MAX)
      return refuse(413, 'RequestEntityTooLargeException', 'Request must be smaller than 6291556 bytes')
    const tenant = request.headers['x-amz-tenant-id'] as string | undefined
    if (perTenant !== (tenant !== undefined))
      return refuse(400, 'InvalidParameterValueException', 'tenant-id does not fit the function')
    let here = environments.find((one) => one.idle && one.tenant === tenant)
    if (!here) {
      here = new Environment(tenant)
      environments.push(here)
      await here.start(options, join(disks, String(environments.length)))
    }
    const job = { id: randomUUID(), event, deadlineMs: Date.now() + timeoutMs, tenant }
    here.run({
      ...job,
      done({ body, error }) {
        response.writeHead(200, error ? { 'x-amz-function-error': 'Unhandled' } : {})
        response.end(body)
      },
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const kill = async () => {
    for (const one of environments) if (!one.gone) one.kill()
  }
  t.after(async () => {
    await kill()
    server.closeAllConnections()
    server.close()
  })
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    environments: () => environments.length,
    kill,
  }
}

/** How the image starts it, from a bundle or from the sources. */
export const ENTRY = join(ROOT, 'sandbox-runner/image/entry.sh')
export const SANDBOX_COMMAND = [ENTRY, process.execPath, join(ROOT, 'sandbox-runner')]

async function bytesOf(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part as Buffer)
  return Buffer.concat(parts)
}
