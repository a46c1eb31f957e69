/**
 * Processes, and what lies between them and the rest of the world. Everything a process asks for goes out as a request
 * and comes back as a reply, each an entry of the scheduler, so that the process may die, stand still, or lose its
 * connection before, between and after the two.
 */

import type { Faults } from '../faults.ts'
import type { Random } from '../random.ts'
import type { Entry, Scheduler, Waiter } from '../scheduler.ts'
import { Violation } from '../violation.ts'

/** One start of a process; the next start is another one, with another name. */
export type Process = Waiter & {
  /** Milliseconds its clock is ahead of the world's. */
  skewMs: number
  /** Called when it dies. */
  deaths: Set<() => void>
}

/** The connection broke: whoever asked cannot know whether it was done. */
export class ConnectionLost extends Error {}

const LATENCY_MS_MAX = 15
const SLOW_MS = [1000, 45_000] as const
const STALL_MS = [20_000, 80_000] as const
const TWIN_MS_MAX = 40_000

export class Network {
  readonly scheduler: Scheduler
  readonly faults: Faults
  readonly random: Random
  private readonly note: (who: string, what: string) => void
  private readonly died: (process: Process) => void

  constructor(parts: {
    scheduler: Scheduler
    faults: Faults
    random: Random
    note: (who: string, what: string) => void
    /** A process died of a fault. */
    died: (process: Process) => void
  }) {
    this.scheduler = parts.scheduler
    this.faults = parts.faults
    this.random = parts.random
    this.note = parts.note
    this.died = parts.died
  }

  /**
   * `work` is done in one go, at one moment, or never. `again`: it may be sent again by whoever lost the reply, and by
   * the network itself.
   */
  ask<T>(from: Process, label: string, work: () => Promise<T>, { again = false } = {}): Promise<T> {
    return new Promise((resolve, reject) => {
      if (!from.alive) return
      const replied = (settle: () => void) => this.reply(from, label, settle)
      this.send(from, label, async () => {
        if (again && this.faults.happens('store_error_before')) return replied(() => reject(new ConnectionLost(label)))
        let answer: T
        try {
          answer = await work()
        } catch (error) {
          if (error instanceof Violation) throw error
          return replied(() => reject(error))
        }
        if (!again) return replied(() => resolve(answer))
        if (this.faults.happens('late_twin')) this.twin(label, work)
        if (this.faults.happens('store_error_after')) return replied(() => reject(new ConnectionLost(label)))
        if (!this.faults.happens('reply_lost_resent')) return replied(() => resolve(answer))
        // The adapter sends the very same request again and takes what is answered then.
        this.scheduler.add({
          at: this.scheduler.now + this.latency() * 20,
          kind: 'request',
          waiter: from,
          label: `${label} resent`,
          fire: async () => {
            try {
              const second = await work()
              replied(() => resolve(second))
            } catch (error) {
              if (error instanceof Violation) throw error
              replied(() => reject(error))
            }
          },
        })
      })
    })
  }

  /** `work` takes its time, and goes on when who asked has died. */
  start<T>(from: Process, label: string, work: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (!from.alive) return
      this.send(from, label, () => {
        work().then(
          (answer) => this.reply(from, label, () => resolve(answer)),
          (error: unknown) => this.reply(from, label, () => reject(error)),
        )
      })
    })
  }

  /** The process ends here. What it had sent may still arrive. */
  kill(process: Process): void {
    if (!process.alive) return
    process.alive = false
    this.note(process.name, 'dies')
    for (const entry of this.scheduler.of(process)) {
      if (entry.kind === 'request' && this.random.chance(0.5)) continue
      this.scheduler.remove(entry)
    }
    for (const death of process.deaths) death()
    this.died(process)
  }

  /** Resolves after `ms`, or at once when `signal` aborts. */
  sleep(process: Process, ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (!process.alive) return
      if (signal?.aborted) return resolve()
      const done = (): void => {
        this.scheduler.remove(entry)
        signal?.removeEventListener('abort', done)
        resolve()
      }
      const entry: Entry = this.scheduler.add({
        at: this.scheduler.now + Math.max(0, ms),
        kind: 'timer',
        waiter: process,
        label: 'sleep',
        fire: done,
      })
      signal?.addEventListener('abort', done, { once: true })
    })
  }

  private send(from: Process, label: string, fire: () => void | Promise<void>): void {
    if (this.faults.happens('crash_before_call')) return void this.kill(from)
    if (this.faults.happens('stall_past_lease')) this.freeze(from)
    const slow = this.faults.happens('slow_call') ? this.random.int(...SLOW_MS) : 0
    this.scheduler.add({ at: this.scheduler.now + this.latency() + slow, kind: 'request', waiter: from, label, fire })
  }

  private reply(to: Process, label: string, settle: () => void): void {
    if (!to.alive) return
    if (this.faults.happens('crash_after_call')) return void this.kill(to)
    if (this.faults.happens('stall_past_lease')) this.freeze(to)
    // Mostly nothing else happens in between.
    const now = to.frozenUntil <= this.scheduler.now && this.random.chance(0.5)
    if (now) return void settle()
    this.scheduler.add({
      at: this.scheduler.now + this.latency(),
      kind: 'reply',
      waiter: to,
      label: `${label} answered`,
      fire: settle,
    })
  }

  /** The whole process stands still for longer than a lease. */
  private freeze(process: Process): void {
    process.frozenUntil = this.scheduler.now + this.random.int(...STALL_MS)
    this.note(process.name, `stands still for ${Math.round((process.frozenUntil - this.scheduler.now) / 1000)} s`)
  }

  private twin(label: string, work: () => Promise<unknown>): void {
    const twin = async (): Promise<void> => {
      this.note('network', `${label} arrives once more`)
      await work().catch((error: unknown) => {
        if (error instanceof Violation) throw error
      })
    }
    this.scheduler.later(this.random.int(1, TWIN_MS_MAX), 'twin', twin)
  }

  private latency(): number {
    return this.random.chance(0.5) ? 0 : this.random.int(1, LATENCY_MS_MAX)
  }
}
