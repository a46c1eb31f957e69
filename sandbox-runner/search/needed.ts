/**
 * Which texts a line must hold to match a regular expression, so that files without any of them need no closer look,
 * whoever looks. Two engines read the same pattern differently; about a plain text they cannot differ.
 *
 * Guarantees: a line that matches holds at least one of the texts. Where that cannot be told, the answer is undefined.
 */

/** One of these is in every match; undefined: nothing is known. */
type Needed = string[] | undefined

/** `source` is a valid pattern without the flags `u` and `v`; `anyCase`: only texts whose letters are ASCII are told. */
export function neededTexts(source: string, anyCase: boolean): Needed {
  return new Reader(source, anyCase).read()
}

/** Thrown for syntax that is too rare to be followed here. */
class Unreadable extends Error {}

class Reader {
  private readonly source: string
  private readonly anyCase: boolean
  private at = 0

  constructor(source: string, anyCase: boolean) {
    this.source = source
    this.anyCase = anyCase
  }

  read(): Needed {
    try {
      return this.alternatives()
    } catch (error) {
      if (error instanceof Unreadable) return undefined
      throw error
    }
  }

  /** Up to the end of the group or of the pattern: any of the alternatives may match, so each must need something. */
  private alternatives(): Needed {
    let all: Needed = this.sequence()
    while (this.source[this.at] === '|') {
      this.at++
      const next = this.sequence()
      all = all && next && [...all, ...next]
    }
    return all
  }

  /** All parts of a sequence are needed: the one that tells most is taken. */
  private sequence(): Needed {
    let best: Needed
    let run = ''
    const offer = (needed: Needed) => {
      if (needed && least(needed) > least(best ?? [''])) best = needed
    }
    const endRun = () => {
      offer([run])
      run = ''
    }
    while (this.at < this.source.length && !/[|)]/.test(this.source[this.at] ?? '')) {
      const part = this.part(this.source[this.at] ?? '')
      const times = this.times()
      if (typeof part === 'string' && times === undefined) {
        run += part
        continue
      }
      if (typeof part === 'string' && times) run += part
      endRun()
      if (typeof part === 'object' && times !== 0) offer(part)
    }
    endRun()
    return best
  }

  /** One part, without its quantifier: a character, what a group needs, or undefined for what may be many things. */
  private part(first: string): string | Needed {
    this.at++
    if (first === '(') return this.group()
    if (first === '[') return this.skipClass()
    if (first === '\\') return this.escape()
    return /[.^$]/.test(first) ? undefined : this.plain(first)
  }

  private group(): Needed {
    GROUP.lastIndex = this.at
    const kind = GROUP.exec(this.source)?.[0] ?? ''
    if (kind === '?') throw new Unreadable()
    this.at += kind.length
    const inside = this.alternatives()
    this.at++
    // What is looked at beside the match is no part of it.
    return /[=!]$/.test(kind) ? undefined : inside
  }

  private skipClass(): undefined {
    while (this.at < this.source.length && this.source[this.at] !== ']')
      this.at += this.source[this.at] === '\\' ? 2 : 1
    this.at++
  }

  private escape(): string | undefined {
    const next = this.source[this.at++] ?? ''
    if (/[dDwWsSbBtnrfv]/.test(next)) return undefined
    // Codes, references and whatever else a letter or a digit may begin.
    if (/\w/.test(next)) throw new Unreadable()
    return this.plain(next)
  }

  /** A character that is the same bytes wherever it stands in a file; halves of one are not. */
  private plain(character: string): string | undefined {
    const code = character.charCodeAt(0)
    if (code < 0x20 || (code >= 0xd800 && code <= 0xdfff) || code === 0xfffd || (this.anyCase && code > 0x7e))
      return undefined
    return character
  }

  /** How often the part before must be there at least; undefined when nothing is said, so exactly once. */
  private times(): number | undefined {
    QUANTIFIER.lastIndex = this.at
    const [text, sign, count] = QUANTIFIER.exec(this.source) ?? []
    if (text === undefined) return undefined
    this.at += text.length
    return sign === '+' ? 1 : Number(count ?? 0)
  }
}

const GROUP = /\?(?:[:=!]|<[=!]|<[^>]*>)?/y
const QUANTIFIER = /(?:([*+?])|\{(\d+)(?:,\d*)?\})\??/y
const least = (texts: string[]): number => Math.min(...texts.map((text) => text.length))
