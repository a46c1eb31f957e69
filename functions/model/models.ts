/**
 * What is known of each model: the one table that is edited when models come and go. Prices are US dollars per million
 * tokens, limits those of the developer plan and of a free key. What a server really offers is read from its own list
 * at the start (`offer.ts`).
 */
export type Effort = 'low' | 'medium' | 'high'

export type ModelProfile = {
  id: string
  contextTokens: number
  outputTokens: number
  usdPerMillion: { input: number; cached: number; output: number }
  /** Tokens a second, about. */
  speed?: number
  /** A minute: tokens and requests; a free key has its own. */
  perMinute?: { tokens: number; requests: number; freeTokens: number }
  /** How it writes calls: Harmony wants its server's own checks of tool names off, for it calls those of its training. */
  dialect: 'harmony' | 'hermes' | 'plain'
  /** What may be asked for as reasoning effort; `usual` is what it does unasked. */
  efforts: readonly Effort[]
  usualEffort?: Effort
  /** Calls side by side in one message. */
  parallelCalls: boolean
  /** An answer held to a JSON schema by the server; then no tools and no stream. */
  strictSchema: boolean
  preview?: boolean
  source?: string
}

const GROQ =
  'console.groq.com/docs/models, /rate-limits, /reasoning, /structured-outputs, /prompt-caching, read 2026-11-22'
const GPT_OSS = {
  contextTokens: 131_072,
  outputTokens: 65_536,
  perMinute: { tokens: 250_000, requests: 1000, freeTokens: 8000 },
  dialect: 'harmony',
  efforts: ['low', 'medium', 'high'],
  usualEffort: 'medium',
  parallelCalls: false,
  strictSchema: true,
  source: GROQ,
} as const

export const MODELS: readonly ModelProfile[] = [
  { id: 'openai/gpt-oss-120b', ...GPT_OSS, usdPerMillion: { input: 0.15, cached: 0.075, output: 0.6 }, speed: 500 },
  { id: 'openai/gpt-oss-20b', ...GPT_OSS, usdPerMillion: { input: 0.075, cached: 0.0375, output: 0.3 }, speed: 1000 },
  {
    id: 'qwen/qwen3.8-27b',
    contextTokens: 131_042,
    outputTokens: 16_384,
    // Its price for cached input is not on the page of prompt caching: it counts in full.
    usdPerMillion: { input: 0.8, cached: 0.8, output: 4 },
    speed: 450,
    perMinute: { tokens: 250_000, requests: 1000, freeTokens: 8000 },
    dialect: 'hermes',
    efforts: ['low', 'medium', 'high'],
    usualEffort: 'medium',
    parallelCalls: true,
    strictSchema: true,
    preview: true,
    source: GROQ,
  },
]

/** Models that were taken away, when, and what stands in. Source: console.groq.com/docs/deprecations, read 2026-11-22. */
export const RETIRED: Readonly<Record<string, { since: string; instead: string }>> = {
  'llama-3.1-8b-instant': { since: '2026-08-16', instead: 'openai/gpt-oss-20b' },
  'llama-3.3-70b-versatile': { since: '2026-08-16', instead: 'openai/gpt-oss-120b' },
  'qwen/qwen3.6-27b': { since: '2026-09-14', instead: 'qwen/qwen3.8-27b' },
  'qwen/qwen3-32b': { since: '2026-07-17', instead: 'qwen/qwen3.8-27b' },
  'meta-llama/llama-4-scout-17b-16e-instruct': { since: '2026-07-17', instead: 'openai/gpt-oss-20b' },
  'meta-llama/llama-4-maverick-17b-128e-instruct': { since: '2026-03-09', instead: 'openai/gpt-oss-120b' },
  'moonshotai/kimi-k2-instruct-0905': { since: '2026-04-15', instead: 'openai/gpt-oss-120b' },
  'moonshotai/kimi-k2-instruct': { since: '2026-04-15', instead: 'openai/gpt-oss-120b' },
  'groq/compound': { since: '2026-09-21', instead: 'openai/gpt-oss-120b' },
  'groq/compound-mini': { since: '2026-09-21', instead: 'openai/gpt-oss-20b' },
}
