/**
 * What a part of a command line may do, and what follows from it. Judging a line is two questions kept apart: the rules
 * say what each part can do (`Finding`), this table says what that means where something holds commands in and where
 * nothing does. The strictest part decides the line.
 */
import { COMMAND_PART_CHARS_MAX } from '../limits.ts'
import type { Isolation, Verdict } from '../types.ts'

export type Effect =
  /** Changes files of the workspace. */
  | 'changes'
  /** Runs code that this line does not show: the repo's, a program nobody knows, what the shell fills in. */
  | 'runs'
  /** Runs one program by the hands of another (`find -exec rm`, `rg --pre`), or bends what words mean (`PATH=`, alias). */
  | 'indirect'
  /** Goes beyond the workspace: other folders, the network, files that make tools run code. */
  | 'reaches'
  /** Keeps back what it runs. */
  | 'hides'
  /** Secrets, devices, privileges, the machine itself, other people's branches. */
  | 'harms'

export type Finding = { effect: Effect; reason: string; part?: string }

const OPEN: Record<Effect, Verdict['decision']> = {
  changes: 'approve',
  runs: 'approve',
  indirect: 'deny',
  reaches: 'approve',
  hides: 'deny',
  harms: 'deny',
}
const HELD: Record<Effect, Verdict['decision']> = {
  changes: 'allow',
  runs: 'allow',
  indirect: 'allow',
  reaches: 'approve',
  hides: 'approve',
  harms: 'deny',
}

export const decisionOn = (effect: Effect, isolation: Isolation): Verdict['decision'] =>
  (isolation === 'none' ? OPEN : HELD)[effect]

const RANK = { allow: 0, approve: 1, deny: 2 }
export const stricter = (a: Verdict, b: Verdict): Verdict => (RANK[b.decision] > RANK[a.decision] ? b : a)

/** No finding at all means that a line is known to do no more than read the workspace. */
export function verdictOn(findings: Finding[], isolation: Isolation): Verdict {
  const held = isolation === 'none' ? 'only reads the workspace' : `stays in the workspace, held in by the ${isolation}`
  return findings
    .map(({ effect, reason, part }): Verdict => {
      const decision = decisionOn(effect, isolation)
      if (decision === 'allow') return { decision, reason: held }
      const short = reason.length > COMMAND_PART_CHARS_MAX ? `${reason.slice(0, COMMAND_PART_CHARS_MAX)}…` : reason
      const why = isolation === 'none' && decision === 'approve' ? `${short}; nothing isolates commands here` : short
      return { decision, reason: why, ...(part ? { part } : {}) }
    })
    .reduce(stricter, { decision: 'allow', reason: held })
}
