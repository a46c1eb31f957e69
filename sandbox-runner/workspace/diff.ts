/**
 * The unified diff between two snapshots, in git's form: `git apply` takes it, new, deleted, binary and executable
 * files and links included. It is made from the layers alone, so it needs neither the tree nor git. It is text: what is
 * no UTF-8 is in it as a binary patch, or in the case of a name by number.
 */
import { isUtf8 } from 'node:buffer'
import { createHash } from 'node:crypto'
import { deflateSync } from 'node:zlib'
import { structuredPatch } from 'diff'
import { DIFF_BINARY_BYTES_MAX, DIFF_EDIT_LINES_MAX, TEXT_FILE_BYTES_MAX } from '../limits.ts'
import type { DiffStat } from '../protocol.ts'
import { IgnoreRules } from './ignored.ts'
import type { Held } from './stack.ts'
import type { Workspace } from './workspace.ts'

type Change = { path: string; before?: Held; after?: Held }

/** Line counts by the pair of contents, so that a file is compared once however often the totals are asked for. */
const counted = new Map<string, [additions: number, deletions: number]>()
const COUNTED_MAX = 5000

export function diffText(workspace: Workspace, from: number, to: number): string {
  return changes(workspace, from, to)
    .map((change) => filePatch(workspace, change).text)
    .join('')
}

export function diffStat(workspace: Workspace, from: number, to: number): DiffStat {
  let [additions, deletions] = [0, 0]
  const list = changes(workspace, from, to)
  for (const change of list) {
    const key = `${change.before?.kind} ${change.before?.hash} ${change.after?.kind} ${change.after?.hash}`
    let counts = counted.get(key)
    if (!counts) {
      const patch = filePatch(workspace, change)
      counts = [patch.additions, patch.deletions]
      if (counted.size >= COUNTED_MAX) counted.clear()
      counted.set(key, counts)
    }
    additions += counts[0]
    deletions += counts[1]
  }
  return { files: list.length, additions, deletions }
}

/** What really differs, ignored files and git's own left out, in path order. */
function changes(workspace: Workspace, from: number, to: number): Change[] {
  const found: Change[] = []
  let rules: IgnoreRules | undefined
  for (const path of workspace.stack.touched(from, to)) {
    if (isGits(path)) continue
    const before = fileOf(workspace.stack.lookUp(path, from))
    const after = fileOf(workspace.stack.lookUp(path, to))
    if (!before && !after) continue
    if (
      before &&
      after &&
      before.hash === after.hash &&
      before.kind === after.kind &&
      isExecutable(before) === isExecutable(after)
    )
      continue
    if (!workspace.stack.isOriginal(path)) {
      rules ??= ignoreRules(workspace, to)
      if (rules.ignores(path)) continue
    }
    found.push({ path, ...(before ? { before } : {}), ...(after ? { after } : {}) })
  }
  return found.sort((a, b) => (a.path < b.path ? -1 : 1))
}

/** The ignore rules of a snapshot, Stint's own output folder included. */
export function ignoreRules(workspace: Workspace, count: number): IgnoreRules {
  const texts: [string, string | Uint8Array][] = [['', '/.stint/output/']]
  for (const [path, held] of workspace.stack.state(count)) {
    const name = path.slice(path.lastIndexOf('/') + 1)
    if (path === '.git/info/exclude') texts.push(['', workspace.stack.content(held)])
    else if (name === '.gitignore' && held.kind === 'file' && held.size < 1_000_000)
      texts.push([path, workspace.stack.content(held)])
  }
  return new IgnoreRules(texts)
}

export const isGits = (path: string): boolean => /(^\0?|\/)\.git\/|^\.git$/.test(path)

function filePatch(workspace: Workspace, change: Change): { text: string; additions: number; deletions: number } {
  const { path, before, after } = change
  if (before && after && before.kind !== after.kind) {
    const [gone, made] = [filePatch(workspace, { path, before }), filePatch(workspace, { path, after })]
    return { text: gone.text + made.text, additions: made.additions, deletions: gone.deletions }
  }
  const [oldMode, newMode] = [before && gitMode(before), after && gitMode(after)]
  const head = [`diff --git ${quoted(path, 'a/')} ${quoted(path, 'b/')}`]
  if (!before) head.push(`new file mode ${newMode}`)
  else if (!after) head.push(`deleted file mode ${oldMode}`)
  else if (oldMode !== newMode) head.push(`old mode ${oldMode}`, `new mode ${newMode}`)
  const header = `${head.join('\n')}\n`
  if (before && after && before.hash === after.hash) return { text: header, additions: 0, deletions: 0 }

  const large = Math.max(before?.size ?? 0, after?.size ?? 0) > TEXT_FILE_BYTES_MAX
  const [old, now] = large
    ? []
    : [before ? workspace.stack.content(before) : EMPTY, after ? workspace.stack.content(after) : EMPTY]
  const isText = old !== undefined && now !== undefined && !isBinary(old) && !isBinary(now)
  if (!isText || !isUtf8(old) || !isUtf8(now)) {
    // Of a text in another encoding the lines can be counted, though not shown.
    const counts = isText ? hunks(old.toString('latin1'), now.toString('latin1')) : { additions: 0, deletions: 0 }
    return { ...counts, text: header + binaryPatch(change, old, now) }
  }
  const { text, additions, deletions } = hunks(old.toString(), now.toString())
  if (text === '') return { text: header, additions, deletions }
  // As git does, a tab ends a name with a space in it: other readers of patches would cut it there.
  const end = path.includes(' ') ? '\t\n' : '\n'
  const files = `--- ${before ? quoted(path, 'a/') + end : '/dev/null\n'}+++ ${after ? quoted(path, 'b/') + end : '/dev/null\n'}`
  return { text: header + files + text, additions, deletions }
}

