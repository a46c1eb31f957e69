import { z } from 'zod'
import { defineTool } from '../define.ts'
import { replaceText } from '../text/edit.ts'
import { asEditable, shortLine } from '../text/excerpt.ts'

export const editFile = defineTool({
  name: 'edit_file',
  category: 'file operations',
  description: 'Replace oldText by newText in a file. oldText must be there once, unless replaceAll.',
  input: z.object({
    path: z.string(),
    oldText: z.string(),
    newText: z.string(),
    replaceAll: z.boolean().optional(),
  }),
  risk: 'write',
  changes: true,
  repeat: 'from_snapshot',
  timeoutMs: 10_000,
  async run({ path, oldText, newText, replaceAll = false }, hands) {
    const text = asEditable(path, await hands.read(path))
    const edited = replaceText(path, text, oldText, newText, replaceAll)
    await hands.write(path, edited.text)
    const { places, line, loosely } = edited
    const where = places === 1 ? `at line ${line}` : `at ${places} places, first at line ${line}`
    // A loose match may have gone elsewhere than meant: the model sees what it got.
    const shown = loosely
      ? `\nMatched without regard to ${loosely}; it reads now:\n${around(edited.text, line, newText)}`
      : ''
    return { output: `Edited ${path} ${where}.${shown}`, data: { path, places, line, ...(loosely ? { loosely } : {}) } }
  },
})

const around = (text: string, line: number, newText: string): string =>
  text
    .split('\n')
    .slice(Math.max(0, line - 2), line + Math.min(20, newText.split('\n').length))
    .map(shortLine)
    .join('\n')
