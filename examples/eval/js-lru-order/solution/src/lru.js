/** Keeps the `max` entries that were used last. */
export class Lru {
  constructor(max) {
    this.max = max
    this.entries = new Map()
  }

  get(key) {
    if (!this.entries.has(key)) return undefined
    const value = this.entries.get(key)
    this.entries.delete(key)
    this.entries.set(key, value)
    return value
  }

  set(key, value) {
    this.entries.delete(key)
    if (this.entries.size >= this.max) this.entries.delete(this.entries.keys().next().value)
    this.entries.set(key, value)
  }
}
