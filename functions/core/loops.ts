/**
 * A run that goes round in circles: the same call with the same result again and again, or a short cycle of such. It is
 * told so, then another model is asked, then it ends as stuck. The trail is part of the run's record, so that neither a
 * restart nor a shorter context hides it. Waiting for something is no circle, nor is a call whose result changes.
 */
import { LOOP_PERIOD_MAX, LOOP_ROUNDS, LOOP_SAME_CALLS } from './limits.ts'
import { end, type Move } from './moves.ts'
import type { Message, Outcome, PendingCall, Run } from './types.ts'

const TRAIL_MAX = LOOP_PERIOD_MAX * Math.max(...LOOP_ROUNDS)

/** The same move, or one that tells the model, or one that ends the run. */
export function watchLoops(before: Run, move: Move, outcome: Outcome): Move {
  if (move.run.kind !== 'agent' || move.run === before) return move
  const known = [...before.pending, ...(outcome.type === 'model_response' ? outcome.pending : [])]
  const keys = move.messages.flatMap((message) => keyOf(message, known))
  if (keys.length === 0) return move
  const trail = [...(before.trail ?? []), ...keys].slice(-TRAIL_MAX)
  const { level, rounds, period } = circleIn(trail)
  const run: Run = { ...move.run, trail, circling: level }
  if (run.action.type !== 'call_model' || run.status !== 'running' || level <= (before.circling ?? 0))
    return { ...move, run }
  const what = period === 1 ? 'the same call' : `the same ${period} calls`
  const told = `You have made ${what} ${rounds} times in a row, each time with the same result.`
  if (level === LOOP_ROUNDS.length)
    return end(
      run,
      outcome,
      'stuck',
      move.messages,
      `The model made ${what} ${rounds} times in a row, each time with the same result.`,
    )
  const note: Message = {
    role: 'user',
    from: 'harness',
    content: `${told} Doing it again changes nothing. Use what you know, try another way, or answer with what is done and what is left.`,
  }
  return { ...move, run, messages: [...move.messages, note] }
}

/** What was called and what came of it, as one short word; nothing for a call that waits. */
function keyOf(message: Message, known: PendingCall[]): string[] {
  if (message.role !== 'tool') return []
  const { callId, tool, output } = message.result
  const call = known.find((one) => one.callId === callId)
  if (!call || tool === 'ask_user' || WAITS.test(call.preview)) return []
  return [word(`${call.hash}\0${output.replace(TIMES, '')}`)]
}

const WAITS = /\bsleep\s+\d|\bwait(?:-on|-for|for)?\b|--watch\b|\btail -f\b/
/** Durations and times of day differ where nothing else does. */
const TIMES = /\d+(?:\.\d+)?\s*(?:ms|s|sec|seconds|µs)\b|\d{1,2}:\d{2}(?::\d{2})?(?:\.\d+)?/g

/** FNV-1a and the length: enough to tell results of one run apart. */
function word(text: string): string {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return `${(hash >>> 0).toString(36)}.${text.length.toString(36)}`
}

/** How far the trail's end goes round: its shortest period, its whole rounds, and how bad that is, from 0. */
function circleIn(trail: string[]): { level: number; rounds: number; period: number } {
  for (let period = 1; period <= LOOP_PERIOD_MAX; period++) {
    let same = 0
    for (let i = trail.length - 1; i >= period && trail[i] === trail[i - period]; i--) same++
    const rounds = Math.floor((same + period) / period)
    const bounds = period === 1 ? LOOP_SAME_CALLS : LOOP_ROUNDS
    const level = bounds.filter((bound) => rounds >= bound).length
    if (level > 0) return { level, rounds, period }
  }
  return { level: 0, rounds: 0, period: 0 }
}
