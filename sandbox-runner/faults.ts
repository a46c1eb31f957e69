/** What an exception means to whoever asked: one failure with a code, and whether trying again may help. */
import { ToolFailure } from './define.ts'
import type { Failure } from './protocol.ts'
import { DamagedLayer } from './workspace/layer.ts'

export const failure = (code: string, message: string, retry: boolean): Failure => ({ ok: false, code, message, retry })

export function faultOf(error: unknown): Failure {
  if (error instanceof ToolFailure)
    return failure(error.code, error.message + (error.hint ? `. ${error.hint}` : ''), false)
  if (error instanceof DamagedLayer) return failure('damaged_layer', error.message, false)
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'ENOSPC' || code === 'EDQUOT') return failure('disk_full', 'the disk of the workspace is full', true)
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS')
    return failure('no_permission', `the sandbox may not do that there: ${message}`, false)
  return failure('sandbox_fault', message ?? String(error), true)
}
