/** Calls written as code: `read_file(path="a", limit=10)`, alone or in a list. */
import type { Said } from './call.ts'
import { type Found, none } from './harmony.ts'
import { isObject, readLoose } from './loose.ts'
import { isKnown, spelled, variants } from './names.ts'
import { schemaOf } from './shapes.ts'

const OPEN = /(?:await\s+|print\(\s*|return\s+|\w+\s*=\s*)?((?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*)\(/y

export function findPython(text: string, strict: boolean): Found | undefined {
  const start = begin(text, strict)
  if (start === undefined) return undefined
  const list: Said[] = []
  let at = start
  for (;;) {
    OPEN.lastIndex = at
    const open = OPEN.exec(text)
    const name = nameIn(open)
    if (!open || name === undefined || !isKnown(name)) return list.length === 0 ? undefined : none('ambiguous')
    const args = argumentsAt(text, at + open[0].length, name)
    if (typeof args === 'string') return none(args)
    list.push({ id: '', name, arguments: JSON.stringify(args.value) })
    const rest = text.slice(args.end)
    if (/^[\s)\];`]*(?:<\|[^>]*\|>\s*)?$/.test(rest)) break
    const gap = /^\)?\s*(?:[,;]\s*|\n\s*)/.exec(rest)?.[0]
    if (gap === undefined) return strict ? undefined : none('ambiguous')
    at = args.end + gap.length
  }
  return {
    said: list,
    text: text
      .slice(0, start)
      .replace(/\[?\s*$/, '')
      .replace(/<\|python_tag\|>/, '')
      .trim(),
  }
}

/** LangChain's tools are called by a method. */
const nameIn = (open: RegExpExecArray | null): string | undefined => open?.[1]?.replace(/\.(?:call|invoke|run)$/, '')

/** The place of the first call: the start of the text, or of a line where the text may hold words too. */
function begin(text: string, strict: boolean): number | undefined {
  const lines = strict ? /^\s*(?:<\|python_tag\|>)?\s*\[?\s*/g : /(?:^|\n)\s*(?:<\|python_tag\|>)?\s*\[?\s*/g
  for (const match of text.matchAll(lines)) {
    const at = (match.index ?? 0) + match[0].length
    OPEN.lastIndex = at
    const name = nameIn(OPEN.exec(text))
    if (name !== undefined && (strict ? variants(name).some((one) => spelled(one)) : isKnown(name))) return at
  }
  return undefined
}

type Read = { value: Record<string, unknown>; end: number }

function argumentsAt(text: string, from: number, name: string): Read | 'cut' | 'broken' | 'ambiguous' {
  const value: Record<string, unknown> = {}
  const places = requiredOf(name)
  let at = from
  for (let i = 0; ; i++) {
    at += /^[\s,]*/.exec(text.slice(at))?.[0].length ?? 0
    if (text[at] === undefined) return 'cut'
    if (text[at] === ')') return { value, end: at + 1 }
    const key = /^([A-Za-z_]\w*)\s*[=:]\s*(?!=)/.exec(text.slice(at))
    if (key) at += key[0].length
    const read = readLoose(text, at)
    if (!read.ok) return read.why
    if (read.mended.includes('brackets')) return 'cut'
    if (!/^\s*[,)]/.test(text.slice(read.end))) return text.slice(read.end).trim() === '' ? 'cut' : 'broken'
    if (key?.[1] !== undefined) {
      if (key[1] in value) return 'ambiguous'
      value[key[1]] = read.value
    } else if (isObject(read.value) && i === 0) Object.assign(value, read.value)
    else {
      const place = places[i]
      if (place === undefined) return 'ambiguous'
      value[place] = read.value
    }
    at = read.end
  }
}

/** Values without a name go to what the tool must have, in its order. */
function requiredOf(name: string): string[] {
  const tool = variants(name)
    .map(spelled)
    .find((one) => one !== undefined)
  return tool === undefined ? [] : schemaOf(tool).required
}
