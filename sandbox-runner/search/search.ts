/**
 * `search_text`: with ripgrep where the machine has it and the repo is large, in plain code otherwise, with the same
 * answers: ripgrep narrows the files, the plain search makes the hits. Ignore rules are applied before, in one way.
 * A pattern that is no regular expression is searched for as it stands.
 */
import { spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { type SearchHit, ToolFailure } from '../define.ts'
import { machinePath } from '../exec/environment.ts'
import { TEXT_FILE_BYTES_MAX } from '../limits.ts'
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
  const files = query.files.length > RIPGREP_FROM_FILES ? await byRipgrep(query) : undefined
  return byPlainCode(files ? { ...query, files } : query)
}

/** Below this many files, reading them here is quicker than starting a process (`npm run bench` prints both). */
const RIPGREP_FROM_FILES = 1500

export async function byPlainCode({ root, files, pattern, limit, timeoutMs }: Search): Promise<SearchHit[]> {
  const work = { root, files, source: pattern.source, flags: pattern.flags, limit }
  // Only a repeated group can run away; everything else is quick enough to do right here.
  if (!/\)[*+{?]|\\\d/.test(pattern.source)) return searchFiles(work)
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./worker.ts', import.meta.url), { workerData: work })
    const timer = setTimeout(() => {
      void worker.terminate()
      reject(
        new ToolFailure(
          'timeout',
          `the search took longer than ${timeoutMs} ms`,
          'Use a simpler pattern or a narrower path.',
        ),
      )
    }, timeoutMs)
    worker.once('message', (hits: SearchHit[]) => resolve(hits))
    worker.once('error', reject)
    worker.once('exit', () => clearTimeout(timer))
  })
}

/**
 * The files that have a match, in their order. Undefined when ripgrep cannot read the pattern: its language has no
 * look-around and no back-references.
 */
export async function byRipgrep({ root, files, pattern }: Search): Promise<string[] | undefined> {
  const program = ripgrep()
  if (!program) return undefined
  const flags = [
    '--no-config',
    '-l',
    '--null',
    '--no-ignore',
    '--hidden',
    ...(pattern.source.includes('$') ? ['--crlf'] : []),
    ...(pattern.flags ? ['-i'] : []),
    `--max-filesize=${TEXT_FILE_BYTES_MAX}`,
  ]
  const matching = new Set<string>()
  for (const part of chunks(files)) {
    const found = await run(program, [...flags, '-e', pattern.source, '--', ...part], root)
    if (!found) return undefined
    for (const path of found) matching.add(path.startsWith('./-') ? path.slice(2) : path)
  }
  return files.filter((path) => matching.has(path))
}

function run(program: string, args: string[], cwd: string): Promise<string[] | undefined> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { cwd, stdio: ['ignore', 'pipe', 'ignore'] })
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
    bytes += file.length + 9
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
