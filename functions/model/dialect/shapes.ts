/**
 * Arguments as other harnesses shape them, in the shape of our tools: unwrapped, keys by our names, values by the
 * schema. What two readings are possible of is a problem, and no call.
 */
import { inputSchema, toolNamed } from '../../tools/registry.ts'
import { commandOf, patchIn, squeezed } from './aliases.ts'
import { coerce, DROP, objectIn, type Schema } from './coerce.ts'
import { isObject } from './loose.ts'

type Args = Record<string, unknown>
/** `mended` says what was done, in words for the record. */
export type Shaped = { args: Args; mended: string[]; tool: string } | { problem: string }

const schemas = new Map<string, { properties: Record<string, Schema>; required: string[] }>()
export function schemaOf(tool: string): { properties: Record<string, Schema>; required: string[] } {
  let known = schemas.get(tool)
  if (!known) {
    const entry = toolNamed(tool)
    const { properties = {}, required = [] } = entry ? inputSchema(entry.definition) : {}
    known = { properties: properties as Record<string, Schema>, required: required as string[] }
    schemas.set(tool, known)
  }
  return known
}

const WRAPPERS = new Set(
  'arguments args parameters params input inputs kwargs tool_input action_input properties'.split(' '),
)
/** A schema filled in as if it were the arguments. */
const OF_SCHEMAS = new Set(['type', 'required', 'additionalProperties', 'description', 'title'])
/** Other words for our parameters. */
const WORDS: Record<string, string> = {
  path: 'file_path filepath file filename file_name target_file absolute_path relative_path relative_workspace_path dir directory dir_path directory_path folder target uri',
  paths: 'files file_paths filenames path file_path',
  content: 'contents text file_text code data body new_content file_content',
  oldText: 'old_text old_str old_string old search find original before',
  newText: 'new_text new_str new_string new replace replacement updated after',
  replaceAll: 'replace_all all',
  offset: 'start_line line_start start from_line line begin_line start_line_one_indexed begin line_number',
  limit: 'max_lines line_count num_lines count max_results max_count head_limit top_k num_results',
  command: 'cmd script shell_command command_line bash code input commands',
  cwd: 'workdir working_directory work_dir working_dir dir directory path',
  timeoutSec: 'timeout timeout_ms timeout_seconds timeout_secs timeout_s',
  pattern: 'regex query search text term q regexp search_term search_query keyword',
  glob: 'include file_pattern file_glob glob_pattern includes file_types pattern',
  query: 'q search_query text pattern search question keywords',
  patch: 'input diff content text patch_text',
  question: 'prompt message text query',
  message: 'commit_message msg',
  filter: 'name test_name pattern test',
  items: 'todos todo tasks plan steps todo_list',
  choices: 'options follow_up suggestions',
  base: 'ref commit from',
}

export function shape(tool: string, given: Args): Shaped {
  const mended = new Set<string>()
  const { properties, required } = schemaOf(tool)
  const bare = unwrap(tool, given, mended)
  if ('problem' in bare) return bare
  const named = rename(bare.args, properties, mended)
  if ('problem' in named) return named
  let { args } = named
  if (tool === 'read_file' && Array.isArray(args.path) && args.path.length > 1)
    return { tool: 'read_files', args: { paths: args.path }, mended: [...mended, 'several paths'] }
  if (tool === 'run_command') {
    const command = commandOf(args.command)
    if (command !== undefined && command !== args.command) mended.add('command of words')
    const patch = command === undefined ? undefined : patchIn(command)
    if (patch === undefined && /^\s*apply_patch\s/.test(command ?? '') && /\*\*\* Begin Patch/.test(command ?? ''))
      return { problem: 'the patch was cut off' }
    if (patch !== undefined) return { tool: 'apply_patch', args: { patch }, mended: [...mended, 'patch in a command'] }
    args = { ...args, ...(command === undefined ? {} : { command }) }
  }
  const fitted = Object.fromEntries(
    Object.entries(args).flatMap(([key, value]): [string, unknown][] => {
      const to = coerce(value, properties[key] ?? {}, key, { args, optional: !required.includes(key) })
      if (to === DROP) {
        mended.add(value === null ? 'nulls' : 'empty values')
        return []
      }
      if (to !== value) mended.add(`type of ${key}`)
      return [[key, to]]
    }),
  )
  return { tool, args: fitted, mended: [...mended] }
}

