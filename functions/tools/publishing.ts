/** What pushing and proposing share: the branch of a session, and refusals as answers that the model can use. */
import { z } from 'zod'
import { BRANCH_CHARS_MAX } from '../core/limits.ts'
import type { Message, Run } from '../core/types.ts'
import type { ForgeRefusal } from '../ports.ts'
import type { Answer } from './define.ts'

/** `stint/` in front may be left out. */
export const BranchName = z
  .string()
  .max(BRANCH_CHARS_MAX)
  .regex(/^(stint\/)?[\w-]+([./][\w-]+)*$/, 'is no plain name of a branch')

/** A session has one branch unless a call names another, so that a later run of it adds to the same proposal. */
export const branchOf = (given: string | undefined, { sessionId }: Run): string =>
  `stint/${given?.replace(/^stint\//, '') ?? sessionId.replace(/^ses_/, '')}`

/** The branch that this run pushed last. */
export function pushedBranch(messages: readonly Message[]): string | undefined {
  const last = messages.findLast(
    (message) => message.role === 'tool' && message.result.tool === 'git_push' && message.result.ok,
  )
  const data = last?.role === 'tool' ? (last.result.data as { branch?: string } | undefined) : undefined
  return data?.branch
}

const HINTS: Record<string, string> = {
  branch_missing: 'Push first (git_push).',
  nothing_to_propose: 'Commit and push first (git_commit, git_push).',
  forge_not_installed: 'Whoever runs Stint must install the GitHub App there; say in the answer what is left to do.',
  forge_refused: 'Whoever runs Stint must give it the right; say in the answer what is left to do.',
}

export function answerOf({ code, message }: ForgeRefusal): Answer {
  const hint = HINTS[code]
  return { output: '', error: { code, message, ...(hint ? { hint } : {}) } }
}

export const NO_FORGE: Answer = {
  output: '',
  error: {
    code: 'forge_missing',
    message: 'nothing can be pushed or proposed from here: the repository is at no forge that is configured',
    hint: 'Leave the changes in the workspace and say in the answer what is left to do.',
  },
}
