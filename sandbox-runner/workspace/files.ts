/**
 * One file, read or written whole. Nothing here blocks on a pipe or follows a link; a write is seen whole or not at all
 * and never goes through a name that lies in the workspace.
 */
import {
  chmodSync,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { ToolFailure } from '../define.ts'
import { TEXT_FILE_BYTES_MAX } from '../limits.ts'

const NEW_FILE_MODE = 0o644

/** The file that was checked is the file that is opened. @throws ToolFailure `invalid_path`, `too_large`. */
export function readWhole(absolute: string, shown: string): Buffer {
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

/**
 * Written at `aside` and renamed: a reader sees the old content or the new, and another name of the file keeps its own.
 * The file keeps its mode; a new one gets that of `like`, where it is given.
 */
export function writeWhole(aside: string, absolute: string, content: Uint8Array, like?: string): void {
  const mode = modeOf(absolute) ?? (like === undefined ? undefined : modeOf(like)) ?? NEW_FILE_MODE
  // One that a killed runner left, or that a command put there.
  rmSync(aside, { recursive: true, force: true })
  try {
    writeFileSync(aside, content, { flag: 'wx', mode: 0o600 })
    // The mode of a new file is cut by the umask; this one is not.
    chmodSync(aside, mode)
    mkdirSync(dirname(absolute), { recursive: true })
    renameSync(aside, absolute)
  } catch (error) {
    rmSync(aside, { force: true })
    throw error
  }
}

const modeOf = (absolute: string): number | undefined => {
  const stat = lstatSync(absolute, { throwIfNoEntry: false })
  return stat && stat.mode & 0o777
}
