/** What a tool can do in one workspace: every effect of every tool goes through here, and every path is checked here. */
import { readFileSync, rmSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { type FileKind, type Hands, type TestCommand, ToolFailure } from './define.ts'
import { type Machine, shell } from './exec/shell.ts'
import { searchWorkspace, symbolsInWorkspace } from './indexing/requests.ts'
import type { Answered } from './indexing/work.ts'
import { CODE_INDEX_MS_MAX, TEXT_FILE_BYTES_MAX, WRITE_BYTES_MAX } from './limits.ts'
import { readPattern, search } from './search/search.ts'
import { readSyntax } from './syntax/read.ts'
import { type Broken, EditWatch } from './syntax/watch.ts'
import { globMatcher } from './text/glob.ts'
import { alike } from './text/lines.ts'
import { detectLinters } from './text/linting.ts'
import { detectTests } from './text/testing.ts'
import { readConfig } from './workspace/config.ts'
import { ignoreRules, isGits } from './workspace/diff.ts'
import { readWhole, writeWhole } from './workspace/files.ts'
import { git } from './workspace/git.ts'
import { isSecretPath, resolvePath } from './workspace/paths.ts'
import { ensureRoot } from './workspace/root.ts'
import type { Workspace } from './workspace/workspace.ts'

/** The hands of one call, and what it did to the files. */
export type Work = {
  hands: Hands
  /** Paths that file tools wrote, or began to write. */
  written: Set<string>
  /** How far it came: `paths` is only what is in `written`; at `anything` everything must be looked at. */
  reach: () => 'nothing' | 'paths' | 'anything'
  /** What a failed file tool did is undone; what a command did that failed is not. */
  standsWhenFailed: () => boolean
  /** What its edits broke, by the syntax of the files. */
  broken: () => Promise<Broken[]>
}

export type HandsOptions = {
  machine: Machine
  callId: string
  timeoutMs: number
  signal: AbortSignal
  /** When the answer must be ready, in Unix time: a command ends before. */
  untilMs?: number | undefined
}

export function handsFor(workspace: Workspace, { machine, callId, timeoutMs, signal, untilMs }: HandsOptions): Work {
  const written = new Set<string>()
  const watch = new EditWatch()
  let ranShell = false
  let ranGit = false
  const { tree } = workspace
  const places = { tree, home: workspace.beside('home'), temp: workspace.beside('tmp') }

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
    async realPath(path, { itself = false } = {}) {
      return resolvePath(tree, path, itself ? 'remove' : 'read').real
    },
    async write(path, bytes, like) {
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
      const model = like === undefined ? undefined : resolvePath(tree, like, 'read').absolute
      written.add(place.real)
      // A file that is moved brings the problems that it had.
      const before = place.kind === 'file' ? place.absolute : model
      watch.note(place.real, () => (before === undefined ? undefined : readFileSync(before)), content)
      writeWhole(workspace.beside('written.part'), place.absolute, content, model)
    },
    async remove(path) {
      const place = resolvePath(tree, path, 'remove')
      if (place.kind === 'nothing') throw notFound(workspace, path)
      if (place.kind === 'directory')
        throw new ToolFailure('is_directory', `${path} is a folder`, 'Delete its files, or use run_command.')
      written.add(place.real)
      rmSync(place.absolute)
    },
    async files(path = '.') {
      const place = resolvePath(tree, path, 'read')
      if (place.kind === 'nothing') throw notFound(workspace, path)
      const all = repoFiles(workspace)
      if (place.kind === 'file') return [place.real]
      return place.real === '' ? all : all.filter((name) => name.startsWith(`${place.real}/`))
    },
    async search({ pattern, path, glob, limit }) {
      // Links are not followed: what they lead to is searched under its own name, or is not to be seen.
      const open = (name: string) => workspace.files().get(name)?.kind === 'file' && !isSecretPath(name)
      const files = (await hands.files(path)).filter(globMatcher(glob)).filter(open)
      const read = readPattern(pattern)
      return { hits: await search({ root: tree, files, pattern: read, limit, timeoutMs }), literal: read.broken }
    },
    async syntax(path) {
      const place = resolvePath(tree, path, 'read')
      const bytes = await hands.read(path)
      if (bytes.subarray(0, 8192).includes(0))
        throw new ToolFailure('not_text', `${path} is no text`, 'It has no outline.')
      // By its real name: what a link is called says nothing of what is in it.
      return readSyntax(place.real, new TextDecoder().decode(bytes))
    },
    async symbols({ path, ...wanted }) {
      if (path !== undefined) resolvePath(tree, path, 'read')
      const asked = { ...wanted, ...(path === undefined ? {} : { paths: [path] }) }
      const waitMs = Math.min(timeoutMs - 1000, CODE_INDEX_MS_MAX)
      const answered = await symbolsInWorkspace(workspace, repoFiles(workspace), asked, waitMs)
      if (answered.kind === 'ready') return answered.symbols ?? []
      throw unready(answered)
    },
    async searchCode({ query, limit }) {
      const waitMs = Math.min(timeoutMs - 1000, CODE_INDEX_MS_MAX)
      const asked = { query, limit, mode: 'ranked' as const }
      const answered = await searchWorkspace(workspace, repoFiles(workspace), asked, waitMs)
      if (answered.kind === 'ready') return answered.results
      throw unready(answered)
    },
    async shell(command, options) {
      if (command.includes('\0'))
        throw new ToolFailure('invalid_arguments', 'a command cannot have a NUL in it', 'Write it as \\0 in printf.')
      const folder = resolvePath(tree, options.cwd ?? '.', 'read')
      if (folder.kind !== 'directory')
        throw new ToolFailure(
          'invalid_path',
          `${options.cwd} is not a folder`,
          'Give a folder of the workspace as cwd.',
        )
      ranShell = true
      return shell(command, {
        callId,
        cwd: folder.absolute,
        places,
        machine,
        timeoutMs: Math.min(options.timeoutMs, (untilMs ?? Number.POSITIVE_INFINITY) - Date.now()),
        keep: (content) => keepOutput(workspace, callId, content),
        signal,
      })
    },
    git: (args, options = {}) => {
      ranGit ||= args[0] === 'commit' || args[0] === 'update-index'
      return git(args, { cwd: tree, view: workspace.beside('git'), ...options })
    },
    testCommand: async () => testCommandOf(workspace),
    linters: async () =>
      detectLinters(
        (path) => workspace.files().has(path),
        (path) => repoText(workspace, path),
      ),
  }
  const reach = () => (ranShell || ranGit ? 'anything' : written.size > 0 ? 'paths' : 'nothing')
  return { hands, written, reach, standsWhenFailed: () => ranShell, broken: () => watch.broken() }
}

