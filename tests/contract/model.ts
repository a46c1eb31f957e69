/** What every Model must do with a server that speaks Groq's protocol. `make` is given the server's address. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AgentContext } from '../../functions/core/context.ts'
import type { Model } from '../../functions/ports.ts'
import { scripted } from '../support/world.ts'

const context = (part: Partial<AgentContext> = {}): AgentContext => ({
  model: 'openai/gpt-oss-120b',
  messages: [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: 'Hello' },
  ],
  tools: [
    {
      name: 'read_file',
      description: 'Read.',
      parameters: { type: 'object', properties: { path: { type: 'string' } }, required: ['path'] },
    },
  ],
  maxTokens: 100,
  ...part,
})

export function modelContract(name: string, make: (baseUrl: string) => Model): void {
  const never = new AbortController().signal

  for (const streamed of [false, true]) {
    const how = streamed ? 'streamed' : 'whole'
    const ask = (model: Model, seen: string[], part: Partial<AgentContext> = {}) =>
      model.complete(context(part), {
        signal: never,
        ...(streamed ? { onText: (text: string) => seen.push(text) } : {}),
      })

    test(`${name}: a text answer, ${how}`, async (t) => {
      const server = await scripted(t, [{ text: 'Good day to you.' }])
      const seen: string[] = []
      const answer = await ask(make(server.url), seen)
      assert.ok(answer.ok)
      assert.equal(answer.content, 'Good day to you.')
      assert.deepEqual(answer.calls, [])
      assert.equal(answer.truncated, false)
      assert.ok(answer.usage.inputTokens > 0 && answer.usage.outputTokens > 0)
      assert.equal(seen.join(''), streamed ? 'Good day to you.' : '')
      assert.deepEqual(server.refused, [])
    })

    test(`${name}: calls with their ids byte for byte, ${how}`, async (t) => {
      const server = await scripted(t, [
        {
          text: 'Looking.',
          calls: [
            { name: 'read_file', arguments: { path: 'a' }, id: 'functions.read_file:0' },
            { name: 'read_file', arguments: '{"path":"b"}', id: 'fc_2' },
          ],
        },
      ])
      const answer = await ask(make(server.url), [])
      assert.ok(answer.ok)
      assert.deepEqual(answer.calls, [
        { id: 'functions.read_file:0', name: 'read_file', arguments: '{"path":"a"}' },
        { id: 'fc_2', name: 'read_file', arguments: '{"path":"b"}' },
      ])
    })

    test(`${name}: an answer cut by its limit says so, ${how}`, async (t) => {
      const server = await scripted(t, [{ text: 'Once upon', finish: 'length' }])
      const answer = await ask(make(server.url), [])
      assert.ok(answer.ok && answer.truncated)
    })

    test(`${name}: refusals are values with status, code and when to come back, ${how}`, async (t) => {
      const refusals: [status: number, body: object, headers: Record<string, string>][] = [
        [429, { error: { message: 'Slow down', code: 'rate_limit_exceeded' } }, { 'retry-after': '7' }],
        [401, { error: { message: 'Invalid API Key', code: 'invalid_api_key' } }, {}],
        [
          400,
          { error: { message: 'Failed to call a function.', code: 'tool_use_failed', failed_generation: '<x>' } },
          {},
        ],
        [503, {}, {}],
      ]
      let at = 0
      const server = await scripted(t, [{ text: 'never' }], {
        intercept: (_, response) => {
          const [status, body, headers] = refusals[at++] ?? [500, {}, {}]
          response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
          return true
        },
      })
      const model = make(server.url)
      const found = []
      for (const _ of refusals) found.push(await ask(model, []))
      assert.deepEqual(
        found.map(
          (refusal) => !refusal.ok && [refusal.status, refusal.code, refusal.retryAfterMs, refusal.failedGeneration],
        ),
        [
          [429, 'rate_limit_exceeded', 7000, undefined],
          [401, 'invalid_api_key', undefined, undefined],
          [400, 'tool_use_failed', undefined, '<x>'],
          [503, 'http_503', undefined, undefined],
        ],
      )
    })

    test(`${name}: a connection that breaks, an answer that makes no sense, an abort: refusals with status 0, ${how}`, async (t) => {
      const kinds = ['reset', 'half', 'html'] as const
      let at = 0
      const server = await scripted(t, [{ text: 'never' }], {
        intercept: (_, response) => {
          const kind = kinds[at++]
          if (kind === 'reset') response.destroy()
          else if (kind === 'half') {
            response.writeHead(200, { 'content-type': streamed ? 'text/event-stream' : 'application/json' })
            response.write(
              streamed ? 'data: {"id":"x","choices":[{"index":0,"delta":{"content":"Hal"}}]}\n\n' : '{"id":"x","choi',
            )
            setTimeout(() => response.destroy(), 20)
          } else if (kind === 'html')
            response.writeHead(200, { 'content-type': 'text/html' }).end('<html>maintenance</html>')
          return true
        },
      })
      const model = make(server.url)
      for (const kind of kinds) {
        const refusal = await ask(model, [])
        assert.ok(!refusal.ok && refusal.status === 0, `${kind}: ${JSON.stringify(refusal)}`)
      }
      const stop = new AbortController()
      const pending = model.complete(context(), { signal: stop.signal })
      setTimeout(() => stop.abort(), 30)
      const aborted = await pending
      assert.ok(!aborted.ok && aborted.code === 'aborted')
    })
  }

  test(`${name}: the list of models, and a server that is not there`, async (t) => {
    const server = await scripted(t, [{ text: 'x' }], { models: ['one', 'two'] })
    assert.deepEqual(await make(server.url).list(never), { ok: true, ids: ['one', 'two'] })
    const refusal = await make('http://127.0.0.1:9').list(never)
    assert.ok(!refusal.ok && refusal.status === 0)
  })

  test(`${name}: the same request is the same bytes, and a longer one begins with them`, async (t) => {
    const server = await scripted(t, [{ text: 'x' }])
    const model = make(server.url)
    await model.complete(context(), { signal: never })
    await model.complete(context(), { signal: never })
    const longer = context({
      messages: [
        ...context().messages,
        {
          role: 'assistant',
          content: null,
          tool_calls: [{ id: 'a', type: 'function', function: { name: 'read_file', arguments: '{"path":"a"}' } }],
        },
        { role: 'tool', tool_call_id: 'a', content: 'text' },
      ],
    })
    await model.complete(longer, { signal: never })
    const [first, second, third] = server.requests.map((request) => JSON.stringify(request))
    assert.equal(first, second)
    const prefix = first?.slice(0, first.indexOf(']', first.indexOf('Hello'))) ?? ''
    assert.ok(third?.startsWith(prefix), `${third}\n${prefix}`)
    assert.deepEqual(server.refused, [])
  })
}
