/** A repo cloned from an address. What git says of it is shown without the secrets that the address may hold. */
import { rmSync } from 'node:fs'
import { ToolFailure } from '../define.ts'
import { CLONE_DEPTH, CLONE_MS_MAX } from '../limits.ts'
import { git, gitMissing, mustGit } from './git.ts'

const PROTOCOLS = 'https:ssh:http'

/** `depth` in commits. @throws ToolFailure `repo_not_found`, `ref_not_found`, `clone_failed`, `git_missing`. */
export async function clone(tree: string, url: string, ref: string | undefined, depth = CLONE_DEPTH): Promise<void> {
  const shallow = ['--depth', String(depth), '--no-tags']
  // Only a whole id is taken for a commit: what merely looks like the beginning of one is a name.
  const commit = ref !== undefined && /^([\da-f]{40}|[\da-f]{64})$/.test(ref) ? ref : undefined
  const what = commit !== undefined ? ['--no-checkout'] : ref !== undefined ? [`--branch=${ref}`] : []
  const how = ['--single-branch', '--no-recurse-submodules', '--template=']
  rmSync(tree, { recursive: true, force: true })
  const options = { protocols: PROTOCOLS, timeoutMs: CLONE_MS_MAX }
  const answer = await git(['clone', '-q', ...shallow, ...how, ...what, '--', url, tree], {
    ...options,
    cwd: '/',
    repo: 'none',
  })
  if (answer.code === 127) throw gitMissing(answer.stderr)
  if (answer.code !== 0) throw failed(url, answer.stderr)
  if (commit === undefined) return
  const fetched = await git(['fetch', '-q', ...shallow, url, commit], { ...options, cwd: tree })
  if (fetched.code !== 0)
    throw new ToolFailure(
      'ref_not_found',
      `commit ${commit} cannot be fetched from ${withoutSecrets(url)}`,
      'Check repo.ref; the commit must be in a branch.',
    )
  await mustGit(['checkout', '-q', '--detach', 'FETCH_HEAD', '--'], { cwd: tree, timeoutMs: CLONE_MS_MAX })
}

function failed(url: string, stderr: string): ToolFailure {
  const why = withoutSecrets(stderr.trim()).slice(0, 500)
  if (/Remote branch .* not found/i.test(stderr))
    return new ToolFailure('ref_not_found', why, 'Check repo.ref: a branch, a tag, or the whole id of a commit.')
  if (/not found|does not exist|Could not read from remote|Authentication failed|could not read Username/i.test(stderr))
    return new ToolFailure(
      'repo_not_found',
      `${withoutSecrets(url)} cannot be cloned: ${why}`,
      'Check repo.url, and that it may be read from here.',
    )
  return new ToolFailure('clone_failed', `${withoutSecrets(url)} cannot be cloned: ${why}`)
}

export const withoutSecrets = (text: string): string => text.replace(/(\w+:\/\/)[^/\s@]+@/g, '$1')
