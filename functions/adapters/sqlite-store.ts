/**
 * The Store in one SQLite file: the embedded default. Every method is one transaction that is on disk when it answers
 * (WAL, synchronous=FULL); several processes may share the file. A lease whose process is gone is free at once.
 */
import { awaitedTopic, hasEnded, isClosed, topicOf } from '../core/inbox.ts'
import { WAKE_GRACE_MS } from '../core/limits.ts'
import { type Event, InboxEntry, type Layer, type Message, Run, type RunStatus, Session } from '../core/types.ts'
import type { Owner, Store } from '../ports.ts'
import { openDatabase } from './sqlite-database.ts'
import { sqliteReads } from './sqlite-reads.ts'

export type SqliteStoreOptions = {
  path: string
  /** False when a lease's process is known to be gone. */
  mayLive: (owner: Owner) => boolean
}

type RunRow = {
  run: string
  status: RunStatus
  step: number
  token: number
  owner: string
  lease_until: number
  due_at: number | null
  awaits: string | null
  inbox_seq: number
  last: string
  claims: number
}

/** Due by every clock: whoever is woken may be behind whoever woke it. */
const AT_ONCE = 0
const IDEMPOTENCY_MS = 24 * 3600_000

export function sqliteStore({ path, mayLive }: SqliteStoreOptions): Store {
  const { database, sql, row, rows, run, atomically } = openDatabase(path)

  const runRow = (runId: string) =>
    row<RunRow>(
      'SELECT run, status, step, token, owner, lease_until, due_at, awaits, inbox_seq, last, claims FROM runs WHERE run_id = ?',
      runId,
    )

  const unread = (runId: string, after: number): InboxEntry[] =>
    rows<{ entry: string }>('SELECT entry FROM inbox WHERE run_id = ? AND seq > ? ORDER BY seq', runId, after).map(
      (found) => InboxEntry.parse(JSON.parse(found.entry)),
    )

  const append = (runId: string, messageSeq: number, messages: Message[], events: Event[]): void => {
    let seq = messageSeq - messages.length
    for (const message of messages)
      run('INSERT INTO messages (run_id, seq, message) VALUES (?, ?, ?)', runId, ++seq, JSON.stringify(message))
    for (const event of events)
      run('INSERT INTO events (run_id, seq, event) VALUES (?, ?, ?)', runId, event.seq ?? 0, JSON.stringify(event))
  }

  const mark = ({ runId, step, messageSeq, head }: Run): void =>
    run(
      'INSERT INTO marks (run_id, step, mark) VALUES (?, ?, ?)',
      runId,
      step,
      JSON.stringify({ step, messageSeq, ...(head ? { head } : {}) }),
    )

  const keepLayer = (workspaceId: string, layer: Layer): void =>
    run(
      'INSERT OR REPLACE INTO layers (workspace_id, count, layer_id, layer) VALUES (?, ?, ?, ?)',
      workspaceId,
      layer.snapshot.count,
      layer.id,
      JSON.stringify(layer),
    )

  return {
    async start({ run: made, session, goesOn, archived, messages, events, layers, idempotency, now }) {
      return atomically(() => {
        // Sent again because the answer got lost.
        if (runRow(made.runId)) return { ok: true as const, run: made, existed: false }
        if (idempotency) {
          run('DELETE FROM idempotency WHERE expires_at <= ?', now)
          const known = row<{ hash: string; run_id: string }>(
            'SELECT hash, run_id FROM idempotency WHERE key = ?',
            idempotency.key,
          )
          const first = known && row<{ run: string }>('SELECT run FROM runs WHERE run_id = ?', known.run_id)
          if (known && first) {
            if (known.hash !== idempotency.hash)
              return { ok: false as const, code: 'idempotency_mismatch' as const, runId: known.run_id }
            return { ok: true as const, run: Run.parse(JSON.parse(first.run)), existed: true }
          }
        }
        const busy = row<{ run_id: string }>(
          "SELECT run_id FROM runs WHERE session_id = ? AND status IN ('queued', 'running', 'waiting')",
          session.sessionId,
        )
        if (busy) return { ok: false as const, code: 'session_busy' as const, runId: busy.run_id }
        if (goesOn) {
          const there = row<{ session: string }>('SELECT session FROM sessions WHERE session_id = ?', session.sessionId)
          if (!there && !archived) return { ok: false as const, code: 'session_not_found' as const }
          const later = row(
            'SELECT 1 FROM runs WHERE session_id = ? AND run_id > ? LIMIT 1',
            session.sessionId,
            made.runId,
          )
          if (later) return { ok: false as const, code: 'session_moved' as const }
          if (there && Session.parse(JSON.parse(there.session)).head?.id !== session.head?.id)
            return { ok: false as const, code: 'session_moved' as const }
        }
        run(
          'INSERT OR IGNORE INTO sessions (session_id, created_at, session) VALUES (?, ?, ?)',
          session.sessionId,
          now,
          JSON.stringify(session),
        )
        run(
          'INSERT INTO runs (run_id, session_id, status, step, due_at, created_at, run) VALUES (?, ?, ?, ?, ?, ?, ?)',
          made.runId,
          made.sessionId,
          made.status,
          made.step,
          now + WAKE_GRACE_MS,
          now,
          JSON.stringify(made),
        )
        append(made.runId, made.messageSeq, messages, events)
        mark(made)
        for (const layer of layers) keepLayer(made.workspaceId, layer)
        if (idempotency)
          run(
            'INSERT INTO idempotency (key, hash, run_id, expires_at) VALUES (?, ?, ?, ?)',
            idempotency.key,
            idempotency.hash,
            made.runId,
            now + IDEMPOTENCY_MS,
          )
        return { ok: true as const, run: made, existed: false }
      })
    },

    async claim({ runId, owner, leaseMs, now, step }) {
      return atomically(() => {
        const found = runRow(runId)
        if (!found) return { ok: false as const, why: 'gone' as const }
        const held = Run.parse(JSON.parse(found.run))
        if (isClosed(held)) return { ok: false as const, why: 'ended' as const }
        if (step !== undefined && step !== found.step)
          return { ok: false as const, why: step < found.step ? ('stale' as const) : ('future' as const) }
        if (found.status === 'waiting' && (found.due_at ?? Number.POSITIVE_INFINITY) > now)
          return {
            ok: false as const,
            why: 'waiting' as const,
            ...(found.due_at === null ? {} : { until: found.due_at }),
          }
        // The same owner asks again: its own stint broke off.
        if (found.lease_until > now && found.owner !== owner && mayLive(found.owner))
          return { ok: false as const, why: 'busy' as const, until: found.lease_until }
        const token = found.token + 1
        run(
          'UPDATE runs SET token = ?, owner = ?, lease_until = ?, due_at = ?, claims = claims + 1 WHERE run_id = ?',
          token,
          owner,
          now + leaseMs,
          now + leaseMs + WAKE_GRACE_MS,
          runId,
        )
        const messages = rows<{ message: string }>('SELECT message FROM messages WHERE run_id = ? ORDER BY seq', runId)
        return {
          ok: true as const,
          token,
          run: held,
          messages: messages.map((entry) => JSON.parse(entry.message) as Message),
          inbox: unread(runId, held.inboxSeen),
          claims: found.claims + 1,
        }
      })
    },

    async commit({
      runId,
      id,
      token,
      after,
      run: next,
      messages,
      events,
      layers,
      remember,
      inboxRead,
      keepMs,
      dueAt,
      now,
    }) {
      return atomically(() => {
        const found = runRow(runId)
        if (!found) return { ok: false as const, why: 'gone' as const }
        // Sent again because the answer got lost.
        if (found.last === id) return { ok: true as const, inbox: unread(runId, next.inboxSeen) }
        if (found.token !== token) return { ok: false as const, why: 'fenced' as const }
        if (found.step !== after) return { ok: false as const, why: 'stale' as const }
        const inbox = unread(runId, next.inboxSeen)
        if (
          hasEnded(next) &&
          !hasEnded(found) &&
          next.status !== 'cancelled' &&
          inbox.some((entry) => entry.seq > inboxRead)
        )
          return { ok: false as const, why: 'unread' as const, inbox }
        const awaits = awaitedTopic(next)
        // What the run begins to wait for may be there already: then it is due now, whoever dies next.
        const answered = inbox.some((entry) => entry.type === 'cancel' || topicOf(entry) === awaits)
        run(
          'UPDATE runs SET status = ?, step = ?, owner = ?, lease_until = ?, due_at = ?, awaits = ?, run = ?, last = ?, claims = 0 WHERE run_id = ?',
          next.status,
          next.step,
          keepMs > 0 ? found.owner : '',
          keepMs > 0 ? now + keepMs : 0,
          next.status === 'waiting' && answered ? AT_ONCE : (dueAt ?? null),
          awaits ?? null,
          JSON.stringify(next),
          id,
          runId,
        )
        append(runId, next.messageSeq, messages, events)
        if (next.step > after) mark(next)
        for (const { scope, hash } of remember)
          if (scope === 'session' || next.repo)
            run(
              'INSERT OR IGNORE INTO remembered (place, hash) VALUES (?, ?)',
              scope === 'session' ? next.sessionId : `repo ${next.repo?.url}`,
              hash,
            )
        for (const layer of layers) keepLayer(next.workspaceId, layer)
        // What follows the end of a run is none of its session's business: a later run may have gone on there.
        if (next.head && !hasEnded(found))
          run(
            "UPDATE sessions SET session = json_set(session, '$.head', json(?), '$.updatedAt', ?) WHERE session_id = ?",
            JSON.stringify(next.head),
            now,
            next.sessionId,
          )
        return { ok: true as const, inbox }
      })
    },

    async renew({ runId, token, leaseMs, now }) {
      // Most renewals find nothing new; only the lease itself is written then.
      const found = runRow(runId)
      // One that was given back is nobody's: a renewal that comes late must not make it somebody's again.
      if (!found || found.token !== token || found.owner === '') return undefined
      if (isClosed(JSON.parse(found.run) as Run)) return undefined
      if (found.lease_until - now < leaseMs / 2)
        run(
          'UPDATE runs SET lease_until = ?, due_at = ? WHERE run_id = ? AND token = ?',
          now + leaseMs,
          now + leaseMs + WAKE_GRACE_MS,
          runId,
          token,
        )
      return found.inbox_seq === 0 ? [] : unread(runId, (JSON.parse(found.run) as Run).inboxSeen)
    },

    async intend({ runId, token, effectId }) {
      return atomically(() => {
        if (runRow(runId)?.token !== token) return undefined
        const known = row<{ outcome: string | null }>(
          'SELECT outcome FROM journal WHERE run_id = ? AND effect_id = ?',
          runId,
          effectId,
        )
        if (!known) run('INSERT INTO journal (run_id, effect_id) VALUES (?, ?)', runId, effectId)
        const outcome = known?.outcome ? { outcome: JSON.parse(known.outcome) as unknown } : {}
        return { begun: known !== undefined, ...outcome }
      })
    },

    async settle({ runId, effectId, outcome }) {
      return atomically(() => {
        const text = JSON.stringify(outcome)
        run(
          'UPDATE journal SET outcome = ? WHERE run_id = ? AND effect_id = ? AND outcome IS NULL',
          ...[text, runId, effectId],
        )
        const stands = row<{ outcome: string }>(
          'SELECT outcome FROM journal WHERE run_id = ? AND effect_id = ?',
          ...[runId, effectId],
        )
        return stands && JSON.parse(stands.outcome)
      })
    },

    async post({ runId, id, entry, now }) {
      return atomically(() => {
        const found = runRow(runId)
        if (!found) return { ok: false as const, why: 'gone' as const }
        const topic = topicOf(entry)
        const wake = entry.type === 'cancel' || found.awaits === topic
        const same = row<{ seq: number }>('SELECT seq FROM inbox WHERE run_id = ? AND id = ?', runId, id)
        if (same) return { ok: true as const, seq: same.seq, wake, step: found.step }
        if (entry.type === 'decision') {
          const made = row<{ entry: string }>('SELECT entry FROM inbox WHERE run_id = ? AND topic = ?', runId, topic)
          const parsed = made && InboxEntry.parse(JSON.parse(made.entry))
          if (parsed?.type === 'decision')
            return { ok: false as const, why: 'decided' as const, approved: parsed.decision.approved }
        }
        if (hasEnded(found)) return { ok: false as const, why: 'ended' as const }
        if (entry.type === 'decision' && found.awaits !== topic)
          return { ok: false as const, why: 'not_waiting' as const }
        const seq = found.inbox_seq + 1
        run(
          'INSERT INTO inbox (run_id, seq, id, topic, entry) VALUES (?, ?, ?, ?, ?)',
          runId,
          seq,
          id,
          topic,
          JSON.stringify({ ...entry, seq }),
        )
        run(
          'UPDATE runs SET inbox_seq = ?, due_at = CASE WHEN ? AND lease_until <= ? THEN ? ELSE due_at END WHERE run_id = ?',
          seq,
          wake ? 1 : 0,
          now,
          AT_ONCE,
          runId,
        )
        return { ok: true as const, seq, wake, step: found.step }
      })
    },

    async due({ now, limit, againMs = 0 }) {
      const late = rows<{ run_id: string; step: number }>(
        'SELECT run_id, step FROM runs WHERE due_at <= ? AND named_until <= ? ORDER BY due_at LIMIT ?',
        now,
        now,
        limit,
      )
      const owners = rows<{ owner: string }>(
        "SELECT DISTINCT owner FROM runs WHERE owner <> '' AND lease_until > ?",
        now,
      )
      const orphaned = owners
        .filter(({ owner }) => !mayLive(owner))
        .flatMap(({ owner }) =>
          rows<{ run_id: string; step: number }>(
            'SELECT run_id, step FROM runs WHERE owner = ? AND lease_until > ? LIMIT ?',
            owner,
            now,
            limit,
          ),
        )
      const wakes = [...late, ...orphaned].map(({ run_id, step }) => ({ runId: run_id, step }))
      const named = wakes.filter((wake, i) => wakes.findIndex((other) => other.runId === wake.runId) === i)
      // Its due time stays: whoever is woken asks for that.
      if (againMs > 0)
        for (const { runId } of named.slice(0, limit))
          run('UPDATE runs SET named_until = ? WHERE run_id = ?', now + againMs, runId)
      return named.slice(0, limit)
    },

    async rate(runId, feedback) {
      const text = JSON.stringify(feedback)
      return sql('UPDATE runs SET feedback = ? WHERE run_id = ?').run(text, runId).changes === 1
    },

    ...sqliteReads({ row, rows }),

    async idle(before, limit) {
      const found = rows<{ session_id: string }>(
        `SELECT session_id FROM sessions WHERE created_at < ? AND NOT EXISTS (
           SELECT 1 FROM runs WHERE runs.session_id = sessions.session_id
           AND (status IN ('queued', 'running', 'waiting') OR json_extract(run, '$.updatedAt') >= ?)
         ) ORDER BY created_at LIMIT ?`,
        before,
        before,
        limit,
      )
      return found.map((entry) => entry.session_id)
    },

    async deleteSession(sessionId) {
      const removed = atomically(() => {
        const found = row<{ session: string }>('SELECT session FROM sessions WHERE session_id = ?', sessionId)
        if (!found) return { ok: false as const, why: 'gone' as const }
        if (row("SELECT 1 FROM runs WHERE session_id = ? AND status IN ('queued', 'running', 'waiting')", sessionId))
          return { ok: false as const, why: 'busy' as const }
        const { workspaceId } = Session.parse(JSON.parse(found.session))
        for (const table of ['messages', 'marks', 'events', 'journal', 'inbox', 'idempotency'])
          run(`DELETE FROM ${table} WHERE run_id IN (SELECT run_id FROM runs WHERE session_id = ?)`, sessionId)
        const own = rows<{ layer_id: string }>(
          'SELECT DISTINCT layer_id FROM layers WHERE workspace_id = ? AND layer_id NOT IN (SELECT layer_id FROM layers WHERE workspace_id <> ?)',
          workspaceId,
          workspaceId,
        )
        run('DELETE FROM layers WHERE workspace_id = ?', workspaceId)
        run('DELETE FROM remembered WHERE place = ?', sessionId)
        run('DELETE FROM runs WHERE session_id = ?', sessionId)
        run('DELETE FROM sessions WHERE session_id = ?', sessionId)
        return { ok: true as const, workspaceId, layerIds: own.map(({ layer_id }) => layer_id) }
      })
      // The journal holds copies of what was written: it goes too, as soon as no reader is in it.
      if (removed.ok) database.exec('PRAGMA wal_checkpoint(TRUNCATE)')
      return removed
    },

    async unnamed(objectIds) {
      const sql = 'SELECT DISTINCT layer_id FROM layers WHERE layer_id IN (SELECT value FROM json_each(?))'
      const named = new Set(rows<{ layer_id: string }>(sql, JSON.stringify(objectIds)).map(({ layer_id }) => layer_id))
      return objectIds.filter((id) => !named.has(id))
    },

    async close() {
      if (database.isOpen) database.close()
    },
  }
}
