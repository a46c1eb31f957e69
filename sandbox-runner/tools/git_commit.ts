import { z } from 'zod'
import { defineTool, ToolFailure } from '../define.ts'
import { gitOutput } from '../text/git.ts'

export const gitCommit = defineTool({
  name: 'git_commit',
  category: 'git operations',
  description: 'Commit all changes, or those of the given paths, in the workspace.',
  input: z.object({ message: z.string().min(1).max(10_000), paths: z.array(z.string()).optional() }),
  risk: 'write',
  changes: true,
  repeat: 'from_snapshot',
  timeoutMs: 60_000,
  async run({ message, paths }, hands) {
    for (const path of paths ?? []) await hands.kind(path)
    const only = paths && paths.length > 0 ? ['--', ...paths] : ['--all']
    gitOutput(await hands.git(['add', ...only]))
    const staged = await hands.git(['diff', '--cached', '--quiet', '--ignore-submodules=all'])
    if (staged.code === 0)
      throw new ToolFailure('nothing_to_commit', 'nothing changed since the last commit', 'Change a file first.')
    // Two tries of one call make the same commit: its time is the call's own.
    const date = `@${Math.floor(callTimeMs(hands.callId) / 1000)} +0000`
    const env = { GIT_AUTHOR_DATE: date, GIT_COMMITTER_DATE: date }
    gitOutput(await hands.git(['commit', '-q', '--no-verify', '--no-gpg-sign', '-F', '-'], { env, stdin: message }))
    const commit = gitOutput(await hands.git(['log', '-1', '--no-color', '--format=%h %s', '--shortstat']))
      .trim()
      .replace(/\n+/g, '\n')
    return { output: `Committed ${commit}`, data: { commit: commit.split(' ')[0] } }
  },
})

/** Ids are time-ordered: the first ten characters are the milliseconds, in Crockford's base 32. */
function callTimeMs(callId: string): number {
  const digits = /^call_([0-9a-hjkmnp-tv-z]{10})/.exec(callId)?.[1]
  if (!digits) return 0
  return [...digits].reduce((sum, digit) => sum * 32 + '0123456789abcdefghjkmnpqrstvwxyz'.indexOf(digit), 0)
}
