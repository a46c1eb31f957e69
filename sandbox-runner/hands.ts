/** What a tool can do in one workspace: every effect of every tool goes through here, and every path is checked here. */
import {
  closeSync,
  constants,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { type FileKind, type Hands, type ShellResult, type TestCommand, ToolFailure } from './define.ts'
import { commandEnvironment } from './exec/environment.ts'
import { shell } from './exec/shell.ts'
import { TEXT_FILE_BYTES_MAX, WRITE_BYTES_MAX } from './limits.ts'
import { readPattern, search } from './search/search.ts'
import { globMatcher } from './text/glob.ts'
import { alike } from './text/lines.ts'
import { detectTests } from './text/testing.ts'
import { readConfig } from './workspace/config.ts'
import { ignoreRules, isGits } from './workspace/diff.ts'
import { git } from './workspace/git.ts'
import { resolvePath } from './workspace/paths.ts'
import type { Workspace } from './workspace/workspace.ts'

/** The hands of one call, and what it did to the files. */
export type Work = {
  hands: Hands
  /** Paths that file tools wrote. */
  written: Set<string>
  /** `paths`: only what is in `written`; `anything`: everything must be looked at. */
  reach: () => 'paths' | 'anything'
  /** What a failed file tool did is undone; what a command did that failed is not. */
  standsWhenFailed: () => boolean
}

export function handsFor(workspace: Workspace, callId: string, timeoutMs: number, signal: AbortSignal): Work {
  const written = new Set<string>()
  let ranShell = false
  let ranGit = false
  const { tree } = workspace
  const places = { home: workspace.beside('home'), temp: workspace.beside('tmp') }

  const hands: Hands = {
    callId,
    async read(path) {
      const place = resolvePath(tree, path, 'read')
      if (place.kind === 'nothing') throw notFound(workspace, path)
      if (place.kind === 'directory') throw new ToolFailure('is_directory', `${path} is a folder`, 'Use list_files.')
      return readWhole(place.absolute, path)
    },
    async kind(path) {
      const { kind } = resolvePath(tree, path, 'read')
      return kind === 'nothing' ? undefined : (kind satisfies FileKind)
    },
    async write(path, bytes) {
      const place = resolvePath(tree, path, 'write')
      const content = typeof bytes === 'string' ? Buffer.from(bytes) : bytes
      if (place.kind === 'directory')
        throw new ToolFailure('is_directory', `${path} is a folder`, 'Give the path of a file.')
      if (content.length > WRITE_BYTES_MAX)
        throw new ToolFailure(
          'too_large',
          `the new content has ${content.length} bytes (at most ${WRITE_BYTES_MAX})`,
          'Write it in parts, or by a command.',
        )
      writeWhole(place.absolute, content)
      written.add(place.real)
    },
    async remove(path) {
      const place = resolvePath(tree, path, 'write')
      if (place.kind === 'nothing') throw notFound(workspace, path)
      if (place.kind === 'directory')
        throw new ToolFailure('is_directory', `${path} is a folder`, 'Delete its files, or use run_command.')
      rmSync(place.absolute)
      written.add(place.real)
    },
    async files(path = '.') {
      const place = resolvePath(tree, path, 'read')
      if (place.kind === 'nothing') throw notFound(workspace, path)
      const all = repoFiles(workspace)
      if (place.kind === 'file') return [place.real]
      return place.real === '' ? all : all.filter((name) => name.startsWith(`${place.real}/`))
    },
    async search({ pattern, path, glob, limit }) {
      const files = (await hands.files(path)).filter(globMatcher(glob))
      const read = readPattern(pattern)
      return { hits: await search({ root: tree, files, pattern: read, limit, timeoutMs }), literal: read.broken }
    },
    async shell(command, options) {
      ranShell = true
      const folder = resolvePath(tree, options.cwd ?? '.', 'read')
      if (folder.kind !== 'directory')
        throw new ToolFailure(
          'invalid_path',
          `${options.cwd} is not a folder`,
          'Give a folder of the workspace as cwd.',
        )
      const outputFolder = workspace.beside('spool')
      mkdirSync(outputFolder, { recursive: true })
      const result = await shell(command, {
        callId,
        cwd: folder.absolute,
        env: commandEnvironment(places, callId),
        timeoutMs: options.timeoutMs,
        outputFolder,
        signal,
      })
      if (result.truncated) keepOutput(tree, join(outputFolder, `${callId}.txt`), callId)
      return result satisfies ShellResult
    },
    git: (args, options = {}) => {
      ranGit ||= args[0] === 'commit' || args[0] === 'add'
      return git(args, { cwd: tree, ...options })
    },
    testCommand: async () => testCommandOf(workspace),
  }
  return { hands, written, reach: () => (ranShell || ranGit ? 'anything' : 'paths'), standsWhenFailed: () => ranShell }
}

/** Files that belong to the repo: those it began with, and new ones that its rules do not ignore. Sorted. */
export function repoFiles(workspace: Workspace): string[] {
  const known = workspace.files()
  const cached = listed.get(known)
  if (cached) return cached
  const count = workspace.current?.count ?? 1
  const rules = ignoreRules(workspace, count)
  const files: string[] = []
  for (const [path, { kind }] of known)
    if (
      kind !== 'directory' &&
      !path.startsWith('\0') &&
      !isGits(path) &&
      (workspace.stack.isOriginal(path) || !rules.ignores(path))
    )
      files.push(path)
  files.sort()
  listed.set(known, files)
  return files
}
const listed = new WeakMap<object, string[]>()

export function testCommandOf(workspace: Workspace): TestCommand | undefined {
  const known = workspace.files()
  const has = (path: string) => known.has(path) || [...known.keys()].some((name) => name.startsWith(`${path}/`))
  const text = (path: string) =>
    known.get(path)?.kind === 'file' ? readFileSync(join(workspace.tree, path), 'utf8') : undefined
  return detectTests(has, text, readConfig(text('.stint/config.json')))
}

/** The file that was checked is the file that is opened: links are not followed, and nothing blocks on a pipe. */
function readWhole(absolute: string, shown: string): Buffer {
  const file = openSync(absolute, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  try {
    const stat = fstatSync(file)
    if (!stat.isFile()) throw new ToolFailure('invalid_path', `${shown} is not a plain file`)
    if (stat.size > TEXT_FILE_BYTES_MAX)
      throw new ToolFailure(
        'too_large',
        `${shown} has ${stat.size} bytes (at most ${TEXT_FILE_BYTES_MAX} can be opened)`,
        'Use run_command with head, tail or grep to see a part.',
      )
    return readFileSync(file)
  } finally {
    closeSync(file)
  }
}

/** Written aside and renamed: a reader sees the old content or the new, and another name of the file keeps its own. */
function writeWhole(absolute: string, content: Uint8Array): void {
  mkdirSync(dirname(absolute), { recursive: true })
  const mode = statSync(absolute, { throwIfNoEntry: false })?.mode
  const aside = join(dirname(absolute), `.${basename(absolute).slice(0, 200)}.stint-part`)
  try {
    writeFileSync(aside, content, { mode: mode === undefined ? 0o644 : mode & 0o777, flag: 'w' })
    renameSync(aside, absolute)
  } catch (error) {
    rmSync(aside, { force: true })
    throw error
  }
}

/** Puts the whole of a long output where read_file finds it; without it the shown head and tail must do. */
function keepOutput(tree: string, spooled: string, callId: string): void {
  try {
    const place = resolvePath(tree, `.stint/output/${callId}.txt`, 'write')
    mkdirSync(dirname(place.absolute), { recursive: true })
    renameSync(spooled, place.absolute)
  } catch {
    rmSync(spooled, { force: true })
  }
}

/** Names what is near: the same name elsewhere, or the most similar names in the same folder. */
function notFound(workspace: Workspace, path: string): ToolFailure {
  const files = repoFiles(workspace)
  const name = basename(path)
  const folder = dirname(path) === '.' ? '' : `${dirname(path)}/`
  const near = files
    .map((file) => ({
      file,
      score:
        basename(file) === name
          ? 2
          : alike(basename(file).toLowerCase(), name.toLowerCase()) + (file.startsWith(folder) ? 0.2 : 0),
    }))
    .filter(({ score }) => score > 0.6)
    .sort((a, b) => b.score - a.score)
    .slice(0, 4)
  const hint =
    near.length > 0 ? `Near it: ${near.map(({ file }) => file).join(', ')}` : 'Use list_files to see what is there.'
  return new ToolFailure('not_found', `there is no ${path}`, hint)
}
