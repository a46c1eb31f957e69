/**
 * The sandbox-runner as a process: one POST endpoint on a local socket (or a port), a secret in every request. It ends
 * when whoever started it is gone, but not before the calls under way are done and their results are stored: a command
 * that outlives the death of its caller is then not run twice.
 *
 *     node sandbox-runner/server.ts     reads {socket | port, token, home, objects?} as one JSON line from its input
 */
import { timingSafeEqual } from 'node:crypto'
import { rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { basename, dirname } from 'node:path'
import { type Answer, answerTo, type Handler, readRequest, refusal } from './answer.ts'
import { startedAs } from './entry.ts'
import { isolationHere, nothingHolds } from './exec/isolation.ts'
import type { Machine } from './exec/shell.ts'
import { commandLimits } from './exec/watch.ts'
import { REQUEST_BYTES_MAX } from './limits.ts'
import { Runner } from './runner.ts'

export type Start = {
  socket: string
  token: string
  home: string
  objects?: string
  /** `none`: commands are not held in, even where they could be. */
  isolation?: 'auto' | 'none'
}

/** What holds commands in here, unless it is not wanted. */
export const machineOf = async ({ isolation = 'auto' }: Pick<Start, 'isolation'>): Promise<Machine> => ({
  isolation: isolation === 'none' ? nothingHolds('STINT_ISOLATION is none') : await isolationHere(),
  limits: commandLimits(),
})

/** `open` makes the one who answers; left out, it is the runner, which reaches no network of its own accord. */
export async function main(
  open: (start: Start) => Promise<Handler> = async (start) =>
    new Runner({ home: start.home, objects: start.objects, machine: await machineOf(start), egress: false }),
): Promise<void> {
  // Listened for from the first moment: whoever started us may be gone before we are ready.
  const alone = new Promise<void>((resolve) => process.stdin.once('end', resolve).once('error', () => resolve()))
  const start = JSON.parse(await firstLine()) as Start
  const { socket, token } = start
  const runner = await open(start)
  runner.endOrphans().catch((error: Error) => process.stderr.write(`sandbox-runner: ${error.message}\n`))
  const secret = Buffer.from(`Bearer ${token}`)
  const ownFolder = basename(dirname(socket)).startsWith('stint-')
  const server = createServer((request, response) => void answer(runner, secret, request, response))
  server.keepAliveTimeout = 600_000
  server.requestTimeout = 0
  server.listen(socket, () => process.stdout.write('ready\n'))
  server.on('error', (error) => {
    process.stderr.write(`sandbox-runner: ${error.message}\n`)
    process.exit(1)
  })
  /** Nobody will ask any more: finish what is under way, then go. */
  const leave = () => {
    server.close()
    server.closeIdleConnections()
    if (runner.busy === 0) {
      // The folder of the socket is ours alone once nobody is left to ask.
      if (ownFolder) rmSync(dirname(socket), { recursive: true, force: true })
      process.exit(0)
    }
    setTimeout(leave, 50)
  }
  process.stdin.resume()
  void alone.then(leave)
  process.stdout.on('error', () => {})
  process.on('SIGTERM', leave)
  // Ctrl-C at the terminal is for the server, which then ends us in order.
  for (const signal of ['SIGINT', 'SIGHUP']) process.on(signal, () => {})
}

async function answer(
  runner: Handler,
  secret: Buffer,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const given = Buffer.from(request.headers.authorization ?? '')
  if (given.length !== secret.length || !timingSafeEqual(given, secret))
    return send(response, refusal(401, 'unauthorized', 'wrong token'))
  const body = await bodyOf(request, REQUEST_BYTES_MAX)
  if (body === undefined) return send(response, refusal(413, 'too_large', 'the request is too large'))
  const read = readRequest(body)
  send(response, 'status' in read ? read : await answerTo(runner, read))
}

/** The body of a request; undefined when it is larger than it may be. */
export async function bodyOf(request: IncomingMessage, bytesMax: number): Promise<string | undefined> {
  const parts: Buffer[] = []
  let bytes = 0
  for await (const part of request) {
    bytes += (part as Buffer).length
    if (bytes > bytesMax) return undefined
    parts.push(part as Buffer)
  }
  return Buffer.concat(parts).toString()
}

export function send(response: ServerResponse, { status, body }: Answer): void {
  const text = JSON.stringify(body)
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) })
  response.end(text)
}

function firstLine(): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    const read = (chunk: Buffer) => {
      text += chunk
      const end = text.indexOf('\n')
      if (end === -1) return
      process.stdin.off('data', read)
      resolve(text.slice(0, end))
    }
    process.stdin.on('data', read)
  })
}

if (startedAs('server')) await main()
