/**
 * What edits broke: remembers each file as it was before a call first wrote it, and tells afterwards which problems of
 * its syntax are new. Problems that were there before are not the edit's, and are not told.
 */
import type { Problem } from '../define.ts'
import { FRESH_PROBLEMS_MAX, SYNTAX_BYTES_MAX } from '../limits.ts'
import { grammarOf } from './grammars.ts'
import { freshProblems } from './problems.ts'
import { readSyntax } from './read.ts'

export type Broken = { path: string; problems: Problem[] }

export class EditWatch {
  private readonly before = new Map<string, string>()
  private readonly after = new Map<string, string>()

  /** `before`: undefined when there was nothing. */
  note(path: string, before: () => Uint8Array | undefined, after: Uint8Array): void {
    if (!grammarOf(path) || after.length > SYNTAX_BYTES_MAX) return
    if (!this.before.has(path)) this.before.set(path, textOf(before() ?? new Uint8Array()))
    this.after.set(path, textOf(after))
  }

  /** Only files that have new problems. Never rejects. */
  async broken(): Promise<Broken[]> {
    const found: Broken[] = []
    for (const [path, text] of this.after) {
      const now = (await readSyntax(path, text)).problems ?? []
      if (now.length === 0) continue
      const then = (await readSyntax(path, this.before.get(path) ?? '')).problems ?? []
      const problems = freshProblems(then, now).slice(0, FRESH_PROBLEMS_MAX)
      if (problems.length > 0) found.push({ path, problems })
    }
    return found
  }
}

/** What the model reads below the tool's own words. */
export const brokenText = (broken: readonly Broken[]): string =>
  broken
    .map(({ path, problems }) =>
      [
        `New problems in ${path}:`,
        ...problems.map(({ line, column, text }) => `  ${path}:${line}:${column}: ${text}`),
      ].join('\n'),
    )
    .join('\n')

const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)
