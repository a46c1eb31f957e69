/**
 * The environment of a command, built from an allowlist: nothing is inherited by accident, so no credential of the
 * host and none of Stint is in it. The search path is the machine's own: what npm puts in front of it is taken out,
 * so that a repo's `node` is the machine's and not the one that runs Stint.
 */
import { existsSync, mkdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'

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

export type Places = { home: string; temp: string }

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
  const toolchains = Object.fromEntries(
    Object.entries(TOOLCHAINS).flatMap(([name, folder]) => {
      const place = own[name] ?? join(homedir(), folder)
      return existsSync(place) ? [[name, place]] : []
    }),
  )
  return {
    LANG: 'C.UTF-8',
    ...kept,
    ...toolchains,
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

/** The search path without the folders that npm adds for its scripts. */
export const machinePath = (path: string): string =>
  path
    .split(delimiter)
    .filter((folder) => folder !== '' && !/node_modules[\\/]\.bin[\\/]?$|node-gyp-bin[\\/]?$/.test(folder))
    .join(delimiter) || '/usr/local/bin:/usr/bin:/bin'
