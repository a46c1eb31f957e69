/**
 * The records of a run, as zod schemas with inferred types. Everything that is stored, sent between processes or
 * shown over HTTP is one of these; nothing here knows a clock, an id generator or a network.
 * Times are epoch milliseconds; money is US dollars; the HTTP face turns them into its own forms (routes/views.ts).
 */
import { z } from 'zod'
import { PolicyRule } from './rules.ts'

// ---- small words -----------------------------------------------------------------------------------------------

export const RunStatus = z.enum(['queued', 'running', 'waiting', 'completed', 'failed', 'cancelled'])
export type RunStatus = z.infer<typeof RunStatus>

export const StopReason = z.enum([
  'done',
  'turns_limit',
  'cost_limit',
  'time_limit',
  'stuck',
  'model_error',
  'sandbox_error',
  'cancelled',
])
export type StopReason = z.infer<typeof StopReason>

export const Risk = z.enum(['read', 'write', 'execute', 'external'])
export type Risk = z.infer<typeof Risk>

export const ApprovalMode = z.enum(['ask', 'auto', 'deny'])
export type ApprovalMode = z.infer<typeof ApprovalMode>

export const Limits = z.object({ turns: z.number().int(), costUsd: z.number(), seconds: z.number() })
export type Limits = z.infer<typeof Limits>

export const Usage = z.object({
  inputTokens: z.number().int(),
  cachedTokens: z.number().int(),
  outputTokens: z.number().int(),
  costUsd: z.number(),
})
export type Usage = z.infer<typeof Usage>

export const PlanItem = z.object({ text: z.string(), status: z.enum(['pending', 'active', 'done']) })
export type PlanItem = z.infer<typeof PlanItem>

/** `url` is an https or ssh git address, or a local path; `subdir` is the part of it that the task is about. */
export const Repo = z.object({ url: z.string(), ref: z.string().optional(), subdir: z.string().optional() })
export type Repo = z.infer<typeof Repo>

export const DiffStat = z.object({ files: z.number().int(), additions: z.number().int(), deletions: z.number().int() })
export type DiffStat = z.infer<typeof DiffStat>

/** What holds a command in: told to people, and used by policy. */
export type Isolation = 'none' | 'namespace' | 'seatbelt' | 'container' | 'microvm'

/** `branch` is below `stint/`; left out, the session has one of its own. */
export const Deliver = z.object({
  branch: z.string().optional(),
  pullRequest: z.enum(['none', 'draft', 'ready']).optional(),
})
export type Deliver = z.infer<typeof Deliver>

// ---- tools -----------------------------------------------------------------------------------------------------

export const ToolError = z.object({ code: z.string(), message: z.string(), hint: z.string().optional() })
export type ToolError = z.infer<typeof ToolError>

/** What policy says of one call; `part` is the piece of it that decided, `always` waits even under `auto`. */
export const Verdict = z.object({
  decision: z.enum(['allow', 'approve', 'deny']),
  reason: z.string(),
  part: z.string().optional(),
  always: z.boolean().optional(),
})
export type Verdict = z.infer<typeof Verdict>

/** A call as the model made it. `arguments` is the JSON object later requests show the model: what was really run. */
export const ToolCall = z.object({
  callId: z.string(),
  modelCallId: z.string(),
  tool: z.string(),
  arguments: z.string(),
  /** What was mended of what the model said, in words; absent when nothing was. */
  mended: z.array(z.string()).optional(),
})
export type ToolCall = z.infer<typeof ToolCall>

/** What `step` needs to know of a call that has no result yet; its arguments stay in the message. */
export const PendingCall = z.object({
  callId: z.string(),
  modelCallId: z.string(),
  tool: z.string(),
  risk: Risk,
  /** Reads run side by side; a call that changes the workspace, or asks a person, runs alone. */
  alone: z.boolean(),
  verdict: Verdict,
  /** sha256 of tool and arguments: what an approval is bound to and remembered by. */
  hash: z.string(),
  /** The arguments' first characters, for people and events. */
  preview: z.string(),
  /** What it would do must be looked at first: only then is there a verdict. */
  look: z.boolean().optional(),
  /** What exactly was found then, and is agreed to. */
  looked: z.string().optional(),
  /** Set when the call cannot be performed at all: unknown tool, arguments that do not fit. */
  refusal: ToolError.optional(),
})
export type PendingCall = z.infer<typeof PendingCall>

export const ToolResult = z.object({
  callId: z.string(),
  tool: z.string(),
  ok: z.boolean(),
  /** What the model reads; never empty. */
  output: z.string(),
  data: z.unknown().optional(),
  error: ToolError.optional(),
  risk: Risk,
  durationMs: z.number(),
  /** True when `output` left something out; it then says how much and how to read the rest. */
  truncated: z.boolean(),
})
export type ToolResult = z.infer<typeof ToolResult>

