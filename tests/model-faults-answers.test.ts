/** A run meets a model whose answers cannot be used as they are, and the limits it was given. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Json } from '../functions/scripted/protocol.ts'
import type { Turn } from '../functions/scripted/server.ts'
import {
  aftermath,
  type Case,
  completion,
  DONE,
  type Fault,
  faultyWorld,
  first,
  refuse,
  refusedCall,
  runCase,
  send,
  told,
  WRITE,
} from './support/faults.ts'
import { call, type RunJson } from './support/world.ts'

const once = (body: unknown): Fault => first(1, ({ response }) => send(response, 200, body))
/** Lets the fault's bookkeeping see every request of a case whose turns are what is wrong. */
const watch: Fault = () => false
const bad = (turn: Turn, pattern: RegExp): Case => ({
  fault: watch,
  turns: [WRITE, turn, DONE],
  stopReason: 'done',
  answer: /^All done\.$/,
  asked: 2,
  check: told(pattern),
})
const endless: Turn[] = Array.from({ length: 60 }, (_, i) =>
  call('write_file', { path: `${i}.txt`, content: `${i}\n` }),
)
const went: Pick<Case, 'stopReason' | 'answer' | 'asked'> = { stopReason: 'done', answer: /^All done\.$/, asked: 2 }

const CASES: Record<string, Case> = {
  'html-instead-of-json': { fault: once('<html><body>Please sign in.</body></html>'), ...went },
  'an-empty-object': { fault: once({}), ...went },
  null: { fault: once(null), ...went },
  'no-choices': { fault: once(completion({}, { choices: [] })), ...went },
  'a-choice-without-a-message': { fault: once(completion({}, { choices: [{ index: 0 }] })), ...went },
  'calls-that-are-no-list': { fault: once(completion({ content: null, tool_calls: 'write_file' })), ...went },
  'calls-that-are-null': { fault: once(completion({ content: '', tool_calls: [null] })), ...went },
  'nothing-but-empty-objects': {
    fault: ({ response }) => send(response, 200, {}),
    stopReason: 'model_error',
    asked: 6,
  },
  'usage-that-is-null': { fault: once(completion({ content: 'All done.' }, { usage: null })), ...went, asked: 1 },
  'usage-with-null-counts': {
    fault: once(completion({ content: 'All done.' }, { usage: { prompt_tokens: 9, completion_tokens: null } })),
    ...went,
    asked: 1,
    check: costs,
  },
  'usage-in-words': {
    fault: once(completion({ content: 'All done.' }, { usage: { prompt_tokens: '9', completion_tokens: 'many' } })),
    ...went,
    asked: 1,
    check: costs,
  },
  'usage-below-zero': {
    fault: once(completion({ content: 'All done.' }, { usage: { prompt_tokens: -9e6, completion_tokens: -9e6 } })),
    ...went,
    asked: 1,
    check: costs,
  },
  'empty-once': { fault: once(completion({ content: '' })), ...went, check: told(/neither text nor a tool call/) },
  'empty-for-good': {
    fault: ({ response }) => send(response, 200, completion({ content: ' ' })),
    stopReason: 'stuck',
    answer: /3 answers in a row/,
    asked: 3,
  },
  'a-refused-call-once': {
    fault: first(1, refusedCall),
    ...went,
    check: told(/could not be read.*<function=write_file/),
  },
  'a-refused-call-for-good': { fault: refusedCall, stopReason: 'stuck', answer: /Failed to call a function/, asked: 3 },
  'too-long-for-the-model': {
    fault: ({ response }) =>
      refuse(response, 400, 'context_length_exceeded', 'Please reduce the length of the messages or completion.'),
    stopReason: 'model_error',
    answer: /too long/,
    asked: 1,
  },
  'arguments-that-are-no-json': bad(
    { calls: [{ name: 'read_file', arguments: 'made.txt' }] },
    /no JSON object.*read_file takes/,
  ),
  'arguments-without-their-last-bracket': bad(
    { calls: [{ name: 'read_file', arguments: '{"path": "made.txt"' }] },
    /your call was read as read_file.*made/,
  ),
  'arguments-that-are-a-list': bad({ calls: [{ name: 'read_file', arguments: '["made.txt"]' }] }, /no JSON object/),
  'arguments-of-wrong-types': bad(call('read_file', { path: 7, offset: 'two' }), /path: .*expected string/),
  'a-tool-that-is-not-there': bad(
    call('reed_file', { path: 'made.txt' }),
    /no tool.*reed_file.*Did you mean read_file/,
  ),
  'a-tool-without-a-name': bad(call('', {}), /no tool/),
  'thirty-calls-at-once': {
    ...bad({ calls: many(30) }, /too_many_calls|may hold 16 calls/),
    check(run, seen) {
      assert.equal(run.diffStat.files, 17, 'sixteen of thirty are performed')
      const messages = (seen.at(-1)?.request.messages ?? []) as Json[]
      const results = messages.filter(({ role }) => role === 'tool')
      assert.equal(results.length, 31, 'each call has its answer')
    },
  },
  'two-calls-with-one-id': {
    ...bad({ calls: many(2).map((made) => ({ ...made, id: 'same' })) }, /./),
    check: (run) => assert.equal(run.diffStat.files, 3),
  },
  'an-id-that-was-there-before': {
    fault: watch,
    turns: [
      WRITE,
      { calls: many(1).map((made) => ({ ...made, id: 'x' })) },
      {
        calls: many(2)
          .slice(1)
          .map((made) => ({ ...made, id: 'x' })),
      },
      DONE,
    ],
    ...went,
    asked: 3,
    check: (run) => assert.equal(run.diffStat.files, 3),
  },
  'a-call-cut-by-its-length': bad(
    { calls: [{ name: 'write_file', arguments: '{"path":"cut.txt","content":"half of' }], finish: 'length' },
    /cut off.*write_file takes/,
  ),
  'a-text-cut-by-its-length': bad({ text: 'The answer is', finish: 'length' }, /cut off/),
  'always-cut-by-its-length': {
    fault: watch,
    turns: [WRITE, { text: 'The answer is', finish: 'length' }],
    stopReason: 'stuck',
    asked: 3,
  },
  'more-than-its-cost': {
    turns: endless,
    body: { limits: { costUsd: 0.0008 } },
    stopReason: 'cost_limit',
    answer: /cost limit of \$0\.0008/,
    check: (run) => assert.ok(run.usage.costUsd > 0 && run.usage.costUsd <= 0.0008, `spent ${run.usage.costUsd}`),
  },
  'too-little-for-one-call': {
    body: { limits: { costUsd: 0.00001 } },
    stopReason: 'cost_limit',
    check: (run) => assert.equal(run.usage.costUsd, 0),
  },
  'more-than-its-turns': {
    turns: endless,
    body: { limits: { turns: 3 } },
    stopReason: 'turns_limit',
    answer: /3 turns/,
    check: (run) => assert.deepEqual([run.turns, run.diffStat.files], [3, 3]),
  },
  'more-than-its-seconds': {
    turns: Array.from({ length: 9 }, () => call('run_command', { command: 'sleep 0.6' })),
    body: { limits: { seconds: 1 } },
    stopReason: 'time_limit',
    answer: /1 seconds/,
  },
}

function costs(run: RunJson): void {
  assert.ok(Number.isFinite(run.usage.costUsd) && run.usage.costUsd >= 0, `costUsd is ${run.usage.costUsd}`)
  assert.ok(
    Number.isFinite(run.usage.inputTokens) && run.usage.inputTokens >= 0,
    `inputTokens ${run.usage.inputTokens}`,
  )
}
function many(count: number): { name: string; arguments: Json }[] {
  return Array.from({ length: count }, (_, i) => ({
    name: 'write_file',
    arguments: { path: `m${i}.txt`, content: 'm\n' },
  }))
}
test('a model whose answers cannot be used as they are', { concurrency: 8 }, async (t) => {
  const world = await faultyWorld(t, CASES)
  await Promise.all(
    Object.entries(CASES).map(([name, expected]) =>
      t.test(`${name.replaceAll('-', ' ')}: ${expected.stopReason}`, () => runCase(world, name, expected)),
    ),
  )
  await t.test('the same server process carries the next run', () => aftermath(world))
})
