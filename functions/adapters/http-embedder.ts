/**
 * Embeddings from any server that speaks POST /v1/embeddings (OpenAI, Together, Mistral, Jina, Voyage, Ollama, vLLM, TEI).
 * What it answers is checked: as many vectors as texts, of one size, of numbers.
 */
import { z } from 'zod'
import type { Clock, Embedder } from '../ports.ts'
import { askJson } from './http-json.ts'

const TEXTS_AT_ONCE = 64
const TEXT_CHARS_MAX = 16_000
const REQUEST_MS_MAX = 10_000

const Answer = z.object({ data: z.array(z.object({ index: z.number().int(), embedding: z.array(z.number()).min(1) })) })

export type HttpEmbedderOptions = { url: string; model: string; apiKey?: string }

export function httpEmbedder(
  { url, model, apiKey }: HttpEmbedderOptions,
  clock: Pick<Clock, 'sleep'>,
  msMax = REQUEST_MS_MAX,
): Embedder {
  const to = addressOf(url)
  const where = `the embeddings server at ${new URL(url).host}`
  const headers: Record<string, string> = apiKey ? { authorization: `Bearer ${apiKey}` } : {}
  let size: number | undefined

  async function batch(texts: string[]): Promise<number[][]> {
    // Some servers refuse an empty text.
    const input = texts.map((text) => text.slice(0, TEXT_CHARS_MAX).trim() || '-')
    const parsed = Answer.safeParse(await askJson({ where, headers, msMax, clock }, to, { body: { model, input } }))
    const vectors = parsed.success
      ? parsed.data.data.toSorted((a, b) => a.index - b.index).map(({ embedding }) => embedding)
      : []
    if (vectors.length !== texts.length) throw new Error(`${where} did not answer one vector for each text`)
    size ??= vectors[0]?.length
    if (vectors.some(({ length }) => length !== size))
      throw new Error(`${where} answered vectors of different sizes under one model name (${model})`)
    return vectors.map(ofLengthOne)
  }

  return {
    name: model,
    async embed(texts) {
      const made: number[][] = []
      for (let at = 0; at < texts.length; at += TEXTS_AT_ONCE)
        made.push(...(await batch(texts.slice(at, at + TEXTS_AT_ONCE))))
      return made
    },
  }
}

/** The address as people give it: of the endpoint itself, of what it is under, or of the server alone. */
function addressOf(url: string): string {
  const base = url.replace(/\/+$/, '')
  if (base.endsWith('/embeddings')) return base
  return new URL(base).pathname === '/' ? `${base}/v1/embeddings` : `${base}/embeddings`
}

function ofLengthOne(vector: number[]): number[] {
  const length = Math.hypot(...vector)
  return length > 0 ? vector.map((number) => number / length) : vector
}
