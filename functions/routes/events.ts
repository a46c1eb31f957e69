/**
 * A run's events as a stream that can be taken up again: committed events carry their number as SSE id, and
 * `Last-Event-ID` (or `?after`) goes on behind it. Streamed text runs ahead of its commit and has no id.
 */
import type { Context } from 'hono'
import { streamSSE } from 'hono/streaming'
import { hasEnded } from '../core/inbox.ts'
import type { Event } from '../core/types.ts'
import type { Face } from './context.ts'
import { eventView } from './views.ts'

const POLL_MS = 250
const HEARTBEAT_MS = 15_000
const ENDINGS = new Set(['run.completed', 'run.failed', 'run.cancelled'])

/** Ends after the event that ends the run. */
export function streamEvents(c: Context, face: Face, runId: string, after: number): Response {
  const { store, feed, clock } = face.agent.ports
  c.header('x-accel-buffering', 'no')
  return streamSSE(c, async (stream) => {
    const gone = new AbortController()
    stream.onAbort(() => gone.abort())
    const deltas: Event[] = []
    let news = new AbortController()
    const stop = feed.subscribe(runId, (event) => {
      if (event.type === 'message.delta') deltas.push(event)
      news.abort()
    })
    let last = after
    let spokeAt = clock.now()
    try {
      while (!gone.signal.aborted) {
        news = new AbortController()
        for (const event of await store.events(runId, last)) {
          await stream.writeSSE({ id: String(event.seq), event: event.type, data: JSON.stringify(eventView(event)) })
          last = event.seq ?? last
          spokeAt = clock.now()
          if (ENDINGS.has(event.type)) return
        }
        for (const event of deltas.splice(0)) {
          await stream.writeSSE({ event: event.type, data: JSON.stringify(eventView(event)) })
          spokeAt = clock.now()
        }
        // Somebody who has seen the end already is not kept waiting for more.
        const run = last === after ? await store.run(runId) : undefined
        if (run && hasEnded(run) && run.eventSeq <= last) return
        if (clock.now() - spokeAt >= HEARTBEAT_MS) {
          await stream.write(': still here\n\n')
          spokeAt = clock.now()
        }
        // Another process may advance the run: what it commits is found by looking.
        await clock.sleep(POLL_MS, AbortSignal.any([news.signal, gone.signal]))
      }
    } finally {
      stop()
    }
  })
}

export const wantsStream = (c: Context): boolean => /\btext\/event-stream\b/.test(c.req.header('accept') ?? '')

/** The number in `Last-Event-ID`, `?cursor` or `?after`, 0 when there is none. */
export function afterOf(c: Context): number {
  const given = Number(c.req.header('last-event-id') ?? c.req.query('cursor') ?? c.req.query('after') ?? 0)
  return Number.isInteger(given) && given > 0 ? given : 0
}
