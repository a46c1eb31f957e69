/**
 * What a model answered, or failed to, as calls of ours: native calls first, then calls in its text, then those in the
 * text that Groq could not read (`failed_generation`). Pure; the rules are in the files beside this one.
 */
import type { ModelAnswer, ModelRefusal } from '../../ports.ts'
import { type Understood, understand } from './call.ts'
import { salvage, withoutThoughts } from './salvage.ts'

export type Read = { content: string; calls: Understood[] }
export type Rescued = ({ ok: true } & Read) | { ok: false; why?: string }

export function readAnswer({ content: given, calls: said, truncated }: ModelAnswer): Read {
  const content = withoutThoughts(given)
  if (said.length > 0) return { content, calls: said.flatMap((call) => understand(call, { whole: !truncated })) }
  if (truncated || content.trim() === '') return { content, calls: [] }
  const found = salvage(content, { strict: true })
  return {
    content: found.text,
    calls: found.calls.map((call) => asText(call, 'dialect' in found ? found.dialect : '')),
  }
}

/**
 * The calls in a refusal's `failed_generation`; without them the model must say it again, and `why` tells it what was
 * wrong. The server ended what ran into its limit: that is cut, whatever it looks like.
 */
export function readRefusal({ message, failedGeneration: text }: ModelRefusal): Rescued {
  if (!text?.trim() || /max(?:imum)?[_ ]?(?:completion[_ ])?tokens/i.test(message)) return { ok: false }
  const found = salvage(text, { strict: false, hint: namedIn(message) })
  if (!('dialect' in found)) return { ok: false, ...(found.why === undefined ? {} : { why: found.why }) }
  if (found.calls.length === 0) return { ok: false }
  return { ok: true, content: found.text, calls: found.calls.map((call) => asText(call, found.dialect)) }
}

const asText = (call: Understood, dialect: string): Understood =>
  call.problem ? call : { ...call, mended: [`text as ${dialect}`, ...(call.mended ?? [])] }

/** The tool that Groq's error names. */
const namedIn = (message: string): string | undefined =>
  /parameters for tool [`'"]?([\w.:-]+)[`'"]? did not match/.exec(message)?.[1] ??
  /attempted to call tool [`'"]([^`'"]+)[`'"]/.exec(message)?.[1]
