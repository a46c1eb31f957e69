/**
 * One call as the model said it, turned into a call of ours. Everything that had to be mended is told; what was cut off
 * or could mean two things stays as it was said, with the reason why it is not performed.
 */
import { offeredTools, toolNamed } from '../../tools/registry.ts'
import { isAlias, type Translated, translate } from './aliases.ts'
import { isObject, readLoose } from './loose.ts'
import { cleanName, spelled, variants } from './names.ts'
import { schemaOf, shape } from './shapes.ts'

export type Said = { id: string; name: string; arguments: string }
export type Understood = Said & {
  /** What was mended, in words; left out when nothing was. */
  mended?: string[]
  /** Why it must not be performed, whatever it looks like. */
  problem?: string
}
type Args = Record<string, unknown>

/** `whole`: the server says that the answer ended by itself; brackets that are missing then were forgotten, not cut. */
export function understand(said: Said, { whole, hint }: { whole: boolean; hint?: string | undefined }): Understood[] {
  const { name, tail, leak } = cleanName(said.name)
  const mended = leak ? ['name'] : []
  const text = tail && /^\s*(\{\s*\})?\s*$/.test(said.arguments) ? tail : said.arguments
  const read = readArguments(text, name ?? hint, whole)
  if ('problem' in read) return [{ ...said, problem: read.problem }]
  mended.push(...read.mended)
  const together = uses(name, read.args)
  if (together)
    return together
      .flatMap((use, i) => understand({ ...use, id: i === 0 ? said.id : '' }, { whole }))
      .map((call) => withMended(call, ['several calls in one']))
  const meant = meaning(name ?? hint, read.args)
  if (!meant) return [{ ...said, ...(name && name !== said.name ? { name } : {}) }]
  if (meant.tool !== name) mended.push(name ? `${name} as ${meant.tool}` : 'name by its arguments')
  if (JSON.stringify(meant.args) !== JSON.stringify(read.args)) mended.push('form of another tool')
  const shaped = shape(meant.tool, meant.args)
  if ('problem' in shaped) return [{ ...said, name: meant.tool, problem: shaped.problem }]
  const call = { id: said.id, name: shaped.tool, arguments: JSON.stringify(shaped.args) }
  const all = [...mended, ...shaped.mended]
  // What needed no mending keeps its bytes.
  if (all.length === 0) return [said]
  return [withMended(call, all)]
}

const withMended = (call: Understood, more: string[]): Understood =>
  call.problem ? call : { ...call, mended: [...new Set([...more, ...(call.mended ?? [])])] }

/** Which tool is meant: by name in any spelling, by alias, or, where the name got lost, by arguments that fit only one. */
function meaning(name: string | undefined, args: Args): Translated | undefined {
  for (const one of name === undefined ? [] : variants(name)) {
    const known = spelled(one)
    // An edit has many forms, and a shell line under the name of one of our tools is one still.
    if (known === 'edit_file') return translate(one, args) ?? { tool: known, args }
    // A command under the name of what has none is one all the same.
    if (known === 'run_tests' && typeof args.command === 'string') return { tool: 'run_command', args }
    if (known) return { tool: known, args }
    const alias = translate(one, args)
    if (alias) return alias
    if (isAlias(one)) return undefined
  }
  if (name !== undefined) return undefined
  const keys = Object.keys(args)
  if (keys.length === 0) return undefined
  if (Array.isArray(args.cmd)) return { tool: 'run_command', args }
  const fits = offeredTools().filter((tool) => {
    const { properties, required } = schemaOf(tool.name)
    return required.every((key) => key in args) && keys.every((key) => key in properties)
  })
  return fits.length === 1 && fits[0] ? { tool: fits[0].name, args } : undefined
}

/** OpenAI's `multi_tool_use.parallel`: several calls as the arguments of one. */
function uses(name: string | undefined, args: Args): Said[] | undefined {
  const list = args.tool_uses
  if (!Array.isArray(list) || (name && !/multi_?tool_?use|parallel/i.test(name))) return undefined
  return list.filter(isObject).map((use) => ({
    id: '',
    name: String(use.recipient_name ?? use.name ?? ''),
    arguments: JSON.stringify(use.parameters ?? use.arguments ?? {}),
  }))
}

