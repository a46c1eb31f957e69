/** What an exception means to whoever asked: one failure with a code, and whether trying again may help. */
import { ToolFailure } from './define.ts'
import type { Failure } from './protocol.ts'
import { DamagedLayer } from './workspace/layer-reader.ts'
import { TransferFailed } from './workspace/transfer.ts'

export const failure = (code: string, message: string, retry: boolean): Failure => ({ ok: false, code, message, retry })

/** Asks for the request again, with the layers that make its snapshot. */
export const NEED_LAYERS = failure('need_layers', 'the workspace is not here', true)

export function faultOf(error: unknown): Failure {
  if (error instanceof TransferFailed) return failure(error.code, error.message, true)
  if (error instanceof ToolFailure)
    return failure(error.code, error.message + (error.hint ? `. ${error.hint}` : ''), false)
  // The stack let go of it: with the layers brought along, the same request finds another copy.
  if (error instanceof DamagedLayer) return { ...NEED_LAYERS, message: error.message }
  const { code, syscall } = error as NodeJS.ErrnoException
  if (code === 'ENOSPC' || code === 'EDQUOT') return failure('disk_full', 'the disk of the workspace is full', true)
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS')
    return failure('no_permission', `the mode of the file, or of its folder, forbids it (${code}, ${syscall})`, false)
  return failure('sandbox_fault', withoutPaths(error), true)
}

/** The platform's own words end with paths of this machine, which mean nothing elsewhere. */
function withoutPaths(error: unknown): string {
  const { message, path } = error as NodeJS.ErrnoException
  if (message === undefined) return String(error)
  return path === undefined ? message : message.replace(/ '.*$/s, '')
}
