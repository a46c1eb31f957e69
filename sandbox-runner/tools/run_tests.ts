import { z } from 'zod'
import { defineTool, ToolFailure } from '../define.ts'
import { COMMAND_SECONDS_MAX } from '../limits.ts'
import { commandDone } from '../text/command.ts'

export const runTests = defineTool({
  name: 'run_tests',
  category: 'execution',
  description: "Run the repo's tests, or those of one path or name.",
  input: z.object({ path: z.string().optional(), filter: z.string().max(500).optional() }),
  risk: 'execute',
  changes: true,
  repeat: 'from_snapshot',
  timeoutMs: COMMAND_SECONDS_MAX * 1000,
  async run({ path, filter }, hands) {
    const tests = await hands.testCommand()
    if (!tests)
      throw new ToolFailure(
        'no_test_command',
        'how this repo is tested is not known',
        'Use run_command with its test command, or name it as testCommand in .stint/config.json.',
      )
    if (path !== undefined && (await hands.kind(path)) === undefined)
      throw new ToolFailure('not_found', `there is no ${path}`, 'Use list_files to find the test.')
    if (path !== undefined && !tests.path) throw notPossible('one path', tests.command)
    if (filter !== undefined && !tests.filter) throw notPossible('one name', tests.command)
    const words = {
      path: path === undefined ? undefined : tests.path?.(path),
      filter: filter === undefined ? undefined : tests.filter?.(filter),
    }
    const command = words.path === undefined && words.filter === undefined ? tests.command : tests.only(words)
    return commandDone(command, await hands.shell(command, { timeoutMs: COMMAND_SECONDS_MAX * 1000 }), {
      tests: true,
      show: true,
    })
  },
})

const notPossible = (what: string, command: string) =>
  new ToolFailure('unsupported', `${command} cannot be asked for ${what}`, 'Leave it out, or use run_command.')
