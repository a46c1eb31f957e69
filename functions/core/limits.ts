/**
 * Every bound of the engine, with its unit in its name and its one home here. The sandbox-runner keeps its own in
 * `sandbox-runner/limits.ts`. Limits count work, not age: a run that moves is never ended for being old.
 */

/** What one run may use unless the request lowers it (contract, section 3). `seconds` is work, not waiting. */
export const RUN_LIMITS_DEFAULT = { turns: 100, costUsd: 1, seconds: 3600 } as const
export const RUN_TURNS_MAX = 1000
export const RUN_SECONDS_MAX = 86_400
export const RUN_COST_USD_MAX = 1000

export const TASK_BYTES_MAX = 64 * 1024
export const SAY_BYTES_MAX = 16 * 1024
export const REQUEST_BODY_BYTES_MAX = 4 * 1024 * 1024

/** One model answer. Groq counts prompt + this against tokens per minute, so it is not simply the model's cap. */
export const ANSWER_TOKENS_MAX = 8192
export const MODEL_CALL_MS_MAX = 180_000
/** A stream that sends nothing for this long counts as cut. */
export const MODEL_SILENCE_MS_MAX = 60_000
/** Tries of one model call that failed for reasons outside the run (5xx, reset, time-out). */
export const MODEL_ATTEMPTS_MAX = 6
/** Requests that were too large for the server, each smaller than the one before. */
export const SMALLER_ATTEMPTS_MAX = 4
/** Answers in a row that could not be used (no text and no call, or a call that could not be read). */
export const FORMAT_ERRORS_MAX = 3
/** The same call with the same result in a row: when the model is told, when another is asked, when the run ends. */
export const LOOP_SAME_CALLS = [3, 5, 7]
/** The same for cycles of 2 to `LOOP_PERIOD_MAX` calls, in whole rounds. */
export const LOOP_ROUNDS = [3, 4, 5]
export const LOOP_PERIOD_MAX = 4
export const BACKOFF_MS_FIRST = 500
export const BACKOFF_MS_MAX = 30_000
/** A wait shorter than this is slept through within the stint; a longer one is stored and costs nothing. */
export const NAP_MS_MAX = 5_000
/** Rate-limit refusals in a row before the run gives up; each waits until the server's own reset. */
export const RATE_LIMIT_WAITS_MAX = 60

/** Another run's call may cost less than it reserved: whoever waits only for that looks again after this. */
export const BUDGET_HELD_WAIT_MS = 10_000
/** A session's limit ends with nobody's day: a run looks again after this, so often that it waits for a week. */
export const BUDGET_WAIT_MS = 3 * 3600_000
/** A reservation that nobody settled for this long is of a process that died: it counts as spent. */
export const RESERVED_MS_MAX = 600_000
/** An account that nobody touched for this long is forgotten. */
export const ACCOUNT_KEPT_MS = 40 * 24 * 3600_000

/** A bucket of tokens a minute that nobody took from for this long is forgotten. */
export const BUCKET_KEPT_MS = 3600_000

/** Tries of one sandbox request that failed for reasons outside the tool (runner gone, restore failed). */
export const SANDBOX_ATTEMPTS_MAX = 4
/** Reads of one message that run side by side. */
export const READS_AT_ONCE_MAX = 8
/** A command line that policy reads; a longer one belongs into a file. Commands in it, and scripts given to scripts. */
export const COMMAND_CHARS_MAX = 32_768
export const COMMANDS_PER_LINE_MAX = 50
export const COMMAND_DEPTH_MAX = 5
/** Rules a server or a repo may add to policy, and the length of one text in them. */
export const POLICY_RULES_MAX = 200
export const POLICY_RULE_CHARS_MAX = 200
/** How much of a line a verdict shows, and how long its reason may be. */
export const COMMAND_PART_CHARS_MAX = 200
/** Calls in one model message; more are answered with an error so that the model sends them again in parts. */
export const CALLS_PER_MESSAGE_MAX = 16
/** Times the check may send the model back to failing tests. */
export const CHECKS_MAX = 2

/** The right to advance a run: lost when not renewed for this long. */
export const LEASE_MS = 30_000
export const LEASE_RENEW_MS = 1_000
/** A store that cannot be reached is asked again after this, then after twice as long, and so on. */
export const STORE_RETRY_MS_FIRST = 100
/** How long one stint goes on before it hands over, where the platform sets no earlier end. */
export const STINT_MS_MAX = 300_000
/** A wake-up that got lost is found by the sweep after this long. */
export const WAKE_GRACE_MS = 1_000
/** Where the platform ends a process at a fixed time, its stint hands over this long before: one step may take so long. */
export const STINT_TAIL_MS = 60_000
/** A stint asked for over HTTP: Cloud Run ends a request after 300 s unless told otherwise. */
export const STINT_HTTP_MS_MAX = 240_000
/** An answer that is still streaming ends so long before its invocation would be ended; the reader asks again. */
export const STREAM_TAIL_MS = 5_000
/** Deliveries of one wake-up that came to nothing before it is given up; a queue's own setting must say the same. */
export const WAKE_ATTEMPTS_MAX = 8
export const WAKE_RETRY_MS_FIRST = 1_000
export const WAKE_RETRY_MS_MAX = 300_000
/** A wake-up for a step that the store does not know yet comes again after this long. */
export const WAKE_LATER_MS = 30_000
/** A run that the sweep has sent a wake-up for is left alone for this long. */
export const SWEEP_AGAIN_MS = 30_000
/** A person has this long to decide or answer before the stored default applies. */
export const WAIT_MS_DEFAULT = 7 * 24 * 3600_000
export const RUNS_AT_ONCE_MAX = 16