/** Takes the arguments out of what was put around them: a wrapper, the tool's own name, a whole call. */
function unwrap(tool: string, given: Args, mended: Set<string>): { args: Args } | { problem: string } {
  const { properties } = schemaOf(tool)
  let args = given
  for (let depth = 0; depth < 3; depth++) {
    const keys = Object.keys(args)
    const name = ['name', 'tool', 'tool_name', 'function', 'recipient_name'].find(
      (key) => typeof args[key] === 'string' && !(key in properties),
    )
    const inner = keys.find((key) => !(key in properties) && (WRAPPERS.has(key) || squeezed(key) === squeezed(tool)))
    const others = keys.filter((key) => key !== inner && key !== name && !OF_SCHEMAS.has(key))
    if (!inner || others.length > (name ? 1 : 0)) return { args }
    if (name && !squeezed(String(args[name])).endsWith(squeezed(tool)))
      return { problem: `the arguments hold a call of another tool (${String(args[name]).slice(0, 60)})` }
    const value = typeof args[inner] === 'string' ? objectIn(args[inner]) : args[inner]
    // `{"input": "ls"}` is a parameter by another word, and no wrapper.
    if (!isObject(value)) return { args }
    mended.add('wrapped')
    args = value
  }
  return { args }
}

/** What may not be left out of a call: it would do something else without. */
const MEANT = new Set(
  'command cmd script code patch diff content stdin env args edits insert_line occurrence old_string new_string'.split(
    ' ',
  ),
)

/** Our names for the keys. One parameter given twice with different values is a problem. */
function rename(
  args: Args,
  properties: Record<string, Schema>,
  mended: Set<string>,
): { args: Args } | { problem: string } {
  const out: Args = {}
  const left: Args = {}
  for (const [key, value] of Object.entries(args)) {
    if (key in properties && value !== null) out[key] = value
    else if (key in properties) mended.add('nulls')
    else left[key] = value
  }
  if ('offset' in properties) ranges(left, out, mended)
  if ('timeoutSec' in properties) milliseconds(left, mended)
  const words = [left.args, left.arguments].find(Array.isArray)
  if (words && typeof out.command === 'string') {
    out.command = `${out.command} ${commandOf(words) ?? ''}`.trim()
    left.args = undefined
    left.arguments = undefined
    mended.add('command of words')
  }
  for (const [key, value] of Object.entries(left)) {
    if (value === undefined || value === null) continue
    if (!/^\w/.test(key)) {
      mended.add(`left out ${key}`)
      continue
    }
    const near = squeezed(key)
    const spelledSo = Object.keys(properties).filter((name) => squeezed(name) === near)
    const to =
      spelledSo[0] ??
      Object.keys(properties).find(
        (name) => WORDS[name]?.split(' ').some((word) => squeezed(word) === near) && !(name in out),
      )
    const clash =
      to === undefined
        ? Object.keys(properties).find(
            (name) => WORDS[name]?.split(' ').some((word) => squeezed(word) === near) && name in out,
          )
        : to in out
          ? to
          : undefined
    if (to !== undefined && clash === undefined) {
      out[to] = value
      mended.add(`${key} as ${to}`)
    } else if (clash !== undefined && JSON.stringify(out[clash]) !== JSON.stringify(value))
      return { problem: `${clash} is given twice, with different values` }
    else if (MEANT.has(key)) return { problem: `${key} is no parameter of this tool, and it was not meant for nothing` }
    else mended.add(`left out ${key}`)
  }
  // In the order of the schema, as the model would have written it.
  return { args: Object.fromEntries(Object.keys(properties).flatMap((key) => (key in out ? [[key, out[key]]] : []))) }
}

/** First and last line, in any of their spellings, as offset and limit. */
function ranges(left: Args, out: Args, mended: Set<string>): void {
  const range = left.view_range ?? left.range ?? left.lines ?? left.line_range
  const pair = Array.isArray(range)
    ? range
    : typeof range === 'string'
      ? range.replace(/[[\]()\s]/g, '').split(/\s*[-,:]\s*/)
      : []
  const startKey = WORDS.offset?.split(' ').find((key) => left[key] !== undefined && left[key] !== null)
  const endKey = [
    'end_line',
    'line_end',
    'end',
    'to_line',
    'endLine',
    'end_line_one_indexed',
    'end_line_one_indexed_inclusive',
    'last_line',
  ].find((key) => left[key] !== undefined && left[key] !== null)
  const start = Number(pair[0] ?? out.offset ?? (startKey ? left[startKey] : undefined) ?? left.startLine ?? 1)
  const end = Number(pair[1] ?? (endKey ? left[endKey] : Number.NaN))
  if (!Number.isInteger(start) || (range === undefined && !endKey)) return
  out.offset ??= Math.max(1, start)
  if (Number.isInteger(end) && end >= start && out.limit === undefined) out.limit = end - Math.max(1, start) + 1
  for (const key of ['view_range', 'range', 'lines', 'line_range', startKey, endKey, 'startLine'])
    if (key) delete left[key]
  mended.add('lines as offset and limit')
}

/** Codex counts in milliseconds, others in seconds; a second is 1000 and more of the first, and no one waits so long in the second. */
function milliseconds(left: Args, mended: Set<string>): void {
  for (const key of ['timeout_ms', 'timeoutMs', 'timeout']) {
    const ms = Number(left[key] ?? Number.NaN)
    if (!Number.isFinite(ms) || (key === 'timeout' && ms < 1000)) continue
    left[key] = Math.max(1, Math.ceil(ms / 1000))
    mended.add('milliseconds')
  }
}
