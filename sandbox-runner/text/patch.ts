/**
 * The patch format that OpenAI's open models were trained on ("*** Begin Patch", as in the GPT-4.1 prompting guide and
 * Codex): files by name, hunks by context, no line numbers. All of a patch is applied or none of it.
 */
import { ToolFailure } from '../define.ts'
import { shortLine } from './excerpt.ts'
import { joinLines, LOOSENESS, mergeLines, nearest, placesOf, splitLines } from './lines.ts'

export type Hunk = {
  /** Lines after `@@` that lead to the place, outermost first. */
  anchors: string[]
  before: string[]
  after: string[]
  atEnd: boolean
}
export type FilePatch =
  | { kind: 'add'; path: string; text: string }
  | { kind: 'delete'; path: string }
  | { kind: 'update'; path: string; moveTo?: string; hunks: Hunk[] }

/** @throws ToolFailure `invalid_patch` that names the line. */
export function parsePatch(text: string): FilePatch[] {
  const lines = unwrap(text)
  const files: FilePatch[] = []
  let at = 0
  while (at < lines.length) {
    const line = (lines[at] ?? '').trimEnd()
    const header = /^\*\*\* (Add|Delete|Update) File: (.+)$/.exec(line)
    if (!header) {
      if (line.trim() === '' || /^\*\*\* End Patch/.test(line)) {
        at++
        continue
      }
      throw invalid(at, line, 'expected "*** Add File: ", "*** Update File: " or "*** Delete File: "')
    }
    const [, verb, name = ''] = header
    const path = name.trim()
    at++
    const start = at
    while (at < lines.length && !/^\*\*\* (Add|Delete|Update) File: |^\*\*\* End Patch/.test(lines[at] ?? '')) at++
    const body = lines.slice(start, at)
    if (verb === 'Delete') files.push({ kind: 'delete', path })
    else if (verb === 'Add') files.push({ kind: 'add', path, text: added(body, start) })
    else files.push(update(path, body, start))
  }
  if (files.length === 0) throw new ToolFailure('invalid_patch', 'the patch names no file', FORMAT)
  return files
}

/** The text of a file after its hunks. @throws ToolFailure `patch_does_not_apply` with the nearest real lines. */
export function applyHunks(
  path: string,
  text: string,
  hunks: Hunk[],
): { text: string; loosely: string[]; added: number; removed: number } {
  const file = splitLines(text)
  const lines = [...file.lines]
  const loosely = new Set<string>()
  let cursor = 0
  let [added, removed] = [0, 0]
  for (const hunk of hunks) {
    let from = cursor
    for (const anchor of hunk.anchors) from = anchorPlace(lines, anchor, from, path) + 1
    const place = hunkPlace(path, lines, hunk, from)
    if (place.how !== 'exact') loosely.add(place.how)
    const real = lines.slice(place.at, place.at + hunk.before.length)
    const after = place.how === 'exact' ? hunk.after : mergeLines(hunk.after, hunk.before, real)
    lines.splice(place.at, hunk.before.length, ...after)
    cursor = place.at + after.length
    added += hunk.after.length
    removed += hunk.before.length
    const context = common(hunk)
    added -= context
    removed -= context
  }
  const endsWithNewline = file.endsWithNewline || file.lines.length === 0
  return { text: joinLines({ ...file, lines, endsWithNewline }), loosely: [...loosely], added, removed }
}

function hunkPlace(path: string, lines: string[], hunk: Hunk, from: number): { at: number; how: string } {
  if (hunk.before.length === 0) return { at: hunk.anchors.length > 0 ? from : lines.length, how: 'exact' }
  for (const { name, fold } of LOOSENESS) {
    let places = placesOf(lines, hunk.before, fold, from)
    if (hunk.atEnd) {
      const last = lines.length - hunk.before.length
      places = places.includes(last) ? [last] : places
    }
    if (places.length === 1 && places[0] !== undefined) return { at: places[0], how: name }
    if (places.length > 1 && hunk.anchors.length > 0 && places[0] !== undefined) return { at: places[0], how: name }
    if (places.length > 1)
      throw new ToolFailure(
        'patch_does_not_apply',
        `a hunk of ${path} fits at ${places.length} places: lines ${places
          .slice(0, 10)
          .map((at) => at + 1)
          .join(', ')}`,
        'Nothing was changed. Add context lines, or an "@@ def or class line" before the hunk.',
      )
  }
  const near = nearest(lines, hunk.before)
  throw new ToolFailure(
    'patch_does_not_apply',
    `these lines are not in ${path}${from > 0 ? ` after line ${from}` : ''}:\n${hunk.before.slice(0, 12).map(shortLine).join('\n')}`,
    `Nothing was changed.${near ? ` The nearest lines, from line ${near.from}, are:\n${near.lines.join('\n')}` : ''}`,
  )
}

