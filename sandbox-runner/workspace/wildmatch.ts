/**
 * Git's own pattern language, as in its `wildmatch.c`: `*`, `?`, `[…]`, `\`, and `**` between slashes. Text and pattern
 * are bytes as Latin-1, since git counts bytes. What cannot match any more is given up at once, so that no pattern takes
 * for ever, as one made into a regular expression could.
 */

/** `gone`: no later start of any `*` can match; `next`: only one of a `**` can. */
type Verdict = 'yes' | 'no' | 'gone' | 'next'

/** `paths`: a slash is matched by a slash and by `**` alone. */
export const wildmatch = (pattern: string, text: string, paths: boolean): boolean =>
  match(pattern, 0, text, 0, paths) === 'yes'

function match(pattern: string, p: number, text: string, t: number, paths: boolean): Verdict {
  const start = p
  for (; p < pattern.length; p++, t++) {
    const mark = pattern[p]
    if (mark === '*') return star(pattern, p, text, t, paths, p === start || pattern[p - 1] === '/')
    const char = text[t]
    if (char === undefined) return 'gone'
    if (mark === '?') {
      if (paths && char === '/') return 'no'
    } else if (mark === '[') {
      const found = bracket(pattern, p + 1, char)
      if (!found) return 'gone'
      if (!found.matched || (paths && char === '/')) return 'no'
      p = found.end
    } else {
      if (mark === '\\') p++
      if (pattern[p] !== char) return 'no'
    }
  }
  return t < text.length ? 'no' : 'yes'
}

/** From a `*` on; `alone`: it stands at the beginning or behind a slash. */
function star(pattern: string, p: number, text: string, t: number, paths: boolean, alone: boolean): Verdict {
  let rest = p
  while (pattern[rest] === '*') rest++
  const ends = rest === pattern.length || pattern[rest] === '/' || pattern.startsWith('\\/', rest)
  const deep = paths && rest - p > 1 && alone && ends
  // Between slashes it also stands for no folder at all.
  const without = deep && pattern[rest] === '/' ? match(pattern, rest + 1, text, t, paths) : 'no'
  if (without === 'yes' || without === 'gone') return without
  const slashes = deep || !paths
  if (rest === pattern.length) return slashes || !text.includes('/', t) ? 'yes' : 'next'
  for (let at = t; at < text.length; at++) {
    const verdict = match(pattern, rest, text, at, paths)
    if (verdict === 'yes' || verdict === 'gone' || (verdict === 'next' && !slashes)) return verdict
    if (!slashes && text[at] === '/') return 'next'
  }
  return 'gone'
}

/** One `[…]`, from behind its bracket; undefined when it has no end or names no class. */
function bracket(pattern: string, p: number, char: string): { matched: boolean; end: number } | undefined {
  const negated = pattern[p] === '!' || pattern[p] === '^'
  const first = negated ? p + 1 : p
  let matched = false
  let from: string | undefined
  for (let at = first; at < pattern.length; at++) {
    let one = pattern[at]
    if (one === ']' && at > first) return { matched: matched !== negated, end: at }
    const name = /^\[:([a-z]*):\]/.exec(pattern.slice(at, at + CLASS_CHARS_MAX))?.[1]
    if (name !== undefined) {
      const members = CLASSES[name]
      if (!members) return undefined
      matched ||= members.test(char)
      at += name.length + 3
      from = undefined
      continue
    }
    const to = pattern[at + 1]
    const isRange = one === '-' && from !== undefined && to !== undefined && to !== ']'
    if (isRange) one = pattern[++at]
    if (one === '\\') one = pattern[++at]
    if (one === undefined) return undefined
    matched ||= isRange ? char >= (from ?? one) && char <= one : char === one
    from = isRange ? undefined : one
  }
  return undefined
}

const CLASS_CHARS_MAX = 12
const CLASSES: Record<string, RegExp> = {
  alnum: /[0-9A-Za-z]/,
  alpha: /[A-Za-z]/,
  blank: /[ \t]/,
  cntrl: /[\u0000-\u001f\u007f]/,
  digit: /[0-9]/,
  graph: /[!-~]/,
  lower: /[a-z]/,
  print: /[ -~]/,
  punct: /[!-/:-@[-`{-~]/,
  space: /[ \t\n\r]/,
  upper: /[A-Z]/,
  xdigit: /[0-9A-Fa-f]/,
}
