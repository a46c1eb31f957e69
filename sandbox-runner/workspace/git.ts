/**
 * Git as Stint itself runs it, in a repo that may be hostile: no hook, filter, helper, pager, editor or transport that
 * the repo's configuration names is run, nothing outside the repo is read, nobody is asked for a password.
 * Git inside a command that the model asked for is just a command, and judged as one.
 */
import { execFile } from 'node:child_process'
import type { GitResult } from '../define.ts'
import { machinePath } from '../exec/environment.ts'
import { GIT_MS_MAX } from '../limits.ts'

const OFF = [
  'core.fsmonitor=false',
  'core.hooksPath=/dev/null',
  'core.sshCommand=false',
  'core.gitProxy=',
  'core.askPass=false',
  'core.pager=cat',
  'core.editor=false',
  'core.alternateRefsCommand=false',
  'core.protectHFS=true',
  'core.protectNTFS=true',
  'core.quotePath=false',
  'credential.helper=',
  'gpg.program=false',
  'gpg.ssh.program=false',
  'commit.gpgSign=false',
  'tag.gpgSign=false',
  'log.showSignature=false',
  'diff.external=',
  'diff.ignoreSubmodules=all',
  'submodule.recurse=false',
  'fetch.recurseSubmodules=false',
  'gc.auto=0',
  'maintenance.auto=false',
  'safe.directory=*',
  'safe.bareRepository=explicit',
  'init.defaultBranch=main',
  'advice.detachedHead=false',
]

export type GitOptions = {
  cwd: string
  env?: Record<string, string>
  stdin?: string
  timeoutMs?: number
  protocols?: string
}

/** Never rejects: a git that cannot be started answers code 127 and says why in `stderr`. */
export function git(
  args: string[],
  { cwd, env = {}, stdin, timeoutMs = GIT_MS_MAX, protocols = '' }: GitOptions,
): Promise<GitResult> {
  const flags = [
    ...OFF,
    'protocol.allow=never',
    ...protocols
      .split(':')
      .filter(Boolean)
      .map((name) => `protocol.${name}.allow=always`),
  ]
  const options = {
    cwd,
    env: { ...GIT_ENVIRONMENT, PATH: machinePath(process.env.PATH ?? ''), GIT_ALLOW_PROTOCOL: protocols, ...env },
    timeout: timeoutMs,
    killSignal: 'SIGKILL' as const,
    maxBuffer: 256 * 1024 * 1024,
    encoding: 'utf8' as const,
  }
  return new Promise((resolve) => {
    const child = execFile(
      'git',
      [...flags.flatMap((flag) => ['-c', flag]), ...args],
      options,
      (error, stdout, stderr) => {
        if (!error) return resolve({ code: 0, stdout, stderr })
        const code = typeof error.code === 'number' ? error.code : error.killed ? 124 : 127
        resolve({
          code,
          stdout,
          stderr: stderr || (error.killed ? `git took longer than ${timeoutMs} ms` : error.message),
        })
      },
    )
    child.stdin?.on('error', () => {})
    child.stdin?.end(stdin ?? '')
  })
}

const GIT_ENVIRONMENT = {
  LANG: 'C.UTF-8',
  HOME: '/nonexistent',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_ATTR_NOSYSTEM: '1',
  GIT_TERMINAL_PROMPT: '0',
  GIT_OPTIONAL_LOCKS: '0',
  GIT_PAGER: 'cat',
  GIT_EDITOR: 'false',
  GIT_SEQUENCE_EDITOR: 'false',
  GIT_ASKPASS: 'false',
  SSH_ASKPASS: 'false',
  GIT_AUTHOR_NAME: 'Stint',
  GIT_AUTHOR_EMAIL: 'stint@localhost',
  GIT_COMMITTER_NAME: 'Stint',
  GIT_COMMITTER_EMAIL: 'stint@localhost',
}
