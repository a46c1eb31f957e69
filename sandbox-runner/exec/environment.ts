/**
 * The environment of a command, built from an allowlist: nothing is inherited by accident, so no credential of the
 * host and none of Stint is in it. The search path is the machine's own: what npm puts in front of it is taken out,
 * so that a repo's `node` is the machine's and not the one that runs Stint.
 */
import { existsSync, mkdirSync, readdirSync, realpathSync } from 'node:fs'
import { homedir } from 'node:os'
import { basename, delimiter, dirname, join } from 'node:path'

/** Marks every process of a call, so that those which leave its process group are still found. */
export const CALL_MARK = 'STINT_CALL'

const KEPT = ['LANG', 'LC_ALL', 'LC_CTYPE', 'TZ', 'SHELL', 'USER', 'LOGNAME']

/** Toolchains that keep themselves under the home folder: named by variable, because commands get another home. */
const TOOLCHAINS: Record<string, string> = {
  RUSTUP_HOME: '.rustup',
  PYENV_ROOT: '.pyenv',
  NVM_DIR: '.nvm',
  SDKMAN_DIR: '.sdkman',
  GOPATH: 'go',
  COREPACK_HOME: '.cache/node/corepack',
}

/** What a command may write to: the files, its home folder, and what is temporary. */
export type Places = { tree: string; home: string; temp: string }

/** `extra` wins; it is for what Stint itself sets, never for what a caller sent. */
export function commandEnvironment(
  places: Places,
  callId: string,
  extra: Record<string, string> = {},
): Record<string, string> {
  mkdirSync(places.home, { recursive: true })
  mkdirSync(places.temp, { recursive: true })
  const own = process.env
  const kept = Object.fromEntries(KEPT.flatMap((name) => (own[name] === undefined ? [] : [[name, own[name]]])))
  return {
    LANG: 'C.UTF-8',
    ...kept,
    ...toolchains(),
    PATH: machinePath(own.PATH ?? ''),
    HOME: places.home,
    TMPDIR: places.temp,
    TERM: 'dumb',
    CI: '1',
    NO_COLOR: '1',
    PAGER: 'cat',
    GIT_PAGER: 'cat',
    GIT_EDITOR: 'false',
    GIT_TERMINAL_PROMPT: '0',
    GIT_OPTIONAL_LOCKS: '0',
    GIT_AUTHOR_NAME: 'Stint',
    GIT_AUTHOR_EMAIL: 'stint@localhost',
    GIT_COMMITTER_NAME: 'Stint',
    GIT_COMMITTER_EMAIL: 'stint@localhost',
    npm_config_update_notifier: 'false',
    npm_config_fund: 'false',
    npm_config_audit: 'false',
    [CALL_MARK]: callId,
    ...extra,
  }
}

const toolchains = (): Record<string, string> =>
  Object.fromEntries(
    Object.entries(TOOLCHAINS).flatMap(([name, folder]) => {
      const place = process.env[name] ?? join(homedir(), folder)
      return existsSync(place) ? [[name, place]] : []
    }),
  )

/** What stands beside a `bin` and belongs to it. `share` does not: in a home folder it holds what is private. */
const BESIDE_BIN = ['lib', 'lib64', 'libexec', 'include', 'pyvenv.cfg']

/**
 * Where the tools on the search path live, for an isolation that shows a command nothing else. Never a home folder as
 * a whole, nor one above it.
 */
export function toolFolders(): string[] {
  const { GOPATH, ...whole } = toolchains()
  const folders = new Set(Object.values(whole))
  if (GOPATH) for (const part of ['bin', 'pkg']) folders.add(join(GOPATH, part))
  for (const folder of machinePath(process.env.PATH ?? '').split(delimiter)) {
    folders.add(folder)
    if (basename(folder) === 'bin') for (const name of BESIDE_BIN) folders.add(join(dirname(folder), name))
    for (const target of linkTargets(folder)) {
      // A package of its own under /opt is what a link on the path leads to.
      const [, opt] = /^(\/opt\/[^/]+)\//.exec(target) ?? []
      if (opt) folders.add(opt)
    }
  }
  const homes = [homedir(), process.env.HOME ?? '/root'].map((home) => `${home.replace(/\/+$/, '')}/`)
  return [...folders].filter(
    (folder) => folder.startsWith('/') && existsSync(folder) && !homes.some((home) => home.startsWith(`${folder}/`)),
  )
}

function linkTargets(folder: string): string[] {
  try {
    return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
      try {
        return entry.isSymbolicLink() ? [realpathSync(join(folder, entry.name))] : []
      } catch {
        return []
      }
    })
  } catch {
    return []
  }
}

/** Where a program is on the search path. */
export const programNamed = (name: string): string | undefined =>
  machinePath(process.env.PATH ?? '')
    .split(delimiter)
    .map((folder) => join(folder, name))
    .find((path) => existsSync(path))

/** The search path without the folders that npm adds for its scripts. */
export const machinePath = (path: string): string =>
  path
    .split(delimiter)
    .filter((folder) => folder !== '' && !/node_modules[\\/]\.bin[\\/]?$|node-gyp-bin[\\/]?$/.test(folder))
    .join(delimiter) || '/usr/local/bin:/usr/bin:/bin'
