/** Watchers in this process. A listener that throws hurts nobody else. */
import type { Event } from '../core/types.ts'
import type { Feed } from '../ports.ts'

export function localFeed(): Feed {
  const listeners = new Map<string, Set<(event: Event) => void>>()
  return {
    publish(events) {
      for (const event of events)
        for (const listener of listeners.get(event.runId) ?? []) {
          try {
            listener(event)
          } catch {
            // Its own affair: a watcher that left is no reason to stop the run.
          }
        }
    },
    subscribe(runId, listener) {
      const set = listeners.get(runId) ?? new Set()
      listeners.set(runId, set.add(listener))
      return () => {
        set.delete(listener)
        if (set.size === 0) listeners.delete(runId)
      }
    },
    watched: (runId) => listeners.has(runId),
  }
}
