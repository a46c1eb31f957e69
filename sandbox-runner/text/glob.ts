/** Globs as people write them. */
import picomatch from 'picomatch'
import { ToolFailure } from '../define.ts'

/** True for paths that the glob names; one without a slash names files in any folder. No glob names all. */
export function globMatcher(glob: string | undefined): (path: string) => boolean {
  if (!glob) return () => true
  const pattern = glob.replace(/^\.?\//, '')
  try {
    const matches = picomatch(pattern, { dot: true, basename: !pattern.includes('/') })
    return (path) => matches(path)
  } catch {
    throw new ToolFailure(
      'invalid_arguments',
      `${JSON.stringify(glob)} is not a glob`,
      'Use *, **, ?, [abc] and {a,b}.',
    )
  }
}
