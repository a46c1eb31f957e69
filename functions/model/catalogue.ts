/** What is known of a model by its id, and what a call of it costs. */
import type { Usage } from '../core/types.ts'
import { MODELS, type ModelProfile } from './models.ts'

export const STRONG_DEFAULT = 'openai/gpt-oss-120b'
export const FAST_DEFAULT = 'openai/gpt-oss-20b'
export const FALLBACKS_DEFAULT = ['openai/gpt-oss-20b', 'qwen/qwen3.8-27b']

/** The bundled scripted model: chosen by name, never by default, free. */
export const SCRIPTED = 'scripted'
export const isScripted = (id: string): boolean => id === SCRIPTED || id.startsWith(`${SCRIPTED}:`)

const FREE = { input: 0, cached: 0, output: 0 }
/** A model whose price is not known counts as the dearest one that is, so that no limit is passed unseen. */
const DEAREST = MODELS.reduce((a, b) => (b.usdPerMillion.output > a.usdPerMillion.output ? b : a)).usdPerMillion

export const profileOf = (id: string): ModelProfile =>
  MODELS.find((profile) => profile.id === id) ?? {
    id,
    contextTokens: 131_072,
    outputTokens: 16_384,
    usdPerMillion: isScripted(id) ? FREE : DEAREST,
    dialect: 'plain',
    efforts: [],
    parallelCalls: false,
    strictSchema: false,
  }

/** Dollars for what a call used; cached tokens are part of the input tokens. */
export function costOf(id: string, { inputTokens, cachedTokens, outputTokens }: Omit<Usage, 'costUsd'>): number {
  const { input, cached, output } = profileOf(id).usdPerMillion
  const millionths = (inputTokens - cachedTokens) * input + cachedTokens * cached + outputTokens * output
  return Number((millionths / 1_000_000).toFixed(9))
}
