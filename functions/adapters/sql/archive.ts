/** The archive of runs on any SQL database. How a run is written is in archive-rows.ts. */
import { Event, Feedback, Layer, Message, Run, Session } from '../../core/types.ts'
import type { Archive, Mark } from '../../ports.ts'
import { feedbackRow, hashOf, portionsOf } from './archive-rows.ts'
import { Conflict, fromJson, type SqlClient, statement } from './client.ts'

/** Rows of a transcript in one answer: some megabytes at most. */
const ROWS_AT_ONCE = 200
/** Tables whose rows go with their session. */
const OF_SESSION = ['runs', 'messages', 'tool_calls', 'usage', 'events', 'marks', 'layers', 'feedback', 'sessions']
const FROM_SESSION = ['facts', 'preferences', 'schedules', 'api_keys', 'audit', 'custom_tools']

type Parser<T> = { parse(value: unknown): T }

export function sqlArchive(db: Pick<SqlClient, 'query' | 'transaction' | 'purge'>, now: () => number): Archive {
  async function one<T>(parser: Parser<T>, sql: string, id: string): Promise<T | undefined> {
    const [row] = await db.query(sql, [id])
    return row && parser.parse(fromJson(row.body))
  }

  /** A list of a run, from `after` on, asked for in bounded answers; nothing of a run that is not there whole. */
  async function listed<T>(
    parser: Parser<T>,
    { table, column, number }: { table: string; column: string; number: string },
    runId: string,
    after: number,
    limit = Number.POSITIVE_INFINITY,
  ): Promise<T[]> {
    const found: T[] = []
    const sql = `SELECT ${number} AS n, ${column} AS body FROM ${table} WHERE run_id = $1 AND ${number} > $2
      AND EXISTS (SELECT 1 FROM stint_runs WHERE run_id = $1) ORDER BY ${number} LIMIT $3`
    for (let from = after; found.length < limit; ) {
      const wanted = Math.min(ROWS_AT_ONCE, limit - found.length)
      const rows = await db.query(sql, [runId, from, wanted])
      found.push(...rows.map((row) => parser.parse(fromJson(row.body))))
      if (rows.length < wanted) break
      from = Number(rows.at(-1)?.n)
    }
    return found
  }

  return {
    async keep(ended, signal) {
      const { workspaceId } = ended.run
      const rows = await db.query('SELECT count FROM stint_layers WHERE workspace_id = $1', [workspaceId])
      try {
        for (const statements of portionsOf(ended, new Set(rows.map((row) => Number(row.count))))) {
          signal?.throwIfAborted()
          await db.transaction(statements)
        }
        return 'kept'
      } catch (error) {
        if (error instanceof Conflict) return 'removed'
        throw error
      }
    },

    run: (runId) => one(Run, 'SELECT run AS body FROM stint_runs WHERE run_id = $1', runId),

    async runs({ sessionId, status, limit, cursor }) {
      const given = Object.entries({ 'session_id =': sessionId, 'status =': status, 'run_id <': cursor })
      const set = given.filter((entry): entry is [string, string] => entry[1] !== undefined)
      const where = set.map(([left], i) => `${left} $${i + 2}`).join(' AND ')
      const rows = await db.query(
        `SELECT run AS body FROM stint_runs ${where && `WHERE ${where}`} ORDER BY run_id DESC LIMIT $1`,
        [limit + 1, ...set.map(([, value]) => value)],
      )
      const items = rows.slice(0, limit).map((row) => Run.parse(fromJson(row.body)))
      const last = items.at(-1)
      return rows.length > limit && last ? { items, nextCursor: last.runId } : { items }
    },

    session: (sessionId) => one(Session, 'SELECT session AS body FROM stint_sessions WHERE session_id = $1', sessionId),
    messages: (runId, after, limit) =>
      listed(Message, { table: 'stint_messages', column: 'message', number: 'seq' }, runId, after, limit),
    events: (runId, after, limit) =>
      listed(Event, { table: 'stint_events', column: 'event', number: 'seq' }, runId, after, limit),
    marks: (runId) =>
      listed({ parse: (mark) => mark as Mark }, { table: 'stint_marks', column: 'mark', number: 'step' }, runId, -1),
    feedback: (runId) => one(Feedback, 'SELECT feedback AS body FROM stint_feedback WHERE run_id = $1', runId),

    async layers(workspaceId) {
      const found: Layer[] = []
      for (let from = -1; ; from = found.at(-1)?.snapshot.count ?? from) {
        const rows = await db.query(
          'SELECT layer AS body FROM stint_layers WHERE workspace_id = $1 AND count > $2 ORDER BY count LIMIT 20',
          [workspaceId, from],
        )
        found.push(...rows.map((row) => Layer.parse(fromJson(row.body))))
        if (rows.length < 20) return found
      }
    },

    async rate(runId, feedback) {
      const [, known] = await db.transaction([
        feedbackRow(runId, feedback),
        statement('SELECT run_id FROM stint_runs WHERE run_id = $1', runId),
      ])
      return (known ?? []).length > 0
    },

    async idle(before, limit) {
      const sql = 'SELECT session_id FROM stint_sessions WHERE last_at < $1 ORDER BY last_at LIMIT $2'
      return (await db.query(sql, [before, limit])).map((row) => String(row.session_id))
    },

    async unnamed(objectIds) {
      if (objectIds.length === 0) return []
      const places = objectIds.map((_, n) => `$${n + 1}`).join(', ')
      const found = await db.query(
        `SELECT DISTINCT layer_id FROM stint_layers WHERE layer_id IN (${places})`,
        objectIds,
      )
      const named = new Set(found.map((row) => String(row.layer_id)))
      return objectIds.filter((id) => !named.has(id))
    },

    async deleteSession(sessionId) {
      const [, [session] = [], layers = []] = await db.transaction([
        statement(
          'INSERT INTO stint_removed (id, at) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET at = excluded.at',
          hashOf(sessionId),
          now(),
        ),
        statement('SELECT workspace_id FROM stint_sessions WHERE session_id = $1', sessionId),
        statement(
          `SELECT DISTINCT layer_id FROM stint_layers own WHERE session_id = $1
           AND NOT EXISTS (SELECT 1 FROM stint_layers other WHERE other.layer_id = own.layer_id AND other.session_id <> $1)`,
          sessionId,
        ),
        ...OF_SESSION.map((table) => statement(`DELETE FROM stint_${table} WHERE session_id = $1`, sessionId)),
        ...FROM_SESSION.map((table) =>
          statement(
            `DELETE FROM stint_${table} WHERE session_id = $1 OR scope = $2`,
            sessionId,
            `session:${sessionId}`,
          ),
        ),
      ])
      await db.purge?.()
      if (!session) return { ok: false }
      const layerIds = layers.map((row) => String(row.layer_id))
      return { ok: true, workspaceId: String(session.workspace_id), layerIds }
    },
  }
}
