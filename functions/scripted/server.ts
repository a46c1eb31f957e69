/**
 * The bundled scripted model: a server on loopback that speaks Groq's protocol over real HTTP and answers from a script.
 * The demo, the tests and the smoke test of a deployment run the production client against it.
 */
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { checkRequest, errorBody, isObject, type Json, type Refusal } from './protocol.ts'

/** What the model says next: text, calls, or both. */
export type Turn = { text?: string; calls?: { name: string; arguments: Json | string; id?: string }[]; finish?: string }
/** Answers from the conversation alone, so that a restart in the middle goes on right. */
export type Script = (request: { model: string; messages: Json[]; tools: string[] }) => Turn

export type ScriptedOptions = {
  script: Script
  models?: string[]
  /** Sees each request before it is answered; may answer it in its own way by returning true. */
  intercept?: (request: Json, response: ServerResponse, count: number) => boolean | Promise<boolean>
  /** Milliseconds before each answer. */
  latencyMs?: number
}
export type ScriptedServer = {
  url: string
  /** Bodies of the requests that were accepted, oldest first; refused ones are counted apart. */
  requests: Json[]
  refused: Refusal[]
  close(): Promise<void>
}

const REQUESTS_KEPT = 1000

export async function startScriptedServer(options: ScriptedOptions): Promise<ScriptedServer> {
  const { script, models = ['scripted', 'openai/gpt-oss-120b', 'openai/gpt-oss-20b'], latencyMs = 0 } = options
  const requests: Json[] = []
  const refused: Refusal[] = []
  let count = 0
  let previous = ''

  const server = createServer(async (request, response) => {
    const send = (status: number, body: Json, headers: Record<string, string> = {}) => {
      const text = JSON.stringify(body)
      response.writeHead(status, {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(text),
        ...headers,
      })
      response.end(text)
    }
    const refuse = (refusal: Refusal) => {
      refused.push(refusal)
      send(refusal.status, errorBody(refusal))
    }
    try {
      if (request.method === 'GET' && request.url === '/openai/v1/models')
        return send(200, {
          object: 'list',
          data: models.map((id) => ({ id, object: 'model', created: 0, owned_by: 'stint' })),
        })
      if (request.method !== 'POST' || request.url !== '/openai/v1/chat/completions')
        return refuse({
          status: 404,
          code: 'unknown_url',
          message: `Unknown request URL: ${request.method} ${request.url}.`,
        })
      if (!/^Bearer \S+/.test(request.headers.authorization ?? ''))
        return refuse({ status: 401, code: 'invalid_api_key', message: 'Invalid API Key' })
      const text = await bodyOf(request)
      const body: unknown = JSON.parse(text)
      if (isObject(body) && options.intercept && (await options.intercept(body, response, ++count))) return
      const wrong = checkRequest(body, models)
      if (wrong) return refuse(wrong)
      const valid = body as Json & { model: string; messages: Json[] }
      requests.push(valid)
      if (requests.length > REQUESTS_KEPT) requests.shift()
      if (latencyMs > 0) await new Promise((resolve) => setTimeout(resolve, latencyMs))
      const tools = Array.isArray(valid.tools)
        ? valid.tools.map((tool: Json) => String((tool.function as Json).name))
        : []
      const turn = script({ model: valid.model, messages: valid.messages, tools })
      const prompt = JSON.stringify({ tools: valid.tools, messages: valid.messages })
      const usage = usageOf(prompt, previous, turn)
      previous = prompt
      const answer = { valid, turn, usage, id: `chatcmpl-${requests.length}` }
      if (valid.stream === true) stream(response, answer)
      else send(200, completion(answer), { 'x-request-id': answer.id })
    } catch (error) {
      if (!response.headersSent) refuse({ status: 400, message: `the body is no JSON: ${(error as Error).message}` })
      else response.destroy()
    }
  })
  server.keepAliveTimeout = 60_000
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    refused,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

type Answer = { valid: Json & { model: string }; turn: Turn; usage: Json; id: string }

/** Ids are made from the place in the conversation, so that the same request gets the same answer. */
function callsOf({ turn, valid }: Answer): Json[] {
  const place = (valid.messages as Json[]).length
  return (turn.calls ?? []).map(({ name, arguments: args, id }, i) => ({
    id: id ?? `fc_${place}_${i}`,
    type: 'function',
    function: { name, arguments: typeof args === 'string' ? args : JSON.stringify(args) },
  }))
}

const finishOf = ({ turn }: Answer): string => turn.finish ?? (turn.calls?.length ? 'tool_calls' : 'stop')

function completion(answer: Answer): Json {
  const { turn, usage, id, valid } = answer
  const calls = callsOf(answer)
  const message = {
    role: 'assistant',
    content: turn.text ?? (calls.length > 0 ? null : ''),
    ...(calls.length > 0 ? { tool_calls: calls } : {}),
  }
  return {
    id,
    object: 'chat.completion',
    created: 0,
    model: valid.model,
    choices: [{ index: 0, message, logprobs: null, finish_reason: finishOf(answer) }],
    usage,
    x_groq: { id: `req_${id}` },
  }
}

function stream(response: ServerResponse, answer: Answer): void {
  const { turn, usage, id, valid } = answer
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' })
  const chunk = (delta: Json, extra: Json = {}, finish: string | null = null) =>
    response.write(
      `data: ${JSON.stringify({ id, object: 'chat.completion.chunk', created: 0, model: valid.model, choices: [{ index: 0, delta, finish_reason: finish }], ...extra })}\n\n`,
    )
  chunk({ role: 'assistant', content: '' }, { x_groq: { id: `req_${id}` } })
  for (const word of turn.text?.match(/\S+\s*|\s+/g) ?? []) chunk({ content: word })
  for (const [index, call] of callsOf(answer).entries()) chunk({ tool_calls: [{ index, ...call }] })
  chunk({}, { x_groq: { id: `req_${id}`, usage } }, finishOf(answer))
  response.end('data: [DONE]\n\n')
}

/** About four bytes a token; what the previous request began with counts as cached, in steps of 128 as Groq has it. */
function usageOf(prompt: string, previous: string, turn: Turn): Json {
  let same = 0
  while (same < prompt.length && prompt[same] === previous[same]) same++
  const tokens = (text: string) => Math.ceil(Buffer.byteLength(text) / 4)
  const promptTokens = tokens(prompt)
  const cached = Math.floor(tokens(prompt.slice(0, same)) / 128) * 128
  const completionTokens = tokens(turn.text ?? '') + tokens(JSON.stringify(turn.calls ?? []))
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: { cached_tokens: Math.min(cached, promptTokens) },
  }
}

async function bodyOf(request: AsyncIterable<unknown>): Promise<string> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part as Buffer)
  return Buffer.concat(parts).toString()
}
