import assert from 'node:assert/strict'
import { test } from 'node:test'
import { step } from '../functions/core/step.ts'
import type { Message, Outcome, PendingCall, Run, Usage } from '../functions/core/types.ts'

const USAGE: Usage = { inputTokens: 100, cachedTokens: 0, outputTokens: 10, costUsd: 0.001 }
const run = (part: Partial<Run> = {}): Run => ({
  runId: 'run_1',
  sessionId: 'ses_1',
  kind: 'agent',
  task: 'do it',
  status: 'running',
  step: 3,
  turns: 1,
  attempt: 0,
  rateWaits: 0,
  formatErrors: 0,
  checks: 0,
  action: { type: 'call_model' },
  pending: [],
  plan: [],
  usage: { inputTokens: 0, cachedTokens: 0, outputTokens: 0, costUsd: 0 },
  limits: { turns: 10, costUsd: 1, seconds: 60 },
  workedMs: 0,
  approval: 'ask',
  model: 'auto',
  remembered: [],
  workspaceId: 'wsp_1',
  start: { id: 's1', count: 1 },
  head: { id: 's1', count: 1 },
  diffStat: { files: 0, additions: 0, deletions: 0 },
  inboxSeen: 0,
  eventSeq: 5,
  messageSeq: 4,
  createdAt: 0,
  updatedAt: 0,
  ...part,
})
const pending = (callId: string, part: Partial<PendingCall> = {}): PendingCall => ({
  callId,
  modelCallId: `m_${callId}`,
  tool: 'read_file',
  risk: 'read',
  alone: false,
  verdict: { decision: 'allow', reason: '' },
  hash: `h_${callId}`,
  preview: '{}',
  ...part,
})
const said = (content: string, calls: string[] = []): Message => ({
  role: 'assistant',
  content,
  model: 'm',
  usage: USAGE,
  calls: calls.map((callId) => ({ callId, modelCallId: `m_${callId}`, tool: 'read_file', arguments: '{}' })),
})
const result = (callId: string): Message => ({
  role: 'tool',
  modelCallId: `m_${callId}`,
  result: { callId, tool: 'read_file', ok: true, output: 'text', risk: 'read', durationMs: 1, truncated: false },
})
const outcome = (part: { type: string } & Record<string, unknown>): Outcome =>
  ({ at: 1000, workedMs: 5, inbox: [], ...part }) as unknown as Outcome
const answer = (message: Message, calls: PendingCall[] = []) =>
  outcome({ type: 'model_response', message, pending: calls, truncated: false })
const types = (events: { type: string }[]) => events.map((event) => event.type)

test('an answer without calls ends the run with that answer', () => {
  const made = step(run(), answer(said('All done.')))
  assert.equal(made.run.status, 'completed')
  assert.equal(made.run.stopReason, 'done')
  assert.equal(made.run.answer, 'All done.')
  assert.equal(made.run.usage.costUsd, 0.001)
  assert.deepEqual(types(made.events), ['message.completed', 'run.completed'])
  assert.deepEqual(
    made.events.map((event) => event.seq),
    [6, 7],
  )
})

test('calls are committed with the message, before they run', () => {
  const made = step(run(), answer(said('', ['a']), [pending('a')]))
  assert.deepEqual(made.run.action, { type: 'run_tools', callIds: ['a'] })
  assert.equal(made.messages.length, 1)
  assert.deepEqual(types(made.events), ['message.completed', 'tool.started'])
})

test('leading reads run side by side, a change runs alone, the rest waits its turn', () => {
  const calls = [pending('a'), pending('b'), pending('c', { alone: true }), pending('d')]
  const first = step(run(), answer(said('', ['a', 'b', 'c', 'd']), calls))
  assert.deepEqual(first.run.action, { type: 'run_tools', callIds: ['a', 'b'] })
  const second = step(first.run, outcome({ type: 'tool_results', results: [result('a'), result('b')] }))
  assert.deepEqual(second.run.action, { type: 'run_tools', callIds: ['c'] })
  const third = step(
    second.run,
    outcome({
      type: 'tool_results',
      results: [result('c')],
      change: { head: { id: 's2', count: 2 }, diffStat: { files: 1, additions: 1, deletions: 0 }, paths: ['x'] },
    }),
  )
  assert.deepEqual(third.run.action, { type: 'run_tools', callIds: ['d'] })
  assert.equal(third.run.head?.id, 's2')
  assert.ok(types(third.events).includes('workspace.changed'))
  const fourth = step(third.run, outcome({ type: 'tool_results', results: [result('d')] }))
  assert.deepEqual(fourth.run.action, { type: 'call_model' })
})

