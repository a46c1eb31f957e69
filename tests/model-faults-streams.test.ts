/** A run that somebody watches, so that the model streams, meets streams that break. */
import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { test } from 'node:test'
import type { Json } from '../functions/scripted/protocol.ts'
import { aftermath, type Case, faultyWorld, first, refusedCall, runCase, told } from './support/faults.ts'

const went = { stopReason: 'done', answer: /^All done\.$/, asked: 2, watched: true }

const CASES: Record<string, Case> = {
  'a-stream-that-breaks-off': {
    ...went,
    fault: first(1, ({ response }) => {
      chunk(response, { role: 'assistant', content: 'All do' })
      setTimeout(() => response.socket?.destroy(), 50)
      return true
    }),
  },
  'a-stream-that-ends-early': {
    ...went,
    fault: first(1, ({ response }) => {
      const half = { index: 0, id: 'c1', function: { name: 'write_file', arguments: '{"path":"half.txt","content":"' } }
      chunk(response, { role: 'assistant', tool_calls: [half] })
      response.end()
      return true
    }),
    check: (run) => assert.equal(run.diffStat.files, 1, 'half a call is not performed'),
  },
  'a-stream-of-garbage': {
    ...went,
    fault: first(1, ({ response }) => Boolean(sse(response).end('data: {"id": nonsense\n\ndata: [DONE]\n\n'))),
  },
  'an-error-in-a-stream': {
    ...went,
    fault: first(1, ({ response }) =>
      streamError(response, { code: 'tool_use_failed', failed_generation: '{"name": oops' }),
    ),
    check: told(/could not be read.*oops/),
  },
  'a-server-error-in-a-stream': {
    ...went,
    fault: first(1, ({ response }) => streamError(response, { type: 'internal_server_error', status_code: 500 })),
  },
  'a-refusal-before-a-stream': {
    ...went,
    fault: first(1, refusedCall),
    check: told(/could not be read/),
  },
}

function sse(response: ServerResponse): ServerResponse {
  if (!response.headersSent) response.writeHead(200, { 'content-type': 'text/event-stream' })
  return response
}
function chunk(response: ServerResponse, delta: Json): void {
  const body = { id: 'c', object: 'chat.completion.chunk', created: 0, model: 'm', choices: [{ index: 0, delta }] }
  sse(response).write(`data: ${JSON.stringify(body)}\n\n`)
}
function streamError(response: ServerResponse, error: Json): true {
  chunk(response, { role: 'assistant', content: 'All ' })
  sse(response).end(`event: error\ndata: ${JSON.stringify({ error: { message: 'It failed.', ...error } })}\n\n`)
  return true
}

test('a model whose streams break', { concurrency: true }, async (t) => {
  const world = await faultyWorld(t, CASES)
  await Promise.all(
    Object.entries(CASES).map(([name, expected]) =>
      t.test(`${name.replaceAll('-', ' ')}: ${expected.stopReason}`, () => runCase(world, name, expected)),
    ),
  )
  await t.test('the same server process carries the next run', () => aftermath(world))
})
