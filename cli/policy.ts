/** `policy check`: what policy, with the rules of STINT_POLICY, says of a line in a workspace that nothing isolates. */
import { createInterface } from 'node:readline'
import { judgeCommand } from '../functions/core/policy/command.ts'
import type { PolicyRule } from '../functions/core/rules.ts'
import type { Verdict } from '../functions/core/types.ts'
import { green, red, yellow } from './output.ts'
import { type Given, UsageError } from './usage.ts'

let server: PolicyRule[] = []

export async function policyCheck({ values, words: [verb, ...words] }: Given): Promise<number> {
  if (verb !== 'check') throw new UsageError('the only policy command is: stint policy check "cmd"')
  // Only then: what checks the environment takes its time to load.
  if (process.env.STINT_POLICY) server = (await import('../functions/env.ts')).readPolicy()
  if (values.stdin) {
    for await (const line of createInterface({ input: process.stdin })) {
      if (line.trim() !== '') process.stdout.write(`${JSON.stringify(view(judgeLine(line)))}\n`)
    }
    return 0
  }
  const command = words.join(' ')
  if (command === '') throw new UsageError('give a command line to judge')
  const verdict = judgeCommand(command, 'none', { server })
  const colour = { allow: green, approve: yellow, deny: red }[verdict.decision]
  process.stdout.write(
    values.json
      ? `${JSON.stringify(view(verdict))}\n`
      : `${colour(verdict.decision)}: ${verdict.reason}${verdict.part ? ` (${verdict.part})` : ''}\n`,
  )
  return 0
}

function judgeLine(line: string): Verdict {
  let command: unknown
  try {
    command = JSON.parse(line)
  } catch {
    return { decision: 'deny', reason: 'the input line is no JSON string' }
  }
  return typeof command === 'string'
    ? judgeCommand(command, 'none', { server })
    : { decision: 'deny', reason: 'the input line is no JSON string' }
}

const view = ({ decision, reason, part }: Verdict) => ({ verdict: decision, reason, part: part ?? '' })
