import { z } from 'zod'
import { defineTool } from '../define.ts'
import { LIST_LIMIT_DEFAULT, LIST_LIMIT_MAX } from '../limits.ts'
import { globMatcher } from '../text/glob.ts'

export const listFiles = defineTool({
  name: 'list_files',
  category: 'file operations',
  description: 'List files; folders with many are counted.',
  input: z.object({
    path: z.string().optional(),
    glob: z.string().optional(),
    limit: z.int().min(1).max(LIST_LIMIT_MAX).optional(),
  }),
  risk: 'read',
  changes: false,
  repeat: 'safe',
  timeoutMs: 10_000,
  async run({ path, glob, limit = LIST_LIMIT_DEFAULT }, hands) {
    const files = (await hands.files(path)).filter(globMatcher(glob))
    if (files.length === 0)
      return { output: `No files${glob ? ` match ${glob}` : ''}${path ? ` under ${path}` : ''}.`, data: { total: 0 } }
    if (files.length <= limit) return { output: files.join('\n'), data: { total: files.length } }
    const lines = folded(files, limit)
    const note = `[${files.length} files in all; list_files with path or glob shows more]`
    return { output: `${lines.join('\n')}\n${note}`, data: { total: files.length }, truncated: true }
  },
})

/**
 * Deep folders become one line with a count, the deepest first, until the list is short enough; then it is cut. A folder
 * that holds all of them is never folded: it would say nothing.
 */
function folded(files: string[], limit: number): string[] {
  const paths = files.map((file) => file.split('/'))
  const deepest = paths.reduce((most, parts) => Math.max(most, parts.length), 0)
  const above = sharedFolders(paths)
  let lines: string[] = files
  for (let depth = deepest - 1; depth > above && lines.length > limit; depth--) {
    const counts = new Map<string, number>()
    for (const parts of paths) {
      const line = parts.slice(0, depth).join('/') + (parts.length > depth ? '/' : '')
      counts.set(line, (counts.get(line) ?? 0) + 1)
    }
    lines = [...counts].map(([line, count]) => (line.endsWith('/') ? `${line} (${count} files)` : line))
  }
  return lines.slice(0, limit)
}

/** How many folders all paths begin with. They are sorted, so the first and the last one tell. */
function sharedFolders(paths: string[][]): number {
  const [first = [], last = []] = [paths[0], paths.at(-1)]
  let same = 0
  while (same < first.length - 1 && first[same] === last[same]) same++
  return same
}
