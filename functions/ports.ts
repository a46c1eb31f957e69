/**
 * The outside world as small interfaces. The engine knows only these; `wire.ts` alone knows who implements them.
 * Unless a method says otherwise it may throw, and a throw means "cannot go on now": the caller leaves the run as
 * committed and tries later. Refusals that the caller must handle are values, never exceptions.
 * Times are epoch milliseconds, durations milliseconds, money US dollars.
 */
import type { Account, SharedLimits } from './core/accounts.ts'
import type { Settled } from './core/bucket.ts'
import type { AgentContext } from './core/context.ts'
import type { Whose } from './core/facts.ts'
import type { Preferred } from './core/preferences.ts'
import type { WorkspaceFacts } from './core/prompt.ts'
import type { ApiKey, AuditEntry, CustomTool, Fact, Preference, Schedule } from './core/records.ts'
import type { PolicyRule } from './core/rules.ts'
import type {
  Event,
  Feedback,
  InboxEntry,
  Isolation,
  Layer,
  Message,
  Remembered,
  Repo,
  Run,
  RunStatus,
  Session,
  SnapshotRef,
  ToolError,
  Usage,
} from './core/types.ts'

// ---- time and names ----------------------------------------------------------------------------------------------

export type Clock = {
  now(): number
  /** Resolves after `ms`, or at once when `signal` aborts; never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

export type IdKind = 'ses' | 'run' | 'call' | 'req' | 'wsp'
/** `kind_` and a time-ordered, unguessable rest; it sorts behind `after`, whatever the clock says. */
export type Ids = { next(kind: IdKind, after?: string): string }

// ---- store -------------------------------------------------------------------------------------------------------

/** Who holds a lease. Embedded stores also use it to tell whether that process still lives. */
export type Owner = string

export type StartRequest = {
  run: Run
  session: Session
  /** The session was read before: it must be there still, and its workspace must stand where it stood. */
  goesOn?: boolean
  /** With `goesOn`: the session is archived; where the store has let go of it, it is made again. */
  archived?: boolean
  messages: Message[]
  events: Event[]
  /** Of a workspace that begins as a copy of another run's. */
  layers: Layer[]
  /** `hash` is of the request's body: the same key with another body is refused. */
  idempotency?: { key: string; hash: string }
  now: number
}
export type StartReply =
  | { ok: true; run: Run; existed: boolean }
  | { ok: false; code: 'idempotency_mismatch' | 'session_busy'; runId: string }
  /** `session_moved`: read it again. */
  | { ok: false; code: 'session_not_found' | 'session_moved' }

export type ClaimRequest = {
  runId: string
  owner: Owner
  leaseMs: number
  now: number
  /** The step the wake-up was sent for; left out by whoever only wants the run to go on. */
  step?: number
}
export type ClaimReply =
  | {
      ok: true
      token: number
      run: Run
      messages: Message[]
      inbox: InboxEntry[]
      /** Claims since the last commit, this one included: many of them mean that whoever works here dies of it. */
      claims: number
    }
  | { ok: false; why: 'gone' | 'ended' | 'waiting' | 'busy' /** when to ask again */; until?: number }
  /** `stale`: the run is beyond that step. `future`: it is not there yet, so the store has lost a commit or lags. */
  | { ok: false; why: 'stale' | 'future' }

export type Commit = {
  runId: string
  /** Names this very commit among those of its run: sent again under the same id, it is answered and not done again. */
  id: string
  token: number
  /** The step this commit follows; another one there means that somebody else was faster. */
  after: number
  run: Run
  messages: Message[]
  events: Event[]
  layers: Layer[]
  remember: Remembered[]
  /** The newest inbox entry the step has been shown. */
  inboxRead: number
  /** Milliseconds to keep the lease for the next step; 0 gives it back. */
  keepMs: number
  /** When somebody must look at the run again, if nobody did by then. Undefined: never (it has ended). */
  dueAt?: number
  now: number
}
export type CommitReply =
  | { ok: true; inbox: InboxEntry[] }
  /** `unread`: the run would end, but somebody spoke after the step was made; nothing was written. */
  | { ok: false; why: 'unread'; inbox: InboxEntry[] }
  | { ok: false; why: 'fenced' | 'stale' | 'gone' }

export type Post = {
  runId: string
  /** Sent again under the same id, an entry is not added again. */
  id: string
  entry: DistributiveOmit<InboxEntry, 'seq'>
  now: number
}
export type PostReply =
  | { ok: true; seq: number /** the run should be woken now */; wake: boolean; step: number }
  /** `decided`: somebody was faster; `approved` is what they said. */
  | { ok: false; why: 'gone' | 'ended' | 'not_waiting' }
  | { ok: false; why: 'decided'; approved: boolean }

/** `begun`: somebody has intended it before, and may have done it. `outcome` is there once it is known. */
export type Journaled = { begun: boolean; outcome?: unknown }

/** Where a run stood after a step: what a fork begins from. */
export type Mark = { step: number; messageSeq: number; head?: SnapshotRef }

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never

/** Without a step, whoever hears it goes on from wherever the run is. */
export type Wake = { runId: string; step?: number }
export type Page<T> = { items: T[]; nextCursor?: string }

/**
 * Where runs live. Every method is atomic; what it answered is durable. Every request may be sent again when its answer
 * got lost: what was done is then answered, and not done twice.
 */
export type Store = {
  start(request: StartRequest): Promise<StartReply>
  /** Takes the right to advance a run. A lease that ran out, or whose process is known to be gone, is taken over. */
  claim(request: ClaimRequest): Promise<ClaimReply>
  commit(commit: Commit): Promise<CommitReply>
  /** Keeps the lease; brings what people sent meanwhile. Undefined: the lease is lost. */
  renew(request: { runId: string; token: number; leaseMs: number; now: number }): Promise<InboxEntry[] | undefined>
  /** Writes down that an effect outside is about to happen, and tells what is known of it. Undefined: the lease is lost. */
  intend(request: { runId: string; token: number; effectId: string }): Promise<Journaled | undefined>
  /**
   * Writes down what became of it, and answers what stands: the first outcome does, for two may have done it when one
   * was thought dead. Undefined: nothing is known of the effect any more.
   */
  settle(request: { runId: string; token: number; effectId: string; outcome: unknown }): Promise<unknown>
  /** Puts what a person sent where the next step reads it. */
  post(post: Post): Promise<PostReply>
  /** Runs that somebody must look at now, oldest first. Each is named again only `againMs` later. */
  due(request: { now: number; limit: number; againMs?: number }): Promise<Wake[]>
  /** What a person thought of the run; the last word counts. False: no such run. */
  rate(runId: string, feedback: Feedback): Promise<boolean>

  run(runId: string): Promise<Run | undefined>
  runs(filter: { sessionId?: string; status?: RunStatus; limit: number; cursor?: string }): Promise<Page<Run>>
  session(sessionId: string): Promise<Session | undefined>
  /** Messages from `after` (a count) on, oldest first. */
  messages(runId: string, after: number, limit?: number): Promise<Message[]>
  events(runId: string, after: number, limit?: number): Promise<Event[]>
  /** Oldest first, one for each step. */
  marks(runId: string): Promise<Mark[]>
  feedback(runId: string): Promise<Feedback | undefined>
  /** Hashes of calls that were approved for all runs of the session or of the repo. */
  remembered(place: { sessionId: string; repo?: string }): Promise<string[]>
  /** All layers of a workspace, oldest first. */
  layers(workspaceId: string): Promise<Layer[]>
  /** Removes a session, its runs and all that is stored of them. Refused while one of its runs is under way. */
  deleteSession(
    sessionId: string,
  ): Promise<{ ok: true; workspaceId: string; layerIds: string[] } | { ok: false; why: 'gone' | 'busy' }>
  /**
   * Of a store that lets go of runs whose `archive` is `done`: a workspace uses these objects no more; answers those that
   * nobody uses.
   */
  release?(workspaceId: string, objectIds: string[]): Promise<string[]>
  /** Removes what belonged to runs it has let go of. */
  tidy?(now: number): Promise<void>
  /** Those of these objects that nothing here names. */
  unnamed?(objectIds: string[]): Promise<string[]>
  /** Sessions whose last run ended before that time, oldest first; of a store that can tell. */
  idle?(before: number, limit: number): Promise<string[]>
  close(): Promise<void>
}

// ---- long-term memory --------------------------------------------------------------------------------------------

/** A run that has ended, with all that is stored of it. `layers` are those of its workspace up to its end. */
export type EndedRun = {
  run: Run
  session: Session
  messages: Message[]
  events: Event[]
  marks: Mark[]
  layers: Layer[]
  feedback?: Feedback
}

/**
 * Runs that have ended, kept for good. A run is there whole or not at all, and reads answer as those of `Store` do.
 * Whatever broke off may be asked again: nothing is kept twice.
 */
export type Archive = Pick<
  Store,
  'run' | 'runs' | 'session' | 'messages' | 'events' | 'marks' | 'feedback' | 'layers'
> & {
  /** `removed`: its session was removed meanwhile, and nothing is kept. */
  keep(ended: EndedRun, signal?: AbortSignal): Promise<'kept' | 'removed'>
  /** False: no such run here. */
  rate(runId: string, feedback: Feedback): Promise<boolean>
  /** Sessions whose last run ended before that time, oldest first. */
  idle(before: number, limit: number): Promise<string[]>
  /** Those of these objects that nothing here names. */
  unnamed(objectIds: string[]): Promise<string[]>
  /**
   * Removes a session with its runs, and the records that come from it. `layerIds`: objects that no other workspace here
   * uses. A run of it that is being kept at this moment is not kept.
   */
  deleteSession(sessionId: string): Promise<{ ok: true; workspaceId: string; layerIds: string[] } | { ok: false }>
}

/** Records of one kind. What a database cannot hold as text (NUL, half a character) comes back as U+FFFD. */
export type Records<T> = {
  /**
   * Adds it, or puts it in the place of the one with its id. With `unchangedSince` only if that has this `updatedAt`. What
   * comes from a session that was removed is not kept.
   */
  put(record: T, unchangedSince?: number): Promise<boolean>
  get(id: string): Promise<T | undefined>
  /**
   * By id, from the highest down. `key` is what the kind is looked up by; `dueBy` those that are due until then. `scopes`
   * are names, `under` what a name may begin with; a record of either kind is listed.
   */
  list(filter: {
    scopes?: string[]
    under?: string[]
    key?: string
    dueBy?: number
    limit: number
    cursor?: string
  }): Promise<Page<T>>
  delete(id: string): Promise<boolean>
  /** Removes those made before that time, at most `limit`, and says how many. */
  deleteBefore(time: number, limit: number): Promise<number>
}

/** What outlives the loop: one database for all processes of a Stint. Never on the way of a step. */
export type LongTerm = {
  archive: Archive
  /** key: the fingerprint */
  facts: Records<Fact>
  /** key: the name */
  preferences: Records<Preference>
  /** due: `nextAt` */
  schedules: Records<Schedule>
  /** key: the hash */
  keys: Records<ApiKey>
  audit: Records<AuditEntry>
  /** key: the name */
  tools: Records<CustomTool>
  /** What runs cost and did, by model and by tool, of runs that ended in [from, to). */
  usage(range: { from: number; to: number; repo?: string }): Promise<UsageFigures>
  /** Removes records whose time is over, and says how many. */
  tidy(limit: number): Promise<number>
  /** Throws, with what to do, when it cannot be used. */
  check(): Promise<void>
  close(): Promise<void>
}

export type UsageFigures = {
  runs: number
  completed: number
  models: (Usage & { model: string; answers: number })[]
  tools: { tool: string; calls: number; failed: number; durationMs: number }[]
}

// ---- cache -------------------------------------------------------------------------------------------------------

/** Values that may be gone at any moment: losing one costs time, never truth. */
export type Cache = {
  get(key: string): Promise<string | undefined>
  /** Lives for `ttlMs` at most, a day at the longest. `group` is what it is removed with. */
  set(key: string, value: string, options: { ttlMs: number; group: string }): Promise<void>
  deleteGroup(group: string): Promise<void>
  close(): Promise<void>
}

// ---- vectors -----------------------------------------------------------------------------------------------------

/** Turns texts into vectors of length 1 whose nearness tells how alike they are. */
export type Embedder = {
  /** Names what may be compared: vectors of another name mean something else, whatever their size. */
  name: string
  /** One vector a text, in their order, all of one size; all zero for a text without a word. Throws. */
  embed(texts: string[]): Promise<number[][]>
}

export type VectorRecord = {
  /** Names the content, by its hash as a rule: put again, it is the same record. */
  id: string
  /** Of length 1, and as long as the first of its collection. */
  vector: number[]
  /** What it stands for. */
  ref: string
  /** A search finds only those on the shelves that it names. */
  shelf: string
  /** The session it comes from: removed with it. */
  sessionId?: string
}

/** What is near what. Texts are kept elsewhere: all this may be lost, and made again from them. */
export type Vectors = {
  /** Throws `VectorSizeError` when the collection holds vectors of another size; nothing is kept then. */
  upsert(collection: string, records: VectorRecord[]): Promise<void>
  /** Best first, `score` is the cosine. Nothing from a collection that is not there. */
  nearest(
    collection: string,
    query: { vector: number[]; shelves: string[]; limit: number },
  ): Promise<{ id: string; ref: string; score: number }[]>
  /** All ids of a collection; what is written meanwhile may be missing. */
  ids(collection: string): Promise<string[]>
  /** Those of the ids that are there. */
  known(collection: string, ids: string[]): Promise<string[]>
  delete(collection: string, ids: string[]): Promise<void>
  /** Removes what comes from a session, from every collection. */
  forget(sessionId: string): Promise<void>
  /** Throws, with what to do, when it cannot be used. */
  check(): Promise<void>
  close(): Promise<void>
}

export class VectorSizeError extends Error {
  constructor(collection: string, stored: number | string, given: number) {
    super(
      `the collection ${collection} holds vectors of ${stored} numbers, and these have ${given}: another embedding model made them; set EMBEDDINGS_MODEL back, or give the new one a name of its own`,
    )
    this.name = 'VectorSizeError'
  }
}

// ---- memory ------------------------------------------------------------------------------------------------------

/** Something to keep, before it is a record. */
export type Learnt = {
  kind: Fact['kind']
  text: string
  /** 0 to 1. */
  confidence: number
  /** Names what a dead end is about: a newer one about the same takes its place. */
  fingerprint?: string
}
/** Where it comes from. `id` is a run's or a request's: told again from there, it is kept once. `by`: a person wrote it. */
export type Source = { id: string; runId?: string; sessionId?: string; by?: string }
/** `dropped`: there was nothing to keep. `known`: it was there, from this very source. */
export type Kept = { what: 'added' | 'merged' | 'known'; fact: Fact } | { what: 'dropped'; why: string }
/** `poorer`: what did not answer, in words for people; the facts are true, but others may be missing. */
export type Recalled = { facts: Fact[]; poorer?: string }

/** What is kept beyond a run, in all tiers. A tier that is down makes `recall` poorer; the others throw. */
export type Memory = {
  /** What a run for this person, on this repo, may be told of, what fits the query best first. Never throws. */
  recall(whose: Whose, query: string, limit: number): Promise<Recalled>
  /** Keeps it in this scope, unless something there says the same: that is confirmed, or brought up to date. */
  remember(scope: string, learnt: Learnt, source: Source): Promise<Kept>
  facts: {
    get(id: string): Promise<Fact | undefined>
    list(filter: Parameters<Records<Fact>['list']>[0]): Promise<Page<Fact>>
    /** Undefined: it is not there any more, or somebody else changed it meanwhile. */
    change(
      fact: Fact,
      to: Partial<Pick<Fact, 'kind' | 'text' | 'scope' | 'confidence' | 'expiresAt' | 'by'>>,
    ): Promise<Fact | undefined>
    delete(fact: Fact): Promise<boolean>
  }
  preferences: {
    /** What holds for this person on this repo. Nothing where long-term memory does not answer. Never throws. */
    effective(whose: Whose): Promise<Preferred[]>
    /** All of these scopes. */
    list(scopes: string[]): Promise<Preference[]>
    /** One value of a name in a scope. */
    put(preference: { scope: string; name: string; value: string | number }): Promise<Preference>
    delete(scope: string, name: string): Promise<boolean>
  }
  /**
   * Makes vectors of facts that have none (of a new embedding model, or of a time when the tier was down), and removes those
   * of facts that are no more. Says how many of both.
   */
  tidy(): Promise<number>
  /** Removes all that is kept of a session; doing it again changes nothing. Throws when a tier does not answer. */
  forget(sessionId: string): Promise<void>
  close(): Promise<void>
}

// ---- queue and feed ----------------------------------------------------------------------------------------------

/** Wakes a worker for a run, at least once, not before `delayMs`. Losing one is mended by the sweep. */
export type Queue = { send(wake: Wake, delayMs: number): Promise<void> }

/** What becomes of a wake-up that was delivered. `later`: it must come again, though nothing is wrong. */
export type Delivered = 'done' | 'later'

/** The consuming side of every queue. */
export type Work = {
  /** Performs one stint, until `until` (epoch ms). A throw is a delivery in vain: it comes again, each time later. */
  handle(wake: Wake, until?: number): Promise<Delivered>
  /** For a wake-up that came in vain too often. */
  bury(wake: Wake, why: string): Promise<void>
  /** Runs that somebody must look at now; each is named again only `againMs` later. */
  due(againMs: number): Promise<Wake[]>
}

/** A queue whose wake-ups are worked on in this process. */
export type WorkQueue = Queue & {
  /** Begins to deliver, and to look for runs that are due. */
  start(work: Work): void
  /** Delivers nothing more and resolves when what is under way has ended. */
  stop(): Promise<void>
}

/** Tells watchers in this process what was committed, and streamed text ahead of it. Never throws, keeps nothing. */
export type Feed = {
  publish(events: Event[]): void
  /** Returns the way to stop. */
  subscribe(runId: string, listener: (event: Event) => void): () => void
  /** True when somebody here watches: only then is an answer worth streaming. */
  watched(runId: string): boolean
}

// ---- model -------------------------------------------------------------------------------------------------------

export type ModelAnswer = {
  ok: true
  model: string
  content: string
  calls: { id: string; name: string; arguments: string }[]
  /** True when the answer was cut by `maxTokens`. */
  truncated: boolean
  usage: Omit<Usage, 'costUsd'>
  /** Tokens a minute that the key has for this model, and how many are left, where the server tells. */
  rate?: { limit: number; remaining: number }
}
/** `status` is the HTTP status, 0 when there was none; `body` text is cut and holds no secret. */
export type ModelRefusal = {
  ok: false
  status: number
  code: string
  message: string
  retryAfterMs?: number
  rate?: { limit: number; remaining: number }
  /** The raw text of a call that Groq could not parse. */
  failedGeneration?: string
}

export type Model = {
  /** Never throws: every failure is a refusal. Aborting `signal` ends the call with code `aborted`. */
  complete(
    request: AgentContext,
    options: { signal: AbortSignal; onText?: (text: string) => void },
  ): Promise<ModelAnswer | ModelRefusal>
  /** Ids the server offers, or the refusal. Never throws. */
  list(signal: AbortSignal): Promise<{ ok: true; ids: string[] } | ModelRefusal>
}

// ---- ledger ------------------------------------------------------------------------------------------------------

/**
 * What was spent and what is promised, counted in one place for all processes. A call's worst case is reserved before it
 * is made and settled when its price is known. A reservation that nobody settles (its process died) counts as spent.
 */
export type Ledger = {
  /**
   * Reserves up to `usd`, and not less than `leastUsd`, from every account or from none. The same `id` again answers as
   * before. @throws when the ledger cannot be reached.
   */
  reserve(request: {
    id: string
    accounts: Account[]
    usd: number
    leastUsd: number
    now: number
  }): Promise<{ ok: true; usd: number } | { ok: false; account: string; spentUsd: number; heldUsd: number }>
  /** Puts what was really spent in place of what was reserved; nothing where it was settled before. */
  settle(request: { id: string; accounts: Account[]; usd: number; now: number }): Promise<void>
  /** What an account was charged, reservations apart. */
  spent(account: string): Promise<number>
  /** Removes an account. */
  forget(account: string): Promise<void>
  close(): Promise<void>
}

// ---- rates -------------------------------------------------------------------------------------------------------

/**
 * Tokens a minute that all calls to one model share, in one place for all processes. Nothing is known of a bucket before
 * the server told its limit; until then every call may go. A bucket that is not touched for an hour is forgotten.
 */
export type Rates = {
  /**
   * Books a place for so many tokens and answers when the call may be made (epoch ms): `now`, or later. Places come in
   * the order in which they were booked; the same `id` keeps its place, which may come earlier than was told before.
   * @throws when it cannot be reached.
   */
  book(request: { bucket: string; id: string; tokens: number; now: number }): Promise<number>
  /** The call was made: what it used takes the place of what was booked, and the server's word is taken in. */
  settle(request: { bucket: string; id: string; tokens: number; now: number } & Settled): Promise<void>
}

// ---- sandbox -----------------------------------------------------------------------------------------------------

export type SandboxCall = { callId: string; tool: string; input: unknown }
export type SandboxResult = {
  callId: string
  ok: boolean
  output: string
  data?: unknown
  error?: ToolError
  durationMs: number
  truncated: boolean
}

/** A place in code, best first; lines are 1-based, both ends included, `score` is between 0 and 1. */
export type CodeResult = {
  path: string
  startLine: number
  endLine: number
  symbol?: string
  snippet: string
  score: number
  why: string
}
export type CodeSearch = {
  query: string
  limit: number
  paths?: string[]
  language?: string
  mode: 'ranked' | 'exact' | 'regex'
}
/** `pending`: so many files are read of those that must be; the work goes on. `left`: files too many to be searched. */
export type CodeReply =
  | {
      ok: true
      state: 'ready'
      results: CodeResult[]
      /** When one was asked for; empty when there is nothing to tell. */
      map?: string
      indexed: { commit?: string; files: number; chunks: number; left: number; ms: number }
    }
  | { ok: true; state: 'pending'; done: number; total: number }
  | SandboxFailure

export type SandboxFailure = { ok: false; code: string; message: string /** trying again may help */; retry: boolean }
export type Prepared = { ok: true; head: SnapshotRef; layers: Layer[]; facts: WorkspaceFacts }
export type Performed =
  | {
      ok: true
      results: SandboxResult[]
      change?: { head: SnapshotRef; layer: Layer; paths: string[]; diffStat: Run['diffStat'] }
    }
  | SandboxFailure

/** Where files and commands live. Failures of the machine are values with `ok: false`; failures of a tool are results. */
export type Sandbox = {
  /** What holds a command in: told to people, and used by policy. `none` also while nobody answers; never throws. */
  isolation(): Promise<Isolation>
  /**
   * Makes the workspace from the repo, or brings it to `head` when it was made before. Repeating it for the same
   * workspace gives the same; `layers` in the answer are new ones only.
   */
  prepare(request: {
    runId: string
    workspaceId: string
    fence: number
    repo?: Repo
    head?: SnapshotRef
    layers: () => Promise<Layer[]>
    signal: AbortSignal
  }): Promise<Prepared | SandboxFailure>
  /**
   * Performs calls on the workspace as it is at `head`. A repeated `callId` that changed the workspace answers its
   * stored result. `start` is what the diff counts from; `layers` is asked for only when the runner must restore.
   */
  perform(request: {
    runId: string
    workspaceId: string
    fence: number
    start: SnapshotRef
    head: SnapshotRef
    calls: SandboxCall[]
    layers: () => Promise<Layer[]>
    signal: AbortSignal
  }): Promise<Performed>
  /** A unified diff between two snapshots; empty when nothing changed. */
  diff(request: {
    workspaceId: string
    start: SnapshotRef
    head: SnapshotRef
    layers: () => Promise<Layer[]>
  }): Promise<{ ok: true; diff: string } | SandboxFailure>
  /** Searches the code of a repo or of a workspace, or only sees to its index. Waits at most `waitMs` for the index. */
  code(request: {
    place: { repo: Repo } | { workspaceId: string; head: SnapshotRef; layers: () => Promise<Layer[]> }
    search?: CodeSearch
    /** Of a workspace: the definitions that matter for a task, in at most so many characters. */
    map?: { task: string; chars: number }
    waitMs: number
  }): Promise<CodeReply>
  /** The top folder of a local repo and where in it `url` points; nothing is made. */
  locate(repo: Repo): Promise<{ ok: true; top: string; subdir?: string | undefined } | SandboxFailure>
  /** Forgets a workspace and its files. */
  forget(workspaceId: string): Promise<void>
  /** Is it there, and what is it? Never throws. */
  health(): Promise<{ ok: true; detail: string; isolation: string } | { ok: false; detail: string }>
  close(): Promise<void>
}

// ---- forge -------------------------------------------------------------------------------------------------------

/** Opens one repo for one piece of work. It is handed on, never stored, logged or shown. */
export type Credential = { username: string; password: string }
export type ForgeRefusal = SandboxFailure

/** Where repos are kept for people, and changes are proposed to them. Nothing here throws: refusals are values. */
export type Forge = {
  /** For people. */
  name: string
  /** The address by which git reaches a repo of this forge; undefined: it is none of its repos. */
  remote(url: string): string | undefined
  /** For this repo alone, for what is named alone, and not for long where the forge can do that. */
  credential(
    remote: string,
    /** `workflows`: to push what the forge's own CI runs. */
    may: 'read' | 'write' | 'workflows',
    signal: AbortSignal,
  ): Promise<{ ok: true; credential: Credential } | ForgeRefusal>
  /** Proposes a branch. One that is proposed already is answered and left as it is: asking twice proposes once. */
  openPullRequest(request: {
    remote: string
    branch: string
    /** Onto which branch; the repo's own default where this is none. */
    onto?: string
    title: string
    body: string
    draft: boolean
    signal: AbortSignal
  }): Promise<{ ok: true; number: number; url: string; draft: boolean; existed: boolean } | ForgeRefusal>
}

/** Brings commits of a workspace to where its repo is. Refusals are values; `retry` where it may work the next time. */
export type Carrier = {
  /** For people and the model: where a push would go; undefined: nowhere from here. */
  remote(repo: Repo | undefined): string | undefined
  /**
   * Pushes the workspace's last commit to a branch below `stint/`, on top of what is there. Left without `commit`, it
   * only looks. With it, exactly that commit is pushed, and of CI files only those in `allowed` may differ; doing it
   * again changes nothing.
   */
  push(request: {
    runId: string
    workspaceId: string
    fence: number
    head: SnapshotRef
    layers: () => Promise<Layer[]>
    repo: Repo
    branch: string
    commit?: string
    allowed: string[]
    signal: AbortSignal
  }): Promise<Pushed | ForgeRefusal>
}
export type Pushed = {
  ok: true
  /** `there`: the branch stood at the commit already. */
  state: 'looked' | 'pushed' | 'there'
  remote: string
  commit: string
  commits: number
  /** Files that differ from the commit, and stay behind. */
  uncommitted: number
  /** Changed files that the forge would run, and their diff. */
  ci: string[]
  diff: string
}

// ---- callbacks -----------------------------------------------------------------------------------------------------

export type Callbacks = {
  /** Why this address may not be called; undefined when it may. Nothing is sent. */
  refuse(url: string): string | undefined
  /** Sends one signed message. Never throws. `again`: a later try may help. */
  send(message: {
    url: string
    /** The same for every try, so that the receiver can tell them. */
    id: string
    at: number
    body: string
    signal: AbortSignal
  }): Promise<{ ok: true } | { ok: false; again: boolean; detail: string }>
}

// ---- objects -----------------------------------------------------------------------------------------------------

/** `at`: when it was stored last. */
export type StoredObject = { id: string; bytes: number; at: number }
/** One request that anybody may make for a while; the headers must be sent as they are. */
export type Lent = { url: string; headers: Record<string, string> }

/**
 * Immutable bytes named by their sha256. An object is there whole or not at all, and what is read is compared with its
 * name. `get` answers undefined for what is not there, and throws for what is damaged, naming it.
 */
export type Snapshots = {
  /** For people. */
  where: string
  put(bytes: Uint8Array): Promise<string>
  get(id: string): Promise<Uint8Array | undefined>
  delete(ids: string[]): Promise<void>
  list(limit: number, cursor?: string): Promise<Page<StoredObject>>
  /** Notes that this store of runs names objects here, and tells whether it is the only one that ever did. */
  isOnlyUser(store: string): Promise<boolean>
  /** Of a store that needs credentials: how a sandbox, which has none, puts and gets one object. */
  lend?: {
    /** Undefined: it is there already, and was stored so lately that nobody will remove it. */
    put(id: string): Promise<Lent | undefined>
    get(id: string): Promise<Lent>
  }
}

// ---- all of it ---------------------------------------------------------------------------------------------------

/** What the engine is told at its start; never changes while it runs. */
export type Settings = {
  owner: Owner
  models: { strong: string; fast: string; fallbacks: string[] }
  /** No request may ask for more than this. */
  costUsdMax: number
  /** What runs taught is kept for later ones. */
  learns?: boolean
  /** How long one answer of the model may take; unset: by what is known of its speed. */
  modelTimeoutMs?: number | undefined
  /** What the server adds to policy. */
  rules?: PolicyRule[]
  /** What all runs of a session, of a day may spend together. */
  shared?: SharedLimits
}

export type Ports = {
  settings: Settings
  clock: Clock
  ids: Ids
  store: Store
  queue: Queue
  feed: Feed
  model: Model
  /** The ids that the model server lists; undefined until it has answered, or when it does not. */
  offered?: () => ReadonlySet<string> | undefined
  sandbox: Sandbox
  snapshots: Snapshots
  /** Undefined: nothing can be pushed or proposed. */
  carrier?: Carrier
  forge?: Forge
  /** Undefined: nobody can be called back. */
  callbacks?: Callbacks
  /** Where runs go when they have ended. Undefined: the store keeps them for good. */
  archive?: Archive
  /** What is kept beyond a run. Undefined: nothing is. */
  memory?: Memory
  /** Counts what runs spend together. Undefined: nothing limits that. */
  ledger?: Ledger
  /** Undefined: calls are not spread, and the server's refusals alone are obeyed. */
  rates?: Rates
}
