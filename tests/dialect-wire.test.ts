/** Calls that Groq refuses, or that come under names of other harnesses, over real HTTP: what is run, told and counted. */
import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { test } from 'node:test'
import type { Json } from '../functions/scripted/protocol.ts'
import { type Case, completion, faultyWorld, first, refuse, runCase, type Seen, send } from './support/faults.ts'
import { ask, makeRepo, type RunJson, runTask, scripted, startStint, until } from './support/world.ts'

const CALL = '{"name": "write_file", "arguments": {"path": "b.txt", "content": "b\\n"}}'
const native = (name: string, args: unknown): Json => ({
  content: null,
  tool_calls: [
    {
      id: 'Call-ID:0',
      type: 'function',
      function: { name, arguments: typeof args === 'string' ? args : JSON.stringify(args) },
    },
  ],
})
const failed = (response: ServerResponse, text: string, message = 'Failed to call a function.') =>
  refuse(response, 400, 'tool_use_failed', message, { failed_generation: text })

/** One answer at the faulty place, then the script's last word: the model is asked twice and not once more. */
const saved = { stopReason: 'done', answer: /^All done\.$/, asked: 2 }
const two = (run: RunJson): void => assert.equal(run.diffStat.files, 2, 'the call was performed')

const CASES: Record<string, Case> = {
  'refused-as-400': { ...saved, fault: first(1, ({ response }) => failed(response, CALL)), check: two },
  'refused-in-a-stream': {
    ...saved,
    watched: true,
    fault: first(1, ({ response }) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      const error = { message: 'Failed to call a function.', code: 'tool_use_failed', failed_generation: CALL }
      response.end(`event: error\ndata: ${JSON.stringify({ error })}\n\n`)
      return true
    }),
    check: two,
  },
  'refused-for-its-name': {
    ...saved,
    fault: first(1, ({ response }) =>
      failed(
        response,
        JSON.stringify({ name: 'container.exec', arguments: { cmd: ['bash', '-lc', 'echo b > b.txt'] } }),
        "tool call validation failed: attempted to call tool 'container.exec' which was not in request.tools",
      ),
    ),
    check: two,
  },
  'by-another-name': {
    ...saved,
    fault: first(1, ({ response }) =>
      send(
        response,
        200,
        completion(native('create_file<|channel|>commentary', { file_path: 'b.txt', content: 'b\n' })),
      ),
    ),
    check: two,
  },
  'in-the-text': {
    ...saved,
    fault: first(1, ({ response }) =>
      send(response, 200, completion({ content: `<tool_call>\n${CALL}\n</tool_call>` })),
    ),
    check: two,
  },
  'by-schema-after-two-in-vain': {
    stopReason: 'done',
    answer: /^All done\.$/,
    asked: 4,
    fault({ response, request, count }) {
      if (count > 3) return false
      if (count < 3) return failed(response, 'I would like to write b.txt.')
      const format = request.response_format as { type: string; json_schema: { strict: boolean } }
      assert.deepEqual([format.type, format.json_schema.strict, request.tools], ['json_schema', true, undefined])
      const content = JSON.stringify({ action: { tool: 'write_file', arguments: { path: 'b.txt', content: 'b\n' } } })
      return send(response, 200, completion({ content }))
    },
    check: two,
  },
  'a-server-without-schemas': {
    stopReason: 'done',
    answer: /^All done\.$/,
    asked: 4,
    fault({ response, request, count }) {
      if (count < 3) return failed(response, 'I would like to write b.txt.')
      return (
        Boolean(request.response_format) &&
        refuse(response, 400, 'invalid_request_error', 'response_format is not known here.')
      )
    },
    check: (_, seen) => assert.equal(seen.at(-1)?.request.model, 'openai/gpt-oss-20b', 'the next model'),
  },
  // The runs share one process: after the first refusal nobody is asked for it again.
  'a-server-that-refuses-a-field': {
    stopReason: 'done',
    fault: ({ response, request }) =>
      'disable_tool_validation' in request &&
      refuse(response, 400, 'invalid_request_error', "property 'disable_tool_validation' is unsupported"),
  },
  'cut-in-a-string': {
    ...saved,
    fault: first(1, ({ response }) => failed(response, CALL.slice(0, -6))),
    check: (run) => assert.equal(run.diffStat.files, 1, 'nothing is made of half a call'),
  },
}

test('calls in other dialects are performed without another answer', { concurrency: true }, async (t) => {
  const seen = new Map<string, Seen[]>()
  const world = await faultyWorld(t, CASES)
  const runs = new Map<string, RunJson>()
  await Promise.all(
    Object.entries(CASES).map(([name, expected]) =>
      t.test(name.replaceAll('-', ' '), () =>
        runCase(world, name, {
          ...expected,
          check(run, list) {
            seen.set(name, list)
            runs.set(name, run)
            expected.check?.(run, list)
          },
        }),
      ),
    ),
  )
  await t.test('the model is shown what was run, under its own id, and told so', () => {
    const messages = seen.get('by-another-name')?.at(-1)?.request.messages as Json[]
    const [said, result] = messages.slice(-2)
    assert.deepEqual((said?.tool_calls as Json[] | undefined)?.[0], {
      id: 'Call-ID:0',
      type: 'function',
      function: { name: 'write_file', arguments: '{"path":"b.txt","content":"b\\n"}' },
    })
    assert.equal(result?.tool_call_id, 'Call-ID:0')
    assert.match(String(result?.content), /^\[your call was read as write_file \{"path":"b\.txt"/)
  })
  await t.test('what was mended is in the events and counted by model and tool', async () => {
    const run = runs.get('by-another-name')
    assert.deepEqual(run?.mended, [{ model: 'openai/gpt-oss-120b', tool: 'write_file', calls: 1 }])
    const { body } = await ask<{ items: { type: string; data: Json }[] }>(
      'GET',
      `${world.stint.url}/runs/${run?.runId}/events?after=0`,
    )
    const mended = body.items.flatMap(({ data }) => (data.mended ?? []) as Json[])
    assert.equal(mended.length, 1)
    assert.deepEqual(mended[0]?.how, ['name', 'create_file as write_file', 'file_path as path'])
    assert.equal(runs.get('cut-in-a-string')?.mended, undefined)
  })
})

test('a model that the server does not list has a stand-in from the start, and it is said', async (t) => {
  const model = await scripted(t, [{ text: 'Here.' }], { models: ['openai/gpt-oss-20b'] })
  const { url, output } = await startStint(t, { GROQ_BASE_URL: model.url, GROQ_API_KEY: 'k' })
  await until('the check of the list', async () => /a model is not there/.test(output()))
  assert.match(output(), /openai\/gpt-oss-120b is not on the list of the server; openai\/gpt-oss-20b stands in/)
  const run = await runTask(url, { task: 'Fix it.', repo: { url: makeRepo(t) }, approval: 'auto' })
  assert.equal(run.status, 'completed', run.answer)
  assert.deepEqual(
    model.requests.map((request) => request.model),
    ['openai/gpt-oss-20b'],
  )
  const { body } = await ask<{ items: { data: Json }[] }>('GET', `${url}/runs/${run.runId}/events?after=0`)
  const routes = body.items.flatMap(({ data }) => (data.route ? [data.route as Json] : []))
  assert.match(String(routes[0]?.why), /stands in/)
})
