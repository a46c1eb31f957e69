import { z } from 'zod'
import { defineTool, ToolFailure } from '../define.ts'
import { READ_BYTES_MAX, READ_FILES_MAX, READ_LINES_DEFAULT } from '../limits.ts'
import { asText, excerpt } from '../text/excerpt.ts'

export const readFiles = defineTool({
  name: 'read_files',
  category: 'file operations',
  description: 'Read several text files at once.',
  input: z.object({ paths: z.array(z.string()).min(1).max(READ_FILES_MAX) }),
  risk: 'read',
  changes: false,
  repeat: 'safe',
  timeoutMs: 20_000,
  async run({ paths }, hands) {
    const share = Math.floor(READ_BYTES_MAX / paths.length)
    let truncated = false
    const failures: ToolFailure[] = []
    const parts: string[] = []
    for (const path of paths) {
      try {
        const part = excerpt(path, asText(path, await hands.read(path)), 1, READ_LINES_DEFAULT, share)
        truncated ||= part.truncated
        parts.push(`=== ${path}\n${part.output}`)
      } catch (error) {
        if (!(error instanceof ToolFailure)) throw error
        failures.push(error)
        parts.push(`=== ${path}\nError ${error.code}: ${error.message}${error.hint ? `\n${error.hint}` : ''}`)
      }
    }
    const output = parts.join('\n')
    const [first] = failures
    if (first && failures.length === paths.length)
      return { output, error: { code: first.code, message: 'none of the files could be read' } }
    return { output, truncated }
  },
})
