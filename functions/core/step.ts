/**
 * One transition of a run. Pure: no clock, no ids, no I/O. The engine performs `run.action` and brings its outcome
 * here, with what people sent meanwhile; the answer is the next run, the messages to append and the events it makes
 * visible. Called twice with the same arguments it answers the same, so a crash between two commits costs nothing
 * but the work that was not committed. An outcome that does not belong to the action changes nothing.
 */
import { toolsAfter } from './analytics.ts'
import { close } from './closing.ts'
import { eventsOf } from './events.ts'
import { afterModelFailure, afterSandboxFailure } from './failure.ts'
import { hasEnded } from './inbox.ts'
import { lessonAfter } from './lesson.ts'
import { watchLoops } from './loops.ts'
import { end, type Move, stay } from './moves.ts'
import { chargeTurn, finishTurn, foldResults, nextTurn, schedule } from './turn.ts'
import type { Outcome, Run, Step } from './types.ts'
import { ask, cancel, resume } from './waiting.ts'

export function step(run: Run, outcome: Outcome): Step {
  const move = watchLoops(run, transition(run, outcome), outcome)
  if (move.run === run) return { run, messages: [], events: [], remember: [] }
  // A run is archived as it stands after the step that says so: that step is the same whenever it comes.
  const { at, workedMs } = archivedNow(outcome) ? { at: run.updatedAt, workedMs: 0 } : outcome
  const next: Run = {
    ...move.run,
    step: run.step + 1,
    workedMs: run.workedMs + workedMs,
    messageSeq: run.messageSeq + move.messages.length,
    ...(move.messages.length > 0 ? { tools: toolsAfter(move.run.tools, move.messages) } : {}),
    ...(move.run.learn ? { learn: lessonAfter(move.run.learn, move.messages) } : {}),
    updatedAt: at,
  }
  const events = eventsOf(run, next, move.messages)
  const counted = { ...next, eventSeq: run.eventSeq + events.length }
  return { run: counted, messages: move.messages, events, remember: move.remember ?? [] }
}

const archivedNow = (outcome: Outcome): boolean => outcome.type === 'archived' && outcome.ok

function transition(run: Run, outcome: Outcome): Move {
  const { action } = run
  if (hasEnded(run)) return close(run, outcome)
  if (outcome.inbox.some((entry) => entry.type === 'cancel')) return cancel(run, outcome)

  switch (outcome.type) {
    case 'prepared': {
      if (action.type !== 'prepare') return stay(run)
      const { head, rules, pending = run.pending } = outcome
      const ready: Run = { ...run, start: run.start ?? head, head, pending, ...(rules ? { rules } : {}) }
      return run.kind === 'tool'
        ? schedule(ready, outcome, outcome.messages)
        : nextTurn(ready, outcome, outcome.messages)
    }
    case 'model_response': {
      const { message, pending } = outcome
      if (action.type !== 'call_model' || message.role !== 'assistant') return stay(run)
      const charged = chargeTurn(run, message, outcome.truncated)
      if (message.calls.length === 0) return finishTurn(charged, outcome, message)
      if (charged.usage.costUsd >= run.limits.costUsd) return end(charged, outcome, 'cost_limit', [message])
      return schedule({ ...charged, pending }, outcome, [message])
    }
    case 'delivery': {
      const { message, pending } = outcome
      if (action.type !== 'deliver') return stay(run)
      return schedule({ ...run, pending, delivery: [] }, outcome, [message])
    }
    case 'model_failure':
      return action.type === 'call_model' ? afterModelFailure(run, outcome) : stay(run)

    case 'tool_results':
      if (action.type !== 'run_tools') return stay(run)
      return outcome.question ? ask(run, outcome) : schedule(foldResults(run, outcome), outcome, outcome.results)

    case 'checked':
      return action.type === 'check' ? finishTurn(foldResults(run, outcome), outcome) : stay(run)

    case 'sandbox_failure':
      return afterSandboxFailure(run, outcome)

    case 'woken':
      return resume(run, outcome)

    case 'no_progress':
      return end(run, outcome, 'stuck', [], outcome.detail)

    case 'notified':
    case 'learned':
    case 'archived':
      return stay(run)
  }
}
