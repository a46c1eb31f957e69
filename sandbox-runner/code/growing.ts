/** Flat rows of numbers: one that grows, and one sorted by key. */

export class Growing {
  private held = new Uint32Array(1024)
  length = 0

  push(value: number): void {
    if (this.length === this.held.length) {
      const larger = new Uint32Array(this.held.length * 2)
      larger.set(this.held)
      this.held = larger
    }
    this.held[this.length++] = value
  }

  done(): Uint32Array {
    return this.held.slice(0, this.length)
  }
}

/** The values of each key together, in their order: those of key `k` are from `offsets[k]` to before `offsets[k + 1]`. */
export type Grouped = { offsets: Uint32Array; values: Uint32Array }

export function grouped(keys: Uint32Array, values: Uint32Array, count: number): Grouped {
  const offsets = new Uint32Array(count + 1)
  for (const key of keys) offsets[key + 1] = (offsets[key + 1] as number) + 1
  for (let key = 0; key < count; key++) offsets[key + 1] = (offsets[key + 1] as number) + (offsets[key] as number)
  const next = offsets.slice()
  const sorted = new Uint32Array(values.length)
  for (let at = 0; at < keys.length; at++) {
    const key = keys[at] as number
    const to = next[key] as number
    next[key] = to + 1
    sorted[to] = values[at] as number
  }
  return { offsets, values: sorted }
}

export const groupOf = ({ offsets, values }: Grouped, key: number): Uint32Array =>
  values.subarray(offsets[key] as number, offsets[key + 1] as number)
