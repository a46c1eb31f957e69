/** A model server that fails on purpose: each run names its fault in its task, so that all faults share one Stint server. */
import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import type { TestContext } from 'node:test'
import type { Json } from '../../functions/scripted/protocol.ts'
import type { Turn } from '../../functions/scripted/server.ts'
import {
  answersIn,
  ask,
  call,
  makeRepo,
  ROOT,
  type RunJson,
  runTask,
  type Stint,
  scripted,
  settled,
  startStint,
} from './world.ts'

/** Looks like a key, so that a leak is seen. */
export const KEY = 'gsk_test0123456789abcdefSECRET'

/** Answers in the model's place by returning true. `count` is how often the faulty place was reached, from 1. */
export type Fault = (at: { request: Json; response: ServerResponse; count: number }) => boolean
export type Seen = { request: Json; at: number }

export type Case = {
  fault?: Fault
  /** What the model says where nothing is wrong; by default it writes a file and says that all is done. */
  turns?: Turn[]
  body?: Json
  /** Reads the run over its event stream, so that the model is asked for a stream too. */
  watched?: boolean
  stopReason: string
  answer?: RegExp
  /** How often the model was asked at the faulty place. */
  asked?: number
  check?: (run: RunJson, seen: Seen[]) => void
}

export const WRITE = call('write_file', { path: 'made.txt', content: 'made\n' })
export const DONE: Turn = { text: 'All done.' }
export type World = { stint: Stint; repo: string; seen: (name: string) => Seen[] }

export async function faultyWorld(t: TestContext, cases: Record<string, Case>, env = {}): Promise<World> {
  const seen = new Map<string, Seen[]>()
  const nameIn = (messages: unknown): string => /fault:([\w-]+)/.exec(JSON.stringify(messages))?.[1] ?? ''
  const model = await scripted(
    t,
    ({ messages }) => {
      const turns = cases[nameIn(messages)]?.turns ?? [WRITE, DONE]
      return turns[Math.min(answersIn(messages), turns.length - 1)] ?? DONE
    },
    {
      intercept(request, response) {
        const name = nameIn(request.messages)
        const fault = cases[name]?.fault
        if (!fault || answersIn(request.messages as Json[]) === 0) return false
        const list = seen.get(name) ?? []
        seen.set(name, [...list, { request, at: Date.now() }])
        return fault({ request, response, count: list.length + 1 })
      },
    },
  )
  const stint = await startStint(t, { GROQ_BASE_URL: model.url, GROQ_API_KEY: KEY, ...env })
  return { stint, repo: makeRepo(t), seen: (name) => seen.get(name) ?? [] }
}

/** Starts the run of a case; `watched` holds its stream open until it ends. */
export async function startCase({ stint, repo }: World, name: string, { body, watched }: Case): Promise<string> {
  const request = { task: `Make a file. fault:${name}`, repo: { url: repo }, approval: 'auto', ...body }
  if (!watched) {
    const { status, body: accepted } = await ask<{ runId: string }>('POST', `${stint.url}/execute`, request)
    assert.equal(status, 202, JSON.stringify(accepted))
    return accepted.runId
  }
  const response = await fetch(`${stint.url}/execute`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
    body: JSON.stringify(request),
  })
  await response.text()
  return (response.headers.get('location') ?? '').split('/').at(-1) ?? ''
}

/** Runs one case to its end and looks at everything that can be seen of it. */
export async function runCase(world: World, name: string, expected: Case): Promise<void> {
  const runId = await startCase(world, name, expected)
  const run = await settled(world.stint.url, runId, 30_000)
  assert.equal(run.stopReason, expected.stopReason, JSON.stringify(run))
  assert.equal(run.status, run.stopReason === 'done' ? 'completed' : 'failed')
  assert.match(run.answer ?? '', expected.answer ?? /\w/)
  const seen = world.seen(name)
  if (expected.asked !== undefined) assert.equal(seen.length, expected.asked, 'how often the model was asked')
  if (expected.watched)
    assert.ok(
      seen.every(({ request }) => request.stream === true),
      'the model was asked for a stream',
    )
  expected.check?.(run, seen)
  await inspect(world.stint.url, run)
}

