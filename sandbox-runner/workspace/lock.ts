/**
 * One process at a time in a workspace. The lock is an exclusive SQLite transaction on a file beside the files: the
 * operating system gives it back when its holder dies, however it dies, so there is nothing to clean up and no process
 * id to guess about. Within the process, reads share and a change is alone.
 */
import { DatabaseSync } from 'node:sqlite'

export class WorkspaceLock {
  private readonly database: DatabaseSync
  private users = 0
  private alone = false
  private readonly waiting: (() => void)[] = []

  constructor(path: string) {
    this.database = new DatabaseSync(path, { timeout: 0 })
  }

  /** Resolves with the way to give it back; undefined when another process kept it past `deadlineMs` (epoch). */
  async take(mode: 'shared' | 'alone', deadlineMs: number): Promise<(() => void) | undefined> {
    for (;;) {
      if (!this.alone && (mode === 'shared' || this.users === 0)) {
        if (this.users > 0 || this.fromOthers()) {
          this.users++
          this.alone = mode === 'alone'
          return () => this.give()
        }
        if (Date.now() >= deadlineMs) return undefined
        await new Promise((resolve) => setTimeout(resolve, 20))
      } else await new Promise<void>((resolve) => this.waiting.push(resolve))
    }
  }

  /** True when nobody here uses it. */
  get free(): boolean {
    return this.users === 0 && this.waiting.length === 0
  }

  close(): void {
    this.database.close()
  }

  private fromOthers(): boolean {
    try {
      this.database.exec('BEGIN EXCLUSIVE')
      return true
    } catch {
      return false
    }
  }

  private give(): void {
    this.users--
    this.alone = false
    if (this.users === 0) this.database.exec('ROLLBACK')
    for (const resolve of this.waiting.splice(0)) resolve()
  }
}