function anchorPlace(lines: string[], anchor: string, from: number, path: string): number {
  for (const { fold } of LOOSENESS) {
    const at = placesOf(lines, [anchor], fold, from)[0]
    if (at !== undefined) return at
  }
  throw new ToolFailure(
    'patch_does_not_apply',
    `the line after @@ is not in ${path}: ${shortLine(anchor)}`,
    'Nothing was changed. Copy a line of the file after @@.',
  )
}

const common = (hunk: Hunk): number => {
  let count = 0
  let from = 0
  for (const line of hunk.after) {
    const at = hunk.before.indexOf(line, from)
    if (at === -1) continue
    count++
    from = at + 1
  }
  return count
}

function added(body: string[], start: number): string {
  const lines = body.map((line, i) => {
    if (line.startsWith('+')) return line.slice(1)
    if (line === '') return ''
    throw invalid(start + i, line, 'every line of an added file begins with "+"')
  })
  while (lines.length > 0 && body[lines.length - 1] === '') lines.pop()
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`
}

function update(path: string, body: string[], start: number): FilePatch {
  let moveTo: string | undefined
  const hunks: Hunk[] = []
  let hunk: Hunk | undefined
  const open = (): Hunk => {
    hunk = { anchors: [], before: [], after: [], atEnd: false }
    hunks.push(hunk)
    return hunk
  }
  body.forEach((line, i) => {
    const move = /^\*\*\* Move to: (.+)$/.exec(line)
    if (move) moveTo = move[1]?.trim()
    else if (line.startsWith('@@')) {
      // Several @@ lines before one hunk narrow it step by step. Line numbers, as other formats have, say nothing here.
      const anchor = line
        .replace(/^@@+ ?/, '')
        .replace(/^-\d+(,\d+)? \+\d+(,\d+)? @@ ?/, '')
        .trimEnd()
      const current = hunk && hunk.before.length + hunk.after.length === 0 ? hunk : open()
      if (anchor !== '' && anchor !== '@@') current.anchors.push(anchor)
    } else if (/^\*\*\* End of File/.test(line)) (hunk ?? open()).atEnd = true
    else {
      const current = hunk ?? open()
      const [mark, rest] = [line[0], line.slice(1)]
      if (mark === '+') current.after.push(rest)
      else if (mark === '-') current.before.push(rest)
      else if (mark === ' ' || line === '') {
        current.before.push(rest)
        current.after.push(rest)
      } else throw invalid(start + i, line, 'a line of a hunk begins with " ", "+" or "-"')
    }
  })
  const full = hunks.map(trimBlankEnd).filter((found) => found.before.length + found.after.length > 0)
  if (full.length === 0 && !moveTo) throw new ToolFailure('invalid_patch', `the update of ${path} has no hunk`, FORMAT)
  return { kind: 'update', path, ...(moveTo ? { moveTo } : {}), hunks: full }
}

/** Blank lines between a hunk and the next header belong to the patch's layout, not to the file. */
function trimBlankEnd(hunk: Hunk): Hunk {
  const [before, after] = [[...hunk.before], [...hunk.after]]
  while (before.length > 1 && before.at(-1) === '' && after.at(-1) === '') {
    before.pop()
    after.pop()
  }
  return { ...hunk, before, after }
}

/** The lines between the markers, without the shell, fence or quotes a model may have put around them. */
function unwrap(text: string): string[] {
  const lines = text.replaceAll('\r\n', '\n').split('\n')
  const begin = lines.findIndex((line) => line.trim() === '*** Begin Patch')
  const end = lines.findLastIndex((line) => line.trim() === '*** End Patch')
  if (begin === -1 && !lines.some((line) => /^\*\*\* (Add|Delete|Update) File: /.test(line)))
    throw new ToolFailure('invalid_patch', 'the patch does not begin with "*** Begin Patch"', FORMAT)
  return lines.slice(begin + 1, end === -1 ? undefined : end)
}

const invalid = (at: number, line: string, why: string) =>
  new ToolFailure('invalid_patch', `line ${at + 2} of the patch, ${JSON.stringify(line.slice(0, 80))}: ${why}`, FORMAT)

const FORMAT =
  'Nothing was changed. The form is:\n*** Begin Patch\n*** Update File: path\n@@ a line above the change\n context\n-old\n+new\n*** End Patch'