/** What anybody can see of a run: events without gaps, and no secret, path of ours or stack in any of it. */
export async function inspect(url: string, run: RunJson): Promise<void> {
  const events = await ask<{ items: { seq: number; type: string }[] }>('GET', `${url}/runs/${run.runId}/events?after=0`)
  const messages = await ask('GET', `${url}/runs/${run.runId}/messages`)
  assert.deepEqual(
    events.body.items.map(({ seq }) => seq),
    events.body.items.map((_, i) => i + 1),
  )
  assert.match(events.body.items.at(-1)?.type ?? '', new RegExp(`^run\\.${run.status}$`))
  const text = JSON.stringify([run, events.body, messages.body])
  assert.ok(!text.includes(KEY), 'the key is nowhere to be seen')
  assert.doesNotMatch(text, /\\n\s+at \S+ \(|node:internal|node_modules/, 'no stack is shown')
  assert.ok(!text.includes(ROOT), 'no path of the installation is shown')
}

/** The fault `times` times, then all is well. */
export const first =
  (times: number, fault: Fault): Fault =>
  (at) =>
    at.count <= times && fault(at)

/** A check that the model was told what was wrong with its answer, and that what was done before is kept. */
export const told =
  (pattern: RegExp): Case['check'] =>
  (run, seen) => {
    const messages = (seen.at(-1)?.request.messages ?? []) as Json[]
    const heard = messages.filter(({ role }) => role === 'user' || role === 'tool')
    assert.match(JSON.stringify(heard), pattern, 'the model is told what was wrong')
    assert.equal(run.diffStat.files, 1, 'what was done before is kept')
  }

/** After all that the same process carries the next run, and its log tells of no accident and no secret. */
export async function aftermath({ stint, repo }: World): Promise<void> {
  const run = await runTask(stint.url, { task: 'Make a file.', repo: { url: repo }, approval: 'auto' })
  assert.equal(run.status, 'completed', run.answer)
  assert.equal(run.diffStat.files, 1)
  assert.equal(stint.child.exitCode, null)
  assert.equal((await ask('GET', `${stint.url}/runs?limit=200`)).status, 200, 'every run can be listed')
  assert.ok(!stint.output().includes(KEY), 'the key is not in the log')
  assert.doesNotMatch(stint.output(), /broke off|unhandled/i, 'no stint broke off')
}

export const send = (response: ServerResponse, status: number, body: unknown, headers: Json = {}): true => {
  const html = typeof body === 'string'
  response.writeHead(status, {
    'content-type': html ? 'text/html' : 'application/json',
    ...(headers as Record<string, string>),
  })
  response.end(html ? body : JSON.stringify(body))
  return true
}

export const refuse = (
  response: ServerResponse,
  status: number,
  code: string,
  message: string,
  { headers = {}, ...more }: Json & { headers?: Json } = {},
): true => send(response, status, { error: { message, type: 'invalid_request_error', code, ...more } }, headers)

/** Groq's own check of a call that could not be read. */
export const refusedCall: Fault = ({ response }) =>
  refuse(
    response,
    400,
    'tool_use_failed',
    "Failed to call a function. Please adjust your prompt. See 'failed_generation'.",
    {
      failed_generation: '<function=write_file{"path": "x.txt"',
    },
  )

/** A whole answer in Groq's words, for what a script cannot say. */
export const completion = (message: Json, more: Json = {}): Json => ({
  id: 'chatcmpl-x',
  object: 'chat.completion',
  created: 0,
  model: 'openai/gpt-oss-120b',
  choices: [{ index: 0, message: { role: 'assistant', ...message }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 100, completion_tokens: 5, total_tokens: 105 },
  ...more,
})
