/** The verdict on a command line: what its parts may do, and what that means where it runs. Never throws. */
import type { Isolation, Verdict } from '../types.ts'
import { type Added, withRules } from './added.ts'
import { verdictOn } from './effects.ts'
import { findingsOf } from './line.ts'
import { judgeSimple } from './programs.ts'

export function judgeCommand(line: string, isolation: Isolation = 'none', added: Added = {}): Verdict {
  try {
    return verdictOn(findingsOf(line, withRules(judgeSimple, added)), isolation)
  } catch {
    // A line that is nested beyond the stack, or one that nobody thought of: what cannot be judged is not run.
    return { decision: 'deny', reason: 'the line cannot be judged' }
  }
}
