/** What a rule is given and gives: one simple command, and what is wrong with it. Nothing found means: it only reads. */
import type { Finding } from './effects.ts'
import type { Arg } from './words.ts'

/** What a command reads when it is given no file; `text` stands in the line itself. */
export type Stdin = { from: 'nothing' | 'pipe' | 'network' | 'file' | 'text'; text?: string }

export type Call = {
  program: string
  args: Arg[]
  /** The command as it stands in the line. */
  part: string
  stdin: Stdin
  /** Another folder was entered before in this line: what git reads there is not what it reads here. */
  moved: boolean
  /** Judges a command that is an argument of this one. */
  command: (args: Arg[], stdin?: Stdin) => Finding[]
  /** Judges a script that is an argument of this one. */
  script: (text: string) => Finding[]
}
export type Rule = (call: Call) => Finding[]

export const found = (effect: Finding['effect'], reason: string, part: string): Finding[] => [{ effect, reason, part }]
export const present = (findings: (Finding | undefined)[]): Finding[] =>
  findings.filter((finding) => finding !== undefined)

/** What an inner command does, by the hands of this one: reading stays a thing to ask about. */
export const indirectly = (call: Call, inner: Finding[]): Finding[] =>
  inner.length === 0 || inner.every(({ effect }) => effect === 'runs')
    ? [...inner, ...found('runs', `${call.program} runs another program`, call.part)]
    : [...inner, ...found('indirect', `${call.program} runs another program, which does more than read`, call.part)]
