import { z } from 'zod'
import { defineTool, type Hands } from '../define.ts'
import { clipMiddle } from '../text/excerpt.ts'
import { checkRevision, gitOutput } from '../text/git.ts'

export const gitDiff = defineTool({
  name: 'git_diff',
  category: 'git operations',
  description: 'Changes since the last commit, or since base.',
  input: z.object({ base: z.string().optional(), path: z.string().optional() }),
  risk: 'read',
  changes: false,
  repeat: 'safe',
  timeoutMs: 60_000,
  async run({ base, path }, hands) {
    if (path !== undefined) await hands.kind(path)
    const from = base !== undefined ? checkRevision(base) : await lastCommit(hands)
    const only = path === undefined ? [] : [path]
    const flags = ['--no-ext-diff', '--no-textconv', '--ignore-submodules=all', '--no-color']
    const changed = gitOutput(await hands.git(['diff', ...flags, from, '--', ...only]))
    const fresh = gitOutput(await hands.git(['ls-files', '--others', '--exclude-standard', '--', ...only]))
    const untracked = fresh.split('\n').filter(Boolean)
    const parts = [
      changed.trimEnd(),
      ...(untracked.length > 0 ? [`New files, not yet added: ${untracked.join(', ')}`] : []),
    ].filter(Boolean)
    const { text, truncated } = clipMiddle(parts.join('\n'), 'git_diff with path shows one file')
    return { output: text || 'No changes.', data: { untracked }, truncated }
  },
})

/** HEAD; before the first commit the tree without files, whose id depends on the repo's kind of hash. */
async function lastCommit(hands: Hands): Promise<string> {
  if ((await hands.git(['rev-parse', '--verify', '-q', 'HEAD'])).code === 0) return 'HEAD'
  return gitOutput(await hands.git(['hash-object', '-t', 'tree', '--stdin'])).trim()
}
