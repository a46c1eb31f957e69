/**
 * The built-in embedding: identifier parts and character n-grams, hashed. It needs no model and no network, and finds what
 * is spelled alike: no synonyms. It is the one that code search ranks with.
 */
import { createHash } from 'node:crypto'
import { embed } from '../../sandbox-runner/code/embed.ts'
import { countTerms } from '../../sandbox-runner/code/tokens.ts'
import type { Embedder } from '../ports.ts'

/** What stands further back in a long text counts no more. */
const TEXT_CHARS_MAX = 20_000

export function lexicalEmbedder(): Embedder {
  // Whoever changes how words are hashed makes vectors that may not be compared with older ones: so the name tells.
  const sample = createHash('sha256').update(JSON.stringify(vectorOf('parseConfig reads the file twice')))
  return {
    name: `lexical-${sample.digest('hex').slice(0, 8)}`,
    embed: async (texts) => texts.map(vectorOf),
  }
}

function vectorOf(text: string): number[] {
  const counts = new Map<string, number>()
  countTerms(text.slice(0, TEXT_CHARS_MAX), counts)
  // A word said often counts more, but not as often as it is said.
  return [...embed([...counts].map(([word, count]) => [word, 1 + Math.log(count)] as const))]
}
