/** Calls between tags: Llama's `<function=…>`, Hermes' and Qwen's `<tool_call>`, Kimi, DeepSeek, GLM, MiniMax, Mistral, Cline. */

import type { Said } from './call.ts'
import { type Found, none } from './harmony.ts'
import { findJson } from './json.ts'
import { readLoose } from './loose.ts'
import { isKnown, spelled } from './names.ts'
import { findPython } from './python.ts'
import { jsonBody, openings, readsWhole, said, tagged } from './tags.ts'

export function findMarkup(text: string, strict: boolean): Found | undefined {
  for (const find of [kimi, deepseek, mistral, invoke, functionTag, pair, wrapped, attributes, ownTag]) {
    const found = find(text, strict)
    if (!found) continue
    // A person may be shown such tags, between ticks or with words after them.
    if (strict && found.why === undefined && (!/[>})\]]\s*$/.test(text) || /`/.test(found.text + text.slice(0, 1))))
      return undefined
    return found
  }
  return undefined
}

/** `<|tool_call_begin|>functions.read_file:0<|tool_call_argument_begin|>{…}<|tool_call_end|>` */
function kimi(text: string): Found | undefined {
  const begin = text.search(/<\|tool_call(?:s_section)?_begin\|>/)
  if (begin === -1) return undefined
  const calls = text.split(/<\|tool_call_begin\|>/).slice(1)
  const list: Said[] = []
  for (const part of calls) {
    const [, name = '', args = ''] =
      /^\s*([\w.:-]+)\s*<\|tool_call_argument_begin\|>([\s\S]*)$/.exec(
        part.replace(/<\|tool_call_end\|>[\s\S]*$/, ''),
      ) ?? []
    if (name === '') return none('broken')
    if (!readsWhole(args)) return none('cut')
    list.push(said(name, args.trim()))
  }
  return list.length > 0 ? { said: list, text: text.slice(0, begin).trim() } : none('cut')
}

/** `<｜tool▁call▁begin｜>function<｜tool▁sep｜>read_file` and a fence with JSON. */
function deepseek(text: string): Found | undefined {
  const begin = text.search(/<｜tool▁calls?▁begin｜>/)
  if (begin === -1) return undefined
  const list: Said[] = []
  for (const part of text.split('<｜tool▁call▁begin｜>').slice(1)) {
    const body = part.replace(/<｜tool▁call▁end｜>[\s\S]*$/, '')
    const [, name = '', args = ''] =
      /^(?:\s*function\s*<｜tool▁sep｜>)?\s*([\w.-]+)\s*(?:<｜tool▁sep｜>)?\s*(?:```json)?\s*([\s\S]*?)\s*(?:```)?\s*$/.exec(
        body,
      ) ?? []
    if (name === '') return none('broken')
    if (!readsWhole(args)) return none('cut')
    list.push(said(name, args))
  }
  return list.length > 0 ? { said: list, text: text.slice(0, begin).trim() } : none('cut')
}

/** `[TOOL_CALLS]read_file[ARGS]{…}`; with a list it is JSON after a label. */
function mistral(text: string): Found | undefined {
  if (!/\[TOOL_CALLS\]\s*\w[\w.]*\s*(?:\[ARGS\])?\s*\{/.test(text)) return undefined
  const list: Said[] = []
  for (const part of text.split('[TOOL_CALLS]').slice(1)) {
    const [, name = '', args = ''] = /^\s*([\w.]+)\s*(?:\[ARGS\])?\s*([\s\S]*)$/.exec(part) ?? []
    if (!readsWhole(args)) return none('cut')
    list.push(said(name, args.trim()))
  }
  return { said: list, text: text.slice(0, text.indexOf('[TOOL_CALLS]')).trim() }
}

/** The calls that begin at these tags, each with what stands before the next one; `room` is a tag around all of them. */
function calls(text: string, begins: RegExpExecArray[], room: RegExp): Found {
  const list: Said[] = []
  for (const [i, begin] of begins.entries()) {
    const body = text.slice((begin.index ?? 0) + begin[0].length, begins[i + 1]?.index ?? text.length)
    const args = tagged(body) ?? jsonBody(body)
    if (args === 'cut') return none('cut')
    list.push(said(begin[1] ?? '', args))
  }
  const before = text.slice(0, begins[0]?.index ?? 0)
  return { said: list, text: before.replace(room, '').trim() }
}

/** `<invoke name="read_file"><parameter name="path">a</parameter></invoke>`, and MiniMax's room around it. */
function invoke(text: string): Found | undefined {
  const open = /<(?:[\w-]+:)?(?:invoke|tool_call|function_call|tool|function)\s+name\s*=\s*["']([\w.:-]+)["']\s*>/g
  const begins = openings(text, open)
  if (begins.length === 0) return undefined
  return calls(text, begins, /<[\w:-]*(?:function_calls|tool_calls?)>\s*$/)
}

/** `<function=read_file>{…}</function>` in the forms that were seen, and Qwen's with `<parameter=path>`. */
function functionTag(text: string): Found | undefined {
  const open = /<?function\s*[=(/]\s*["']?([\w.:-]+)["']?\s*(?:\)?\s*>|(?=[{([])|\)?(?=\s*\{))\s*/g
  const begins = openings(text, open).filter(
    ({ index, 0: all }) => all.startsWith('<') || text.slice(0, index).trim() === '',
  )
  if (begins.length === 0) {
    // The tag before it is lost: `web_search{"query": …}</function>`
    const bare = /^\s*([\w.:-]+)\s*[=>]?\s*(\{[\s\S]*\})\s*<\/function>?\s*$/.exec(text)
    return bare ? { said: [said(bare[1] ?? '', bare[2] ?? '')], text: '' } : undefined
  }
  return calls(text, begins, /<tool_calls?>\s*$/)
}

/** `<name>read_file</name><arguments>{…}</arguments>`, whatever is around the two. */
function pair(text: string): Found | undefined {
  const open =
    /<(tool_name|name|tool|function|function_name)>\s*([\w.:-]+)\s*<\/\1>\s*<(arguments|parameters|input|args|params|tool_input)>/g
  const begins = [...text.matchAll(open)].filter(({ 2: name = '' }) => isKnown(name))
  if (begins.length === 0) return undefined
  const list: Said[] = []
  for (const [i, begin] of begins.entries()) {
    const body = text.slice((begin.index ?? 0) + begin[0].length, begins[i + 1]?.index ?? text.length)
    const to = body.indexOf(`</${begin[3]}>`)
    if (to === -1) return none('cut')
    const inner = body.slice(0, to)
    const args = tagged(inner) ?? jsonBody(inner)
    if (args === 'cut') return none('cut')
    list.push(said(begin[2] ?? '', args))
  }
  const before = text.slice(0, begins[0]?.index ?? 0)
  return { said: list, text: before.replace(/<[\w:-]+>\s*$/, '').trim() }
}

/** `<read_file path="a"/>` */
function attributes(text: string, strict: boolean): Found | undefined {
  const all = [...text.matchAll(/<([a-z]+(?:_[a-z]+)+)((?:\s+\w+="[^"<>]*")+)\s*\/>/g)].filter(({ 1: name = '' }) =>
    isKnown(name),
  )
  if (all.length === 0) return undefined
  const around = all.reduce((rest, [whole]) => rest.replace(whole, ''), text).trim()
  if (strict && around !== '') return undefined
  const list = all.map(([, name = '', pairs = '']) =>
    said(
      name,
      Object.fromEntries([...pairs.matchAll(/(\w+)="([^"]*)"/g)].map(([, key = '', value = '']) => [key, value])),
    ),
  )
  return { said: list, text: around }
}

const CLOSING =
  /<\/?\|?(?:tool_calls?|tool_call_end|function_calls?|functioncall|TOOLCALL|tool_code|tools)\|?>[\s\S]*$|\[END_TOOL_REQUEST\][\s\S]*$|<\|(?:eom_id|eot_id|im_end)\|>\s*$/i

/** `<tool_call>…</tool_call>` and its like around another dialect. */
function wrapped(text: string): Found | undefined {
  const open =
    /<\|?(?:tool_calls?|tool_call_start|function_calls?|functioncall|python_tag|TOOLCALL|tool_code|tools)\|?>|\[TOOL_REQUEST\]|\[TOOL_CALLS\]/gi
  const begins = openings(text, open)
  if (begins.length === 0) return undefined
  const list: Said[] = []
  for (const [i, begin] of begins.entries()) {
    const rest = text.slice((begin.index ?? 0) + begin[0].length, begins[i + 1]?.index ?? text.length).trimStart()
    // What looks like the end may stand in a string of the call itself.
    const read = /^[{[]/.test(rest) ? readLoose(rest) : undefined
    const whole = read?.ok ? read.end : 0
    const body = (rest.slice(0, whole) + rest.slice(whole).replace(CLOSING, '')).trim()
    if (body === '') continue
    const found = glm(body) ?? findJson(body, false) ?? findPython(body, false)
    if (!found) return none('broken')
    if (found.why !== undefined) return found
    list.push(...found.said)
  }
  return list.length > 0 ? { said: list, text: text.slice(0, begins[0]?.index ?? 0).trim() } : undefined
}

/** `read_file` and pairs of `<arg_key>` and `<arg_value>`. */
function glm(body: string): Found | undefined {
  const name = /^\s*([\w.-]+)\s*<arg_key>/.exec(body)?.[1]
  if (!name) return undefined
  const pairs = [...body.matchAll(/<arg_key>([\s\S]*?)<\/arg_key>\s*<arg_value>([\s\S]*?)<\/arg_value>/g)]
  if (pairs.length !== (body.match(/<arg_key>/g) ?? []).length) return none('cut')
  return {
    said: [said(name, Object.fromEntries(pairs.map(([, key = '', value = '']) => [key.trim(), value])))],
    text: '',
  }
}

/** Cline's: the tool is the tag. Only names that are tools' and, where people may read it, no words of a language. */
function ownTag(text: string, strict: boolean): Found | undefined {
  const open = /(?:^|\n|>)\s*<([A-Za-z]+(?:_[A-Za-z]+)*)>/g
  const begins = [...text.matchAll(open)].filter(({ 1: name = '' }) =>
    strict
      ? name.includes('_') && spelled(name) !== undefined
      : name.includes('_') || SHORT.has(name)
        ? isKnown(name)
        : false,
  )
  const [begin] = begins
  if (!begin) return undefined
  const name = begin[1] ?? ''
  if (begins.length > 1) return none('ambiguous')
  const from = (begin.index ?? 0) + begin[0].length
  const to = text.lastIndexOf(`</${name}>`)
  if (to < from) return none('cut')
  const body = text.slice(from, to)
  const args = tagged(body) ?? jsonBody(body)
  if (args === 'cut') return none('cut')
  // `<bash>ls</bash>`: what a tool takes that takes one text.
  const bare = typeof args === 'string' && !/^[{["]/.test(args) ? JSON.stringify(args) : args
  return { said: [said(name, bare)], text: text.slice(0, begin.index ?? 0).trim() }
}
const SHORT = new Set(['bash', 'shell', 'read', 'view', 'ls', 'Bash', 'Read', 'LS'])
