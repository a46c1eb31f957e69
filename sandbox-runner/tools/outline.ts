import { z } from 'zod'
import { type Defined, defineTool } from '../define.ts'
import { OUTLINE_LINES_MAX } from '../limits.ts'

export const outline = defineTool({
  name: 'outline',
  category: 'code analysis',
  description: 'What a file defines: each name with its lines and signature.',
  input: z.object({ path: z.string() }),
  risk: 'read',
  changes: false,
  repeat: 'safe',
  timeoutMs: 20_000,
  async run({ path }, hands) {
    const { language, lines, definitions, problems = [] } = await hands.syntax(path)
    const head = `${path}: ${lines} lines${language ? ` of ${language}` : ''}`
    const data = { path, lines, ...(language ? { language } : {}), definitions }
    if (definitions.length === 0) return { output: `${head}. Nothing is defined here that can be told.`, data }
    // Of a long file what is inside of other definitions is left out first.
    const top = definitions.filter(({ depth }) => depth === 0)
    const chosen = definitions.length <= OUTLINE_LINES_MAX ? definitions : top
    const shown = chosen.slice(0, OUTLINE_LINES_MAX)
    const left = definitions.length - shown.length
    const more = left > 0 ? [`[${left} more inside of these or further down; read_file shows them]`] : []
    const broken =
      problems.length > 0 ? [`[${problems.length} syntax errors; the first on line ${problems[0]?.line}]`] : []
    return { output: [head, ...shown.map(row), ...more, ...broken].join('\n'), data, truncated: left > 0 }
  },
})

const row = ({ kind, line, end, signature, name, depth }: Defined): string =>
  `${'  '.repeat(Math.min(depth, 6))}${line}${end > line ? `-${end}` : ''} ${kind} ${signature.includes(name) ? '' : `${name} `}${signature}`