// ---- messages --------------------------------------------------------------------------------------------------

/** One entry of a run's transcript, in the order the model sees them. `from` tells the person from the harness. */
export const Message = z.discriminatedUnion('role', [
  z.object({ role: z.literal('system'), content: z.string() }),
  z.object({ role: z.literal('user'), content: z.string(), from: z.enum(['task', 'person', 'harness']) }),
  z.object({
    role: z.literal('assistant'),
    content: z.string(),
    calls: z.array(ToolCall),
    model: z.string(),
    usage: Usage,
    /** Why this model was asked, how hard it was to think, and how it was to answer. */
    route: z
      .object({ tier: z.string(), why: z.string(), effort: z.string().optional(), mode: z.string().optional() })
      .optional(),
  }),
  z.object({ role: z.literal('tool'), modelCallId: z.string(), result: ToolResult }),
])
export type Message = z.infer<typeof Message>
export type AssistantMessage = Extract<Message, { role: 'assistant' }>

// ---- what people send to a run ---------------------------------------------------------------------------------

export const Decision = z.object({
  callId: z.string(),
  approved: z.boolean(),
  reason: z.string().optional(),
  remember: z.enum(['call', 'run', 'session', 'repo']).default('call'),
  by: z.string().optional(),
})
export type Decision = z.infer<typeof Decision>

/** `seq` is the entry's place in the run's inbox, from 1; a commit says up to which one it has read. */
export const InboxEntry = z.discriminatedUnion('type', [
  z.object({ type: z.literal('message'), seq: z.number().int(), at: z.number(), text: z.string() }),
  z.object({ type: z.literal('decision'), seq: z.number().int(), at: z.number(), decision: Decision }),
  z.object({ type: z.literal('cancel'), seq: z.number().int(), at: z.number(), reason: z.string().optional() }),
])
export type InboxEntry = z.infer<typeof InboxEntry>

/** What a person thought of a run. */
export const Feedback = z.object({
  score: z.union([z.literal(-1), z.literal(1)]),
  comment: z.string().optional(),
  at: z.number(),
})
export type Feedback = z.infer<typeof Feedback>

// ---- the run ---------------------------------------------------------------------------------------------------

/** Why a run waits. `until` is when the stored default applies (approval: refused; question: `default`). */
export const WaitingFor = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('approval'),
    callId: z.string(),
    tool: z.string(),
    preview: z.string(),
    reason: z.string(),
    part: z.string().optional(),
    hash: z.string(),
    until: z.number(),
  }),
  z.object({
    kind: z.literal('question'),
    callId: z.string(),
    question: z.string(),
    choices: z.array(z.string()),
    default: z.string().optional(),
    until: z.number(),
  }),
  z.object({ kind: z.literal('rate_limit'), reason: z.string(), until: z.number() }),
  z.object({ kind: z.literal('budget'), reason: z.string(), until: z.number() }),
])
export type WaitingFor = z.infer<typeof WaitingFor>

/** What the run does next. It is stored before it is performed, so a restart needs no path of its own. */
export const Action = z.discriminatedUnion('type', [
  z.object({ type: z.literal('prepare') }),
  z.object({ type: z.literal('call_model'), notBefore: z.number().optional() }),
  z.object({ type: z.literal('run_tools'), callIds: z.array(z.string()), notBefore: z.number().optional() }),
  z.object({ type: z.literal('check'), notBefore: z.number().optional() }),
  /** The model is done; what was asked to be delivered is committed, pushed and proposed. */
  z.object({ type: z.literal('deliver') }),
  z.object({ type: z.literal('wait') }),
  /** The run has ended; whoever asked to be told is told. */
  z.object({ type: z.literal('notify'), notBefore: z.number().optional() }),
  /** What it taught is kept for later runs. */
  z.object({ type: z.literal('learn'), notBefore: z.number().optional() }),
  /** It goes to the archive, before the store may let go of it. */
  z.object({ type: z.literal('archive'), notBefore: z.number().optional() }),
  z.object({ type: z.literal('stop') }),
])
export type Action = z.infer<typeof Action>

/** The workspace pointer: `head` moves only in a commit. `count` is the number of layers that make the snapshot. */
export const SnapshotRef = z.object({ id: z.string(), count: z.number().int() })
export type SnapshotRef = z.infer<typeof SnapshotRef>

/** The last run of tests in this run: how it was asked for, how it ended, and whether files changed since. */
export const TestRecord = z.object({
  tool: z.string(),
  arguments: z.string(),
  label: z.string(),
  passed: z.boolean(),
  summary: z.string(),
  /** How the first test run of this run ended: the "before" of the evidence. */
  firstPassed: z.boolean(),
  stale: z.boolean(),
})
export type TestRecord = z.infer<typeof TestRecord>

