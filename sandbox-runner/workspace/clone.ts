/**
 * A repo cloned from an address. A credential goes into the environment of the git that needs it and nowhere else, and
 * what git says is shown without any secret that it may hold.
 */
import { rmSync } from 'node:fs'
import { ToolFailure } from '../define.ts'
import { CLONE_DEPTH, CLONE_MS_MAX } from '../limits.ts'
import type { Credential } from '../protocol.ts'
import { type GitOptions, git, gitMissing, mustGit } from './git.ts'

export const PROTOCOLS = 'https:ssh:http'

/** `depth` in commits. @throws ToolFailure `repo_not_found`, `ref_not_found`, `clone_failed`, `git_missing`. */
export async function clone(
  tree: string,
  url: string,
  ref: string | undefined,
  { depth = CLONE_DEPTH, credential }: { depth?: number; credential?: Credential | undefined } = {},
): Promise<void> {
  const shallow = ['--depth', String(depth), '--no-tags']
  // Only a whole id is taken for a commit: what merely looks like the beginning of one is a name.
  const commit = ref !== undefined && /^([\da-f]{40}|[\da-f]{64})$/.test(ref) ? ref : undefined
  const what = commit !== undefined ? ['--no-checkout'] : ref !== undefined ? [`--branch=${ref}`] : []
  const how = ['--single-branch', '--no-recurse-submodules', '--template=']
  rmSync(tree, { recursive: true, force: true })
  const options = { ...reaching(url, credential), timeoutMs: CLONE_MS_MAX }
  const answer = await git(['clone', '-q', ...shallow, ...how, ...what, '--', url, tree], {
    ...options,
    cwd: '/',
    repo: 'none',
  })
  if (answer.code === 127) throw gitMissing(answer.stderr)
  if (answer.code !== 0) throw cloneFailed(url, withoutSecrets(answer.stderr, credential))
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

/** How git reaches an address: the credential for that host alone, and not for where it might be sent on to. */
export function reaching(url: string, credential?: Credential): Pick<GitOptions, 'protocols' | 'env'> {
  if (!credential) return { protocols: PROTOCOLS }
  const settings = {
    [`http.${new URL(url).origin}/.extraHeader`]: `Authorization: Basic ${encoded(credential)}`,
    'http.followRedirects': 'false',
  }
  const env: Record<string, string> = { GIT_CONFIG_COUNT: String(Object.keys(settings).length) }
  for (const [i, [name, value]] of Object.entries(settings).entries())
    Object.assign(env, { [`GIT_CONFIG_KEY_${i}`]: name, [`GIT_CONFIG_VALUE_${i}`]: value })
  return { protocols: PROTOCOLS, env }
}

const encoded = ({ username, password }: Credential): string =>
  Buffer.from(`${username}:${password}`).toString('base64')

function cloneFailed(url: string, stderr: string): ToolFailure {
  const why = stderr.trim().slice(0, 500)
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

export function withoutSecrets(text: string, credential?: Credential): string {
  const secrets = credential ? [credential.password, encoded(credential), encodeURIComponent(credential.password)] : []
  return secrets
    .filter(Boolean)
    .reduce((shown, secret) => shown.replaceAll(secret, '***'), text)
    .replace(/(\w+:\/\/)[^/\s@]+@/g, '$1')
}
