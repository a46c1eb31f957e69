/**
 * Forty turns through every way in which a model server fails, each alone and all at once, as the wire has them: the run
 * ends right, asks hardly more often than it was failed, and spends no more than it was given.
 */
import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { test } from 'node:test'
import type { Json } from '../functions/scripted/protocol.ts'
import type { Turn } from '../functions/scripted/server.ts'
import { completion, refuse, send } from './support/faults.ts'
import { answersIn, ask, call, makeRepo, type RunJson, scripted, settled, startStint } from './support/world.ts'

const TURNS = 40
const file = (i: number): string => `step-${i}.txt`
/** Writes ten files, reads each again and keeps a plan in between; the last word ends it. */
const script = (place: number): Turn => {
  if (place >= TURNS - 1) return { text: `Walked ${TURNS} turns.` }
  if (place % 4 === 0) return call('write_file', { path: file(place), content: `step ${place}\n` })
  if (place % 4 === 1) return call('read_file', { path: file(place - 1) })
  return call('update_plan', { items: [{ text: `Step ${place}`, status: 'active' }] })
}
const FILES = Math.ceil((TURNS - 1) / 4)

type At = { response: ServerResponse; request: Json; place: number }
type Fault = (at: At) => void
const limited =
  (headers: Json, text = 'Rate limit reached for model, please slow down.'): Fault =>
  ({ response }) =>
    refuse(response, 429, 'rate_limit_exceeded', text, { headers })
const down =
  (status: number, body: unknown = { error: { message: 'down', type: 'internal_server_error' } }): Fault =>
  ({ response }) =>
    send(response, status, body)
const failedWith =
  (text: (at: At) => string): Fault =>
  (at) =>
    refuse(at.response, 400, 'tool_use_failed', 'Failed to call a function. Please adjust your prompt.', {
      failed_generation: text(at),
    })
/** The call that the script would make, as text. */
const meant = ({ place }: At): string => {
  const [made] = script(place).calls ?? []
  return JSON.stringify({ name: made?.name, arguments: made?.arguments })
}
const said =
  (message: (at: At) => Json): Fault =>
  (at) =>
    send(at.response, 200, completion(message(at)))
const native = (name: string, args: string): Json => ({
  content: null,
  tool_calls: [{ id: 'fc_odd', type: 'function', function: { name, arguments: args } }],
})
const sse = (response: ServerResponse): ServerResponse =>
  response.writeHead(200, { 'content-type': 'text/event-stream' })
const chunk = (delta: Json): string =>
  `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 0, model: 'm', choices: [{ index: 0, delta }] })}\n\n`

const FAULTS: Record<string, Fault> = {
  '429 with retry-after': limited({ 'retry-after': '1' }),
  '429 with a time in words': limited(
    {},
    'Rate limit reached: Limit 250000, Used 249000, Requested 4000. Please try again in 150ms.',
  ),
  '429 without a time': limited({}),
  '413 for tokens a minute': ({ response }) =>
    refuse(
      response,
      413,
      'rate_limit_exceeded',
      'Request too large for model on tokens per minute (TPM): Limit 12000, Requested 12900, please reduce your message size.',
    ),
  '413 without numbers': down(413, '<html><h1>413 Request Entity Too Large</h1></html>'),
  '498 no capacity': ({ response }) => refuse(response, 498, 'capacity_exceeded', 'Flex tier capacity exceeded.'),
  '500': down(500),
  '502 in HTML': down(502, '<html><h1>502 Bad Gateway</h1></html>'),
  '503 empty': down(503, ''),
  'a reset': ({ response }) => response.socket?.destroy(),
  'a hang': () => {},
  'a hang after the headers': ({ response }) => {
    response.writeHead(200, { 'content-type': 'application/json' }).write('{"id":')
  },
  'a refused call that can be read': failedWith(meant),
  'a refused call that cannot': failedWith(
    () => '{"name": "write_file", "arguments": {"path": "x.txt", "content": "ha',
  ),
  'a tool that is not there': said(() => native('teleport', '{"to":"moon"}')),
  'arguments that do not fit': said(() => native('write_file', '{"path":"x.txt"}')),
  'nothing at all': said(() => ({ content: '' })),
  'reasoning_content refused': ({ response }) =>
    refuse(response, 400, 'invalid_request_error', "'messages.2' : property 'reasoning_content' is unsupported"),
}
/** Only where somebody watches, because only then the model streams. */
const STREAM_FAULTS: Record<string, Fault> = {
  'a cut stream': ({ response, place }) => {
    sse(response).write(
      chunk({
        role: 'assistant',
        tool_calls: [
          { index: 0, id: 'c', function: { name: 'write_file', arguments: `{"path":"${file(place)}","content":"ha` } },
        ],
      }),
    )
    setTimeout(() => response.socket?.destroy(), 20)
  },
  'a refused call in a stream': (at) => {
    sse(at.response).write(chunk({ role: 'assistant', content: '' }))
    const error = {
      message: 'Failed to call a function.',
      code: 'tool_use_failed',
      failed_generation: meant(at),
      status_code: 400,
    }
    at.response.end(`event: error\ndata: ${JSON.stringify({ error })}\n\n`)
  },
  'a server error in a stream': ({ response }) => {
    sse(response).end(
      `event: error\ndata: ${JSON.stringify({ error: { message: 'oops', type: 'internal_server_error', status_code: 500 } })}\n\n`,
    )
  },
}
const alone = (fault: Fault): Fault[] => [fault, fault]