export const Run = z.object({
  runId: z.string(),
  sessionId: z.string(),
  /** `tool` is one call made through POST /tool/execute: no model, the same engine. */
  kind: z.enum(['agent', 'tool']),
  task: z.string(),
  status: RunStatus,
  stopReason: StopReason.optional(),
  answer: z.string().optional(),
  /** Committed transitions so far. */
  step: z.number().int(),
  /** Model answers so far. */
  turns: z.number().int(),
  /** Failed tries of the current action, for reasons outside the run. */
  attempt: z.number().int(),
  /** Why the last try failed, while the next one is still to come. */
  trouble: z.object({ code: z.string(), message: z.string(), at: z.number() }).optional(),
  /** The model that took over from one that is not offered any more. */
  fallback: z.string().optional(),
  rateWaits: z.number().int(),
  /** What prompt and answer of one request may come to, as the server said: a small key allows few tokens a minute. */
  requestTokensMax: z.number().int().optional(),
  formatErrors: z.number().int(),
  /** Calls that were mended before they were performed, by model and tool. */
  mended: z.array(z.object({ model: z.string(), tool: z.string(), calls: z.number().int() })).optional(),
  /** What was last called and what came of it, as short words; and how far that goes round in circles, from 0. */
  trail: z.array(z.string()).optional(),
  circling: z.number().int().optional(),
  checks: z.number().int(),
  action: Action,
  pending: z.array(PendingCall),
  waitingFor: WaitingFor.optional(),
  plan: z.array(PlanItem),
  usage: Usage,
  limits: Limits,
  workedMs: z.number(),
  approval: ApprovalMode,
  /** `auto`, `scripted`, or a model id. */
  model: z.string(),
  /** What the repo adds to policy, as it said when the workspace was made. */
  rules: z.array(PolicyRule).optional(),
  /** Hashes of calls approved for the rest of the run. */
  remembered: z.array(z.string()),
  repo: Repo.optional(),
  /** Who asked for it: the id of a key. Unset: a server without keys. */
  by: z.string().optional(),
  /** What is pushed and proposed once the model is done. */
  deliver: Deliver.optional(),
  /** While that is under way, and afterwards: what became of it, line by line. */
  delivery: z.array(z.string()).optional(),
  /** What this run was told to do by preferences, and whose they are; not what the request said itself. */
  preferences: z
    .array(
      z.object({
        name: z.string(),
        value: z.union([z.string(), z.number()]),
        from: z.enum(['you, for this repo', 'you', 'the repo', 'the organisation', 'everybody']),
      }),
    )
    .optional(),
  /** Who is told of the end, and whether that worked. */
  callbackUrl: z.string().optional(),
  callback: z
    .object({ state: z.enum(['delivered', 'failed']), tries: z.number().int(), at: z.number(), detail: z.string() })
    .optional(),
  /** Runs go to an archive here; `done` once this one is there. Unset: the store keeps it for good. */
  archive: z.enum(['wanted', 'done']).optional(),
  /** What it taught is distilled when it has ended, where there is a lesson (core/lesson.ts). Unset: nothing is learnt here. */
  learn: z.enum(['wanted', 'tripped', 'due', 'done', 'failed']).optional(),
  /** The run this one was forked from, and after which of its steps. */
  forkedFrom: z.object({ runId: z.string(), step: z.number().int() }).optional(),
  /** What its tool calls came to, by tool: how many, how many of them failed, milliseconds. */
  tools: z.record(z.string(), z.tuple([z.number().int(), z.number().int(), z.number()])).optional(),
  workspaceId: z.string(),
  start: SnapshotRef.optional(),
  head: SnapshotRef.optional(),
  diffStat: DiffStat,
  tests: TestRecord.optional(),
  inboxSeen: z.number().int(),
  eventSeq: z.number().int(),
  messageSeq: z.number().int(),
  createdAt: z.number(),
  updatedAt: z.number(),
  endedAt: z.number().optional(),
})
export type Run = z.infer<typeof Run>

export const Session = z.object({
  sessionId: z.string(),
  repo: Repo.optional(),
  workspaceId: z.string(),
  head: SnapshotRef.optional(),
  createdAt: z.number(),
  updatedAt: z.number(),
})
export type Session = z.infer<typeof Session>

// ---- what happened ---------------------------------------------------------------------------------------------

/** Files that changed in one step: small ones ride in the commit (`inline`), larger ones were stored before it. */
export const Layer = z.object({
  id: z.string(),
  snapshot: SnapshotRef,
  bytes: z.number().int(),
  /** base64 */
  inline: z.string().optional(),
})
export type Layer = z.infer<typeof Layer>

