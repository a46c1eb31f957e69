/**
 * The wire between the functions and the sandbox-runner, the same over a local socket, HTTP and a Lambda invocation.
 * One operation per message, JSON both ways. A failure of the machine is `{ok: false}`; a failed tool is a result.
 */
import { z } from 'zod'

/** `count` is the number of layers that make the snapshot: snapshots of one workspace are ordered by it. */
export const Snapshot = z.object({ id: z.string(), count: z.number().int() })
/** One request to the object store that whoever holds this may make for a while; the headers are sent as they are. */
export const Lent = z.object({ url: z.string(), headers: z.record(z.string(), z.string()) })
export const Layer = z.object({
  id: z.string(),
  snapshot: Snapshot,
  bytes: z.number().int(),
  /** base64 of the layer, when it is small enough to travel. */
  inline: z.string().optional(),
  /** How to get a layer that does not travel, for a runner that reaches no object store by itself. */
  lent: Lent.optional(),
})
export const DiffStat = z.object({ files: z.number().int(), additions: z.number().int(), deletions: z.number().int() })

export const Call = z.object({ callId: z.string(), tool: z.string(), input: z.unknown() })
export const CallResult = z.object({
  callId: z.string(),
  ok: z.boolean(),
  output: z.string(),
  data: z.unknown().optional(),
  error: z.object({ code: z.string(), message: z.string(), hint: z.string().optional() }).optional(),
  durationMs: z.number(),
  truncated: z.boolean(),
})

/**
 * What opens one repo for one request: named only in requests to the carrier, and never kept, shown or given to anything
 * but the git that does the request's work.
 */
export const Credential = z.object({ username: z.string(), password: z.string() })
export type Credential = z.infer<typeof Credential>

const Workspace = z.object({ id: z.string().regex(/^[a-zA-Z0-9_-]{1,80}$/), fence: z.number().int() })

const Hash = z.string().regex(/^([\da-f]{40}|[\da-f]{64})$/)
/** Only what is below `stint/` is ever pushed. */
const Branch = z
  .string()
  .regex(/^stint\/[\w-]+([./][\w-]+)*$/)
  .max(200)

export const Request = z.discriminatedUnion('op', [
  z.object({
    op: z.literal('prepare'),
    runId: z.string(),
    workspace: Workspace,
    repo: z.object({ url: z.string(), ref: z.string().optional(), subdir: z.string().optional() }).optional(),
    /** Where the workspace stands, when it was made before: then it is brought there instead. */
    head: Snapshot.optional(),
    layers: z.array(Layer).optional(),
    credential: Credential.optional(),
  }),
  z.object({
    op: z.literal('perform'),
    runId: z.string(),
    workspace: Workspace.extend({ start: Snapshot, head: Snapshot }),
    calls: z.array(Call).min(1),
    /** Given when a first try was answered `need_layers`. */
    layers: z.array(Layer).optional(),
  }),
  z.object({
    op: z.literal('stop'),
    /** Calls of this run alone. */
    runId: z.string().optional(),
    callIds: z.array(z.string()),
    /** The lease the calls were made under: the same calls under a newer one go on. Left out: whoever makes them. */
    fence: z.number().int().optional(),
  }),
  z.object({
    op: z.literal('diff'),
    workspace: Workspace.extend({ start: Snapshot, head: Snapshot }),
    layers: z.array(Layer).optional(),
  }),
  z.object({
    op: z.literal('locate'),
    url: z.string(),
    ref: z.string().optional(),
    subdir: z.string().optional(),
  }),
  /** Searches code, or only sees to the index: `search` left out. Waits at most `waitMs` for the index. */
  z.object({
    op: z.literal('code'),
    repo: z.object({ url: z.string(), ref: z.string().optional(), subdir: z.string().optional() }).optional(),
    /** Instead of a repo. */
    workspace: Workspace.extend({ head: Snapshot }).optional(),
    layers: z.array(Layer).optional(),
    search: z
      .object({
        query: z.string(),
        limit: z.number().int(),
        paths: z.array(z.string()).optional(),
        language: z.string().optional(),
        mode: z.enum(['ranked', 'exact', 'regex']),
      })
      .optional(),
    /** Of a workspace alone: the definitions that matter for a task, in at most so many characters. */
    map: z.object({ task: z.string(), chars: z.number().int() }).optional(),
    waitMs: z.number(),
    credential: Credential.optional(),
  }),
  /** What there is to push, brought to the carrier by whoever asks. */
  z.object({
    op: z.literal('pack'),
    runId: z.string(),
    workspace: Workspace.extend({ head: Snapshot }),
    layers: z.array(Layer).optional(),
  }),
  /** Only looks, unless `perform`; then changes of CI files must be among those `allowed`. */
  z.object({
    op: z.literal('push'),
    url: z.string(),
    branch: Branch,
    /** What the work began with and is compared with: a branch, tag or commit; left out, the repo's HEAD. */
    ref: z.string().optional(),
    commit: Hash,
    /** Commits of the repo that the pack stands on. */
    boundary: z.array(Hash),
    /** base64 */
    pack: z.string(),
    perform: z.boolean(),
    allowed: z.array(z.string()),
    credential: Credential.optional(),
  }),
  /** Layers of a workspace that a request after it needs, and that are too many to come with it. */
  z.object({ op: z.literal('bring'), workspace: Workspace, layers: z.array(Layer) }),
  /** Puts a layer that an answer told of, and that is too large to travel, where it stays. */
  z.object({ op: z.literal('upload'), workspace: Workspace, layer: Layer, to: Lent }),
  z.object({ op: z.literal('forget'), workspace: Workspace }),
  z.object({ op: z.literal('health') }),
])
export type Request = z.infer<typeof Request>

