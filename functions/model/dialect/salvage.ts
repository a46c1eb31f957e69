/**
 * Calls that came as text: in Groq's `failed_generation`, or in the content of an answer. Each dialect is recognized by
 * what no prose has; the first that recognizes the text decides. A text of which a part was cut off, or that could be
 * read in two ways, gives no call at all.
 */
import { isPatch, type Said, type Understood, understand } from './call.ts'
import { type Found, findHarmony, none } from './harmony.ts'
import { findJson } from './json.ts'
import { findMarkup } from './markup.ts'
import { findPython } from './python.ts'

export type Salvaged =
  | { calls: Understood[]; text: string; dialect: string }
  /** No call; `why` when it looked like one. */
  | { calls: []; text: string; why?: string }

const DIALECTS: [name: string, find: (text: string, strict: boolean) => Found | undefined][] = [
  ['harmony', findHarmony],
  ['markup', findMarkup],
  ['patch', findPatch],
  ['fence', findFence],
  ['react', findReact],
  ['python', findPython],
  ['json', findJson],
]

/**
 * `strict`: the text may well be an answer to a person, so only what is a call and nothing else counts. `hint` is the
 * tool that the server's error names.
 */
export function salvage(given: string, { strict, hint }: { strict: boolean; hint?: string | undefined }): Salvaged {
  const text = withoutThoughts(given)
  for (const [dialect, find] of DIALECTS) {
    const found = find(text, strict)
    if (!found) continue
    if (found.why !== undefined) return strict ? { calls: [], text } : { calls: [], text, why: found.why }
    const calls = found.said.flatMap((said) => understand(said, { whole: true, hint }))
    const problem = calls.find((call) => call.problem)?.problem
    if (problem) return { calls: [], text, why: problem }
    return { calls: unique(calls), text: found.text, dialect }
  }
  return { calls: [], text }
}

/** The same call said twice over is one. */
const unique = (calls: Understood[]): Understood[] =>
  calls.filter(
    (call, i) => calls.findIndex((other) => other.name === call.name && other.arguments === call.arguments) === i,
  )

/** Thoughts are no part of an answer: Qwen's blocks, and the channel of Harmony where only text came of it. */
export const withoutThoughts = (text: string): string =>
  text
    .replace(/^\s*<think(?:ing)?>[\s\S]*?<\/think(?:ing)?>\s*/i, '')
    .replace(/^[\s\S]*?<\/think>\s*/i, (all) => (all.includes('<think') ? all : ''))

function findPatch(text: string, strict: boolean): Found | undefined {
  const at = text.search(/(?:^|\n)(?:```\w*\n|apply_patch\s*<<-?\s*['"]?\w+['"]?\s*\n)?\*\*\* Begin Patch\r?\n/)
  if (at === -1) return undefined
  const before = text.slice(0, at).trim()
  const inner = text.slice(text.indexOf('*** Begin Patch', at)).replace(/\s*(?:\n```|\n(?:EOF|PATCH))\s*$/, '')
  if (strict && before !== '') return undefined
  if (!isPatch(inner)) return none('cut')
  if ((inner.match(/^\*\*\* Begin Patch/gm) ?? []).length > 1) return none('ambiguous')
  return { said: [{ id: '', name: 'apply_patch', arguments: JSON.stringify({ patch: inner.trim() }) }], text: before }
}

/** One block between fences, with or without words around it. */
function findFence(text: string, strict: boolean): Found | undefined {
  const blocks = [...text.matchAll(/(?:^|\n)```([\w-]*)[ \t]*\n([\s\S]*?)(?:\n```(?=\s|$)|$)/g)]
  if (blocks.length === 0) return undefined
  const inside = blocks.map(([, language = '', body = '']) =>
    /^(bash|sh|shell|console)$/.test(language) ? undefined : inner(body),
  )
  const calls = inside.filter((found) => found !== undefined)
  if (calls.length === 0) return undefined
  const [block] = blocks
  const around = text.replace(block?.[0] ?? '', '\n').trim()
  if (strict && (blocks.length > 1 || around !== '')) return undefined
  if (blocks.length > 1) return none('ambiguous')
  const found = calls[0]
  return !found || found.why !== undefined ? found : { ...found, text: around }
}

const inner = (body: string): Found | undefined =>
  findMarkup(body, true) ?? findJson(body, true) ?? findPython(body, true)

/** Thought, Action, Action Input, and the like with other labels. */
function findReact(text: string, strict: boolean): Found | undefined {
  const actions = [
    ...text.matchAll(
      /(?:^|\n)\s*(?:Action|Tool|Function|Tool [Nn]ame|Name):\s*`?([\w.:-]+)`?\s*\n+\s*(?:Action Input|Arguments|Args|Parameters|Input):\s*/g,
    ),
  ]
  const [first] = actions
  if (!first || strict) return undefined
  const at = (first.index ?? 0) + first[0].length
  const rest = text.slice(at).replace(/\n\s*Observation:\s*$/, '')
  if (actions.length > 1 || /\n\s*(Observation|Final Answer):/.test(rest)) return none('ambiguous')
  const said: Said = { id: '', name: first[1] ?? '', arguments: rest.trim() }
  return {
    said: [said],
    text: text
      .slice(0, first.index ?? 0)
      .replace(/^\s*Thought:\s*/, '')
      .trim(),
  }
}
