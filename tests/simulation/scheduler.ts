/**
 * Virtual time. Whatever a simulated process awaits is an entry here; one entry at a time goes on, chosen by the seed
 * among those whose time has come, and the next is chosen only when everything has come to rest again: promises settle
 * before the next turn of the event loop, and real I/O under way (a real Redis) is waited for.
 */
import type { Random } from './random.ts'

/** Who awaits; `frozenUntil` holds back all that it awaits, as a machine that stands still. */
export type Waiter = { name: string; alive: boolean; frozenUntil: number }

export type Entry = {
  at: number
  /** Undefined: nobody's, it goes on whoever dies. */
  waiter?: Waiter | undefined
  /** What it is, for the trace and for the sake of whoever kills its waiter. */
  kind: 'request' | 'reply' | 'timer' | 'world'
  label: string
  fire(): void | Promise<void>
}

export const EPOCH_MS = 1_800_000_000_000

export class Scheduler {
  now = EPOCH_MS
  /** Entries that went on so far. */
  turns = 0
  private readonly entries = new Set<Entry>()
  private readonly random: Random
  private underWay = 0
  private failure: unknown

  constructor(random: Random) {
    this.random = random
  }

  add(entry: Entry): Entry {
    this.entries.add(entry)
    return entry
  }

  remove(entry: Entry): void {
    this.entries.delete(entry)
  }

  /** After `ms`, whoever lives. */
  later(ms: number, label: string, fire: Entry['fire']): Entry {
    return this.add({ at: this.now + ms, kind: 'world', label, fire })
  }

  /** What the waiter awaits, oldest first. */
  of(waiter: Waiter): Entry[] {
    return [...this.entries].filter((entry) => entry.waiter === waiter)
  }

  /** Stops everything; `run` rejects with it. */
  fail(error: unknown): void {
    this.failure ??= error
  }

  /** Goes on until `done` says so, or nothing is left to go on with. */
  run(done: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const tick = (): void => {
        if (this.failure !== undefined) return void reject(this.failure)
        if (this.underWay > 0) return void setImmediate(tick)
        if (done()) return void resolve()
        const entry = this.choose()
        if (!entry) return void resolve()
        this.turns++
        this.fire(entry)
        setImmediate(tick)
      }
      setImmediate(tick)
    })
  }

  private fire(entry: Entry): void {
    this.entries.delete(entry)
    try {
      const work = entry.fire()
      if (!work) return
      this.underWay++
      work.then(
        () => void this.underWay--,
        (error: unknown) => {
          this.underWay--
          this.fail(error)
        },
      )
    } catch (error) {
      this.fail(error)
    }
  }

  /** One of those whose time has come; when there is none, time goes on to the next. */
  private choose(): Entry | undefined {
    let ready: Entry[] = []
    let first = Number.POSITIVE_INFINITY
    let next: Entry[] = []
    for (const entry of this.entries) {
      const at = dueOf(entry)
      if (at <= this.now) ready.push(entry)
      else if (at < first) [first, next] = [at, [entry]]
      else if (at === first) next.push(entry)
    }
    if (ready.length === 0) {
      if (next.length === 0) return undefined
      this.now = first
      ready = next
    }
    return this.random.pick(ready)
  }
}

/** What is on its way to others is not held back by who sent it. */
const dueOf = ({ at, kind, waiter }: Entry): number =>
  waiter && kind !== 'request' ? Math.max(at, waiter.frozenUntil) : at
