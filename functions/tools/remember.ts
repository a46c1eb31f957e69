import { z } from 'zod'
import { ownScope } from '../core/facts.ts'
import { FACT_CHARS_MAX } from '../core/limits.ts'
import { defineTool } from './define.ts'

/** What a run says of itself is less certain than what a person wrote. */
const CONFIDENCE = 0.7

export const remember = defineTool({
  name: 'remember',
  category: 'context search',
  description: 'Keep one fact for later runs on this repo.',
  input: z.object({ fact: z.string().min(3).max(FACT_CHARS_MAX) }),
  risk: 'write',
  changes: false,
  repeat: 'safe',
  timeoutMs: 10_000,
  async run({ fact: text }, { memory, run: { by, repo, runId, sessionId } }) {
    const failed = (message: string) => ({
      output: '',
      error: { code: 'not_remembered', message, hint: 'Go on without; your answer can tell it to the person.' },
    })
    if (!memory) return failed('nothing is remembered here')
    try {
      const kept = await memory.remember(
        ownScope({ by, repo: repo?.url }),
        { kind: 'other', text, confidence: CONFIDENCE },
        { id: runId, runId, sessionId },
      )
      if (kept.what === 'dropped') return failed(kept.why)
      return { output: `Remembered: ${kept.fact.text}`, data: { factId: kept.fact.id, what: kept.what } }
    } catch (error) {
      return failed((error as Error).message)
    }
  },
})
