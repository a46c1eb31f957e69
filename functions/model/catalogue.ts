/**
 * What is known of each model: one table, checked against the server's own list when the process starts.
 * Prices are US dollars per million tokens. Source: console.groq.com/docs/models, /docs/deprecations and
 * /docs/prompt-caching, read 2026-11-22.
 */
import type { Usage } from '../core/types.ts'

export type ModelProfile = {
  id: string
  contextTokens: number
  outputTokens: number
  usdPerMillion: { input: number; cached: number; output: number }
  /** Calls side by side in one message. */
  parallelCalls: boolean
  preview?: boolean
}

export const CATALOGUE: readonly ModelProfile[] = [
  {
    id: 'openai/gpt-oss-120b',
    contextTokens: 131_072,
    outputTokens: 65_536,
    usdPerMillion: { input: 0.15, cached: 0.075, output: 0.6 },
    parallelCalls: false,
  },
  {
    id: 'openai/gpt-oss-20b',
    contextTokens: 131_072,
    outputTokens: 65_536,
    usdPerMillion: { input: 0.075, cached: 0.0375, output: 0.3 },
    parallelCalls: false,
  },
  {
    id: 'qwen/qwen3.8-27b',
    contextTokens: 131_042,
    outputTokens: 16_384,
    usdPerMillion: { input: 0.8, cached: 0.8, output: 4 },
    parallelCalls: true,
    preview: true,
  },
]

export const STRONG_DEFAULT = 'openai/gpt-oss-120b'
export const FAST_DEFAULT = 'openai/gpt-oss-20b'
export const FALLBACKS_DEFAULT = ['openai/gpt-oss-20b', 'qwen/qwen3.8-27b']

/** The bundled scripted model: chosen by name, never by default, free. */
export const SCRIPTED = 'scripted'
export const isScripted = (id: string): boolean => id === SCRIPTED || id.startsWith(`${SCRIPTED}:`)

const FREE = { input: 0, cached: 0, output: 0 }
/** A model whose price is not known counts as the dearest one that is, so that no limit is passed unseen. */
const DEAREST = CATALOGUE.reduce((a, b) => (b.usdPerMillion.output > a.usdPerMillion.output ? b : a)).usdPerMillion

export const profileOf = (id: string): ModelProfile =>
  CATALOGUE.find((profile) => profile.id === id) ?? {
    id,
    contextTokens: 131_072,
    outputTokens: 16_384,
    usdPerMillion: isScripted(id) ? FREE : DEAREST,
    parallelCalls: false,
  }

/** Dollars for what a call used; cached tokens are part of the input tokens. */
export function costOf(id: string, { inputTokens, cachedTokens, outputTokens }: Omit<Usage, 'costUsd'>): number {
  const { input, cached, output } = profileOf(id).usdPerMillion
  const millionths = (inputTokens - cachedTokens) * input + cachedTokens * cached + outputTokens * output
  return Number((millionths / 1_000_000).toFixed(9))
}
