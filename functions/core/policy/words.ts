/**
 * A word of a command line as its program will see it. What the shell would fill in (variables, substitutions, braces)
 * has no exact value: then `value` is undefined and only `shape` tells what is certain. Nothing is guessed here: a rule
 * that needs to know a word and finds no value asks.
 */
import type { Word, WordPart } from 'unbash'

export type Arg = {
  /** As it stands in the line. */
  text: string
  /** What the program gets; undefined when that is decided only when it runs. A glob keeps its pattern here. */
  value: string | undefined
  /** The certain characters of the word; `\0` stands for each piece that is not. */
  shape: string
  /** For a word with a glob: what its names look like, piece by piece of the path. */
  pattern: Glob[] | undefined
  /** Begins with (or, like an assignment, contains) a `~` or `$HOME` that becomes a folder outside. */
  home: boolean
  /** Written without quotes or escapes. */
  bare: boolean
}

export function argOf(word: Word): Arg {
  const parts = word.parts && word.parts.length > 0 ? word.parts : undefined
  const pieces: Piece[] = parts ? parts.flatMap(piecesOf) : [{ kind: 'text', text: word.value }]
  const exact = pieces.every(({ kind }) => kind !== 'unknown')
  const shape = pieces.map((piece) => (piece.kind === 'unknown' ? '\0' : piece.text)).join('')
  return {
    text: word.text,
    value: exact ? shape : undefined,
    shape,
    pattern: pieces.some(({ kind }) => kind === 'glob') ? patternOf(pieces) : undefined,
    home: isHome(word.text),
    bare: word.text === shape,
  }
}

/** A part of a word as a word of its own, such as the value behind `--file=`. */
export const partOf = (arg: Arg, value: string): Arg => ({
  ...arg,
  value: arg.value === undefined ? undefined : value,
  shape: value,
  home: arg.home && /^[~\0]/.test(value),
})

/** Bash expands `~` at the start of a word, and behind `=` and `:` in one that looks like an assignment. */
const isHome = (text: string): boolean =>
  /^(~|"?\$(HOME\b|\{HOME[:}]))|^[A-Za-z_]\w*=(.*:)?(~|"?\$\{?HOME\b)/.test(text)

type Piece = { kind: 'text' | 'glob' | 'unknown'; text: string }

function piecesOf(part: WordPart): Piece[] {
  switch (part.type) {
    case 'Literal':
    case 'SingleQuoted':
    case 'AnsiCQuoted':
      return [{ kind: 'text', text: part.value }]
    case 'Glob':
      return [{ kind: 'glob', text: part.text }]
    case 'ExtendedGlob':
      return [{ kind: 'glob', text: '*' }]
    case 'DoubleQuoted':
    case 'LocaleString':
      return part.parts.map((inner) =>
        inner.type === 'Literal' ? { kind: 'text', text: inner.value } : { kind: 'unknown', text: inner.text },
      )
    default:
      return [{ kind: 'unknown', text: part.text }]
  }
}

/** One name of a path with its wildcards, matched in one pass: a line may hold a pattern made to be slow. */
export class Glob {
  private readonly pieces: (string | null | undefined)[] = []

  /** `undefined` stands for any characters, `null` for one. */
  push(piece: string | null | undefined): void {
    if (piece !== undefined || this.pieces.at(-1) !== undefined || this.pieces.length === 0) this.pieces.push(piece)
  }

  test(name: string): boolean {
    const text = name.toLowerCase()
    let places = new Set([0])
    for (const piece of this.pieces) {
      if (piece === undefined) {
        const first = Math.min(...places)
        places = new Set(Array.from({ length: text.length - first + 1 }, (_, i) => first + i))
      } else
        places = new Set(
          [...places].filter((at) => at < text.length && (piece === null || text[at] === piece)).map((at) => at + 1),
        )
      if (places.size === 0) return false
    }
    return places.has(text.length)
  }
}

function patternOf(pieces: Piece[]): Glob[] {
  const names = [new Glob()]
  for (const { kind, text } of pieces) {
    if (kind === 'glob') names.at(-1)?.push(text === '?' || text.startsWith('[') ? null : undefined)
    else if (kind === 'unknown') names.at(-1)?.push(undefined)
    else
      for (const letter of text.toLowerCase()) {
        if (letter === '/') names.push(new Glob())
        else names.at(-1)?.push(letter)
      }
  }
  return names
}