const CUT = 'the arguments were cut off'
const TWICE = 'the arguments could be read in two ways'
/** What models leave around their arguments: fences, a label, control tokens, a stray bracket or quote. */
const BEFORE = /^(?:\s|```\w*|json\b|arguments\s*[:=]|\(|\[\](?=\s*\{)|<[|｜][^>]*[|｜]>|:|=)+/i
const AFTER = /^(?:\s|```|\/\/[^\n]*|<[|｜][^>]*[|｜]?>?|<\/?[\w:]+>?|[}\])"'`;,.])*$/

function readArguments(
  text: string,
  name: string | undefined,
  whole: boolean,
): { args: Args; mended: string[] } | { problem: string } {
  if (text.trim() === '') return { args: {}, mended: [] }
  const patch = /^\s*```\w*\n([\s\S]*?)\n```\s*$/.exec(text)?.[1] ?? text
  if (isPatch(patch)) return { args: { patch }, mended: ['patch without JSON'] }
  const start = BEFORE.exec(text)?.[0].length ?? 0
  const mended = text.slice(0, start).trim() === '' ? [] : ['text before']
  let read = readLoose(text, start)
  // `{}{"path": "a"}`: some servers begin every call with an empty object.
  if (read.ok && isObject(read.value) && Object.keys(read.value).length === 0 && text[read.end] === '{') {
    mended.push('text before')
    read = readLoose(text, read.end)
  }
  // `{{"path": "a"}}`, from a template.
  if (!read.ok && /^\s*\{\s*\{/.test(text.slice(start))) {
    mended.push('brackets')
    read = readLoose(text, text.indexOf('{', text.indexOf('{', start) + 1))
  }
  if (!read.ok)
    return {
      problem:
        read.why === 'cut' && /^[{["'“]/.test(text.slice(start))
          ? CUT
          : read.why === 'ambiguous'
            ? TWICE
            : noObject(text),
    }
  if (!whole && read.mended.includes('brackets')) return { problem: CUT }
  const rest = text.slice(read.end)
  if (!AFTER.test(rest)) {
    const next = readLoose(rest.trimStart())
    if (!next.ok || JSON.stringify(next.value) !== JSON.stringify(read.value)) return { problem: noObject(text) }
    mended.push('said twice')
  } else if (rest.trim() !== '') mended.push('text after')
  const value = unquoted(read.value, name)
  if (value === undefined) return { problem: noObject(text) }
  if (value !== read.value) mended.push('quoted')
  return { args: value, mended: [...mended, ...read.mended] }
}

/** An object that came as a string, or as the only part of a list; a string alone where the tool takes just one. */
function unquoted(value: unknown, name: string | undefined): Args | undefined {
  if (isObject(value)) return value
  if (Array.isArray(value)) return value.length === 1 && isObject(value[0]) ? value[0] : undefined
  if (typeof value !== 'string') return undefined
  const inner = readLoose(value)
  if (
    inner.ok &&
    !inner.mended.includes('brackets') &&
    value.slice(inner.end).trim() === '' &&
    value.trimStart() !== value.slice(0, 0)
  )
    if (isObject(inner.value) || (typeof inner.value === 'string' && inner.value !== value))
      return unquoted(inner.value, name)
  if (/^\s*[{[]/.test(value)) return undefined
  const only = name === undefined ? undefined : onlyText(name)
  return only ? { [only]: value } : undefined
}

function onlyText(name: string): string | undefined {
  const tool = meaning(name, {})?.tool
  const { required, properties } = tool && toolNamed(tool) ? schemaOf(tool) : { required: [], properties: {} }
  return required.length === 1 && properties[required[0] ?? '']?.type === 'string' ? required[0] : undefined
}

/** gpt-oss writes patches as they are, where JSON was asked for. Both its first and its last line prove that it is whole. */
export const isPatch = (text: string): boolean => /^\s*\*\*\* Begin Patch\r?\n[\s\S]*\n\*\*\* End Patch\s*$/.test(text)

const noObject = (text: string): string => `the arguments are no JSON object: ${text.slice(0, 200)}`
