/** What the dialects of tags have in common: where they begin, and arguments as tags or as JSON between two of them. */
import type { Said } from './call.ts'
import { readLoose } from './loose.ts'

export const said = (name: string, args: unknown): Said => ({
  id: '',
  name,
  arguments: typeof args === 'string' ? args : JSON.stringify(args),
})

/** The places that a pattern matches, but for those within the JSON after an earlier one. */
export function openings(text: string, pattern: RegExp): RegExpExecArray[] {
  const found: RegExpExecArray[] = []
  const every = new RegExp(pattern.source, pattern.flags.includes('g') ? pattern.flags : `${pattern.flags}g`)
  for (let match = every.exec(text); match; match = every.exec(text)) {
    found.push(match)
    const from = every.lastIndex + (/^\s*/.exec(text.slice(every.lastIndex))?.[0].length ?? 0)
    const read = /[{[]/.test(text[from] ?? '') ? readLoose(text, from) : undefined
    if (read?.ok) every.lastIndex = Math.max(every.lastIndex, read.end)
  }
  return found
}

/** Parameters as tags, in either form; undefined when there is none, `cut` when one does not end. */
export function tagged(body: string): Record<string, string> | 'cut' | undefined {
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
export function jsonBody(body: string): string | 'cut' {
  const text = body.trim().replace(/^[=:([\]]+(?=\s*\{)/, '')
  if (text === '' || /^<\/?\w/.test(text)) return '{}'
  const read = readLoose(text)
  return read.ok ? text.slice(0, read.end) : /^[{[]/.test(text) ? 'cut' : text
}

export const readsWhole = (text: string): boolean => {
  const read = readLoose(text.trim())
  return read.ok && !read.mended.includes('brackets')
}
