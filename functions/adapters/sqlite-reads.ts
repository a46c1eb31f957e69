/** What is only read of the embedded store. */
import { Event, Feedback, Layer, Message, Run, Session } from '../core/types.ts'
import type { Mark, Page, Store } from '../ports.ts'
import type { Database } from './sqlite-database.ts'

type Reads = Pick<
  Store,
  'run' | 'runs' | 'session' | 'messages' | 'events' | 'marks' | 'feedback' | 'remembered' | 'layers'
>

export function sqliteReads({ row, rows }: Pick<Database, 'row' | 'rows'>): Reads {
  return {
    async run(runId) {
      const found = row<{ run: string }>('SELECT run FROM runs WHERE run_id = ?', runId)
      return found && Run.parse(JSON.parse(found.run))
    },

    async runs({ sessionId, status, limit, cursor }) {
      const conditions = [
        sessionId ? 'session_id = ?' : '',
        status ? 'status = ?' : '',
        cursor ? 'run_id < ?' : '',
      ].filter(Boolean)
      const values = [sessionId, status, cursor].filter((value): value is string => value !== undefined)
      const where = conditions.length > 0 ? `WHERE ${conditions.join(' AND ')}` : ''
      const found = rows<{ run: string }>(
        `SELECT run FROM runs ${where} ORDER BY run_id DESC LIMIT ?`,
        ...values,
        limit + 1,
      )
      return page(
        found.map((entry) => Run.parse(JSON.parse(entry.run))),
        limit,
      )
    },

    async session(sessionId) {
      const found = row<{ session: string }>('SELECT session FROM sessions WHERE session_id = ?', sessionId)
      return found && Session.parse(JSON.parse(found.session))
    },

    async messages(runId, after, limit = -1) {
      const found = rows<{ message: string }>(
        'SELECT message FROM messages WHERE run_id = ? AND seq > ? ORDER BY seq LIMIT ?',
        runId,
        after,
        limit,
      )
      return found.map((entry) => Message.parse(JSON.parse(entry.message)))
    },

    async events(runId, after, limit = -1) {
      const found = rows<{ event: string }>(
        'SELECT event FROM events WHERE run_id = ? AND seq > ? ORDER BY seq LIMIT ?',
        runId,
        after,
        limit,
      )
      return found.map((entry) => Event.parse(JSON.parse(entry.event)))
    },

    async marks(runId) {
      const found = rows<{ mark: string }>('SELECT mark FROM marks WHERE run_id = ? ORDER BY step', runId)
      return found.map((entry) => JSON.parse(entry.mark) as Mark)
    },

    async feedback(runId) {
      const found = row<{ feedback: string | null }>('SELECT feedback FROM runs WHERE run_id = ?', runId)
      return found?.feedback ? Feedback.parse(JSON.parse(found.feedback)) : undefined
    },

    async remembered({ sessionId, repo }) {
      const found = rows<{ hash: string }>(
        'SELECT hash FROM remembered WHERE place IN (?, ?)',
        sessionId,
        repo === undefined ? sessionId : `repo ${repo}`,
      )
      return found.map((entry) => entry.hash)
    },

    async layers(workspaceId) {
      return rows<{ layer: string }>('SELECT layer FROM layers WHERE workspace_id = ? ORDER BY count', workspaceId).map(
        (entry) => Layer.parse(JSON.parse(entry.layer)),
      )
    },
  }
}

const page = (items: Run[], limit: number): Page<Run> =>
  items.length <= limit
    ? { items }
    : { items: items.slice(0, limit), ...(items[limit - 1] ? { nextCursor: items[limit - 1]?.runId } : {}) }
