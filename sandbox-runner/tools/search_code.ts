import { z } from 'zod'
import { defineTool } from '../define.ts'
import { CODE_INDEX_MS_MAX, CODE_LIMIT_DEFAULT, CODE_LIMIT_MAX } from '../limits.ts'

/** Of each result this much is shown; read_file has the rest. */
const SNIPPET_LINES_MAX = 6

export const searchCode = defineTool({
  name: 'search_code',
  category: 'context search',
  description: 'Find the code a question or task is about, best first. For an exact text use search_text.',
  input: z.object({
    query: z.string().min(1).max(10_000),
    limit: z.int().min(1).max(CODE_LIMIT_MAX).optional(),
  }),
  risk: 'read',
  changes: false,
  repeat: 'safe',
  timeoutMs: CODE_INDEX_MS_MAX + 10_000,
  async run({ query, limit = CODE_LIMIT_DEFAULT }, hands) {
    const results = await hands.searchCode({ query, limit })
    if (results.length === 0)
      return { output: `Nothing here is about ${query.slice(0, 200)}. Other words may find it.`, data: { results } }
    const shown = results.map(({ path, startLine, endLine, symbol, snippet, why }) => {
      const lines = snippet.split('\n').slice(0, SNIPPET_LINES_MAX)
      const head = `${path}:${startLine}-${endLine}${symbol ? ` ${symbol}` : ''}  (${why})`
      return [head, ...lines.map((line) => `    ${line}`)].join('\n')
    })
    return { output: shown.join('\n'), data: { results } }
  },
})
