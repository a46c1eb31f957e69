/** Which files of a tree the index looks at: text of a known language that people wrote, no secret, not too large. */

import { TEXT_BYTES_MAX } from '../code/analyse.ts'
import { isVendored, languageOf } from '../code/languages.ts'
import { isSecretPath } from '../workspace/paths.ts'

/** Of a huge repo the files deepest down are left out, and the answer says so. */
export const FILES_MAX = 100_000

export const isIndexed = (path: string, size: number): boolean =>
  size > 0 &&
  size <= TEXT_BYTES_MAX &&
  !path.startsWith('\0') &&
  languageOf(path) !== undefined &&
  !isVendored(path) &&
  !isSecretPath(path)

/** At most `FILES_MAX` of the files, those nearest to the top first. */
export function bounded<T>(files: Map<string, T>): { files: Map<string, T>; left: number } {
  if (files.size <= FILES_MAX) return { files, left: 0 }
  const depth = (path: string) => path.split('/').length
  const kept = [...files].sort(([a], [b]) => depth(a) - depth(b)).slice(0, FILES_MAX)
  return { files: new Map(kept), left: files.size - FILES_MAX }
}