/** Both contents, so that it can be applied and taken back; of large ones only that they differ. */
function binaryPatch({ path, before, after }: Change, old: Buffer | undefined, now: Buffer | undefined): string {
  if (!old || !now || now.length > DIFF_BINARY_BYTES_MAX || old.length > DIFF_BINARY_BYTES_MAX)
    return `Binary files ${before ? quoted(path, 'a/') : '/dev/null'} and ${after ? quoted(path, 'b/') : '/dev/null'} differ\n`
  const index = `index ${before ? blobId(old) : NO_BLOB}..${after ? blobId(now) : NO_BLOB}`
  return `${index}\nGIT binary patch\n${literal(now)}${literal(old)}`
}

function hunks(old: string, now: string): { text: string; additions: number; deletions: number } {
  const options = { context: 3, maxEditLength: DIFF_EDIT_LINES_MAX, timeout: 2000 }
  const found = structuredPatch('', '', old, now, '', '', options)?.hunks ?? [whole(old, now)]
  let [additions, deletions] = [0, 0]
  const text = found.map((hunk) => {
    for (const line of hunk.lines) {
      if (line.startsWith('+')) additions++
      else if (line.startsWith('-')) deletions++
    }
    // git names the line before an empty range, and leaves out a length of one.
    const range = (start: number, lines: number) =>
      `${lines === 0 ? Math.max(0, start - 1) : start}${lines === 1 ? '' : `,${lines}`}`
    return `@@ -${range(hunk.oldStart, hunk.oldLines)} +${range(hunk.newStart, hunk.newLines)} @@\n${hunk.lines.join('\n')}\n`
  })
  return { text: text.join(''), additions, deletions }
}

/** All of the old, all of the new: for two texts too different to compare in time. */
function whole(old: string, now: string) {
  const lines = (text: string, mark: string): string[] => {
    if (text === '') return []
    const parts = text.split('\n')
    if (parts.at(-1) === '') return parts.slice(0, -1).map((line) => mark + line)
    return [...parts.map((line) => mark + line), '\\ No newline at end of file']
  }
  const [before, after] = [lines(old, '-'), lines(now, '+')]
  const count = (list: string[]) => list.filter((line) => !line.startsWith('\\')).length
  return { oldStart: 1, oldLines: count(before), newStart: 1, newLines: count(after), lines: [...before, ...after] }
}

const EMPTY = Buffer.alloc(0)
const NO_BLOB = '0'.repeat(40)
/** The name git gives a content; a binary patch applies only to the content it names. */
const blobId = (bytes: Buffer): string =>
  createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex')
const isBinary = (bytes: Buffer): boolean => bytes.subarray(0, 8000).includes(0)
const isExecutable = (held: Held): boolean => held.kind === 'file' && (held.mode & 0o100) !== 0
const gitMode = (held: Held): string => (held.kind === 'link' ? '120000' : isExecutable(held) ? '100755' : '100644')
const fileOf = (held: Held | undefined): Held | undefined => (held?.kind === 'directory' ? undefined : held)

/** A name as git writes it: in quotes, with escapes, when it has a control character, quote or backslash, or no UTF-8. */
function quoted(path: string, prefix: string): string {
  const name = prefix + path.replace(/^\0/, '')
  const special = path.startsWith('\0') ? /["\\]|[^ -~]/g : /[\u0000-\u001f"\\\u007f]/g
  if (!path.startsWith('\0') && !special.test(name)) return name
  const escaped = name.replace(special, (char) =>
    char === '"' || char === '\\' ? `\\${char}` : `\\${char.charCodeAt(0).toString(8).padStart(3, '0')}`,
  )
  return `"${escaped}"`
}

const BASE85 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~'

/** One side of a git binary patch: its size, then its deflated bytes, 52 to a line. */
function literal(bytes: Buffer): string {
  const packed = deflateSync(bytes)
  let text = `literal ${bytes.length}\n`
  for (let at = 0; at < packed.length; at += 52) {
    const part = packed.subarray(at, at + 52)
    text += String.fromCharCode(part.length <= 26 ? 64 + part.length : 70 + part.length)
    for (let i = 0; i < part.length; i += 4) {
      let value = 0
      for (let k = 0; k < 4; k++) value = value * 256 + (part[i + k] ?? 0)
      let group = ''
      for (let k = 0; k < 5; k++) {
        group = BASE85[value % 85] + group
        value = Math.floor(value / 85)
      }
      text += group
    }
    text += '\n'
  }
  return `${text}\n`
}
