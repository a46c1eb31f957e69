/**
 * Whether a run has something to teach. Most have not, and a model is asked only for those that have: a command failed and
 * later one worked, so that the way out is on the record; or a person had to put the agent right on the way.
 */
import type { Message, Run } from './types.ts'

/** Tests do not count, whatever runs them: that they fail before a change and pass after it is the work itself. */
const COMMANDS = new Set(['run_command', 'run_benchmark'])
/** Nothing was tried. */
const REFUSED = new Set(['approval_denied', 'policy_denied', 'invalid_arguments', 'cancelled'])

/** Where the run stands after these messages. */
export function lessonAfter(learn: Run['learn'], messages: Message[]): Run['learn'] {
  let now = learn
  for (const message of messages) {
    if (now !== 'wanted' && now !== 'tripped') return now
    if (message.role === 'user' && message.from === 'person') now = 'due'
    if (message.role !== 'tool' || !COMMANDS.has(message.result.tool)) continue
    const { ok, error, data } = message.result
    if ((data as { tests?: unknown } | undefined)?.tests) continue
    if (ok && now === 'tripped') now = 'due'
    if (!ok && !REFUSED.has(error?.code ?? '')) now = 'tripped'
  }
  return now
}
