/**
 * How an ended run is written: as rows, in portions that any database takes at once, its own row last. So a run that
 * broke off in the middle is not there, and the next try adds what is missing. Every portion begins and ends with the
 * session's name in `stint_removed`: it lets nobody remove the session meanwhile, and conflicts once somebody did.
 */
import { createHash } from 'node:crypto'
import type { Message, Run, Usage } from '../../core/types.ts'
import type { EndedRun } from '../../ports.ts'
import { clean, places, type Statement, statement, type Value } from './client.ts'

/** Neon takes and gives some megabytes at once; a statement takes 65,535 values. */
const PORTION_BYTES_MAX = 3_000_000
const STATEMENT_BYTES_MAX = 1_000_000
const STATEMENT_ROWS_MAX = 500

export const hashOf = (sessionId: string): string => createHash('sha256').update(sessionId).digest('hex')

/** Transactions, in order. `kept` are the layers that are there already. */
export function portionsOf(ended: EndedRun, kept: Set<number>): Statement[][] {
  const { run, session, messages, events, marks, layers } = ended
  const { runId, sessionId, workspaceId } = run
  const rows = (table: string, columns: string, values: Value[][]) => inserts(`stint_${table}`, columns, values)
  const parts = [
    ...rows(
      'layers',
      'workspace_id, count, session_id, layer_id, layer',
      layers
        .filter(({ snapshot }) => !kept.has(snapshot.count))
        .map((layer) => [workspaceId, layer.snapshot.count, sessionId, layer.id, JSON.stringify(layer)]),
    ),
    ...rows(
      'messages',
      'run_id, seq, session_id, message',
      messages.map((message, i) => [runId, i + 1, sessionId, JSON.stringify(message)]),
    ),
    ...rows(
      'events',
      'run_id, seq, session_id, event',
      events.map((event) => [runId, event.seq, sessionId, JSON.stringify(event)]),
    ),
    ...rows(
      'marks',
      'run_id, step, session_id, mark',
      marks.map((mark) => [runId, mark.step, sessionId, JSON.stringify(mark)]),
    ),
    ...rows(
      'tool_calls',
      'run_id, seq, session_id, call_id, tool, ok, code, risk, duration_ms',
      messages.flatMap((message, i) => callRow(runId, sessionId, message, i + 1)),
    ),
    ...rows(
      'usage',
      'run_id, model, session_id, answers, input_tokens, cached_tokens, output_tokens, cost_usd',
      usageRows(runId, sessionId, messages),
    ),
  ]
  const last = [
    statement(
      `INSERT INTO stint_sessions (session_id, workspace_id, repo, created_at, updated_at, last_at, session)
       VALUES (${places(7)}) ON CONFLICT (session_id) DO UPDATE SET
       session = CASE WHEN excluded.updated_at >= stint_sessions.updated_at THEN excluded.session ELSE stint_sessions.session END,
       updated_at = CASE WHEN excluded.updated_at >= stint_sessions.updated_at THEN excluded.updated_at ELSE stint_sessions.updated_at END,
       last_at = CASE WHEN excluded.last_at >= stint_sessions.last_at THEN excluded.last_at ELSE stint_sessions.last_at END`,
      ...[sessionId, workspaceId, repoOf(session.repo?.url), session.createdAt, session.updatedAt, endOf(run)],
      JSON.stringify(session),
    ),
    runRow(run),
    ...(ended.feedback ? [feedbackRow(runId, ended.feedback)] : []),
  ]
  const id = hashOf(sessionId)
  return [...grouped(parts), last].map((statements) => [
    statement('INSERT INTO stint_removed (id, at) VALUES ($1, 0)', id),
    ...statements,
    statement('DELETE FROM stint_removed WHERE id = $1 AND at = 0', id),
  ])
}

