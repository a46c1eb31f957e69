import { z } from 'zod'
import { defineTool } from '../define.ts'

export const writeFile = defineTool({
  name: 'write_file',
  category: 'file operations',
  description: 'Create or replace a whole file.',
  input: z.object({ path: z.string(), content: z.string() }),
  risk: 'write',
  changes: true,
  repeat: 'from_snapshot',
  timeoutMs: 10_000,
  async run({ path, content }, hands) {
    const existed = (await hands.kind(path)) === 'file'
    await hands.write(path, content)
    const lines = content === '' ? 0 : content.split('\n').length - (content.endsWith('\n') ? 1 : 0)
    return {
      output: `${existed ? 'Replaced' : 'Created'} ${path} (${lines} lines).`,
      data: { path, created: !existed, lines },
    }
  },
})
