import { z } from 'zod'
import { defineTool } from '../define.ts'

export const deleteFile = defineTool({
  name: 'delete_file',
  category: 'file operations',
  description: 'Delete a file.',
  input: z.object({ path: z.string() }),
  risk: 'write',
  changes: true,
  repeat: 'from_snapshot',
  timeoutMs: 10_000,
  async run({ path }, hands) {
    await hands.remove(path)
    return { output: `Deleted ${path}.`, data: { path } }
  },
})
