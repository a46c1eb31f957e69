import { z } from 'zod'
import { defineTool } from '../define.ts'
import { LOG_LIMIT_DEFAULT, LOG_LIMIT_MAX } from '../limits.ts'
import { gitOutput } from '../text/git.ts'

export const gitLog = defineTool({
  name: 'git_log',
  category: 'git operations',
  description: 'Last commits, newest first.',
  input: z.object({ path: z.string().optional(), limit: z.int().min(1).max(LOG_LIMIT_MAX).optional() }),
  risk: 'read',
  changes: false,
  repeat: 'safe',
  timeoutMs: 60_000,
  async run({ path, limit = LOG_LIMIT_DEFAULT }, hands) {
    if (path !== undefined) await hands.kind(path)
    const head = await hands.git(['rev-parse', '--verify', '-q', 'HEAD'])
    if (head.code === 1) return { output: 'No commits yet.', data: { commits: [] } }
    gitOutput(head)
    const only = path === undefined ? [] : [path]
    const output = gitOutput(
      await hands.git(['log', `-n${limit}`, '--no-color', '--date=short', '--format=%h %ad %an: %s', '--', ...only]),
    ).trimEnd()
    return { output: output || 'No commits touch this path.', data: { commits: output.split('\n').filter(Boolean) } }
  },
})
