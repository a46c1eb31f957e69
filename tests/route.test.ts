/** Which model is asked, how hard it thinks, how it may answer: from the run alone, and explained. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Message, Run } from '../functions/core/types.ts'
import { actionSchema, readAction } from '../functions/model/action.ts'
import { FALLBACKS_DEFAULT, FAST_DEFAULT, profileOf, STRONG_DEFAULT } from '../functions/model/catalogue.ts'
import { MODELS, RETIRED } from '../functions/model/models.ts'
import { choose, complaints } from '../functions/model/offer.ts'
import { helperModel, route, taskClass } from '../functions/model/route.ts'
import { offeredTools } from '../functions/tools/registry.ts'

const models = { strong: STRONG_DEFAULT, fast: FAST_DEFAULT, fallbacks: FALLBACKS_DEFAULT }
const QUESTION = 'Where are sessions expired?'
const asked = (over: Partial<Run> = {}): Run =>
  ({
    task: QUESTION,
    model: 'auto',
    turns: 1,
    attempt: 0,
    formatErrors: 0,
    plan: [],
    diffStat: { files: 0, additions: 0, deletions: 0 },
    ...over,
  }) as unknown as Run
const results = (...oks: boolean[]): Message[] =>
  oks.map((ok) => ({ role: 'tool', modelCallId: 'c', result: { ok } }) as unknown as Message)
const at = (over: Partial<Run> = {}, messages: Message[] = [], promptTokens = 4000, offered?: ReadonlySet<string>) =>
  route(asked(over), messages, { models, promptTokens, offered })

test('questions go to the fast model, work to the strong one', () => {
  const questions = [
    'Where are sessions expired?',
    'Explain src/a.ts',
    'How does the cache work?',
    'List the routes',
    'Is the store safe?',
  ]
  const changes = [
    'Fix the failing test',
    'Why does it fail? Repair it.',
    'Add a flag',
    'How do I add a flag? Do it.',
    'Make a file.',
    'test/a.test.js fails',
  ]
  for (const task of questions) assert.equal(taskClass(task), 'question', task)
  for (const task of changes) assert.equal(taskClass(task), 'change', task)
  assert.deepEqual(at(), {
    model: FAST_DEFAULT,
    tier: 'fast',
    effort: 'low',
    mode: 'native',
    why: 'a question',
    next: [STRONG_DEFAULT, 'qwen/qwen3.8-27b'],
  })
  const work = at({ task: 'Fix the failing test' })
  assert.deepEqual([work.model, work.effort, work.why], [STRONG_DEFAULT, undefined, 'plans and edits'])
  for (const helper of ['title', 'summary', 'commit_message', 'triage'] as const)
    assert.equal(helperModel(helper, models), FAST_DEFAULT)
})

test('it goes up after trouble and comes back when things went well', () => {
  assert.equal(at({}, results(true, false)).model, FAST_DEFAULT, 'one failure is none')
  assert.deepEqual(
    [at({}, results(false, false)).model, at({}, results(false, false)).effort],
    [STRONG_DEFAULT, 'high'],
  )
  assert.equal(at({}, results(false, false, true, true)).model, STRONG_DEFAULT, 'not at once')
  assert.equal(at({}, results(false, false, true, true, true)).model, FAST_DEFAULT, 'it comes back')
  assert.equal(at({ formatErrors: 1 }).model, STRONG_DEFAULT)
  assert.equal(at({ diffStat: { files: 1, additions: 1, deletions: 0 } }).model, STRONG_DEFAULT)
  assert.equal(at({}, [], 40_000).model, STRONG_DEFAULT, 'a long prompt is no small question')
  assert.equal(at({ task: 'Fix it' }, results(false, false)).effort, 'high')
  assert.equal(at({ task: 'Fix it', attempt: 3 }).model, FAST_DEFAULT, 'a server that does not answer for one model')
})

test('two answers that could not be used: one action by schema, or the next model where there is none', () => {
  const third = at({ task: 'Fix it', formatErrors: 2 })
  assert.deepEqual([third.model, third.mode], [STRONG_DEFAULT, 'action'])
  const refused = at({ task: 'Fix it', formatErrors: 2, attempt: 1 })
  assert.deepEqual([refused.model, refused.mode], [FAST_DEFAULT, 'native'])
  const other = route(asked({ task: 'Fix it', formatErrors: 2 }), [], {
    models: { strong: 'mine', fast: 'mine', fallbacks: ['yours'] },
    promptTokens: 1,
  })
  assert.deepEqual([other.model, other.mode], ['yours', 'native'])
})

test('a pinned model stays, whatever happens', () => {
  for (const over of [{}, { formatErrors: 1 }, { attempt: 4 }])
    assert.equal(at({ model: 'qwen/qwen3.8-27b', ...over }, results(false, false)).model, 'qwen/qwen3.8-27b')
  const scripted = at({ model: 'scripted', formatErrors: 2 })
  assert.deepEqual([scripted.model, scripted.mode, scripted.effort], ['scripted', 'native', undefined])
})

test('a retired or unlisted model has a stand-in, and it is said', () => {
  const gone = choose(['llama-3.3-70b-versatile', 'x'], undefined)
  assert.deepEqual(gone, {
    model: 'openai/gpt-oss-120b',
    why: 'llama-3.3-70b-versatile was retired on 2026-08-16; openai/gpt-oss-120b stands in',
  })
  assert.equal(at({ model: 'llama-3.1-8b-instant' }).model, 'openai/gpt-oss-20b', 'a pinned one too')
  const list = new Set(['openai/gpt-oss-20b', 'qwen/qwen3.8-27b'])
  const moved = at({ task: 'Fix it' }, [], 1, list)
  assert.equal(moved.model, 'openai/gpt-oss-20b')
  assert.match(moved.why, /gpt-oss-120b is not on the list of the server; openai\/gpt-oss-20b stands in/)
  assert.equal(
    at({ task: 'Fix it' }, [], 1, new Set(['something-else'])).model,
    STRONG_DEFAULT,
    'a list without any of ours is no help',
  )
  assert.deepEqual(complaints(models, list), [
    'openai/gpt-oss-120b is not on the list of the server; openai/gpt-oss-20b stands in',
  ])
  assert.deepEqual(complaints(models, new Set(MODELS.map(({ id }) => id))), [])
})

test('the catalogue is whole, and its own order of fall-backs is served', () => {
  for (const model of MODELS) {
    const { contextTokens, outputTokens, usdPerMillion, perMinute, source, efforts, usualEffort } = model
    assert.ok(contextTokens > 0 && outputTokens > 0 && perMinute && source, model.id)
    assert.ok(usdPerMillion.cached <= usdPerMillion.input && usdPerMillion.output > 0)
    assert.ok(usualEffort && efforts.includes(usualEffort))
  }
  for (const id of [
    STRONG_DEFAULT,
    FAST_DEFAULT,
    ...FALLBACKS_DEFAULT,
    ...Object.values(RETIRED).map(({ instead }) => instead),
  ])
    assert.ok(profileOf(id).source && !RETIRED[id], id)
})

test('the schema of an action is strict in every part, and its answer is a call or the last word', () => {
  const walk = (schema: unknown): void => {
    if (typeof schema !== 'object' || schema === null) return
    const { type, properties, required, additionalProperties } = schema as Record<string, unknown>
    if (type === 'object') {
      assert.deepEqual(required, Object.keys(properties as object))
      assert.equal(additionalProperties, false)
    }
    for (const value of Object.values(schema)) walk(value)
  }
  walk(actionSchema(offeredTools()))
  const usage = { inputTokens: 1, cachedTokens: 0, outputTokens: 1 }
  const answer = (content: string) => readAction({ ok: true, model: 'm', content, calls: [], truncated: false, usage })
  const read = answer('{"action":{"tool":"read_file","arguments":{"path":"a.ts","offset":null,"limit":null}}}')
  assert.deepEqual(
    read.calls.map(({ name, arguments: args }) => [name, args]),
    [['read_file', '{"path":"a.ts"}']],
  )
  assert.deepEqual(answer('{"action":{"tool":"answer","arguments":{"text":"Done."}}}'), { content: 'Done.', calls: [] })
  assert.deepEqual(answer('All done.'), { content: 'All done.', calls: [] }, 'a server that knows no schema')
})
