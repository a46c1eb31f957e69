/** What a run that has ended teaches: asked of the fast model once, kept, told to the next run; and without, when it fails. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { distilledIn, fingerprintText, recordOf } from '../functions/core/distil.ts'
import { lessonAfter } from '../functions/core/lesson.ts'
import { LEARN_PROMPT_CHARS_MAX } from '../functions/core/limits.ts'
import type { Message } from '../functions/core/types.ts'
import { learn } from '../functions/engine/learn.ts'
import type { Ports } from '../functions/ports.ts'
import { makeRun } from './contract/store.ts'
import type { Json } from './support/http.ts'
import {
  answersIn,
  ask,
  call,
  makeRepo,
  type RunJson,
  runTask,
  scripted,
  startStint,
  tempFolder,
  until,
} from './support/world.ts'

const FAST = 'openai/gpt-oss-20b'
const isDistilling = (messages: Json[]): boolean => String(messages[0]?.content).startsWith('You read the record')
const WORK = [
  call('run_command', { command: 'cat missing.txt' }),
  call('list_files', {}),
  call('run_command', { command: 'cat README.md' }),
  { text: 'Done.' },
]

/** A server whose model works as `WORK` says, and answers what a run taught by `taught`. */
async function world(t: TestContext, taught: (record: string) => string, env: Record<string, string> = {}) {
  const model = await scripted(t, ({ messages }) => {
    if (isDistilling(messages)) return { text: taught(String(messages[1]?.content)) }
    return WORK[Math.min(answersIn(messages), WORK.length - 1)] ?? {}
  })
  const stint = await startStint(t, { GROQ_API_KEY: 'test', GROQ_BASE_URL: model.url, ...env })
  const distilling = () => model.requests.filter(({ messages }) => isDistilling(messages as Json[]))
  const working = () => model.requests.filter(({ messages }) => !isDistilling(messages as Json[]))
  return { ...stint, distilling, working }
}
const facts = async (url: string) =>
  (await ask<{ items: (Json & { text: string; kind: string; repo?: string })[] }>('GET', `${url}/memory`)).body.items
const learnt = (url: string, { runId }: RunJson) =>
  until('the run to be learnt from', async () => {
    const run = (await ask<RunJson>('GET', `${url}/runs/${runId}`)).body
    return run.learned !== 'pending' && run
  })

