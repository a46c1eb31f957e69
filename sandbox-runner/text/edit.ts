/**
 * Replaces one text by another in a file. Exactly where it can be; otherwise by whole lines that differ only in
 * trailing spaces, in indentation, in typographic punctuation, or by one level of escaping, tried in this order.
 * Always unique: two places that fit equally well are an error, never a guess.
 */
import { ToolFailure } from '../define.ts'
import { joinLines, LOOSENESS, nearest, placesOf, reindent, splitLines } from './lines.ts'

export type Edited = {
  text: string
  places: number
  /** 1-based line where the first change begins. */
  line: number
  /** Undefined when the text was found as given. */
  loosely?: string
}

/** @throws ToolFailure `text_not_found`, `text_not_unique`, `no_change`. */
export function replaceText(path: string, text: string, oldText: string, newText: string, all: boolean): Edited {
  if (oldText === '')
    throw new ToolFailure(
      'invalid_arguments',
      'oldText is empty',
      'Give the lines to replace, or use write_file for a new file.',
    )
  if (oldText === newText)
    throw new ToolFailure('no_change', 'oldText and newText are the same', 'Nothing was changed. Give the new text.')
  const file = splitLines(text)
  const body = file.lines.join('\n') + (file.endsWithNewline ? '\n' : '')
  const asFile = (changed: string) =>
    (file.bom ? '\ufeff' : '') + (file.eol === '\n' ? changed : changed.replaceAll('\n', file.eol))

  for (const [wanted, given, how] of spellings(oldText, newText)) {
    const places = occurrences(body, wanted)
    if (places.length > 1 && !all)
      throw notUnique(
        path,
        places.map((at) => lineAt(body, at)),
      )
    const first = places[0]
    if (first === undefined) continue
    const changed = all
      ? body.replaceAll(wanted, () => given)
      : body.slice(0, first) + given + body.slice(first + wanted.length)
    return { text: asFile(changed), places: places.length, line: lineAt(body, first), ...(how ? { loosely: how } : {}) }
  }

  const wanted = oldText.replaceAll('\r\n', '\n').replace(/\n$/, '').split('\n')
  const given = newText === '' ? [] : newText.replaceAll('\r\n', '\n').replace(/\n$/, '').split('\n')
  for (const { name, fold } of LOOSENESS.slice(1)) {
    if (wanted.every((line) => fold(line) === '')) break
    const places = placesOf(file.lines, wanted, fold)
    if (places.length > 1 && !all)
      throw notUnique(
        path,
        places.map((at) => at + 1),
      )
    const first = places[0]
    if (first === undefined) continue
    const lines = [...file.lines]
    for (const at of places.toReversed()) {
      const real = file.lines.slice(at, at + wanted.length)
      lines.splice(at, wanted.length, ...reindent(given, wanted, real))
    }
    return { text: joinLines({ ...file, lines }), places: places.length, line: first + 1, loosely: name }
  }
  throw notFound(path, file.lines, wanted, body, newText)
}

/** The text as given, with the file's line ends, and with one level of escaping taken off. */
function* spellings(oldText: string, newText: string): Iterable<[string, string, string?]> {
  const [wanted, given] = [oldText.replaceAll('\r\n', '\n'), newText.replaceAll('\r\n', '\n')]
  yield [wanted, given]
  const unescaped = unescapeOnce(wanted)
  if (unescaped !== wanted) yield [unescaped, unescapeOnce(given), 'escapes']
}

const unescapeOnce = (text: string): string =>
  text.replace(/\\([nt"'`\\])/g, (_, char: string) => (char === 'n' ? '\n' : char === 't' ? '\t' : char))

function occurrences(text: string, wanted: string): number[] {
  const places: number[] = []
  for (let at = text.indexOf(wanted); at !== -1; at = text.indexOf(wanted, at + wanted.length)) places.push(at)
  return places
}

const lineAt = (text: string, at: number): number => {
  let line = 1
  for (let i = text.indexOf('\n'); i !== -1 && i < at; i = text.indexOf('\n', i + 1)) line++
  return line
}

const notUnique = (path: string, lines: number[]) =>
  new ToolFailure(
    'text_not_unique',
    `oldText is at ${lines.length} places of ${path}: lines ${lines.slice(0, 10).join(', ')}`,
    'Nothing was changed. Give more lines around it, or set replaceAll.',
  )

function notFound(path: string, lines: string[], wanted: string[], body: string, newText: string): ToolFailure {
  if (newText.trim() !== '' && body.includes(newText.trim()))
    return new ToolFailure(
      'text_not_found',
      `oldText is not in ${path}, but newText already is`,
      'Nothing was changed; the edit may be done already.',
    )
  const near = nearest(lines, wanted)
  const hint = near
    ? `Nothing was changed. The nearest lines, from line ${near.from}, are:\n${near.lines.join('\n')}`
    : `Nothing was changed. Read ${path} and copy the lines as they are.`
  return new ToolFailure('text_not_found', `oldText is not in ${path}`, hint)
}
