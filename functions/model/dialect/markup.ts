/** Calls between tags: Llama's `<function=…>`, Hermes' and Qwen's `<tool_call>`, Kimi, DeepSeek, GLM, MiniMax, Mistral, Cline. */

import type { Said } from './call.ts'
import { type Found, none } from './harmony.ts'
import { findJson } from './json.ts'
import { readLoose } from './loose.ts'
import { isKnown, spelled } from './names.ts'
import { findPython } from './python.ts'

export function findMarkup(text: string, strict: boolean): Found | undefined {
  for (const find of [kimi, deepseek, mistral, invoke, functionTag, wrapped, ownTag]) {
    const found = find(text, strict)
    if (!found) continue
    // A person may be shown such tags between ticks or fences.
    if (strict && !found.why && /`/.test(text.slice(0, 1) + text.slice(-1))) return undefined
    if (strict && !found.why && found.text !== '' && !endsWithCall(text)) return undefined
    return found
  }
  return undefined
}

const endsWithCall = (text: string): boolean => /[>})\]]\s*$/.test(text) && !/`/.test(text)

const said = (name: string, args: unknown): Said => ({
  id: '',
  name,
  arguments: typeof args === 'string' ? args : JSON.stringify(args),
})

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

/** `<invoke name="read_file"><parameter name="path">a</parameter></invoke>`, and MiniMax's room around it. */
function invoke(text: string): Found | undefined {
  const open = /<(?:[\w-]+:)?(?:invoke|tool_call|function_call|tool|function)\s+name\s*=\s*["']([\w.:-]+)["']\s*>/g
  const begins = [...text.matchAll(open)]
  if (begins.length === 0) return undefined
  const list: Said[] = []
  for (const [i, begin] of begins.entries()) {
    const body = text.slice((begin.index ?? 0) + begin[0].length, begins[i + 1]?.index ?? text.length)
    const args = tagged(body) ?? jsonBody(body)
    if (args === 'cut') return none('cut')
    list.push(said(begin[1] ?? '', args))
  }
  return {
    said: list,
    text: text
      .slice(0, begins[0]?.index ?? 0)
      .replace(/<[\w:-]*(?:function_calls|tool_calls?)>\s*$/, '')
      .trim(),
  }
}

/** `<function=read_file>{…}</function>` in the forms that were seen, and Qwen's with `<parameter=path>`. */
function functionTag(text: string): Found | undefined {
  const open = /<?function\s*[=(/]\s*["']?([\w.:-]+)["']?\s*(?:\)?\s*>|(?=[{([])|\)?(?=\s*\{))\s*/g
  const begins = [...text.matchAll(open)].filter(
    ({ index, 0: all }) => all.startsWith('<') || text.slice(0, index).trim() === '',
  )
  if (begins.length === 0) {
    // The tag before it is lost: `web_search{"query": …}</function>`
    const bare = /^\s*([\w.:-]+)\s*[=>]?\s*(\{[\s\S]*\})\s*<\/function>?\s*$/.exec(text)
    return bare ? { said: [said(bare[1] ?? '', bare[2] ?? '')], text: '' } : undefined
  }
  const list: Said[] = []
  for (const [i, begin] of begins.entries()) {
    const body = text.slice((begin.index ?? 0) + begin[0].length, begins[i + 1]?.index ?? text.length)
    const args = tagged(body) ?? jsonBody(body)
    if (args === 'cut') return none('cut')
    list.push(said(begin[1] ?? '', args))
  }
  return {
    said: list,
    text: text
      .slice(0, begins[0]?.index ?? 0)
      .replace(/<tool_calls?>\s*$/, '')
      .trim(),
  }
}

/** `<tool_call>…</tool_call>` and its like around another dialect. */
function wrapped(text: string): Found | undefined {
  const open =
    /<\|?(?:tool_calls?|tool_call_start|function_calls?|functioncall|python_tag|TOOLCALL|tool_code|tools)\|?>|\[TOOL_REQUEST\]|\[TOOL_CALLS\]/gi
  const begins = [...text.matchAll(open)]
  if (begins.length === 0) return undefined
  const list: Said[] = []
  for (const [i, begin] of begins.entries()) {
    const body = text
      .slice((begin.index ?? 0) + begin[0].length, begins[i + 1]?.index ?? text.length)
      .replace(
        /<\/?\|?(?:tool_calls?|tool_call_end|function_calls?|functioncall|TOOLCALL|tool_code|tools)\|?>[\s\S]*$|\[END_TOOL_REQUEST\][\s\S]*$|<\|(?:eom_id|eot_id|im_end)\|>\s*$/i,
        '',
      )
      .trim()
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

/** Parameters as tags, in either form; undefined when there is none, `cut` when one does not end. */
function tagged(body: string): Record<string, string> | 'cut' | undefined {
  const args: Record<string, string> = {}
  let at = 0
  for (;;) {
    const rest = body.slice(at)
    const open =
      /^\s*(?:<args>\s*)?<(?:parameter\s*=\s*["']?([\w-]+)["']?|(?:parameter|param|arg)\s+name\s*=\s*["']([\w-]+)["'][^>]*|([A-Za-z_]\w*))>/.exec(
        rest,
      )
    if (!open) break
    const key = open[1] ?? open[2] ?? open[3] ?? ''
    const from = at + open[0].length
    const close = open[3] ? `</${key}>` : /<\/(?:parameter|param|arg)>/.exec(body.slice(from))?.[0]
    const to = close === undefined ? -1 : body.indexOf(close, from)
    if (close === undefined || to === -1) return 'cut'
    if (key in args && args[key] !== body.slice(from, to)) return 'cut'
    args[key] = body.slice(from, to).replace(/^\r?\n|\r?\n$/g, '')
    at = to + close.length
  }
  return Object.keys(args).length > 0 ? args : undefined
}

/** What stands between two tags where they hold JSON; nothing at all is an empty object. */
function jsonBody(body: string): string | 'cut' {
  const text = body.trim().replace(/^[=:([]+(?=\s*\{)/, '')
  if (text === '' || /^<\/?\w/.test(text)) return '{}'
  const read = readLoose(text)
  return read.ok ? text.slice(0, read.end) : /^[{[]/.test(text) ? 'cut' : text
}

const readsWhole = (text: string): boolean => {
  const read = readLoose(text.trim())
  return read.ok && !read.mended.includes('brackets')
}