/** The last word counts, and only for a run that is there. */
export const feedbackRow = (runId: string, feedback: NonNullable<EndedRun['feedback']>): Statement =>
  statement(
    `INSERT INTO stint_feedback (run_id, session_id, score, at, feedback)
     SELECT run_id, session_id, $2, $3, $4 FROM stint_runs WHERE run_id = $1
     ON CONFLICT (run_id) DO UPDATE SET score = excluded.score, at = excluded.at, feedback = excluded.feedback
     WHERE excluded.at >= stint_feedback.at`,
    runId,
    feedback.score,
    feedback.at,
    JSON.stringify(feedback),
  )

function runRow(run: Run): Statement {
  const { inputTokens, cachedTokens, outputTokens, costUsd } = run.usage
  return statement(
    `INSERT INTO stint_runs (run_id, session_id, workspace_id, kind, status, stop_reason, model, repo, created_at,
       ended_at, worked_ms, turns, input_tokens, cached_tokens, output_tokens, cost_usd, run)
     VALUES (${places(17)}) ON CONFLICT (run_id) DO NOTHING`,
    ...[run.runId, run.sessionId, run.workspaceId, run.kind, run.status, run.stopReason, clean(run.model)],
    ...[repoOf(run.repo?.url), run.createdAt, endOf(run), run.workedMs, run.turns],
    ...[inputTokens, cachedTokens, outputTokens, costUsd, JSON.stringify(run)],
  )
}

const endOf = (run: Run): number => run.endedAt ?? run.updatedAt
const repoOf = (url: string | undefined): string | undefined => url && clean(url)

function callRow(runId: string, sessionId: string, message: Message, seq: number): Value[][] {
  if (message.role !== 'tool') return []
  const { callId, tool, ok, error, risk, durationMs } = message.result
  return [[runId, seq, sessionId, callId, clean(tool), ok, error && clean(error.code), risk, durationMs]]
}

function usageRows(runId: string, sessionId: string, messages: Message[]): Value[][] {
  const models = new Map<string, Usage & { answers: number }>()
  for (const message of messages) {
    // A single tool call is kept as a message of no model.
    if (message.role !== 'assistant' || message.model === '') continue
    const model = clean(message.model)
    const sum = models.get(model) ?? { answers: 0, inputTokens: 0, cachedTokens: 0, outputTokens: 0, costUsd: 0 }
    sum.answers++
    for (const name of ['inputTokens', 'cachedTokens', 'outputTokens', 'costUsd'] as const)
      sum[name] += message.usage[name]
    models.set(model, sum)
  }
  return [...models].map(([model, { answers, inputTokens, cachedTokens, outputTokens, costUsd }]) => [
    ...[runId, model, sessionId, answers, inputTokens, cachedTokens, outputTokens, costUsd],
  ])
}

/** Many rows a statement. What is there already stays: it was written by an earlier try, and is the same. */
function inserts(table: string, columns: string, rows: Value[][]): Statement[] {
  const head = `INSERT INTO ${table} (${columns}) VALUES `
  return batches(rows, rowBytes, STATEMENT_BYTES_MAX, STATEMENT_ROWS_MAX).map((batch) => ({
    sql: `${head}${batch.map((row, i) => `(${places(row.length, i * row.length + 1)})`).join(', ')} ON CONFLICT DO NOTHING`,
    values: batch.flat(),
  }))
}

const grouped = (statements: Statement[]): Statement[][] =>
  batches(statements, ({ values }) => rowBytes(values), PORTION_BYTES_MAX, Number.POSITIVE_INFINITY)

const rowBytes = (row: Value[]): number =>
  row.reduce<number>((bytes, value) => bytes + (typeof value === 'string' ? value.length : 8), 0)

/** In order; one that is too large alone goes alone. */
function batches<T>(items: T[], sizeOf: (item: T) => number, sizeMax: number, countMax: number): T[][] {
  const made: T[][] = []
  let size = 0
  for (const item of items) {
    const its = sizeOf(item)
    const batch = made.at(-1)
    if (batch && size + its <= sizeMax && batch.length < countMax) {
      batch.push(item)
      size += its
    } else {
      made.push([item])
      size = its
    }
  }
  return made
}
