/**
 * Git as Stint itself runs it, in a repo that may be hostile: no hook, filter, helper, pager, editor or transport that
 * the repo's configuration names is run, nothing outside the repo is read, nobody is asked for a password, and a path
 * is a name, never a pattern. Every call of git goes through here; `repo.ts` says what git gets to see.
 * Git inside a command that the model asked for is just a command, and judged as one.
 */
import { execFile } from 'node:child_process'
import { type GitResult, ToolFailure } from '../define.ts'
import { machinePath } from '../exec/environment.ts'
import { GIT_MS_MAX, GIT_OUTPUT_BYTES_MAX } from '../limits.ts'
import { makeView, ownRepo, type Repo, withFolder } from './repo.ts'

/** Some of it is only for a git that git starts in a repo inside the repo, whose own configuration counts there. */
const SETTINGS = [
  'core.fsmonitor=false',
  'core.hooksPath=/dev/null',
  'core.pager=cat',
  'core.editor=false',
  'core.askPass=false',
  'core.protectHFS=true',
  'core.protectNTFS=true',
  'core.quotePath=false',
  'credential.helper=',
  'commit.gpgSign=false',
  'diff.external=',
  'diff.ignoreSubmodules=all',
  'submodule.recurse=false',
  'fetch.recurseSubmodules=false',
  // What is fetched stays one pack, however small.
  'fetch.unpackLimit=1',
  'gc.auto=0',
  'maintenance.auto=false',
  'advice.detachedHead=false',
].flatMap((setting) => ['-c', setting])

export type GitOptions = {
  cwd: string
  /** Left out, it is the repo of which `cwd` is the top, all of it there; `none`: git works in no repo. */
  repo?: Repo | 'none'
  /** Where the repo's view is kept from call to call; without it one is made for this call. */
  view?: string
  env?: Record<string, string>
  stdin?: string
  /** Texts in and out are bytes, one character each (Latin-1): for names that need not be UTF-8. */
  bytes?: boolean
  timeoutMs?: number
  /** The transports that may be used, with `:` between them. */
  protocols?: string
}

/** Never rejects: where git cannot be started the code is 127 (there is none) or 126, and `stderr` says why. */
export async function git(args: string[], { repo, view, ...options }: GitOptions): Promise<GitResult> {
  if (repo === 'none') return start(args, options)
  try {
    const found = repo ?? ownRepo(options.cwd)
    if (typeof found === 'string') return { code: 128, stdout: '', stderr: found }
    const startIn = (folder: string) => {
      makeView(found, folder)
      const places = { GIT_DIR: found.gitDir, GIT_COMMON_DIR: folder, GIT_WORK_TREE: found.top }
      return start(args, { ...options, env: { ...options.env, ...places } })
    }
    return await (view === undefined ? withFolder(startIn) : startIn(view))
  } catch (error) {
    return { code: 126, stdout: '', stderr: (error as Error).message }
  }
}

/** Git's output where it must work. @throws ToolFailure `git_missing`, `git_failed`. */
export async function mustGit(args: string[], options: GitOptions): Promise<string> {
  const { code, stdout, stderr } = await git(args, options)
  if (code === 127) throw gitMissing(stderr)
  if (code !== 0) throw new ToolFailure('git_failed', `git ${args[0]} failed: ${stderr.trim().slice(0, 500)}`)
  return stdout
}

export const gitMissing = (stderr: string): ToolFailure =>
  new ToolFailure('git_missing', `git cannot be started: ${stderr.trim()}`, 'Install git.')

function start(args: string[], options: Omit<GitOptions, 'repo' | 'view'>): Promise<GitResult> {
  const { cwd, env = {}, stdin = '', bytes = false, timeoutMs = GIT_MS_MAX, protocols = '' } = options
  const encoding = bytes ? 'latin1' : 'utf8'
  const how = {
    cwd,
    env: { ...ENVIRONMENT, PATH: machinePath(process.env.PATH ?? ''), GIT_ALLOW_PROTOCOL: protocols, ...env },
    timeout: timeoutMs,
    killSignal: 'SIGKILL' as const,
    maxBuffer: GIT_OUTPUT_BYTES_MAX,
    encoding: encoding as BufferEncoding,
  }
  return new Promise((resolve) => {
    const ended = (error: (Error & { code?: unknown; killed?: boolean }) | null, stdout: string, stderr: string) => {
      if (!error) return resolve({ code: 0, stdout, stderr })
      if (typeof error.code === 'number') return resolve({ code: error.code, stdout, stderr: stderr || error.message })
      const late = error.killed && error.code !== 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER'
      const code = late ? 124 : error.code === 'ENOENT' ? 127 : 126
      resolve({ code, stdout, stderr: late ? `git took longer than ${timeoutMs} ms` : error.message })
    }
    try {
      const child = execFile('git', [...SETTINGS, ...args], how, ended)
      child.stdin?.on('error', () => {})
      child.stdin?.end(stdin, encoding)
    } catch (error) {
      ended(error as Error, '', '')
    }
  })
}

const ENVIRONMENT = {
  LANG: 'C.UTF-8',
  HOME: '/nonexistent',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_ATTR_NOSYSTEM: '1',
  GIT_NO_LAZY_FETCH: '1',
  GIT_LITERAL_PATHSPECS: '1',
  GIT_OPTIONAL_LOCKS: '0',
  GIT_TERMINAL_PROMPT: '0',
  GIT_PAGER: 'cat',
  GIT_EDITOR: 'false',
  GIT_SEQUENCE_EDITOR: 'false',
  GIT_ASKPASS: 'false',
  SSH_ASKPASS: 'false',
  GIT_SSH_COMMAND: 'ssh -oBatchMode=yes',
  GIT_AUTHOR_NAME: 'Stint',
  GIT_AUTHOR_EMAIL: 'stint@localhost',
  GIT_COMMITTER_NAME: 'Stint',
  GIT_COMMITTER_EMAIL: 'stint@localhost',
}
