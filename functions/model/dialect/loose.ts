/**
 * Reads a value that was meant to be JSON: Python's literals, single quotes, bare keys, raw line breaks in strings,
 * commas too many, brackets left open at the end. One thing it never does: finish what was cut off. A text that ends
 * inside a string, a number or a word, or after a comma or a colon, has no value, for its end is not known; and an
 * object that gives one key two values has none either.
 */

/** `mended` names what was wrong. `end` is the place after the value. */
export type Loose =
  | { ok: true; value: unknown; end: number; mended: Mend[] }
  | { ok: false; why: 'cut' | 'ambiguous' | 'broken' }
export type Mend = 'quotes' | 'literals' | 'escapes' | 'commas' | 'keys' | 'brackets' | 'comments' | 'words'

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

class Refused extends Error {
  readonly why: 'cut' | 'ambiguous' | 'broken'
  constructor(why: 'cut' | 'ambiguous' | 'broken') {
    super(why)
    this.why = why
  }
}

const DEPTH_MAX = 64
const LITERALS: Record<string, unknown> = {
  true: true,
  false: false,
  null: null,
  True: true,
  False: false,
  None: null,
  undefined: null,
}
/** Opening quotes and what closes them. */
const QUOTES: Record<string, string> = { '"': '"', "'": "'", '“': '”' }
const ESCAPES: Record<string, string> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  "'": "'",
}

/** The value that begins at `at`; what comes after it is not looked at. */
export function readLoose(text: string, at = 0): Loose {
  const reader = new Reader(text, at)
  try {
    const value = reader.value(0)
    return { ok: true, value, end: reader.at, mended: [...reader.mended] }
  } catch (error) {
    if (error instanceof Refused) return { ok: false, why: error.why }
    throw error
  }
}

class Reader {
  readonly text: string
  readonly mended = new Set<Mend>()
  at: number
  constructor(text: string, at: number) {
    this.text = text
    this.at = at
  }

  value(depth: number): unknown {
    if (depth > DEPTH_MAX) throw new Refused('broken')
    this.space()
    const char = this.text[this.at]
    if (char === undefined) throw new Refused('cut')
    if (char === '{') return this.object(depth)
    if (char === '[') return this.array(depth)
    if (QUOTES[char] !== undefined) return this.string()
    return this.word()
  }

  private object(depth: number): Record<string, unknown> {
    const found: Record<string, unknown> = Object.create(null)
    this.at++
    for (let first = true; ; first = false) {
      if (this.closes('}', first)) break
      const key = this.key()
      this.space()
      const sign = /^(?::|=>|=)/.exec(this.text.slice(this.at, this.at + 2))?.[0]
      if (!sign) throw new Refused(this.at >= this.text.length ? 'cut' : 'broken')
      if (sign !== ':') this.mended.add('keys')
      this.at += sign.length
      const value = this.value(depth + 1)
      if (key in found && JSON.stringify(found[key]) !== JSON.stringify(value)) throw new Refused('ambiguous')
      found[key] = value
    }
    return { ...found }
  }

  private array(depth: number): unknown[] {
    const found: unknown[] = []
    this.at++
    for (let first = true; !this.closes(']', first); first = false) found.push(this.value(depth + 1))
    return found
  }

  /** True at the end of a list or object; otherwise the place is before its next part. */
  private closes(bracket: '}' | ']', first: boolean): boolean {
    this.space()
    const comma = !first && this.text[this.at] === ','
    if (comma) {
      this.at++
      this.space()
    }
    const char = this.text[this.at]
    if (char === bracket) {
      if (comma) this.mended.add('commas')
      this.at++
      return true
    }
    // The text is over: an object after a whole part lacks its bracket only. After a comma there was more to come, and
    // of a list nobody can tell.
    if (char === undefined) {
      if (comma || first || bracket === ']') throw new Refused('cut')
      this.mended.add('brackets')
      return true
    }
    // The other bracket closes what is around this one.
    if ((char === '}' || char === ']') && !first && !comma) {
      this.mended.add('brackets')
      return true
    }
    if (!first && !comma) {
      // Only before what can be nothing but the next part: `"a":"x" "b":"y"`.
      if (!/^["'][^"'\n]*["']\s*:/.test(this.text.slice(this.at, this.at + 200))) throw new Refused('broken')
      this.mended.add('commas')
    }
    return false
  }

  private key(): string {
    this.space()
    if (QUOTES[this.text[this.at] ?? ''] !== undefined) return this.string()
    const word = /^[A-Za-z_$][\w$-]*/.exec(this.text.slice(this.at, this.at + 100))?.[0]
    if (!word) throw new Refused('broken')
    this.at += word.length
    if (this.at >= this.text.length) throw new Refused('cut')
    this.mended.add('keys')
    return word
  }

  private string(): string {
    const { text } = this
    const open = text[this.at] ?? ''
    const triple = open !== '“' && text.startsWith(open.repeat(3), this.at)
    const close = triple ? open.repeat(3) : (QUOTES[open] ?? '"')
    if (open !== '"' || triple) this.mended.add('quotes')
    let out = ''
    let at = this.at + (triple ? 3 : 1)
    for (;;) {
      const char = text[at]
      if (char === undefined) throw new Refused('cut')
      if (text.startsWith(close, at)) break
      if (char !== '\\') {
        if (char < ' ') this.mended.add('escapes')
        out += char
        at++
        continue
      }
      const { piece, length } = this.escape(at)
      out += piece
      at += length
    }
    this.at = at + close.length
    return out
  }

  private escape(at: number): { piece: string; length: number } {
    const next = this.text[at + 1]
    if (next === undefined) throw new Refused('cut')
    const unicode = /^u([0-9a-fA-F]{4})/.exec(this.text.slice(at + 1, at + 6))
    if (unicode) return { piece: String.fromCharCode(Number.parseInt(unicode[1] ?? '', 16)), length: 6 }
    const known = ESCAPES[next]
    if (known !== undefined) {
      if (next === "'") this.mended.add('escapes')
      return { piece: known, length: 2 }
    }
    // `\d`, `\.`, `\$`: no escape of JSON, so the model meant the two characters.
    this.mended.add('escapes')
    return { piece: next === '\n' ? '\n' : `\\${next}`, length: 2 }
  }

  /** A number, a literal, or a word without quotes; whole only when something follows that ends it. */
  private word(): unknown {
    const rest = this.text.slice(this.at, this.at + 400)
    const word = /^[^\s,{}[\]"'“”:<>()|;]+/.exec(rest)?.[0]
    if (!word) throw new Refused('broken')
    const after = rest.slice(word.length).trimStart()[0]
    if (after === undefined) throw new Refused('cut')
    if (!/[,}\])]/.test(after)) throw new Refused('broken')
    this.at += word.length
    if (/^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/.test(word)) return Number(word)
    if (Object.hasOwn(LITERALS, word)) {
      if (!/^(true|false|null)$/.test(word)) this.mended.add('literals')
      return LITERALS[word]
    }
    if (!/^[\w./@+*~-]+$/.test(word)) throw new Refused('broken')
    this.mended.add('words')
    return word
  }

  private space(): void {
    for (;;) {
      const rest = /^(?:[\s\u00a0\ufeff]+|\/\/[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/)/.exec(
        this.text.slice(this.at, this.at + 2000),
      )?.[0]
      if (!rest) return
      if (rest.startsWith('/')) this.mended.add('comments')
      this.at += rest.length
    }
  }
}
