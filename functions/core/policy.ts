/**
 * What may run unasked. A verdict is a pure function of the call and of what holds the sandbox in; it is UX and audit,
 * not the security boundary, which is the sandbox. Nothing a repo contains can make a verdict milder.
 */
import { type Added, ruled } from './policy/added.ts'
import { judgeCommand } from './policy/command.ts'
import { isProtected } from './policy/places.ts'
import type { Isolation, Risk, Verdict } from './types.ts'

/** What holds commands in, and the rules that are added: what is known of the place where a call would run. */
export type Policing = Added & { isolation: Isolation }
export type Judged = { tool: string; risk: Risk; input: Record<string, unknown> }

export function judge(call: Judged, policing: Policing): Verdict {
  return ruled(judgeAlone(call, policing), call.tool, call.risk === 'write' ? writtenPaths(call.input) : [], policing)
}

function judgeAlone({ tool, risk, input }: Judged, { isolation, ...added }: Policing): Verdict {
  if (risk === 'read') return ALLOW
  if (risk === 'write') {
    const path = writtenPaths(input).find(isProtected)
    if (path !== undefined) return { decision: 'approve', reason: `${path} is a protected file`, part: path }
    return ALLOW
  }
  if (risk === 'execute') {
    const command = typeof input.command === 'string' ? input.command : undefined
    if (command !== undefined) return judgeCommand(command, isolation, added)
    return isolation === 'none'
      ? { decision: 'approve', reason: `${tool} runs the repository's code, and nothing isolates it here` }
      : ALLOW
  }
  return tool === 'ask_user' ? ALLOW : { decision: 'approve', reason: `${tool} acts outside the workspace` }
}

const ALLOW: Verdict = { decision: 'allow', reason: 'inside the workspace' }

function writtenPaths(input: Record<string, unknown>): string[] {
  const { path, patch } = input
  if (typeof path === 'string') return [path]
  if (typeof patch !== 'string') return []
  return [...patch.matchAll(/^\*\*\* (?:Add File|Update File|Delete File|Move to): (.+)$/gm)].map(
    (match) => match[1]?.trim() ?? '',
  )
}