test('a call that needs an approval waits, is performed once approved, and is refused once denied', () => {
  const held = pending('a', { risk: 'execute', alone: true, verdict: { decision: 'approve', reason: 'runs code' } })
  const waiting = step(run(), answer(said('', ['a']), [held]))
  assert.equal(waiting.run.status, 'waiting')
  assert.equal(waiting.run.waitingFor?.kind, 'approval')
  assert.deepEqual(types(waiting.events), ['message.completed', 'approval.requested', 'run.waiting'])
  const decide = (approved: boolean) =>
    outcome({
      type: 'woken',
      inbox: [{ type: 'decision', seq: 1, at: 1, decision: { callId: 'a', approved, remember: 'call' } }],
    })
  const approved = step(waiting.run, decide(true))
  assert.deepEqual(approved.run.action, { type: 'run_tools', callIds: ['a'] })
  assert.deepEqual(types(approved.events), ['approval.decided', 'run.resumed', 'tool.started'])
  const denied = step(waiting.run, decide(false))
  assert.deepEqual(denied.run.action, { type: 'call_model' })
  assert.equal(denied.messages[0]?.role === 'tool' && denied.messages[0].result.error?.code, 'approval_denied')
})

test('approval auto performs, deny refuses, and always asks even under auto', () => {
  const held = (always: boolean) =>
    pending('a', { verdict: { decision: 'approve', reason: 'x', ...(always ? { always } : {}) } })
  assert.equal(step(run({ approval: 'auto' }), answer(said('', ['a']), [held(false)])).run.action.type, 'run_tools')
  assert.equal(step(run({ approval: 'auto' }), answer(said('', ['a']), [held(true)])).run.status, 'waiting')
  const refused = step(run({ approval: 'deny' }), answer(said('', ['a']), [held(true)]))
  assert.equal(refused.run.action.type, 'call_model')
  assert.equal(refused.messages[1]?.role === 'tool' && refused.messages[1].result.error?.code, 'approval_denied')
})

test('an approval remembered for the run covers the very same call, and no other', () => {
  const call = (hash: string) => pending('a', { hash, verdict: { decision: 'approve', reason: 'x' } })
  const waiting = step(run(), answer(said('', ['a']), [call('same')]))
  const approved = step(
    waiting.run,
    outcome({
      type: 'woken',
      inbox: [{ type: 'decision', seq: 1, at: 1, decision: { callId: 'a', approved: true, remember: 'run' } }],
    }),
  )
  const after = step(approved.run, outcome({ type: 'tool_results', results: [result('a')] })).run
  assert.equal(step(after, answer(said('', ['a']), [call('same')])).run.action.type, 'run_tools')
  assert.equal(step(after, answer(said('', ['a']), [call('other')])).run.status, 'waiting')
})

test('nobody decides: the call counts as refused after its deadline, not before', () => {
  const waiting = step(
    run(),
    answer(said('', ['a']), [pending('a', { verdict: { decision: 'approve', reason: 'x' } })]),
  ).run
  const at = waiting.waitingFor?.until ?? 0
  assert.equal(step(waiting, { ...outcome({ type: 'woken' }), at: at - 1 } as Outcome).run, waiting)
  assert.equal(step(waiting, { ...outcome({ type: 'woken' }), at } as Outcome).run.action.type, 'call_model')
})

test('a question waits; the answer becomes its result; no answer takes the default', () => {
  const asked = run({
    action: { type: 'run_tools', callIds: ['q'] },
    pending: [pending('q', { tool: 'ask_user', alone: true })],
  })
  const waiting = step(
    asked,
    outcome({
      type: 'tool_results',
      results: [],
      question: { callId: 'q', question: 'Which?', choices: [], default: 'left' },
    }),
  )
  assert.equal(waiting.run.waitingFor?.kind, 'question')
  const told = step(waiting.run, outcome({ type: 'woken', inbox: [{ type: 'message', seq: 1, at: 1, text: 'right' }] }))
  assert.equal(told.messages[0]?.role === 'tool' && told.messages[0].result.output, 'right')
  assert.equal(told.messages.length, 1, 'the answer is not said a second time as a message')
  const late = step(waiting.run, { ...outcome({ type: 'woken' }), at: waiting.run.waitingFor?.until ?? 0 } as Outcome)
  assert.equal(late.messages[0]?.role === 'tool' && late.messages[0].result.output, 'left')
})

test('what people say joins at the end of a turn, and keeps a finished run going', () => {
  const inbox = [{ type: 'message', seq: 1, at: 1, text: 'also the docs' }]
  const working = run({ action: { type: 'run_tools', callIds: ['a'] }, pending: [pending('a')] })
  const turned = step(working, outcome({ type: 'tool_results', results: [result('a')], inbox }))
  assert.deepEqual(
    turned.messages.map((message) => message.role),
    ['tool', 'user'],
  )
  assert.equal(turned.run.inboxSeen, 1)
  const finishing = step(run(), { ...answer(said('Done.')), inbox } as Outcome)
  assert.equal(finishing.run.action.type, 'call_model')
  assert.deepEqual(
    finishing.messages.map((message) => message.role),
    ['assistant', 'user'],
  )
})

test('cancel ends the run and keeps what was paid for', () => {
  const made = step(run(), {
    ...answer(said('half')),
    inbox: [{ type: 'cancel', seq: 1, at: 1, reason: 'enough' }],
  } as Outcome)
  assert.equal(made.run.status, 'cancelled')
  assert.equal(made.run.stopReason, 'cancelled')
  assert.equal(made.run.usage.costUsd, 0.001)
  assert.match(made.run.answer ?? '', /cancelled. enough/)
  assert.equal(step(made.run, answer(said('late'))).run, made.run)
})

