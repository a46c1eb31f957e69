/** Keeps the `max` entries that were used last. */
export class Lru {
  constructor(max) {
    this.max = max
    this.entries = new Map()
  }

  get(key) {
    return this.entries.get(key)
  }

  set(key, value) {
    if (this.entries.size >= this.max) this.entries.delete(this.entries.keys().next().value)
    this.entries.set(key, value)
  }
}
