/** From the name that a model gave to the tool it meant: leaks of its chat format go, spellings and aliases are known. */
import { allTools, toolNamed } from '../../tools/registry.ts'
import { isAlias, squeezed } from './aliases.ts'

/** Groups of tools that other harnesses put before a name. `browser.` and the like are not: they mean the web. */
const ROOMS =
  /^(?:functions?|tools?|default_api|api|stint|repo_browser|container|file_?system|fs|files?|shell|terminal|editor|workspace|code|assistant|commentary|mcp(?:__\w+?)?)(?:\.|:|\/|::|__|->)+(?=.)/i
/** What is left when a name got lost. */
const NAMELESS = new Set(
  'json code commentary analysis final assistant function functions tool tools tool_call toolcall call arguments unnamed null undefined python_tag'.split(
    ' ',
  ),
)

/** `tail` is text of arguments that was glued to the name. Without a name it got lost. */
export type Cleaned = { name?: string; tail?: string; leak: boolean }

/** `<|channel|>commentary to=functions.read_file <|constrain|>json` is `read_file`; a clean name is itself. */
export function cleanName(given: string): Cleaned {
  let text = given.trim()
  const leak = /<[|｜]|[|｜]>|\bto=|^<|<\/?function/.test(text)
  text = /\bto=([\w.:/-]+)/.exec(text)?.[1] ?? text
  // What comes before the first control token is the name; where nothing does, what is between them.
  text = text.replace(/<[|｜][^>]*?(?:[|｜]>|$)/g, '\n').replace(/^<(?:function[=/ (]|tool[ =])?|<\/\w+>?$/g, '')
  text = text.split(/\n/).find((part) => part.trim() !== '' && !nameless(part)) ?? ''
  const [, quoted = '', name = '', tail = ''] =
    /^\s*(["'`]?)\s*([A-Za-z_][\w .:/-]*?|)\s*["'`]?\s*(?:\(\s*\)|[>=:,;)]*)\s*([{([][\s\S]*)?$/.exec(text) ?? []
  const bare = withoutIndex(name)
  if (bare === '' || nameless(bare)) return { leak: leak || given !== '', ...(tail ? { tail } : {}) }
  return { name: bare, ...(tail ? { tail } : {}), leak: leak || quoted !== '' || bare !== given }
}

const nameless = (name: string): boolean => NAMELESS.has(name.trim().toLowerCase())
/** Kimi's ids (`functions.read_file:0`) turn up as names. */
const withoutIndex = (name: string): string =>
  name.replace(/:\d+$/, '').replace(/\s+(?:json|code|commentary|analysis)$/, '')

let spellings: Map<string, string> | undefined

/** The tool of ours by this name in any spelling; undefined when none has it. */
export function spelled(name: string): string | undefined {
  if (toolNamed(name)) return name
  spellings ??= new Map(allTools().map(({ definition }) => [squeezed(definition.name), definition.name]))
  return spellings.get(squeezed(name))
}

/** The names to try, nearest first: as given, then without the rooms before it, then without what was glued behind it. */
export function variants(name: string): string[] {
  const list = [name.replace(/:\d+$/, '')]
  for (let last = list[0] ?? ''; ROOMS.test(last); list.push(last)) last = last.replace(ROOMS, '')
  const trimmed = list.map((one) => one.replace(/(?:_?tool|_?function|json|commentary|analysis)$/i, ''))
  return [...new Set([...list, ...trimmed])].filter((one) => one !== '')
}

/** A tool of ours, or one that we know under another name. */
export const isKnown = (name: string): boolean =>
  variants(name).some((one) => spelled(one) !== undefined || isAlias(one))