/** Claims of one action without a commit before the run is given up: it kills whoever works on it. */
export const CLAIMS_MAX = 8
/** Pauses between the tries of a callback (standardwebhooks.com suggests such a schedule); a day in all. */
export const CALLBACK_DELAYS_MS = [5, 30, 120, 600, 1800, 7200, 21_600, 54_000].map((seconds) => seconds * 1000)
export const CALLBACK_MS_MAX = 15_000
/** Pauses between the tries of archiving a run; the last one repeats, for it is never given up. */
export const ARCHIVE_DELAYS_MS = [1, 5, 30, 120, 600, 1800].map((seconds) => seconds * 1000)
export const ARCHIVE_MS_MAX = 45_000
/** A store that lets go of archived runs does so this long after their end. */
export const RUN_KEPT_MS = 7 * 24 * 3600_000
/** And of a session with its workspace's layers this long after its last run was archived. */
export const SESSION_KEPT_MS = 30 * 24 * 3600_000
/** What the hot tier of memory keeps lives so long. */
export const CACHE_MS_MIN = 3600_000
export const CACHE_MS_DEFAULT = 6 * 3600_000
export const CACHE_MS_MAX = 24 * 3600_000
export const CACHE_VALUE_BYTES_MAX = 256 * 1024
/** One thing learnt. */
export const FACT_CHARS_MAX = 500
/** A fact that nobody confirms is forgotten after this long. */
export const FACT_KEPT_MS = 90 * 24 * 3600_000
/** In one scope; the oldest goes when there is one more. */
export const FACTS_PER_SCOPE_MAX = 500
/** What a run is told of earlier ones in its first message: about 700 tokens. */
export const RECALL_CHARS_MAX = 2500
export const RECALL_FACTS_MAX = 20
/** A run waits no longer for what is known; it begins without. */
export const RECALL_MS_MAX = 3000
/** Of one try to learn from a run. */
export const LEARN_MS_MAX = 30_000
/** What is told of a run to the model that distils it, and what its answer may cost and hold. */
export const LEARN_PROMPT_CHARS_MAX = 16_000
export const LEARN_USD_MAX = 0.01
export const LEARN_ANSWER_TOKENS_MAX = 1500
export const LEARN_FACTS_MAX = 5
/** Pauses between the tries; after them the run goes on to the archive without. */
export const LEARN_DELAYS_MS = [5, 60].map((seconds) => seconds * 1000)
/** A preference that the agent is told. */
export const PREFERENCE_CHARS_MAX = 300
export const PREFERENCES_TOLD_MAX = 20
export const PREFERENCES_MAX = 200
/** A request waits no longer for the preferences of who makes it; the run goes without. */
export const PREFERENCES_MS_MAX = 2000
/** What is kept no longer is looked for so often. */
export const TIDY_EVERY_MS = 3600_000

/** Runs that figures are made of at once, newest first. */
export const ANALYTICS_RUNS_MAX = 20_000
export const ANALYTICS_DAYS_DEFAULT = 30

export const EVENT_TEXT_CHARS_MAX = 4000
export const PREVIEW_CHARS_MAX = 400
export const PAGE_ITEMS_DEFAULT = 50
export const PAGE_ITEMS_MAX = 200
/** `Prefer: wait=N` on POST /execute. */
export const WAIT_SECONDS_MAX = 25
export const BRANCH_CHARS_MAX = 150
export const PULL_BODY_CHARS_MAX = 60_000
/** Tools offered to the model in one request (contract, section 4). */
export const TOOLS_OFFERED_MAX = 12
/** AGENTS.md and its like, as they enter the first message. */
export const INSTRUCTIONS_BYTES_MAX = 32 * 1024

// ---- code search

/** The map of a repo in the first message of a complex task (some 500 tokens), and how long a run waits for its index. */
export const REPO_MAP_CHARS_MAX = 1800
export const REPO_MAP_WAIT_MS = 8000
/** A question put into words of code by the fast model: what is shown of it, how long it may take and what it may cost. */
export const REWRITE_CHARS_MAX = 2000
export const REWRITE_ANSWER_TOKENS_MAX = 400
export const REWRITE_MS_MAX = 3000
export const REWRITE_USD_MAX = 0.001
export const CODE_QUERY_CHARS_MAX = 20_000
export const CODE_RESULTS_MAX = 100

/** An object that nothing names is kept this long: what is stored first and named later lives meanwhile. */
export const OBJECT_GRACE_MS = 24 * 3_600_000
/** One that is younger need not be stored again to be sure of that. */
export const OBJECT_FRESH_MS = 3_600_000