test('limits end a run as failed with a hand-over note', () => {
  const turns = step(
    run({
      turns: 10,
      action: { type: 'run_tools', callIds: ['a'] },
      pending: [pending('a')],
      plan: [
        { text: 'one', status: 'done' },
        { text: 'two', status: 'pending' },
      ],
    }),
    outcome({ type: 'tool_results', results: [result('a')] }),
  )
  assert.equal(turns.run.stopReason, 'turns_limit')
  assert.equal(turns.run.status, 'failed')
  assert.match(turns.run.answer ?? '', /10 turns[\s\S]*Done:\n- one\nLeft:\n- two/)
  assert.equal(
    step(run({ limits: { turns: 10, costUsd: 0.0005, seconds: 60 } }), answer(said('', ['a']), [pending('a')])).run
      .stopReason,
    'cost_limit',
  )
  assert.equal(
    step(
      run({ workedMs: 59_999, action: { type: 'run_tools', callIds: ['a'] }, pending: [pending('a')] }),
      outcome({ type: 'tool_results', results: [result('a')] }),
    ).run.stopReason,
    'time_limit',
  )
})

test('failures of the world are tried again later and later, then end the run', () => {
  const failing = outcome({ type: 'model_failure', kind: 'retry', code: 'http_500', message: 'oops' })
  let current = run()
  const waits: number[] = []
  for (let i = 0; i < 5; i++) {
    current = step(current, failing).run
    waits.push(('notBefore' in current.action ? (current.action.notBefore ?? 0) : 0) - 1000)
  }
  assert.deepEqual(waits, [500, 1000, 2000, 4000, 8000])
  assert.equal(step(current, failing).run.stopReason, 'model_error')
})

test('a rate limit is a nap when short and a stored wait when long', () => {
  const limited = (retryAfterMs: number) =>
    outcome({ type: 'model_failure', kind: 'rate_limit', code: 'rate_limited', message: 'slow down', retryAfterMs })
  assert.equal(step(run(), limited(1000)).run.status, 'running')
  const waiting = step(run(), limited(60_000))
  assert.equal(waiting.run.status, 'waiting')
  assert.deepEqual(waiting.run.waitingFor, { kind: 'rate_limit', reason: 'slow down', until: 61_000 })
  const resumed = step(waiting.run, { ...outcome({ type: 'woken' }), at: 61_000 } as Outcome)
  assert.equal(resumed.run.status, 'running')
  assert.equal(resumed.run.action.type, 'call_model')
})

test('three answers in a row that cannot be used end as stuck; a good one in between forgets them', () => {
  const empty = answer(said('  '))
  const once = step(run(), empty)
  assert.equal(once.run.action.type, 'call_model')
  assert.equal(once.messages[0]?.role, 'user')
  const twice = step(once.run, empty).run
  assert.equal(step(twice, empty).run.stopReason, 'stuck')
  const good = step(twice, answer(said('', ['a']), [pending('a')])).run
  assert.equal(good.formatErrors, 0)
})

test('files changed after the tests passed: they are run once more before the end', () => {
  const tests = {
    tool: 'run_tests',
    arguments: '{}',
    label: 'npm test',
    passed: true,
    summary: '4 passed',
    firstPassed: false,
    stale: true,
  }
  const checking = step(run({ tests }), answer(said('Done.')))
  assert.equal(checking.run.action.type, 'check')
  const green = step(checking.run, outcome({ type: 'checked', passed: true, summary: '4 passed', output: '' }))
  assert.equal(green.run.status, 'completed')
  assert.equal(green.run.answer, 'Done.')
  const red = step(checking.run, outcome({ type: 'checked', passed: false, summary: '1 failed', output: 'boom' }))
  assert.equal(red.run.action.type, 'call_model')
  assert.match(red.messages[0]?.role === 'user' ? red.messages[0].content : '', /boom/)
})

test('an outcome that does not belong to the action changes nothing, and the same step gives the same', () => {
  const waiting = run({ action: { type: 'run_tools', callIds: ['a'] }, pending: [pending('a')] })
  assert.equal(step(waiting, answer(said('x'))).run, waiting)
  const [one, two] = [step(run(), answer(said('x'))), step(run(), answer(said('x')))]
  assert.deepEqual(one, two)
})

test('a tool run performs its one call and ends', () => {
  const tool = run({
    kind: 'tool',
    action: { type: 'prepare' },
    pending: [pending('a')],
    start: undefined,
    head: undefined,
  })
  const ready = step(tool, outcome({ type: 'prepared', head: { id: 's1', count: 1 }, messages: [] }))
  assert.deepEqual(ready.run.action, { type: 'run_tools', callIds: ['a'] })
  const done = step(ready.run, outcome({ type: 'tool_results', results: [result('a')] }))
  assert.equal(done.run.status, 'completed')
})