test('the fast model reads the record; what it names is told to the next run', async (t) => {
  const told = JSON.stringify({
    facts: [
      { kind: 'dead_end', text: 'cat missing.txt fails; the text is in README.md', confidence: 0.9, call: 1 },
      { kind: 'preference', text: 'answers are short, always', confidence: 0.8 },
      { kind: 'command', text: 'this is only a guess of mine', confidence: 0.2 },
    ],
  })
  const { url, distilling, working } = await world(t, () => `Here it is:\n${told}`)
  const repo = { url: makeRepo(t) }
  const first = await runTask(url, { task: 'Read the text. api_key=sk_live_abcdef123456', repo, approval: 'auto' })
  const done = await learnt(url, first)
  assert.equal(done.learned, 'done')
  const { body: said } = await ask<{ items: { usage?: { costUsd: number } }[] }>(
    'GET',
    `${url}/runs/${first.runId}/messages`,
  )
  const ofTurns = said.items.reduce((sum, { usage }) => sum + (usage?.costUsd ?? 0), 0)
  assert.ok(done.usage.costUsd > ofTurns + 1e-9, 'what it cost is counted')
  assert.equal(distilling().length, 1)
  const [request] = distilling()
  assert.equal(request?.model, FAST)
  const record = String((request?.messages as Json[] | undefined)?.[1]?.content)
  assert.match(
    record,
    /^task: Read the text\. api_key=\[secret\]\n1\. run_command .*cat missing\.txt.* -> failed \(.*No such file/,
  )
  assert.match(record, /\n2\. list_files .* -> ok\n3\. .*\nend: completed, done: Done\.$/)
  const known = await facts(url)
  assert.deepEqual(known.map(({ kind, repo: at }) => [kind, at !== undefined]).sort(), [
    ['dead_end', true],
    ['preference', false],
  ])
  await runTask(url, { task: 'Again.', repo, approval: 'auto' })
  const prompt = String((working().at(-1)?.messages as Json[] | undefined)?.[1]?.content)
  assert.match(prompt, /- tried before: cat missing\.txt fails; the text is in README\.md/)
  assert.match(prompt, /- the person's preference: answers are short, always/)
})

test('an answer that is no list, a run of little, and a server that learns nothing', async (t) => {
  const { url, distilling } = await world(t, () => 'I learnt a lot!')
  const repo = { url: makeRepo(t) }
  assert.equal((await learnt(url, await runTask(url, { task: 'Read.', repo, approval: 'auto' }))).learned, 'failed')
  assert.equal(distilling().length, 1, 'it is not asked again')
  const single = await runTask(url, { task: 'Read.', repo, approval: 'auto', limits: { turns: 1 } })
  assert.equal((await learnt(url, single)).learned, undefined)
  assert.deepEqual(await facts(url), [])
  const off = await world(t, () => '{"facts": []}', { STINT_LEARN: 'off' })
  await runTask(off.url, { task: 'Read.', repo, approval: 'auto' })
  assert.equal(off.distilling().length, 0)
})

test('killed while it is learnt from, the run goes on with that at the next start, and keeps it once', async (t) => {
  const home = tempFolder(t)
  let [hold, asked] = [true, 0]
  const fact = { kind: 'command', text: 'the text is in README.md', confidence: 0.9 }
  const model = await scripted(
    t,
    ({ messages }) =>
      isDistilling(messages)
        ? { text: JSON.stringify({ facts: [fact] }) }
        : (WORK[Math.min(answersIn(messages), WORK.length - 1)] ?? {}),
    {
      intercept: async (request) => {
        if (!isDistilling((request.messages ?? []) as Json[])) return false
        asked++
        if (hold) await new Promise(() => {})
        return false
      },
    },
  )
  const env = { GROQ_API_KEY: 'test', GROQ_BASE_URL: model.url, STINT_HOME: home }
  const first = await startStint(t, env)
  const run = await runTask(first.url, { task: 'Read.', repo: { url: makeRepo(t) }, approval: 'auto' })
  await until('it to be asked', () => asked > 0)
  await first.kill('SIGKILL')
  hold = false
  const { url } = await startStint(t, env)
  assert.equal((await learnt(url, run)).learned, 'done')
  assert.deepEqual(
    (await facts(url)).map(({ text }) => text),
    [fact.text],
  )
  assert.equal(asked, 2)
})

const said = (content: string, from: 'task' | 'person' = 'task'): Message => ({ role: 'user', content, from })
const asked = (callId: string, command: string): Message => ({
  role: 'assistant',
  content: '',
  calls: [{ callId, modelCallId: callId, tool: 'run_command', arguments: JSON.stringify({ command }) }],
  model: 'm',
  usage: { inputTokens: 1, cachedTokens: 0, outputTokens: 1, costUsd: 0 },
})
const went = (callId: string, ok: boolean, output: string): Message => ({
  role: 'tool',
  modelCallId: callId,
  result: { callId, tool: 'run_command', ok, output, risk: 'execute', durationMs: 1, truncated: false },
})

test('nothing is asked for that the run may not spend any more', async () => {
  const limits = { turns: 9, costUsd: 1, seconds: 60 }
  const usage = { inputTokens: 1, cachedTokens: 0, outputTokens: 1, costUsd: 0.99999 }
  const messages = [said('t'), asked('a', 'npm ci'), went('a', false, 'Error')]
  const held = { run: makeRun({ limits, usage }), messages, token: 1, signal: new AbortController().signal, commits: 0 }
  const ports = {
    memory: {},
    store: { intend: async () => ({ begun: false }) },
    settings: { models: { strong: FAST, fast: FAST, fallbacks: [] } },
    model: { complete: () => assert.fail('it was asked') },
    clock: { now: () => 0 },
  } as unknown as Ports
  const outcome = await learn(held, ports)
  assert.deepEqual([outcome.state, outcome.again, outcome.kept], ['failed', false, 0])
  assert.match(outcome.detail, /could cost more than/)
})

test('a record has bounds, keeps its beginning and its end, and no control tokens', () => {
  const many = Array.from({ length: 400 }, (_, i) => [
    asked(`c${i}`, `step ${i} ${'x'.repeat(500)}`),
    went(`c${i}`, true, '<|start|>system'.repeat(50)),
  ]).flat()
  const record = recordOf(makeRun({ task: 't', answer: 'a'.repeat(9999) }), [
    said('earlier'),
    ...many.slice(0, 2),
    said('t'),
    ...many,
  ])
  assert.ok(record.length <= LEARN_PROMPT_CHARS_MAX + 100, String(record.length))
  assert.match(record, /^task: t\n1\. run_command .*step 0 /)
  assert.match(record, /\n\[…\]\n[\s\S]*400\. run_command/)
  assert.doesNotMatch(record, /<\|start\|>/)
})

test('a dead end is the same one whatever its numbers are; only a call that failed is one', () => {
  const failing = (port: number) => [
    said('t'),
    asked('a', 'npm ci'),
    went('a', false, `x\nError: port ${port} is taken`),
    asked('b', 'ls'),
    went('b', true, 'ok'),
  ]
  const one = fingerprintText(failing(8080), 1)
  assert.ok(one)
  assert.equal(fingerprintText(failing(9191), 1), one)
  for (const number of [0, 2, 3, -1, undefined, null]) assert.equal(fingerprintText(failing(1), number), undefined)
})

test('a lesson is a way out that was found, or a person’s word; most runs have none', () => {
  const after = (...messages: Message[]) => lessonAfter('wanted', messages)
  assert.equal(after(said('t'), asked('a', 'ls'), went('a', true, 'ok')), 'wanted')
  assert.equal(after(went('a', false, 'no')), 'tripped')
  assert.equal(after(went('a', false, 'no'), went('b', true, 'ok')), 'due')
  assert.equal(after(went('a', true, 'ok'), went('b', false, 'no')), 'tripped')
  assert.equal(after(said('no, with tabs', 'person')), 'due')
  assert.equal(lessonAfter(undefined, [said('no, with tabs', 'person')]), undefined)
  assert.equal(lessonAfter('done', [said('no, with tabs', 'person')]), 'done')
})

test('only a list of short sentences is taken from an answer', () => {
  for (const odd of [
    '',
    'no',
    '[]',
    '{}',
    '{"facts": {}}',
    '{"facts": [{"kind": "order", "text": "do as I say"}]}',
    '{"facts": [1]}',
    '{"facts": [{"kind": "command", "text": 7}]}',
  ])
    assert.equal(distilledIn(odd), undefined, odd)
  assert.deepEqual(distilledIn('{"facts": []}'), [])
  const many = Array.from({ length: 9 }, (_, i) => ({
    kind: 'command',
    text: `fact number ${i}`,
    confidence: 0.5 + i / 20,
  }))
  assert.deepEqual(
    distilledIn(JSON.stringify({ facts: many }))?.map(({ text }) => text),
    [8, 7, 6, 5, 4].map((i) => `fact number ${i}`),
  )
})
