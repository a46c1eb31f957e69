/** Git's answers as tool results. */
import { type GitResult, ToolFailure } from '../define.ts'

/** @throws ToolFailure `git_failed` with git's own words. */
export function gitOutput({ code, stdout, stderr }: GitResult): string {
  if (code === 0) return stdout
  const why = stderr.trim().split('\n').slice(0, 5).join('\n').slice(0, 800)
  if (/not a git repository/.test(why))
    throw new ToolFailure(
      'not_git',
      'the workspace is not a git repository any more',
      'Run "git init" if that is meant.',
    )
  if (/unknown revision|bad revision|ambiguous argument/.test(why))
    throw new ToolFailure('unknown_revision', why, 'Use git_log to see what there is.')
  throw new ToolFailure('git_failed', why || `git ended with code ${code}`)
}

/** A revision is a name, never an option. */
export function checkRevision(revision: string): string {
  if (!/^[\w][\w./@{}^~+-]*$/.test(revision))
    throw new ToolFailure(
      'invalid_arguments',
      `${JSON.stringify(revision)} is not a revision`,
      'Give a branch, tag or commit.',
    )
  return revision
}
