/**
 * The only place of effects: takes a run's stored action to the outside world and brings back what became of it.
 * It decides nothing and stores nothing. An outcome that never arrives, because this process died, costs no more than
 * the effect itself, which the next process performs again or finds done.
 */
import { hasEnded } from '../core/inbox.ts'
import { ARCHIVE_MS_MAX, CALLBACK_MS_MAX, LEARN_MS_MAX, REPO_MAP_CHARS_MAX, REPO_MAP_WAIT_MS } from '../core/limits.ts'
import { needsPlan, openingMessages } from '../core/prompt.ts'
import type { Action, Layer, Message, Outcome, Run, ToolCall, WorkspaceChange } from '../core/types.ts'
import type { Ports, Prepared } from '../ports.ts'

import { type PerformedCalls, type Performing, performCalls, readCall, rejudged } from '../tools/pipeline.ts'

import { archiveRun } from './archive.ts'
import { type Bare, callModel, timeIsUp } from './ask.ts'
import { notify } from './callback.ts'
import { deliver } from './deliver.ts'
import type { Held } from './held.ts'
import { whatIsKnown } from './known.ts'
import { learn } from './learn.ts'
import { policingOf } from './policing.ts'
import { reachOf } from './reach.ts'

/** What `step` is given, without its envelope; `layers` go into the commit beside it. */
export type Effect = { outcome: Bare<Outcome>; layers: Layer[] }

/** Undefined: the work was broken off by `signal`, and there is nothing to report. */
export async function perform(held: Held, ports: Ports): Promise<Effect | undefined> {
  const done = new AbortController()
  // What is left of the run's own time bounds the work, so that nothing that hangs outlasts it.
  const leftMs = hasEnded(held.run)
    ? (CLOSING_MS_MAX[held.run.action.type] ?? 0)
    : held.run.limits.seconds * 1000 - held.run.workedMs
  const outOfTime = new AbortController()
  void ports.clock.sleep(leftMs, done.signal).then(() => {
    if (!done.signal.aborted) outOfTime.abort()
  })
  const bounded = { ...held, signal: AbortSignal.any([held.signal, outOfTime.signal]) }
  try {
    return await performAction(bounded, ports)
  } finally {
    done.abort()
  }
}

const CLOSING_MS_MAX: { [action in Action['type']]?: number } = {
  notify: CALLBACK_MS_MAX,
  learn: LEARN_MS_MAX,
  archive: ARCHIVE_MS_MAX,
}

async function performAction(held: Held, ports: Ports): Promise<Effect | undefined> {
  switch (held.run.action.type) {
    case 'prepare':
      return prepare(held, ports)
    case 'call_model':
      return callModel(held, ports).then((outcome) => outcome && { outcome, layers: [] })
    case 'run_tools':
      return runTools(held, held.run.action.callIds, ports)
    case 'check':
      return check(held, ports)
    case 'deliver':
      return { outcome: deliver(held.run, await policingOf(ports, held.run)), layers: [] }
    case 'notify':
      return { outcome: await notify(held, ports), layers: [] }
    case 'learn':
      return { outcome: await learn(held, ports), layers: [] }
    case 'archive':
      return { outcome: await archiveRun(held, ports), layers: [] }
    case 'wait':
    case 'stop':
      return { outcome: { type: 'woken' }, layers: [] }
  }
}

/** What a task of several steps is about, by the code; none where it is not known soon enough. Committed with the rest. */
async function mapFor(run: Run, { head, layers }: Prepared, stored: () => Promise<Layer[]>, ports: Ports) {
  if (!needsPlan(run.task)) return undefined
  const place = { workspaceId: run.workspaceId, head, layers: async () => [...(await stored()), ...layers] }
  const map = { task: run.task, chars: REPO_MAP_CHARS_MAX }
  const told = await ports.sandbox.code({ place, map, waitMs: REPO_MAP_WAIT_MS })
  return told.ok && told.state === 'ready' ? told.map : undefined
}

async function prepare({ run, messages: had, token, signal }: Held, ports: Ports): Promise<Effect> {
  const { runId, sessionId, workspaceId, repo, head } = run
  const layers = () => ports.store.layers(workspaceId)
  const earlier = (await ports.store.runs({ sessionId, limit: 20 })).items
    .filter((other) => other.runId !== runId && other.kind === 'agent' && other.answer)
    .map(({ task, answer }) => ({ task, answer: answer ?? '' }))
    .reverse()
  const known = { ...(repo ? { repo } : {}), ...(head ? { head } : {}) }
  // Side by side: what is known is looked up while the workspace is made.
  const knowing = run.kind === 'agent' && had.length === 0 ? whatIsKnown(run, ports) : undefined
  const prepared = await ports.sandbox.prepare({ runId, workspaceId, fence: token, ...known, layers, signal })
  if (!prepared.ok) return { outcome: { type: 'sandbox_failure', ...failure(prepared) }, layers: [] }
  // A forked run brings its transcript along.
  const { rules } = prepared.facts
  if (run.kind !== 'agent' || had.length > 0) {
    const pending = rules && (await judgedAgain({ ...run, rules }, had, ports))
    const told = { ...(rules ? { rules } : {}), ...(pending ? { pending } : {}) }
    return { outcome: { type: 'prepared', head: prepared.head, messages: [], ...told }, layers: prepared.layers }
  }
  const map = await mapFor(run, prepared, layers, ports)
  const messages = openingMessages(run, { ...prepared.facts, ...(map ? { map } : {}) }, earlier, await knowing)
  return {
    outcome: { type: 'prepared', head: prepared.head, messages, ...(rules ? { rules } : {}) },
    layers: prepared.layers,
  }
}

