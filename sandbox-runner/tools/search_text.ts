import { z } from 'zod'
import { defineTool } from '../define.ts'
import { SEARCH_LIMIT_DEFAULT, SEARCH_LIMIT_MAX } from '../limits.ts'

export const searchText = defineTool({
  name: 'search_text',
  category: 'context search',
  description: 'Find lines by a regular expression, as path:line:text.',
  input: z.object({
    pattern: z.string().min(1).max(2000),
    path: z.string().optional(),
    glob: z.string().optional(),
    limit: z.int().min(1).max(SEARCH_LIMIT_MAX).optional(),
  }),
  risk: 'read',
  changes: false,
  repeat: 'safe',
  timeoutMs: 30_000,
  async run({ pattern, path, glob, limit = SEARCH_LIMIT_DEFAULT }, hands) {
    const { hits, literal } = await hands.search({
      pattern,
      limit: limit + 1,
      ...(path ? { path } : {}),
      ...(glob ? { glob } : {}),
    })
    const note = literal ? `[${pattern} is no regular expression; searched for as it stands]\n` : ''
    if (hits.length === 0)
      return {
        output: `${note}No line matches ${pattern}${path ? ` in ${path}` : ''}${glob ? ` (${glob})` : ''}.`,
        data: { hits: [] },
      }
    const shown = hits.slice(0, limit)
    const output = note + shown.map((hit) => `${hit.path}:${hit.line}:${hit.text}`).join('\n')
    if (hits.length <= limit) return { output, data: { hits: shown } }
    return {
      output: `${output}\n[more than ${limit} lines match; narrow the pattern, path or glob]`,
      data: { hits: shown },
      truncated: true,
    }
  },
})