export const Failure = z.object({ ok: z.literal(false), code: z.string(), message: z.string(), retry: z.boolean() })
export type Failure = z.infer<typeof Failure>

const ruleText = z.string().min(1).max(200)
/** A rule of the repo's own: it can only hold back. */
export const NarrowingRule = z
  .object({
    command: ruleText.optional(),
    tool: ruleText.optional(),
    path: ruleText.optional(),
    decision: z.enum(['approve', 'deny']),
    reason: ruleText.optional(),
  })
  .refine(({ command, tool, path }) => [command, tool, path].filter((about) => about !== undefined).length === 1)
export type NarrowingRule = z.infer<typeof NarrowingRule>

export const Facts = z.object({
  name: z.string(),
  branch: z.string().optional(),
  commit: z.string().optional(),
  files: z.number().int(),
  top: z.array(z.string()),
  testCommand: z.string().optional(),
  instructions: z.array(z.object({ path: z.string(), text: z.string() })),
  /** What the repo adds to policy; it can only be stricter. */
  rules: z.array(NarrowingRule).optional(),
})
export type Facts = z.infer<typeof Facts>

/** Not yet, where `waitMs` was given: the same request again waits for the same work. */
export const Running = z.object({ ok: z.literal(true), state: z.literal('running') })
export const PrepareReply = z.union([
  z.object({ ok: z.literal(true), head: Snapshot, layers: z.array(Layer), facts: Facts }),
  Failure,
])
export const PerformReply = z.union([
  z.object({
    ok: z.literal(true),
    results: z.array(CallResult),
    change: z.object({ head: Snapshot, layer: Layer, paths: z.array(z.string()), diffStat: DiffStat }).optional(),
  }),
  Failure,
])
export const DiffReply = z.union([z.object({ ok: z.literal(true), diff: z.string() }), Failure])
export const PackReply = z.union([
  z.object({
    ok: z.literal(true),
    commit: z.string(),
    commits: z.number().int(),
    boundary: z.array(z.string()),
    /** Files that differ from the commit. */
    uncommitted: z.number().int(),
    pack: z.string(),
  }),
  Failure,
])
/** `there`: the branch stood at the commit already. `ci`: changed files that the forge would run, and their diff. */
export const PushReply = z.union([
  z.object({
    ok: z.literal(true),
    state: z.enum(['looked', 'pushed', 'there']),
    ci: z.array(z.string()),
    diff: z.string(),
  }),
  Failure,
])
export type PackReply = z.infer<typeof PackReply>
export type PushReply = z.infer<typeof PushReply>
export const LocateReply = z.union([
  z.object({ ok: z.literal(true), top: z.string(), subdir: z.string().optional() }),
  Failure,
])
/** One place in the code. Lines are 1-based, both ends included; `score` is between 0 and 1. */
export const CodeResult = z.object({
  path: z.string(),
  startLine: z.number().int(),
  endLine: z.number().int(),
  symbol: z.string().optional(),
  snippet: z.string(),
  score: z.number(),
  why: z.string(),
})
export const CodeReply = z.union([
  z.object({
    ok: z.literal(true),
    state: z.literal('ready'),
    results: z.array(CodeResult),
    map: z.string().optional(),
    /** `left`: files beyond the bound, which are not searched. */
    indexed: z.object({
      commit: z.string().optional(),
      files: z.number().int(),
      chunks: z.number().int(),
      left: z.number().int(),
      ms: z.number(),
    }),
  }),
  /** Files read, of those that must be. */
  z.object({ ok: z.literal(true), state: z.literal('pending'), done: z.number().int(), total: z.number().int() }),
  Failure,
])
export type CodeReply = z.infer<typeof CodeReply>
/** What holds commands in. */
export const Isolation = z.enum(['none', 'namespace', 'seatbelt', 'container', 'microvm'])
export const HealthReply = z.object({
  ok: z.literal(true),
  version: z.string(),
  isolation: Isolation,
  /** What that gives, or why there is none: for people. */
  holds: z.string(),
  git: z.string(),
})

export type Snapshot = z.infer<typeof Snapshot>
export type Lent = z.infer<typeof Lent>
export type Layer = z.infer<typeof Layer>
export type DiffStat = z.infer<typeof DiffStat>
export type Call = z.infer<typeof Call>
export type CallResult = z.infer<typeof CallResult>
export type PrepareReply = z.infer<typeof PrepareReply>
export type PerformReply = z.infer<typeof PerformReply>
export type DiffReply = z.infer<typeof DiffReply>
