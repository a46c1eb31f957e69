/** The cache of one process: the least recently used values go when it is full. */
import type { Cache, Clock } from '../ports.ts'

const BYTES_MAX = 16 * 1024 * 1024

type Entry = { value: string; until: number; group: string }

export function localCache(clock: Pick<Clock, 'now'>, bytesMax = BYTES_MAX): Cache {
  const entries = new Map<string, Entry>()
  let bytes = 0
  const drop = (key: string): void => {
    bytes -= sizeOf(key, entries.get(key))
    entries.delete(key)
  }
  return {
    async get(key) {
      const entry = entries.get(key)
      if (!entry) return undefined
      drop(key)
      if (entry.until <= clock.now()) return undefined
      // Last in the map is used last.
      entries.set(key, entry)
      bytes += sizeOf(key, entry)
      return entry.value
    },
    async set(key, value, { ttlMs, group }) {
      drop(key)
      const entry = { value, until: clock.now() + ttlMs, group }
      entries.set(key, entry)
      bytes += sizeOf(key, entry)
      for (const oldest of entries.keys()) {
        if (bytes <= bytesMax) break
        drop(oldest)
      }
    },
    async deleteGroup(group) {
      for (const [key, entry] of entries) if (entry.group === group) drop(key)
    },
    async close() {
      entries.clear()
      bytes = 0
    },
  }
}

const sizeOf = (key: string, entry: Entry | undefined): number =>
  entry ? 2 * (key.length + entry.value.length + entry.group.length) : 0
