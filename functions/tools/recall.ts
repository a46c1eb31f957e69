import { z } from 'zod'
import { RECALL_FACTS_MAX } from '../core/limits.ts'
import { defineTool } from './define.ts'

export const recall = defineTool({
  name: 'recall',
  category: 'context search',
  description: 'What earlier runs learnt about something: conventions, commands, dead ends.',
  input: z.object({ query: z.string().min(1).max(2000) }),
  risk: 'read',
  changes: false,
  repeat: 'safe',
  timeoutMs: 10_000,
  async run({ query }, { memory, run }) {
    if (!memory) return { output: 'Nothing is remembered here.', data: { facts: [] } }
    const { facts, poorer } = await memory.recall({ by: run.by, repo: run.repo?.url }, query, RECALL_FACTS_MAX)
    const lines = facts.map(({ id, kind, text }) => `- ${kind}: ${text} (${id})`)
    const output = [...(poorer ? [`[${poorer}]`] : []), ...(lines.length > 0 ? lines : ['Nothing is known yet.'])]
    return {
      output: output.join('\n'),
      data: { facts: facts.map(({ id, kind, text, confidence }) => ({ id, kind, text, confidence })) },
    }
  },
})
