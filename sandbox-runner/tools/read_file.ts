import { z } from 'zod'
import { defineTool } from '../define.ts'
import { READ_LINES_DEFAULT, READ_LINES_MAX } from '../limits.ts'
import { asText, excerpt } from '../text/excerpt.ts'

export const readFile = defineTool({
  name: 'read_file',
  category: 'file operations',
  description: 'Read a text file; offset is the first line, from 1.',
  input: z.object({
    path: z.string(),
    offset: z.int().min(1).optional(),
    limit: z.int().min(1).max(READ_LINES_MAX).optional(),
  }),
  risk: 'read',
  changes: false,
  repeat: 'safe',
  timeoutMs: 10_000,
  async run({ path, offset = 1, limit = READ_LINES_DEFAULT }, hands) {
    const text = asText(path, await hands.read(path))
    return excerpt(path, text, offset, limit)
  },
})