type Plan = { faults: Fault[]; watched?: boolean; smallKey?: boolean; limits?: Json }
const PLANS: Record<string, Plan> = {
  ...Object.fromEntries(Object.entries(FAULTS).map(([name, fault]) => [name, { faults: alone(fault) }])),
  ...Object.fromEntries(
    Object.entries(STREAM_FAULTS).map(([name, fault]) => [name, { faults: alone(fault), watched: true }]),
  ),
  'a key with 8,000 tokens a minute': { faults: [], smallKey: true },
  'all at once': { faults: Object.values(FAULTS), smallKey: true },
  'all at once, watched': { faults: [...Object.values(FAULTS), ...Object.values(STREAM_FAULTS)], watched: true },
  'all at once, with little money': { faults: Object.values(FAULTS), limits: { costUsd: 0.004 } },
}
const nameIn = (request: Json): string => /plan:([\w-]+)/.exec(JSON.stringify(request.messages))?.[1] ?? ''
const slug = (name: string): string => name.replace(/\W+/g, '-')

test('forty turns through every fault of a model server', { concurrency: 8 }, async (t) => {
  const byName = new Map(
    Object.entries(PLANS).map(([name, plan]) => [slug(name), { plan, asked: 0, done: new Set<number>() }]),
  )
  const model = await scripted(t, ({ messages }) => script(answersIn(messages)), {
    intercept(request, response) {
      const at = byName.get(nameIn(request))
      if (!at) return false
      at.asked++
      if (at.plan.smallKey && tooLarge(request, response)) return true
      // A fault at every other place from the second on, once each.
      const place = answersIn(request.messages as Json[])
      const spread = Math.max(1, Math.floor((TURNS - 4) / (at.plan.faults.length || 1)))
      const which = Math.floor((place - 1) / spread)
      const fault = place > 0 && (place - 1) % spread === 0 && !at.done.has(which) ? at.plan.faults[which] : undefined
      if (!fault) return false
      at.done.add(which)
      fault({ request, response, place })
      return true
    },
  })
  const stint = await startStint(t, { GROQ_BASE_URL: model.url, GROQ_API_KEY: 'k', STINT_MODEL_TIMEOUT_SECONDS: '4' })
  const repo = makeRepo(t)
  await Promise.all(
    [...Object.entries(PLANS)].map(([name, plan]) =>
      t.test(name, async () => {
        const run = await walk(stint.url, repo, slug(name), plan)
        const { asked = 0, done } = byName.get(slug(name)) ?? {}
        assert.ok(run.usage.costUsd <= Number((run.limits as Json).costUsd), `spent ${run.usage.costUsd}`)
        if (plan.limits) return assert.equal(run.stopReason, 'cost_limit', run.answer)
        assert.deepEqual([run.status, run.stopReason], ['completed', 'done'], run.answer)
        assert.equal(run.answer, `Walked ${TURNS} turns.`)
        assert.equal(run.diffStat.files, FILES, 'every file is there')
        assert.equal(done?.size, plan.faults.length, 'every fault came')
        // The small key refuses the first request, which nobody could know.
        assert.ok(
          asked <= TURNS + plan.faults.length + 2,
          `asked ${asked} times for ${TURNS} turns and ${plan.faults.length} faults`,
        )
      }),
    ),
  )
})

/** Prompt and answer of one request may come to 8,000 tokens; what repeats the one before is cached and does not count. */
function tooLarge(request: Json, response: ServerResponse): boolean {
  const prompt = Math.ceil(JSON.stringify([request.tools, request.messages]).length / 4)
  const requested = prompt + Number(request.max_completion_tokens)
  if (requested <= 8000) return false
  return refuse(
    response,
    413,
    'rate_limit_exceeded',
    `Request too large for model on tokens per minute (TPM): Limit 8000, Requested ${requested}, please reduce your message size and try again.`,
  )
}

async function walk(url: string, repo: string, name: string, { watched, limits }: Plan): Promise<RunJson> {
  const body = {
    task: `Walk and write the files. plan:${name}`,
    repo: { url: repo },
    approval: 'auto',
    ...(limits ? { limits } : {}),
  }
  if (!watched) {
    const { status, body: accepted } = await ask<{ runId: string }>('POST', `${url}/execute`, body)
    assert.equal(status, 202, JSON.stringify(accepted))
    return settled(url, accepted.runId, 120_000)
  }
  const response = await fetch(`${url}/execute`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
    body: JSON.stringify(body),
  })
  await response.text()
  return settled(url, (response.headers.get('location') ?? '').split('/').at(-1) ?? '', 120_000)
}