export const WorkspaceChange = z.object({
  head: SnapshotRef,
  diffStat: DiffStat,
  paths: z.array(z.string()),
})
export type WorkspaceChange = z.infer<typeof WorkspaceChange>

/** The fate of one performed action. `Envelope` fields ride on each: when, how long it worked, what people sent. */
export const Outcome = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('prepared'),
    head: SnapshotRef,
    messages: z.array(Message),
    rules: z.array(PolicyRule).optional(),
    /** Held calls, judged again by those rules. */
    pending: z.array(PendingCall).optional(),
  }),
  z.object({
    type: z.literal('model_response'),
    message: Message,
    pending: z.array(PendingCall),
    truncated: z.boolean(),
  }),
  /** Calls that no model made. */
  z.object({ type: z.literal('delivery'), message: Message, pending: z.array(PendingCall) }),
  z.object({
    type: z.literal('model_failure'),
    code: z.string(),
    message: z.string(),
    /** `retry`: the world's fault; `rate_limit`, `budget`: wait; `smaller`: ask for less; `format`: the model's, told to it; `fatal`: nobody can mend it. */
    kind: z.enum(['retry', 'rate_limit', 'budget', 'format', 'next_model', 'smaller', 'cost', 'time', 'fatal']),
    retryAfterMs: z.number().optional(),
    /** `smaller`: what prompt and answer may come to together. */
    requestTokensMax: z.number().int().optional(),
    model: z.string().optional(),
    /** Shown to the model when `kind` is `format`. */
    feedback: z.string().optional(),
  }),
  z.object({
    type: z.literal('tool_results'),
    results: z.array(Message),
    change: WorkspaceChange.optional(),
    plan: z.array(PlanItem).optional(),
    tests: TestRecord.omit({ firstPassed: true, stale: true }).optional(),
    /** The call was looked at and not performed: now it is known what it would do. */
    looked: z
      .object({ callId: z.string(), verdict: Verdict, key: z.string(), hash: z.string(), preview: z.string() })
      .optional(),
    question: z
      .object({
        callId: z.string(),
        question: z.string(),
        choices: z.array(z.string()),
        default: z.string().optional(),
      })
      .optional(),
  }),
  z.object({
    type: z.literal('checked'),
    passed: z.boolean(),
    summary: z.string(),
    output: z.string(),
    change: WorkspaceChange.optional(),
  }),
  z.object({ type: z.literal('sandbox_failure'), code: z.string(), message: z.string(), retry: z.boolean() }),
  /** `again`: it may help to try once more later. */
  z.object({
    type: z.literal('notified'),
    state: z.enum(['delivered', 'failed']),
    again: z.boolean(),
    detail: z.string(),
  }),
  /** `kept`: so many facts are new or confirmed. `usage`: of the answer that told them. */
  z.object({
    type: z.literal('learned'),
    state: z.enum(['done', 'failed']),
    again: z.boolean(),
    detail: z.string(),
    kept: z.number().int(),
    usage: Usage.optional(),
  }),
  z.object({ type: z.literal('archived'), ok: z.boolean(), detail: z.string() }),
  /** Whoever works on the action dies of it, or no wake-up reaches it. */
  z.object({ type: z.literal('no_progress'), detail: z.string() }),
  /** Nothing was performed: the run woke for its inbox or its deadline. */
  z.object({ type: z.literal('woken') }),
])
export type Outcome = z.infer<typeof Outcome> & Envelope

export type Envelope = {
  /** When the outcome is brought to `step`: the only clock it sees. */
  at: number
  /** Milliseconds of work behind this outcome. */
  workedMs: number
  /** What people sent and no step has read yet. */
  inbox: InboxEntry[]
}

// ---- events ----------------------------------------------------------------------------------------------------

export const EventType = z.enum([
  'run.started',
  'run.waiting',
  'run.resumed',
  'run.completed',
  'run.failed',
  'run.cancelled',
  'plan.updated',
  'message.delta',
  'message.completed',
  'tool.started',
  'tool.completed',
  'approval.requested',
  'approval.decided',
  'context.compacted',
  'workspace.changed',
])
export type EventType = z.infer<typeof EventType>

/** What watchers see. `seq` counts from 1 without gaps; `message.delta` alone is transient and has none. */
export const Event = z.object({
  seq: z.number().int().optional(),
  runId: z.string(),
  at: z.number(),
  type: EventType,
  data: z.record(z.string(), z.unknown()),
})
export type Event = z.infer<typeof Event>

/** An approval that holds for later runs of the session or the repo: the very same call is not asked about again. */
export type Remembered = { scope: 'session' | 'repo'; hash: string }

export type Step = { run: Run; messages: Message[]; events: Event[]; remember: Remembered[] }
