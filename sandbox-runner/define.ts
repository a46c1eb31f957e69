/**
 * What a tool is. A tool that runs in the sandbox is one file under `tools/`: its schema, risk, time-out, whether a
 * repeat is safe, and `run`. It gets its effects as an argument (`Hands`), so it imports no file system and no process,
 * can be offered to the model by a function that has neither, and is tested with any hands.
 */
import type { z } from 'zod'

export type Risk = 'read' | 'write' | 'execute' | 'external'
export type Category =
  | 'file operations'
  | 'code analysis'
  | 'execution'
  | 'git operations'
  | 'context search'
  | 'AI-assisted'
  | 'run control'

/** What a tool says of itself; this much is shown to the model and by GET /tools. */
export type ToolDefinition<Input = unknown> = {
  name: string
  category: Category
  description: string
  input: z.ZodType<Input> & { shape: Record<string, z.ZodType> }
  risk: Risk
  /** True: it may change the workspace, runs alone, and is followed by a snapshot. */
  changes: boolean
  /** `safe`: run it again; `from_snapshot`: again from the state before it; `never`: report an unknown outcome. */
  repeat: 'safe' | 'from_snapshot' | 'never'
  /** How long one call may take, in milliseconds. */
  timeoutMs: number | ((input: Input) => number)
}

/** A tool of the sandbox. `run` throws `ToolFailure` for what the model can mend; anything else is our fault. */
export type SandboxTool<Input = unknown> = ToolDefinition<Input> & {
  run(input: Input, hands: Hands): Promise<Done>
}

/** `output` is what the model reads. `changed` names the paths a file tool wrote; a command's are found by scanning. */
export type Done = {
  output: string
  data?: unknown
  truncated?: boolean
  /** Set when the tool did its work and the work failed, as a command that exits with 1. */
  error?: { code: string; message: string; hint?: string }
}

export class ToolFailure extends Error {
  readonly code: string
  readonly hint: string | undefined
  constructor(code: string, message: string, hint?: string) {
    super(message)
    this.name = 'ToolFailure'
    this.code = code
    this.hint = hint
  }
}

export type FileKind = 'file' | 'directory'

/** The effects a tool may have, all bound to one workspace. Paths are relative, `/` separated and checked in here. */
export type Hands = {
  callId: string
  /** The file's bytes. Fails with `not_found` (and near names), `is_directory`, `too_large`. */
  read(path: string): Promise<Uint8Array>
  /** Undefined when there is nothing. */
  kind(path: string): Promise<FileKind | undefined>
  /** The real path behind `path`, one for all its spellings; `itself`: of a link, not of what it leads to. */
  realPath(path: string, options?: { itself?: boolean }): Promise<string>
  /** A file keeps its mode; a new one gets that of the file `like`. */
  write(path: string, bytes: Uint8Array | string, like?: string): Promise<void>
  /** A link is removed itself, never what it leads to. */
  remove(path: string): Promise<void>
  /** Files that belong to the repo (tracked, or new and not ignored) at or under `path`, sorted. */
  files(path?: string): Promise<string[]>
  /** Lines that match, in path order. `literal`: the pattern is no regular expression and was taken as it stands. */
  search(query: SearchQuery): Promise<{ hits: SearchHit[]; literal: boolean }>
  /** Code by what it is about, best first. Fails with `index_pending` when the index takes too long. */
  searchCode(query: CodeQuery): Promise<CodeHit[]>
  /** What a file defines, and what in it is no valid syntax. Fails as `read` does, and with `not_text`. */
  syntax(path: string): Promise<Syntax>
  /** Where names are defined, likeliest first. Fails with `index_pending`. */
  symbols(query: SymbolQuery): Promise<SymbolHit[]>
  shell(command: string, options: { cwd?: string; timeoutMs: number }): Promise<ShellResult>
  /** Git as Stint runs it: nothing of the repo's configuration is executed. `bytes`: texts in and out are Latin-1. */
  git(args: string[], options?: { env?: Record<string, string>; stdin?: string; bytes?: boolean }): Promise<GitResult>
  /** The test command of this repo, or undefined. */
  testCommand(): Promise<TestCommand | undefined>
  /** The linters and type checkers that this repo is set up for. */
  linters(): Promise<Linter[]>
}

export type SearchQuery = { pattern: string; path?: string; glob?: string; limit: number }
export type SearchHit = { path: string; line: number; text: string }
export type CodeQuery = { query: string; limit: number }
export type CodeHit = {
  path: string
  startLine: number
  endLine: number
  symbol?: string
  snippet: string
  score: number
  why: string
}
/** Lines are 1-based, both included; `line` is where the name stands. `depth` is 0 at the top of the file. */
export type Defined = {
  name: string
  kind: string
  line: number
  end: number
  signature: string
  depth: number
  inside?: string
}
/** 1-based. `source`: who found it; `text` is what it says, without the place. */
export type Problem = { line: number; column: number; source: string; text: string }
/** `problems` is left out where nothing can be said of the syntax. */
export type Syntax = { language?: string; lines: number; definitions: Defined[]; problems?: Problem[] }
export type SymbolQuery = { name: string; kind?: string; path?: string; limit: number }
/** `loosely`: nothing has this very name; this is near it. */
export type SymbolHit = { path: string; line: number; name: string; kind: string; loosely: boolean }
/** `line`: the command for these paths, or for the whole repo. */
export type Linter = { name: string; line: (paths: readonly string[]) => string; files: RegExp }
/** What a command used too much of. */
export type Limited = 'cpu' | 'memory' | 'processes' | 'disk'
export type ShellResult = {
  /** Null when a signal ended it. */
  exitCode: number | null
  signal: string | null
  /** Set when the runner ended it. */
  ended?: 'timeout' | 'output' | 'cancelled' | Limited
  /** Both streams in the order they came; head and tail when it was long. */
  output: string
  outputBytes: number
  truncated: boolean
  durationMs: number
  /** It had no network. */
  offline: boolean
}
export type GitResult = { code: number; stdout: string; stderr: string }
export type TestCommand = {
  /** Runs all tests. */
  command: string
  /** The words for one path and for one name; undefined when the runner cannot be asked for it. */
  path?: (path: string) => string
  filter?: (name: string) => string
  /** The line that runs only what these words ask for. */
  only: (words: { path?: string | undefined; filter?: string | undefined }) => string
}

/** Declares a tool with its input type inferred from the schema. */
export const defineTool = <Input>(tool: SandboxTool<Input>): SandboxTool => tool as SandboxTool
