import { z } from 'zod'
import { defineTool } from './define.ts'

export const askUser = defineTool({
  name: 'ask_user',
  category: 'run control',
  description: 'Ask the person and wait for the answer.',
  input: z.object({
    question: z.string().min(1).max(2000),
    choices: z.array(z.string().max(200)).max(10).optional(),
    default: z.string().max(2000).optional(),
  }),
  risk: 'external',
  changes: true,
  repeat: 'safe',
  timeoutMs: 1000,
  async run({ question, choices = [], default: otherwise }) {
    return { output: '', question: { question, choices, ...(otherwise === undefined ? {} : { default: otherwise }) } }
  },
})
