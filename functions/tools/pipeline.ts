/**
 * From what a model said to a result: validate -> policy -> approval -> run with a time-out -> result. The first two
 * happen here when the message is read, so that the verdict is committed with it; approval is the run's own business
 * (`core/turn.ts`); running is `performCalls`. A call that cannot be run is a result that says how to mend it.
 */
import { createHash } from 'node:crypto'
import { alike } from '../core/alike.ts'
import { CALLS_PER_MESSAGE_MAX, PREVIEW_CHARS_MAX } from '../core/limits.ts'
import { judge, type Policing } from '../core/policy.ts'
import type { Message, PendingCall, Risk, ToolCall, ToolError, ToolResult, Verdict } from '../core/types.ts'
import { errorText } from '../core/verdicts.ts'
import type { Clock, ForgeRefusal, Ids, Sandbox } from '../ports.ts'
import { type Answer, type FunctionTool, type Look, type Reach, TryAgain } from './define.ts'
import { type AnyTool, allTools, toolNamed } from './registry.ts'

/** `problem` is why it is not performed though it looks well; `mended` what was done to what the model said. */
export type RawCall = { id: string; name: string; arguments: string; mended?: string[]; problem?: string }
export type ReadCall = { call: ToolCall; pending: PendingCall }

/** What the model said, as calls of ours. Never throws: what does not fit becomes a refusal the model can mend. */
export function readCalls(raw: RawCall[], ids: Ids, policing: Policing): ReadCall[] {
  const seen = new Set<string>()
  return raw.map((said, i) => {
    // An id is kept byte for byte, unless two calls share it: the next request would be refused.
    const read = readCall(seen.has(said.id) ? { ...said, id: '' } : said, ids, policing)
    seen.add(said.id)
    if (i < CALLS_PER_MESSAGE_MAX) return read
    const refusal = {
      code: 'too_many_calls',
      message: `one message may hold ${CALLS_PER_MESSAGE_MAX} calls`,
      hint: 'Send the rest in your next message.',
    }
    return { ...read, pending: { ...read.pending, refusal } }
  })
}

export function readCall(
  { id, name: given, arguments: text, mended, problem }: RawCall,
  ids: Ids,
  policing: Policing,
): ReadCall {
  const callId = ids.next('call')
  const modelCallId = id === '' ? callId : id
  // The history may hold only names of the protocol's form, whatever the model made up.
  const name = given.replace(/[^A-Za-z0-9_-]/g, '_').slice(0, 64) || 'unnamed'
  const entry = toolNamed(name)
  const parsed = parseObject(text)
  const args = parsed ? (isPlainJson(text) ? text : JSON.stringify(parsed)) : '{}'
  const { risk = 'read', changes = false } = entry?.definition ?? {}
  const base = {
    callId,
    modelCallId,
    tool: name,
    risk: risk as Risk,
    alone: changes,
    hash: hashOf(name, args),
    preview: preview(args),
  }
  const call: ToolCall = { callId, modelCallId, tool: name, arguments: args, ...(mended ? { mended } : {}) }
  const refuse = (refusal: ToolError): ReadCall => ({ call, pending: { ...base, verdict: ALLOW, refusal } })

  if (!entry) return refuse(unknownTool(given))
  if (problem !== undefined) return refuse({ code: 'invalid_arguments', message: problem, hint: schemaHint(entry) })
  if (!parsed)
    return refuse({
      code: 'invalid_arguments',
      message: `the arguments are no JSON object: ${text.slice(0, 200)}`,
      hint: schemaHint(entry),
    })
  const input = validate(entry, parsed)
  if ('code' in input) return refuse(input)
  const verdict: Verdict = judge({ tool: name, risk, input: input.value as Record<string, unknown> }, policing)
  const looks = entry.runs === 'function' && entry.tool.look !== undefined
  return { call, pending: { ...base, verdict, ...(looks ? { look: true } : {}) } }
}

/** A call that waits, judged once more by what is known now. */
export function rejudged(pending: PendingCall, calls: ToolCall[], policing: Policing): PendingCall {
  const call = calls.find(({ callId }) => callId === pending.callId)
  if (!call || pending.refusal) return pending
  const { tool, risk } = pending
  return { ...pending, verdict: judge({ tool, risk, input: inputOf(call) as Record<string, unknown> }, policing) }
}

export type Performing = {
  calls: ToolCall[]
  sandbox: (calls: { callId: string; tool: string; input: unknown }[]) => ReturnType<Sandbox['perform']>
  /** `look`: the call must be looked at before there is a verdict on it. */
  reach: (call: ToolCall) => Reach & { look?: boolean | undefined }
  clock: Clock
}
export type PerformedCalls =
  | {
      ok: true
      results: Message[]
      change?: Extract<Awaited<ReturnType<Sandbox['perform']>>, { ok: true }>['change']
      plan?: Answer['plan']
      question?: Answer['question'] & { callId: string }
      looked?: Looked
    }
  | { ok: false; code: string; message: string; retry: boolean }

/** What a look found, as the pending call keeps it. */
export type Looked = { callId: string; verdict: Verdict; key: string; hash: string; preview: string }

