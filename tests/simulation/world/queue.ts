/**
 * The queue between stints: at least once, in no order. A wake-up that is not acknowledged comes again after a while;
 * one that came too often goes to the dead letters. It may be doubled, delayed or lost.
 */
import type { Wake } from '../../../functions/ports.ts'
import type { Faults } from '../faults.ts'
import type { Random } from '../random.ts'
import type { Scheduler } from '../scheduler.ts'

type Letter = { wake: Wake; receives: number; done: boolean }
/** What becomes of a letter: it is done with, or it comes again after a while. */
export type Settled = { ack: true } | { ack: false; againMs: number }

export type QueueWorld = {
  scheduler: Scheduler
  random: Random
  faults: Faults
  note(who: string, what: string): void
  /** Gives the letter to a worker that has room; false when none has. */
  deliver(wake: Wake, settle: (settled: Settled) => void): boolean
  /** A wake-up was given up. */
  bury(wake: Wake, why: string): void
}

const DELAY_MS_MAX = 60_000
const NO_ROOM_MS = 500

export class SimulatedQueue {
  /** Letters that are neither done with nor dead. */
  size = 0
  private readonly world: QueueWorld
  private readonly receivesMax: number
  private readonly visibilityMs: number

  constructor(world: QueueWorld) {
    this.world = world
    this.receivesMax = world.random.pick([2, 4, 6])
    this.visibilityMs = world.random.int(30, 120) * 1000
  }

  /** Throws when the queue says that it did not take the wake-up; it may have taken it all the same. */
  send(wake: Wake, delayMs: number): void {
    const { faults, random } = this.world
    const refused = faults.happens('wake_not_sent')
    if (!refused || random.chance(0.5)) this.take(wake, delayMs)
    if (refused) throw new Error('the queue did not answer')
  }

  private take(wake: Wake, delayMs: number): void {
    const { faults, random } = this.world
    if (faults.happens('wake_lost')) return void this.world.note('queue', `loses ${wake.runId}@${wake.step}`)
    const copies = faults.happens('wake_duplicated') ? random.int(2, 3) : 1
    for (let n = 0; n < copies; n++) {
      const later = faults.happens('wake_delayed') ? random.int(1000, DELAY_MS_MAX) : 0
      const shuffled = faults.happens('wake_reordered') ? random.int(1, 3000) : random.int(0, 20)
      this.size++
      this.offer({ wake, receives: 0, done: false }, delayMs + later + shuffled)
    }
  }

  private offer(letter: Letter, inMs: number): void {
    this.world.scheduler.later(inMs, 'wake', () => this.deliver(letter))
  }

  private deliver(letter: Letter): void {
    if (letter.done) return
    if (letter.receives >= this.receivesMax) return void this.dies(letter)
    const receive = letter.receives
    const settle = (settled: Settled): void => {
      if (letter.done || letter.receives !== receive + 1) return
      if (settled.ack) {
        if (this.world.faults.happens('ack_lost')) return
        letter.done = true
        this.size--
      } else this.offer(letter, settled.againMs)
    }
    if (!this.world.deliver(letter.wake, settle)) return void this.offer(letter, NO_ROOM_MS)
    letter.receives++
    this.world.scheduler.later(this.visibilityMs, 'visible again', () => {
      if (letter.receives === receive + 1) this.deliver(letter)
    })
  }

  private dies(letter: Letter): void {
    letter.done = true
    this.size--
    this.world.faults.saw('wake_dead')
    this.world.bury(letter.wake, `its wake-up came ${letter.receives} times without success.`)
  }
}