const unready = (answered: Answered): ToolFailure =>
  answered.kind === 'failed'
    ? new ToolFailure(answered.code, answered.message, answered.hint)
    : new ToolFailure('index_pending', 'the code is still being indexed', 'Use search_text, or try again later.')

/** Files that belong to the repo: those it began with, and new ones that its rules do not ignore. Sorted. */
export function repoFiles(workspace: Workspace): string[] {
  const known = workspace.files()
  const cached = listed.get(workspace.version)
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
  listed.set(workspace.version, files)
  return files
}
const listed = new WeakMap<object, string[]>()

export function testCommandOf(workspace: Workspace): TestCommand | undefined {
  const known = workspace.files()
  const has = (path: string) => known.has(path) || [...known.keys()].some((name) => name.startsWith(`${path}/`))
  const text = (path: string) => repoText(workspace, path)
  return detectTests(has, text, readConfig(text('.stint/config.json')))
}

/** The text of a plain file of the workspace; undefined for a link, which may lead anywhere, and for what is too large. */
export function repoText(workspace: Workspace, path: string): string | undefined {
  const known = workspace.files().get(path)
  return known?.kind === 'file' && known.size <= TEXT_FILE_BYTES_MAX
    ? readFileSync(join(workspace.tree, path), 'utf8')
    : undefined
}

/** Puts the whole of a long output where read_file finds it; without it the shown head and tail must do. */
function keepOutput(workspace: Workspace, callId: string, content: Buffer): string | undefined {
  const path = `.stint/output/${callId}.txt`
  try {
    ensureRoot(workspace.tree)
    writeWhole(workspace.beside('written.part'), resolvePath(workspace.tree, path, 'write').absolute, content)
    return path
  } catch {
    return undefined
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