/** Runs calls that passed: those of the sandbox in one request, those of ours one after the other. */
export async function performCalls({ calls, sandbox, reach, clock }: Performing): Promise<PerformedCalls> {
  const inSandbox = calls.filter((call) => toolNamed(call.tool)?.runs === 'sandbox')
  const remote =
    inSandbox.length > 0
      ? await sandbox(inSandbox.map((call) => ({ callId: call.callId, tool: call.tool, input: inputOf(call) })))
      : undefined
  if (remote && !remote.ok) return remote
  const results: Message[] = []
  let plan: Answer['plan']
  let question: (Answer['question'] & { callId: string }) | undefined
  let looked: Looked | undefined
  for (const call of calls) {
    const entry = toolNamed(call.tool)
    const risk = entry?.definition.risk ?? 'read'
    const answered = remote?.results.find((result) => result.callId === call.callId)
    if (answered) results.push(message(call, { ...answered, tool: call.tool, risk }))
    else if (entry?.runs === 'function') {
      const started = clock.now()
      const told = await runHere(entry.tool, call, reach(call))
      if ('retry' in told) return told
      if ('verdict' in told) {
        looked = { ...told, callId: call.callId, hash: hashOf(call.tool, `${call.arguments}\0${told.key}`) }
        continue
      }
      const { answer } = told
      plan = answer.plan ?? plan
      if (answer.question) question = { ...answer.question, callId: call.callId }
      else results.push(message(call, { ...local(call, answer), risk, durationMs: clock.now() - started }))
    } else
      return { ok: false, code: 'sandbox_nonsense', message: `the sandbox did not answer ${call.tool}`, retry: true }
  }
  return {
    ok: true,
    results,
    ...(remote?.change ? { change: remote.change } : {}),
    ...(plan ? { plan } : {}),
    ...(question ? { question } : {}),
    ...(looked ? { looked } : {}),
  }
}

async function runHere(
  tool: FunctionTool,
  call: ToolCall,
  { look, ...reach }: ReturnType<Performing['reach']>,
): Promise<Look | ForgeRefusal> {
  try {
    if (look && tool.look) return await tool.look(inputOf(call), reach)
    return { answer: await tool.run(inputOf(call), reach) }
  } catch (error) {
    if (error instanceof TryAgain) return error.refusal
    throw error
  }
}

/** A call's input as its tool takes it: mended and validated, as it was when the message was read. */
function inputOf(call: ToolCall): unknown {
  const entry = toolNamed(call.tool)
  const input = entry ? validate(entry, parseObject(call.arguments) ?? {}) : undefined
  return input && 'value' in input ? input.value : {}
}

function validate(entry: AnyTool, parsed: Record<string, unknown>): { value: unknown } | ToolError {
  const withoutNulls = Object.fromEntries(Object.entries(parsed).filter(([, value]) => value !== null))
  const mended = entry.runs === 'function' && entry.tool.mend ? entry.tool.mend(withoutNulls) : withoutNulls
  const result = entry.definition.input.safeParse(mended)
  if (result.success) return { value: result.data }
  const issues = result.error.issues
    .slice(0, 5)
    .map((issue) => `${issue.path.join('.') || 'arguments'}: ${issue.message}`)
  return { code: 'invalid_arguments', message: issues.join('; '), hint: schemaHint(entry) }
}

const schemaHint = ({ definition: { name, input } }: AnyTool): string =>
  `${name} takes {${Object.entries(input.shape)
    .map(([key, schema]) => (schema.safeParse(undefined).success ? `${key}?` : key))
    .join(', ')}}.`

function unknownTool(name: string): ToolError {
  const names = allTools().map(({ definition }) => definition.name)
  const near = names.filter((known) => alike(known, name) > 0.5).slice(0, 3)
  return {
    code: 'unknown_tool',
    message: `there is no tool ${JSON.stringify(name.replace(/[^\x20-\x7e]/g, '?').slice(0, 80))}`,
    hint: near.length > 0 ? `Did you mean ${near.join(' or ')}?` : 'Use one of the tools you were given.',
  }
}

const message = (call: ToolCall, result: ToolResult): Message => ({
  role: 'tool',
  modelCallId: call.modelCallId,
  result,
})

const local = (call: ToolCall, { output, data, error }: Answer): Omit<ToolResult, 'risk' | 'durationMs'> => ({
  callId: call.callId,
  tool: call.tool,
  ok: !error,
  output: error && output === '' ? errorText(error) : output,
  truncated: false,
  ...(data === undefined ? {} : { data }),
  ...(error ? { error } : {}),
})

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text.trim() === '' ? '{}' : text)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined
  } catch {
    return undefined
  }
}

const isPlainJson = (text: string): boolean => text.trim() !== ''
const preview = (args: string): string =>
  args.length <= PREVIEW_CHARS_MAX * 5 ? args : `${args.slice(0, PREVIEW_CHARS_MAX * 5)}…`
const hashOf = (tool: string, args: string): string => createHash('sha256').update(`${tool}\0${args}`).digest('hex')
const ALLOW: Verdict = { decision: 'allow', reason: 'not performed' }
