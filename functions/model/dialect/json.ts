/** Calls written as JSON, in the several shapes of several harnesses. */

import { isPatch, type Said } from './call.ts'
import { type Found, none } from './harmony.ts'
import { isObject, readLoose } from './loose.ts'
import { isKnown } from './names.ts'

const NAMES = ['name', 'tool', 'tool_name', 'function', 'function_name', 'recipient_name', 'action', 'call', 'toolName']
const ARGUMENTS = [
  'arguments',
  'parameters',
  'args',
  'params',
  'input',
  'action_input',
  'tool_input',
  'kwargs',
  'toolInput',
]
const LISTS = ['tool_calls', 'calls', 'tool_uses', 'toolCalls', 'actions', 'tools']
const BESIDE = new Set(['id', 'type', 'index', 'call_id', 'thought', 'reasoning', 'explanation'])

/** What may stand after a call without meaning anything. */
const CLOSING = /^(?:\s|```|<[|｜][^>]*[|｜]>|<\/?[\w:]+>|[}\])"'`;,])*$/

export function findJson(text: string, strict: boolean): Found | undefined {
  const start = firstBracket(text)
  if (start === -1) return undefined
  const before = text
    .slice(0, start)
    .replace(/<[|｜][^>]*[|｜]>|\[TOOL_CALLS\]/g, '')
    .trim()
  const glued = /^([\w.:-]+)\s*[=:]?$/.exec(before)?.[1]
  const named = glued !== undefined && isKnown(glued) ? glued : undefined
  if (strict && before !== '' && named === undefined) return undefined
  const values: unknown[] = []
  let at = start
  for (;;) {
    const read = readLoose(text, at)
    if (!read.ok)
      return strict && values.length === 0 && !/"(?:name|arguments|parameters)"/.test(text) ? undefined : none(read.why)
    values.push(read.value)
    const gap = /^(?:\s|,|;|<[|｜][^>]*[|｜]>|<\/?\w+>)*/.exec(text.slice(read.end))?.[0].length ?? 0
    const next = read.end + gap
    if (text[next] === '{' || text[next] === '[') {
      at = next
      continue
    }
    const rest = text.slice(read.end)
    if (CLOSING.test(rest)) break
    if (strict) return undefined
    // Words after the call are words, unless they hold another one.
    if (/[{[]\s*["'{]/.test(rest)) return none('ambiguous')
    break
  }
  const said =
    named !== undefined && values.length === 1 && isObject(values[0]) ? [call(named, values[0])] : callsIn(values)
  if (said === undefined) return strict || !values.some(isObject) ? undefined : nameless(values, before)
  return { said, text: named === undefined && !isLabel(before) ? before : '' }
}

/** Where JSON begins: the first bracket that something like JSON follows. */
function firstBracket(text: string): number {
  return text.search(/\{\s*(?:["'“}]|\w+["']?\s*:)|\[\s*[{\]]/)
}

/** Words that only announce the call. */
const isLabel = (text: string): boolean =>
  /^(?:json|tool_?calls?|function_?calls?|call|arguments?)?\s*[:=]?$/i.test(text)

/** One object without a name: its arguments may tell, or the server's error does. */
function nameless(values: unknown[], before: string): Found | undefined {
  const [only] = values
  if (values.length !== 1 || !isObject(only)) return none('ambiguous')
  return { said: [call('', only)], text: isLabel(before) ? '' : before }
}

const call = (name: string, args: unknown): Said => ({
  id: '',
  name,
  arguments: typeof args === 'string' ? args : JSON.stringify(args ?? {}),
})

/** All of the values as calls; undefined when one of them is none. */
function callsIn(values: unknown[]): Said[] | undefined {
  const said: Said[] = []
  for (const value of values) {
    const calls = callsOf(value)
    if (!calls) return undefined
    said.push(...calls)
  }
  return said.length > 0 ? said : undefined
}

function callsOf(value: unknown): Said[] | undefined {
  if (Array.isArray(value)) return callsIn(value)
  if (!isObject(value)) return undefined
  const list = LISTS.map((key) => value[key]).find(Array.isArray)
  if (list) return callsIn(list)
  for (const key of ['function', 'function_call', 'tool_call', 'tool_code', 'action'])
    if (isObject(value[key])) return callsOf(value[key])
  const nameKey = NAMES.find((key) => typeof value[key] === 'string')
  const argsKey = ARGUMENTS.find(
    (key) => isObject(value[key]) || typeof value[key] === 'string' || Array.isArray(value[key]),
  )
  const name = nameKey === undefined ? undefined : String(value[nameKey])
  if (
    name !== undefined &&
    argsKey !== undefined &&
    (isKnown(cleaned(name)) || isObject(value[argsKey]) || bracketed(value[argsKey]))
  )
    return [call(name, value[argsKey])]
  const rest = Object.entries(value).filter(([key]) => key !== nameKey && !BESIDE.has(key))
  if (name !== undefined && isKnown(cleaned(name)))
    return [call(name, Object.fromEntries(rest.filter(([, part]) => part !== null)))]
  // `{"read_file": {"path": "a"}}`
  const [only] = Object.entries(value)
  if (Object.keys(value).length === 1 && only && isKnown(only[0]) && isObject(only[1])) return [call(only[0], only[1])]
  return undefined
}

const bracketed = (value: unknown): boolean => typeof value === 'string' && (/^\s*\{/.test(value) || isPatch(value))
const cleaned = (name: string): string => name.replace(/<[|｜].*$/s, '')
