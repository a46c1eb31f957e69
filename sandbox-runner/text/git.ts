/** Git's answers as tool results. */
import { type GitResult, ToolFailure } from '../define.ts'

/** @throws ToolFailure `not_git`, `unknown_revision`, `git_failed` with git's own words. */
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
  if (!/^[\p{L}\p{N}_@][\p{L}\p{N}\p{M}_./@{}^~+#=,-]*$/u.test(revision))
    throw new ToolFailure(
      'invalid_arguments',
      `${JSON.stringify(revision)} is not a revision`,
      'Give a branch, tag or commit.',
    )
  return revision
}

/** An entry of the index, or its absence (mode 0), as `update-index --index-info` takes it. */
export type IndexEntry = { path: string; mode: string; id: string }
export type IndexChange = { path: string; before: IndexEntry; after: IndexEntry }

/** Reads `diff --raw -z --no-renames --no-abbrev`. */
export function readRawDiff(output: string): IndexChange[] {
  return [...output.matchAll(/:(\d+) (\d+) ([\da-f]+) ([\da-f]+) [A-Z]\d*\0([^\0]+)\0/g)].map(
    ([, oldMode = '', newMode = '', oldId = '', newId = '', path = '']) => ({
      path,
      before: { path, mode: oldMode, id: oldId },
      after: { path, mode: newMode, id: newId },
    }),
  )
}

export const indexInfo = (entries: IndexEntry[]): string =>
  entries.map(({ path, mode, id }) => `${mode} ${id}\t${path}\0`).join('')
