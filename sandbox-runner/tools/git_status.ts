import { z } from 'zod'
import { defineTool } from '../define.ts'
import { gitOutput } from '../text/git.ts'

export const gitStatus = defineTool({
  name: 'git_status',
  category: 'git operations',
  description: 'Branch and changed files.',
  input: z.object({}),
  risk: 'read',
  changes: false,
  repeat: 'safe',
  timeoutMs: 60_000,
  async run(_, hands) {
    const output = gitOutput(
      await hands.git(['status', '--porcelain=v1', '--branch', '--untracked-files=all', '--ignore-submodules=all']),
    )
    const files = output.split('\n').slice(1).filter(Boolean)
    return {
      output: files.length === 0 ? `${output.trimEnd()}\nNothing changed since the last commit.` : output.trimEnd(),
      data: { files },
    }
  },
})
