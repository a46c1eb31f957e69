/**
 * Reads a sed script from left to right, as sed does, and says what it may do. Only commands that print, count, leave
 * out and replace are reading; the first that runs something or opens a file decides; anything else is unknown.
 */
export type SedDoes = 'reads' | 'runs' | 'unknown' | { file: string }

const PLAIN = /[pPdDqQ=lnNhHgGxzF]/y
const ADDRESS = /(?:\d+(?:~\d+)?|\$|[+~]\d+)/y
const FLAGS = /[gpiImM0-9]*/y
const GAP = /[\s;{}]*/y
const BLANK = /[ \t!]*/y
const END = /[ \t]*(?=[;\n}]|$)/y
const REST = /[^\n]*/y

export function readSed(script: string): SedDoes {
  let at = 0
  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at
    const hit = pattern.exec(script)?.[0]
    at += hit?.length ?? 0
    return hit
  }
  /** Up to the next `mark` that no backslash stands before. */
  const until = (mark: string): boolean => {
    for (; at < script.length; at++) {
      if (script[at] === '\\') at++
      else if (script[at] === mark) {
        at++
        return true
      }
    }
    return false
  }
  const address = (): boolean => {
    if (script[at] === '/') {
      at++
      return until('/') && take(/[IM]*/y) !== undefined
    }
    if (script[at] === '\\') {
      at += 2
      return until(script[at - 1] ?? '/') && take(/[IM]*/y) !== undefined
    }
    return take(ADDRESS) !== undefined
  }
  while (take(GAP) !== undefined && at < script.length) {
    if (address()) {
      take(/[ \t]*/y)
      if (script[at] === ',') {
        at++
        take(/[ \t]*/y)
        if (!address()) return 'unknown'
      }
    }
    take(BLANK)
    if (script[at] === '{') continue
    const command = script[at]
    if (command === 'e') return 'runs'
    if (command !== undefined && 'wWrR'.includes(command)) {
      at++
      return { file: (take(REST) ?? '').trim() }
    }
    if (command === 's' || command === 'y') {
      const mark = script[at + 1]
      at += 2
      if (mark === undefined || mark === '\n' || mark === '\\' || !until(mark) || !until(mark)) return 'unknown'
      if (command === 's') {
        take(FLAGS)
        if (script[at] === 'e') return 'runs'
        if (script[at] === 'w') {
          at++
          return { file: (take(REST) ?? '').trim() }
        }
      }
    } else if (take(PLAIN) === undefined) return 'unknown'
    else take(/[ \t]*\d*/y)
    if (take(END) === undefined) return 'unknown'
  }
  return 'reads'
}
