/**
 * One process at a time in a workspace. The lock is an exclusive SQLite transaction on a file beside the files: the
 * operating system gives it back when its holder dies, however it dies, so there is nothing to clean up and no process
 * id to guess about. Within the process, reads share and a change is alone. Nothing is ever written to the file.
 */
import { statSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'

const SQLITE_BUSY = 5
const SQLITE_FULL = 13
const POLL_MS = 20

export class WorkspaceLock {
  private readonly database: DatabaseSync
  private readonly path: string
  private readonly inode: number | undefined
  private begun = false
  private users = 0
  private asking = 0
  private alone = false
  private readonly waiting: (() => void)[] = []

  constructor(path: string) {
    this.path = path
    this.database = new DatabaseSync(path, { timeout: 0 })
    this.inode = inodeOf(path)
  }

  /** Resolves with the way to give it back; undefined when another process kept it past `deadlineMs` (epoch). */
  async take(mode: 'shared' | 'alone', deadlineMs: number): Promise<(() => void) | undefined> {
    this.asking++
    try {
      for (;;) {
        if (this.alone || (mode === 'alone' && this.users > 0)) {
          await new Promise<void>((resolve) => this.waiting.push(resolve))
          continue
        }
        if (this.users > 0 || this.fromOthers()) {
          this.users++
          this.alone = mode === 'alone'
          return () => this.give()
        }
        if (Date.now() >= deadlineMs) return undefined
        await new Promise((resolve) => setTimeout(resolve, POLL_MS))
      }
    } finally {
      this.asking--
    }
  }

  /** False when the workspace was forgotten meanwhile: whoever holds this lock excludes nobody then. */
  get stands(): boolean {
    return this.inode !== undefined && inodeOf(this.path) === this.inode
  }

  /** True when nobody here uses it. */
  get free(): boolean {
    return this.users === 0 && this.asking === 0
  }

  close(): void {
    if (this.database.isOpen) this.database.close()
  }

  private fromOthers(): boolean {
    try {
      // Without a journal beside it, taking the lock needs no room on the disk.
      if (!this.begun) this.database.exec('PRAGMA journal_mode = MEMORY')
      this.begun = true
      this.database.exec('BEGIN EXCLUSIVE')
      return true
    } catch (error) {
      const { errcode } = error as { errcode?: number }
      if (errcode === SQLITE_BUSY) return false
      if (errcode === SQLITE_FULL) throw Object.assign(error as Error, { code: 'ENOSPC' })
      throw error
    }
  }

  private give(): void {
    this.users--
    this.alone = false
    if (this.users === 0) this.database.exec('ROLLBACK')
    for (const resolve of this.waiting.splice(0)) resolve()
  }
}

const inodeOf = (path: string): number | undefined => statSync(path, { throwIfNoEntry: false })?.ino
