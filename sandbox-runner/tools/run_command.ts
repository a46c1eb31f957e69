import { z } from 'zod'
import { defineTool } from '../define.ts'
import { COMMAND_SECONDS_DEFAULT, COMMAND_SECONDS_MAX } from '../limits.ts'
import { commandDone } from '../text/command.ts'

export const runCommand = defineTool({
  name: 'run_command',
  category: 'execution',
  description: 'Run a bash command line in the workspace. No input; background processes end with it.',
  input: z.object({
    command: z.string().min(1).max(20_000),
    cwd: z.string().optional(),
    timeoutSec: z.int().min(1).max(COMMAND_SECONDS_MAX).optional(),
  }),
  risk: 'execute',
  changes: true,
  repeat: 'from_snapshot',
  timeoutMs: ({ timeoutSec = COMMAND_SECONDS_DEFAULT }) => timeoutSec * 1000,
  async run({ command, cwd, timeoutSec = COMMAND_SECONDS_DEFAULT }, hands) {
    const result = await hands.shell(command, { timeoutMs: timeoutSec * 1000, ...(cwd ? { cwd } : {}) })
    return commandDone(command, result)
  },
})
