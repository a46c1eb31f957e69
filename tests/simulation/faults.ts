/**
 * What goes wrong, each kind with a name and how often it may happen. A seed has no faults, a few, or a storm, and of
 * the kinds only some, because kinds that always come together hide each other. Faults end at some time: then
 * everything must come to rest.
 */
import type { Random } from './random.ts'

/** Chance at each occasion, in a seed of few faults. */
const OCCASIONS = {
  // between a process and the store
  crash_before_call: 0.003,
  crash_after_call: 0.003,
  reply_lost_resent: 0.02,
  late_twin: 0.01,
  store_error_before: 0.005,
  store_error_after: 0.005,
  rollback_of_a_commit: 0.02,
  // processes
  stall_past_lease: 0.004,
  slow_call: 0.02,
  clock_skew: 0.7,
  two_sweepers: 0.2,
  // the queue
  wake_duplicated: 0.06,
  wake_delayed: 0.08,
  wake_reordered: 0.15,
  wake_lost: 0.05,
  wake_not_sent: 0.03,
  ack_lost: 0.03,
  // the model
  model_429: 0.04,
  model_429_long: 0.02,
  model_5xx: 0.05,
  model_truncated: 0.03,
  model_bad_call: 0.04,
  model_bad_arguments: 0.03,
  // the sandbox
  sandbox_killed_before_effect: 0.02,
  sandbox_killed_after_effect: 0.03,
  sandbox_reply_lost: 0.03,
  sandbox_cold: 0.03,
  sandbox_other_instance: 0.05,
  // outside
  outside_error_before: 0.05,
  outside_error_after: 0.05,
  callback_refused: 0.2,
  callback_reply_lost: 0.1,
} as const

/** What comes about by itself, from what people and queues do; it must have been seen too. */
const SEEN_ONLY = [
  'wake_dead',
  'decision_race',
  'cancel_race',
  'message_at_any_moment',
  'post_repeated',
  'post_other_body',
  'nobody_decided',
  'run_of_old_rows',
  'run_forked',
  'session_removed',
] as const

export type FaultName = keyof typeof OCCASIONS | (typeof SEEN_ONLY)[number]
export const FAULT_NAMES: FaultName[] = [...(Object.keys(OCCASIONS) as (keyof typeof OCCASIONS)[]), ...SEEN_ONLY]

export type Mood = 'calm' | 'few' | 'storm'

export class Faults {
  readonly mood: Mood
  readonly seen = new Map<FaultName, number>()
  private readonly random: Random
  private readonly kinds: Set<FaultName>
  private ended = false

  constructor(random: Random) {
    this.random = random
    const draw = random.next()
    this.mood = draw < 0.08 ? 'calm' : draw < 0.65 ? 'few' : 'storm'
    const names = Object.keys(OCCASIONS) as FaultName[]
    this.kinds = new Set(this.mood === 'calm' ? [] : names.filter(() => random.chance(0.6)))
  }

  /** True when it happens now. */
  happens(name: keyof typeof OCCASIONS): boolean {
    if (this.ended || !this.kinds.has(name)) return false
    if (!this.random.chance(OCCASIONS[name] * (this.mood === 'storm' ? 2.5 : 1))) return false
    this.saw(name)
    return true
  }

  saw(name: FaultName): void {
    this.seen.set(name, (this.seen.get(name) ?? 0) + 1)
  }

  end(): void {
    this.ended = true
  }
}
