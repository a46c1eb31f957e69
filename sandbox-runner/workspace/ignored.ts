/**
 * Which files belong to the repo and which are ignored, by its own rules, as git tells it. Files that were in the
 * workspace from the start belong to it whatever the rules say: they were tracked, or not ignored, when it was made.
 */
import { wildmatch } from './wildmatch.ts'

/** What one line of a list says of a path, relative to the folder of the list. */
type Rule = {
  ignores: boolean
  foldersOnly: boolean
  /** Compared with the last name of the path alone. */
  byName: boolean
  matches: (text: string) => boolean
}

const SPECIAL = /[*?[\\]/

export class IgnoreRules {
  /** Folder -> rules of the `.gitignore` in it; the last line comes first, because it wins. */
  private readonly rules = new Map<string, Rule[]>()
  /** The repo's own exclude list, which any `.gitignore` wins over. */
  private readonly exclude: Rule[] = []
  private readonly folders = new Map<string, boolean>()

  /** `files` are the `.gitignore` files by path, with their text; '' names the repo's own exclude list. */
  constructor(files: Iterable<[path: string, text: string | Uint8Array]>) {
    for (const [path, text] of files) {
      const rules = Buffer.from(text as string)
        .toString('latin1')
        .replace(/^\u00ef\u00bb\u00bf/, '')
        .split('\n')
        .flatMap(ruleOf)
        .reverse()
      if (path === '') this.exclude.unshift(...rules)
      else this.rules.set(folderOf(bytesOf(path)), rules)
    }
  }

  /** `path` is a file; see `layer.ts` for one that is no UTF-8. */
  ignores(path: string): boolean {
    const bytes = bytesOf(path)
    return this.folderIgnored(folderOf(bytes)) || this.matches(bytes, false)
  }

  private folderIgnored(folder: string): boolean {
    if (folder === '') return false
    const known = this.folders.get(folder)
    if (known !== undefined) return known
    const ignored = this.folderIgnored(folderOf(folder)) || this.matches(folder, true)
    this.folders.set(folder, ignored)
    return ignored
  }

  /** The nearest list with an opinion decides. */
  private matches(path: string, isFolder: boolean): boolean {
    const name = path.slice(path.lastIndexOf('/') + 1)
    const opinion = (rules: Rule[], relative: string) =>
      rules.find(({ foldersOnly, byName, matches }) => (isFolder || !foldersOnly) && matches(byName ? name : relative))
    for (let folder = folderOf(path); ; folder = folderOf(folder)) {
      const rule = opinion(this.rules.get(folder) ?? [], folder === '' ? path : path.slice(folder.length + 1))
      if (rule) return rule.ignores
      if (folder === '') return opinion(this.exclude, path)?.ignores ?? false
    }
  }
}

function ruleOf(line: string): Rule[] {
  let text = withoutSpaces(line.endsWith('\r') ? line.slice(0, -1) : line)
  if (text === '' || text.startsWith('#')) return []
  const ignores = !text.startsWith('!')
  if (!ignores) text = text.slice(1)
  const foldersOnly = text.endsWith('/')
  if (foldersOnly) text = text.slice(0, -1)
  const byName = !text.includes('/')
  return [{ ignores, foldersOnly, byName, matches: matcherOf(text.replace(/^\//, ''), byName) }]
}

/** Takes spaces off the end, but for one behind a backslash. */
function withoutSpaces(line: string): string {
  let end = 0
  for (let at = 0; at < line.length; at++) {
    if (line[at] === '\\') at++
    else if (line[at] === ' ') continue
    end = at + 1
  }
  return line.slice(0, end)
}

/** As git does, the part before the first special character is compared as it stands. */
function matcherOf(pattern: string, byName: boolean): Rule['matches'] {
  const at = pattern.search(SPECIAL)
  if (at === -1) return (text) => text === pattern
  const [before, rest] = [pattern.slice(0, at), pattern.slice(at)]
  if (byName && rest.startsWith('*') && !SPECIAL.test(rest.slice(1)))
    return (text) => text.length >= pattern.length - 1 && text.startsWith(before) && text.endsWith(rest.slice(1))
  return (text) => text.startsWith(before) && wildmatch(rest, text.slice(at), !byName)
}

/** A path as the bytes that git compares. */
const bytesOf = (path: string): string =>
  path.startsWith('\0') ? path.slice(1) : /^[\u0000-\u007f]*$/.test(path) ? path : Buffer.from(path).toString('latin1')

const folderOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')))
