/** A server as its HTTP users meet it: a model that does what the task spells out, event streams, raw requests. */
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { after, type TestContext } from 'node:test'
import type { Json } from '../../functions/scripted/protocol.ts'

export type { Json }

import type { Turn } from '../../functions/scripted/server.ts'
import { answersIn, ask, type Stint, scripted, startStint } from './world.ts'

type Cleaner = Pick<TestContext, 'after'>

/** For what lives as long as the test file. */
export const file: Cleaner = { after: after as unknown as Cleaner['after'] }

/** One answer of the model; with `hold` it is given only once that gate is open. */
export type Part = Turn & { hold?: string }

/** A task that says what the model is to answer, turn by turn; the last one repeats. */
export const follow = (...parts: Part[]): string => `Follow: ${JSON.stringify(parts)}`

/** Gates by which a test stops a run at one model call, and lets it go on. */
export type Gate = { hold: string; reached: Promise<void>; open: () => void }

function partOf(messages: Json[]): Part {
  const task = messages.findLast(
    (message) => message.role === 'user' && /\n---\nWorkspace: /.test(`${message.content}`),
  )
  const parts = /^Follow: (\[.*\])$/m.exec(String(task?.content ?? ''))?.[1]
  const turns = JSON.parse(parts ?? '[{"text":"Done."}]') as Part[]
  return turns[Math.min(answersIn(messages), turns.length - 1)] ?? { text: 'Done.' }
}

export type Following = Stint & { requests: Json[]; gate: () => Gate }

/** A server whose model follows `follow(…)`. */
export async function following(t: Cleaner, env: Record<string, string> = {}): Promise<Following> {
  const gates = new Map<string, { enter: () => void; opened: Promise<void> }>()
  const model = await scripted(
    t,
    ({ messages }) => {
      const { hold: _, ...turn } = partOf(messages)
      return turn
    },
    {
      intercept: async (request) => {
        const gate = gates.get(partOf((request.messages ?? []) as Json[]).hold ?? '')
        gate?.enter()
        await gate?.opened
        return false
      },
    },
  )
  const stint = await startStint(t, { GROQ_API_KEY: 'test', GROQ_BASE_URL: model.url, ...env })
  const gate = (): Gate => {
    const hold = `gate${gates.size + 1}`
    const reached = Promise.withResolvers<void>()
    const opened = Promise.withResolvers<void>()
    gates.set(hold, { enter: reached.resolve, opened: opened.promise })
    t.after(() => opened.resolve())
    return { hold, reached: reached.promise, open: opened.resolve }
  }
  return { ...stint, requests: model.requests, gate }
}

export type Accepted = { runId: string; sessionId: string; status: string; links: Record<string, string> }

/** Asks for a run and answers at once. */
export async function execute(url: string, body: Json): Promise<Accepted> {
  const { status, body: accepted } = await ask<Accepted>('POST', `${url}/execute`, body)
  assert.equal(status, 202, JSON.stringify(accepted))
  return accepted
}

export type EventJson = { seq?: number; runId: string; at: string; type: string; data: Json }
export type Sent = { id?: string; event?: string; data: EventJson }

/** The server-sent events of a response, one by one; leaving the loop closes the connection. */
export async function* sent(response: Response): AsyncGenerator<Sent> {
  assert.match(response.headers.get('content-type') ?? '', /^text\/event-stream/)
  let text = ''
  for await (const part of (response.body ?? new ReadableStream()).pipeThrough(new TextDecoderStream())) {
    text += part
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const fields = new Map<string, string>()
      for (const line of text.slice(0, end).split('\n')) {
        const [, name = '', value = ''] = /^([^:]*): ?(.*)$/.exec(line) ?? []
        if (name) fields.set(name, fields.has(name) ? `${fields.get(name)}\n${value}` : value)
      }
      text = text.slice(end + 2)
      const data = fields.get('data')
      if (data !== undefined) yield { id: fields.get('id'), event: fields.get('event'), data: JSON.parse(data) }
    }
  }
}

/** Every event up to and with the first that `last` accepts, or up to the end of the stream. */
export async function collect(response: Response, last: (event: Sent) => boolean = () => false): Promise<Sent[]> {
  assert.equal(response.status, 200)
  const seen: Sent[] = []
  for await (const event of sent(response)) {
    seen.push(event)
    if (last(event)) break
  }
  return seen
}

/** Watches a run by its address. */
export const watch = async (url: string, headers: Record<string, string> = {}, last?: (event: Sent) => boolean) =>
  collect(
    await fetch(url, { headers: { accept: 'text/event-stream', ...headers }, signal: AbortSignal.timeout(30_000) }),
    last,
  )

/** All committed events of a run, page by page. */
export async function committed(url: string, runId: string): Promise<EventJson[]> {
  const all: EventJson[] = []
  for (;;) {
    const after = all.at(-1)?.seq ?? 0
    const page = await ask<{ items: EventJson[] }>('GET', `${url}/runs/${runId}/events?after=${after}`)
    assert.equal(page.status, 200)
    if (page.body.items.length === 0) return all
    all.push(...page.body.items)
  }
}

type Message = Json & { role: string; content: string; tool?: string; ok?: boolean; error?: { code: string } }

export const transcript = async (url: string, runId: string): Promise<Message[]> =>
  (await ask<{ items: Message[] }>('GET', `${url}/runs/${runId}/messages?limit=100`)).body.items

type Raw = { status: number; headers: IncomingHttpHeaders; body: string }

/** A request with exactly these headers, Host included, which fetch would not send. */
export function raw(
  url: string,
  options: { method?: string; path?: string; headers?: Record<string, string>; body?: string } = {},
): Promise<Raw> {
  const { method = 'GET', path = '/runs', headers = {}, body } = options
  return new Promise((resolve, reject) => {
    const request = httpRequest(url + path, { method, headers }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (part) => (text += part))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }))
    })
    request.on('error', reject).end(body)
  })
}

/** Holds an answer against RFC 9457 as this server words it, and gives its body. */
export function problem(
  answer: { status: number; headers: Headers | IncomingHttpHeaders; body: unknown },
  status: number | number[],
  code?: string | RegExp,
): Json {
  const body = (typeof answer.body === 'string' ? JSON.parse(answer.body) : answer.body) as Json
  const told = JSON.stringify(body)
  assert.ok([status].flat().includes(answer.status), `${answer.status} instead of ${status}: ${told}`)
  const header = (name: string) =>
    answer.headers instanceof Headers ? answer.headers.get(name) : answer.headers[name]?.toString()
  assert.match(header('content-type') ?? '', /^application\/problem\+json/)
  assert.equal(body.status, answer.status)
  for (const field of ['type', 'title', 'code', 'requestId'])
    assert.ok(typeof body[field] === 'string' && body[field] !== '', `${field} is missing: ${told}`)
  assert.match(String(body.code), /^[a-z][a-z0-9_]*$/)
  if (code) assert.match(String(body.code), typeof code === 'string' ? new RegExp(`^${code}$`) : code)
  return body
}

/** A key and its entry for STINT_API_KEY_HASHES. */
export function makeKey(id: string, scopes: string): { entry: string; headers: Record<string, string>; key: string } {
  const key = `sk_stint_${randomBytes(24).toString('base64url')}`
  const hash = createHash('sha256').update(key).digest('hex')
  return { key, entry: `${id}:${scopes}:${hash}`, headers: { authorization: `Bearer ${key}` } }
}

export const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/
