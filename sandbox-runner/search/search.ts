/**
 * `search_text`: with ripgrep where the machine has it and the repo is large, in plain code otherwise, with the same
 * answers: the plain search makes the hits, and ripgrep only says which files hold a text that every hit needs. It never
 * sees the pattern, whose language it does not speak. Ignore rules are applied before, in one way. A pattern that is no
 * regular expression is searched for as it stands.
 */
import { spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import type { SearchHit } from '../define.ts'
import { machinePath } from '../exec/environment.ts'
import { TEXT_FILE_BYTES_MAX } from '../limits.ts'
import { searchApart } from './apart.ts'
import { neededTexts } from './needed.ts'
import { searchFiles } from './plain.ts'

/** `broken`: it was no regular expression and is searched for as it stands. */
export type Pattern = { source: string; flags: string; broken: boolean }
export type Search = { root: string; files: string[]; pattern: Pattern; limit: number; timeoutMs: number }

/** A leading `(?i)` asks for any case. What is no regular expression is taken literally. */
export function readPattern(text: string): Pattern {
  const flags = text.startsWith('(?i)') ? 'i' : ''
  const source = flags ? text.slice(4) : text
  try {
    new RegExp(source, `${flags}gm`)
    return { source, flags, broken: false }
  } catch {
    return { source: source.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'), flags, broken: true }
  }
}

/** @throws ToolFailure `timeout` for a pattern that takes too long. */
export async function search(query: Search): Promise<SearchHit[]> {
  const { files, limit } = query
  if (files.length > RIPGREP_FROM_FILES) {
    // What is common is soon found as often as it is wanted, and then the rest need not be looked at.
    const first = await byPlainCode({ ...query, files: files.slice(0, FIRST_FILES) })
    if (first.length >= limit) return first
    const more = await searchMany({ ...query, files: files.slice(FIRST_FILES), limit: limit - first.length })
    return [...first, ...more]
  }
  return byPlainCode(query)
}

/** Files in one order, hits in the same. */
async function searchMany(query: Search): Promise<SearchHit[]> {
  const files = await byRipgrep(query)
  return byPlainCode(files ? { ...query, files } : query)
}

/** Up to this many files are soon read here: quicker than starting a process or a thread. */
const RIPGREP_FROM_FILES = 1500
const FIRST_FILES = 100

/** In a thread, unless the files are few and the pattern cannot take for ever. */
export async function byPlainCode({ root, files, pattern, limit, timeoutMs }: Search): Promise<SearchHit[]> {
  const work = { root, files, source: pattern.source, flags: pattern.flags, limit }
  const little = files.length <= RIPGREP_FROM_FILES && STRAIGHT.test(pattern.source) && pattern.source.length < 200
  return little ? searchFiles(work) : searchApart(work, timeoutMs)
}

/** No quantifier, group or choice: each place of a text is tried once, in the one way there is. */
const STRAIGHT = /^(?:[^\\*+?{}()|]|\\.)*$/s

/**
 * The files that have a text which every match needs, in their order. Undefined when there is no such text, or ripgrep
 * is not there or failed: then all files are to be looked at.
 */
export async function byRipgrep({ root, files, pattern, timeoutMs }: Search): Promise<string[] | undefined> {
  const program = ripgrep()
  const needed = neededTexts(pattern.source, pattern.flags !== '')
  if (!program || !needed) return undefined
  const flags = [...flagsFor(needed, pattern), '--no-ignore']
  const matching = new Set<string>()
  for (const part of chunks(files)) {
    const found = await run(program, [...flags, '--', ...part], root, timeoutMs)
    if (!found) return undefined
    for (const path of found) matching.add(path.startsWith('./-') ? path.slice(2) : path)
  }
  return files.filter((path) => matching.has(path))
}

/** What is told to ripgrep in any case: the texts, and the bytes as they are, with no guesses what is binary. */
const flagsFor = (needed: readonly string[], { flags }: Pattern): string[] => [
  ...['--no-config', '--files-with-matches', '--null', '--fixed-strings'],
  ...['--hidden', '--text', '--encoding=none', `--max-filesize=${TEXT_FILE_BYTES_MAX}`],
  ...(flags ? ['--ignore-case'] : ['--case-sensitive']),
  ...needed.map((text) => `--regexp=${text}`),
]

/**
 * The files below a folder that git would not ignore and that have a text which every match needs; no order. Undefined
 * as above; the promise is so too when ripgrep failed.
 */
export function walkByRipgrep({
  root,
  pattern,
  timeoutMs,
}: Omit<Search, 'files' | 'limit'>): Promise<string[] | undefined> | undefined {
  const program = ripgrep()
  const needed = neededTexts(pattern.source, pattern.flags !== '')
  if (!program || !needed) return undefined
  // Only git's own rules: a repo's `.ignore` hides nothing from a search, and neither does a person's own list.
  const rules = ['--no-ignore-dot', '--no-ignore-global', '--no-ignore-parent', '--glob=!.git']
  const found = run(program, [...flagsFor(needed, pattern), ...rules, '--', './'], root, timeoutMs)
  return found.then((paths) => paths?.map((path) => path.replace(/^\.\//, '')))
}

function run(program: string, args: string[], cwd: string, timeout: number): Promise<string[] | undefined> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { cwd, timeout, killSignal: 'SIGKILL', stdio: ['ignore', 'pipe', 'ignore'] })
    const parts: Buffer[] = []
    child.stdout.on('data', (part: Buffer) => parts.push(part))
    child.once('error', () => resolve(undefined))
    child.once('close', (code) =>
      resolve(code === 0 || code === 1 ? Buffer.concat(parts).toString().split('\0').filter(Boolean) : undefined),
    )
  })
}

function* chunks(files: string[]): Iterable<string[]> {
  let part: string[] = []
  let bytes = 0
  for (const file of files) {
    part.push(file.startsWith('-') ? `./${file}` : file)
    bytes += Buffer.byteLength(file) + 11
    if (bytes > 1_000_000) {
      yield part
      part = []
      bytes = 0
    }
  }
  if (part.length > 0) yield part
}

let known: string | null | undefined
/** Where ripgrep is, looked up once. */
export function ripgrep(): string | undefined {
  known ??=
    machinePath(process.env.PATH ?? '')
      .split(delimiter)
      .map((folder) => join(folder, 'rg'))
      .find(executable) ?? null
  return known ?? undefined
}

function executable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