/** A tool's call was judged before its repo was there, and the repo may hold it back. */
async function judgedAgain(run: Run, messages: Message[], ports: Ports): Promise<Run['pending']> {
  const calls = messages.flatMap((message) => (message.role === 'assistant' ? message.calls : []))
  const policing = await policingOf(ports, run)
  return run.pending.map((call) => rejudged(call, calls, policing))
}

async function runTools(held: Held, callIds: string[], ports: Ports): Promise<Effect | undefined> {
  const started = ports.clock.now()
  const calls = callIds.flatMap((callId) => findCall(held.messages, callId) ?? [])
  const done = await performCalls({ calls, ...reaching(held, ports) })
  if (held.signal.aborted && !done.ok && !timeIsUp(held.run, ports.clock.now() - started)) return undefined
  if (!done.ok) return { outcome: { type: 'sandbox_failure', ...failure(done) }, layers: [] }
  const tests = done.results.flatMap((message) => testsIn(message, calls)).at(-1)
  const { results, plan, question, looked } = done
  const { change, layers } = changeOf(done.change)
  return {
    outcome: {
      type: 'tool_results',
      results,
      ...(change ? { change } : {}),
      ...(plan ? { plan } : {}),
      ...(tests ? { tests } : {}),
      ...(question ? { question } : {}),
      ...(looked ? { looked } : {}),
    },
    layers,
  }
}

/** The last test run of the run, once more, because files changed since it passed. */
async function check(held: Held, ports: Ports): Promise<Effect | undefined> {
  const started = ports.clock.now()
  const { tests, checks, approval, remembered, runId } = held.run
  if (!tests) return { outcome: { type: 'checked', passed: true, summary: '', output: '' }, layers: [] }
  // The id is made from what is stored, so that a check cut off by a crash is found again and not run twice.
  const ids = { next: () => `call_${runId.slice('run_'.length)}c${checks}` }
  const { call, pending } = readCall(
    { id: '', name: tests.tool, arguments: tests.arguments },
    ids,
    await policingOf(ports, held.run),
  )
  const { decision } = pending.verdict
  const allowed =
    decision === 'allow' || (decision === 'approve' && (approval === 'auto' || remembered.includes(pending.hash)))
  if (pending.refusal || !allowed)
    return { outcome: { type: 'checked', passed: true, summary: tests.summary, output: '' }, layers: [] }
  const done = await performCalls({ calls: [call], ...reaching(held, ports) })
  if (held.signal.aborted && !done.ok && !timeIsUp(held.run, ports.clock.now() - started)) return undefined
  if (!done.ok) return { outcome: { type: 'sandbox_failure', ...failure(done) }, layers: [] }
  const result = done.results[0]
  const output = result?.role === 'tool' ? result.result.output : ''
  const { passed = false, summary = 'did not run' } = (result && testsIn(result, [call])[0]) ?? {}
  const { change, layers } = changeOf(done.change)
  return { outcome: { type: 'checked', passed, summary, output, ...(change ? { change } : {}) }, layers }
}

/** The pointer goes through `step`, the layer beside it into the commit. */
function changeOf(change: Extract<PerformedCalls, { ok: true }>['change']): {
  change?: WorkspaceChange
  layers: Layer[]
} {
  if (!change) return { layers: [] }
  const { layer, ...moved } = change
  return { change: moved, layers: [layer] }
}

/** What the calls of one step may reach. */
const reaching = (held: Held, ports: Ports): Omit<Performing, 'calls'> => ({
  clock: ports.clock,
  sandbox: (list) => inSandbox(held, list, ports),
  reach: ({ callId }) => reachOf(held, callId, ports),
})

const inSandbox = (
  { run, token, signal }: Held,
  calls: { callId: string; tool: string; input: unknown }[],
  { sandbox, store }: Ports,
) => {
  const { runId, workspaceId, start, head } = run
  if (!start || !head) throw new Error(`run ${runId} has no workspace yet`)
  return sandbox.perform({
    runId,
    workspaceId,
    fence: token,
    start,
    head,
    calls,
    layers: () => store.layers(workspaceId),
    signal,
  })
}

/** What a result says about tests; the tool puts it into `data.tests`. */
function testsIn(message: Message, calls: ToolCall[]) {
  if (message.role !== 'tool') return []
  const data = message.result.data as { command?: string; tests?: { passed: boolean; summary: string } } | undefined
  const call = calls.find(({ callId }) => callId === message.result.callId)
  return data?.tests && call
    ? [{ tool: call.tool, arguments: call.arguments, label: data.command ?? call.tool, ...data.tests }]
    : []
}

function findCall(messages: Message[], callId: string): ToolCall | undefined {
  for (let i = messages.length - 1; i >= 0; i--) {
    const message = messages[i]
    const call = message?.role === 'assistant' ? message.calls.find((made) => made.callId === callId) : undefined
    if (call) return call
  }
  return undefined
}

const failure = ({ code, message, retry }: { code: string; message: string; retry: boolean }) => ({
  code,
  message,
  retry,
})
