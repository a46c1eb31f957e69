/**
 * Replaces one text by another in a file. Exactly where it can be; otherwise by whole lines that differ only in
 * trailing spaces, in indentation, in typographic punctuation, or by one level of escaping, tried in this order.
 * Always unique: two places that fit equally well are an error, never a guess.
 */
import { ToolFailure } from '../define.ts'
import { joinLines, LOOSENESS, mergeLines, nearest, placesOf, splitLines } from './lines.ts'

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

  const [old, now] = [normal(oldText, file.bom), normal(newText, file.bom)]
  for (const [wanted, given, how] of spellings(old, now)) {
    const first = body.indexOf(wanted)
    if (first === -1) continue
    if (!all && body.includes(wanted, first + 1)) throw notUnique(path, linesOf(body, wanted))
    const parts = all ? body.split(wanted) : [body.slice(0, first), body.slice(first + wanted.length)]
    const line = body.slice(0, first).split('\n').length
    return { text: asFile(parts.join(given)), places: parts.length - 1, line, ...(how ? { loosely: how } : {}) }
  }

  const wanted = old.replace(/\n$/, '').split('\n')
  const given = now === '' ? [] : now.replace(/\n$/, '').split('\n')
  for (const { name, fold } of LOOSENESS.slice(1)) {
    if (wanted.every((line) => fold(line) === '')) break
    const found = placesOf(file.lines, wanted, fold)
    if (found.length > 1 && !all)
      throw notUnique(
        path,
        found.map((at) => at + 1),
      )
    const places = apart(found, wanted.length)
    const first = places[0]
    if (first === undefined) continue
    const lines = [...file.lines]
    for (const at of places.toReversed())
      lines.splice(at, wanted.length, ...mergeLines(given, wanted, file.lines.slice(at, at + wanted.length)))
    return { text: joinLines({ ...file, lines }), places: places.length, line: first + 1, loosely: name }
  }
  throw notFound(path, file.lines, wanted, given)
}

/** As the file's text is compared: one kind of line end, no byte-order mark where the file's own is set aside. */
const normal = (text: string, bom: boolean): string =>
  (bom ? text.replace(/^\ufeff/, '') : text).replaceAll('\r\n', '\n')

/** Of places that overlap, each that begins after the one before it has ended. */
function apart(places: number[], length: number): number[] {
  let end = 0
  return places.filter((at) => {
    if (at < end) return false
    end = at + length
    return true
  })
}

/** The text as given, and with one level of escaping taken off. */
function* spellings(wanted: string, given: string): Iterable<[string, string, string?]> {
  yield [wanted, given]
  const unescaped = unescapeOnce(wanted)
  if (unescaped !== wanted) yield [unescaped, unescapeOnce(given), 'escapes']
}

const unescapeOnce = (text: string): string =>
  text.replace(/\\([nt"'`\\])/g, (_, char: string) => (char === 'n' ? '\n' : char === 't' ? '\t' : char))

/** 1-based lines where `wanted` begins, also where it overlaps itself. One pass: there may be very many. */
function linesOf(text: string, wanted: string): number[] {
  const lines: number[] = []
  let [line, seen] = [1, 0]
  for (let at = text.indexOf(wanted); at !== -1; at = text.indexOf(wanted, at + 1)) {
    for (let i = text.indexOf('\n', seen); i !== -1 && i < at; i = text.indexOf('\n', i + 1))
      [line, seen] = [line + 1, i + 1]
    lines.push(line)
  }
  return lines
}

const notUnique = (path: string, lines: number[]) =>
  new ToolFailure(
    'text_not_unique',
    `oldText is at ${lines.length} places of ${path}: lines ${lines.slice(0, 10).join(', ')}`,
    'Nothing was changed. Give more lines around it, or set replaceAll.',
  )

function notFound(path: string, lines: string[], wanted: string[], given: string[]): ToolFailure {
  const said = given.some((line) => line.trim() !== '')
  if (said && placesOf(lines, given, (line) => line.trim()).length > 0)
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
