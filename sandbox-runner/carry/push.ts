/**
 * A push, done where the network is. The pack comes from a sandbox and is not trusted: git takes it apart and checks
 * every object, in an empty repo that is removed afterwards and has no files, so no filter, hook or configuration of the
 * repo's exists here. Only branches below `stint/` are pushed, only on top of what is there (a lease holds that against
 * others), and what is there already counts as pushed: whoever lost the answer asks again and changes nothing.
 */
import { ToolFailure } from '../define.ts'
import { BOUNDARY_MAX, CLONE_MS_MAX, PUSH_DIFF_CHARS_MAX } from '../limits.ts'
import type { Credential, PushReply, Request } from '../protocol.ts'
import { reaching, withoutSecrets } from '../workspace/clone.ts'
import { type GitOptions, git, gitMissing } from '../workspace/git.ts'
import { withFolder } from '../workspace/repo.ts'
import { isCiFile } from './ci.ts'

export type Push = Extract<Request, { op: 'push' }>

/** @throws ToolFailure with what stands against it. */
export async function push(request: Push): Promise<PushReply> {
  const { url, branch, commit, boundary, credential } = request
  if (boundary.length > BOUNDARY_MAX)
    throw new ToolFailure(
      'too_many_merges',
      'the commits stand on too many others',
      'Put them on one line (git rebase).',
    )
  return withFolder(async (folder) => {
    const local: GitOptions = { cwd: folder, repo: 'none', env: { GIT_DIR: folder }, timeoutMs: CLONE_MS_MAX }
    const { env, protocols } = reaching(url, credential)
    const remote: GitOptions = { ...local, protocols, env: { ...local.env, ...env } }
    const must = async (args: string[], options: GitOptions) => output(await git(args, options), url, credential)

    const refs = await look(must, remote, request)
    const was = refs.get(`refs/heads/${branch}`)
    if (was === commit) return { ok: true, state: 'there', ci: [], diff: '' }
    const against =
      request.ref === undefined
        ? refs.get('HEAD')
        : (refs.get(`refs/heads/${request.ref}`) ??
          refs.get(`refs/tags/${request.ref}^{}`) ??
          refs.get(`refs/tags/${request.ref}`) ??
          commitNamed(request.ref))
    if (against === undefined)
      throw new ToolFailure('ref_not_found', `${request.ref ?? 'HEAD'} is gone from ${withoutSecrets(url)}`)

    await must(['init', '-q', '--bare', folder], { ...local, env: {} })
    const wanted = [...new Set([...boundary, against])]
    await must(['fetch', '-q', '--depth=1', '--no-tags', '--no-write-fetch-head', '--', url, ...wanted], remote)
    const stdin = Buffer.from(request.pack, 'base64').toString('latin1')
    await must(['index-pack', '--stdin', '--fix-thin', '--strict'], { ...local, stdin, bytes: true })
    await must(['cat-file', '-e', `${commit}^{commit}`], local)
    if (was !== undefined && !(await follows(local, was, commit)))
      throw new ToolFailure(
        'branch_moved',
        `${branch} has commits there that this workspace does not have`,
        'Nothing was overwritten. Push to another branch below stint/.',
      )
    const changed = await must(['diff-tree', '-r', '-z', '--name-only', '--no-renames', against, commit], local)
    const ci = changed.split('\0').filter((path) => path !== '' && isCiFile(path))
    const diff = ci.length === 0 ? '' : await diffOf(must, local, [against, commit], ci)
    if (!request.perform) return { ok: true, state: 'looked', ci, diff }
    if (ci.some((path) => !request.allowed.includes(path)))
      throw new ToolFailure('ci_changed', `the push changes ${ci.join(', ')}, which was not shown to anybody`)

    // An empty expectation means: it must not be there.
    const lease = `--force-with-lease=refs/heads/${branch}:${was ?? ''}`
    await must(['push', '-q', '--no-verify', lease, '--', url, `${commit}:refs/heads/${branch}`], remote)
    return { ok: true, state: 'pushed', ci, diff }
  })
}

type Must = (args: string[], options: GitOptions) => Promise<string>

/** What is there now, by name. */
async function look(must: Must, remote: GitOptions, { url, branch, ref }: Push): Promise<Map<string, string>> {
  const names = [
    'HEAD',
    `refs/heads/${branch}`,
    ...(ref === undefined ? [] : [`refs/heads/${ref}`, `refs/tags/${ref}`, `refs/tags/${ref}^{}`]),
  ]
  const { GIT_DIR: _, ...env } = remote.env ?? {}
  const listed = await must(['ls-remote', '--', url, ...names], { ...remote, env })
  return new Map(
    listed
      .split('\n')
      .filter(Boolean)
      .map((line): [string, string] => [line.slice(line.indexOf('\t') + 1), line.slice(0, line.indexOf('\t'))]),
  )
}

const commitNamed = (ref: string): string | undefined => (/^([\da-f]{40}|[\da-f]{64})$/.test(ref) ? ref : undefined)

const follows = async (local: GitOptions, earlier: string, later: string): Promise<boolean> =>
  (await git(['merge-base', '--is-ancestor', earlier, later], local)).code === 0

async function diffOf(must: Must, local: GitOptions, [from, to]: [string, string], paths: string[]): Promise<string> {
  const flags = ['--no-ext-diff', '--no-textconv', '--no-color', '--no-renames']
  const diff = await must(['diff', ...flags, from, to, '--', ...paths], local)
  if (diff.length <= PUSH_DIFF_CHARS_MAX) return diff
  return `${diff.slice(0, PUSH_DIFF_CHARS_MAX)}\n[cut: the diff of these files has ${diff.length} characters; see the diff of the run]`
}

/** Git's output, or what went wrong in words that hold no secret. `retry` where it may be the world's fault. */
function output(
  { code, stdout, stderr }: Awaited<ReturnType<typeof git>>,
  url: string,
  credential?: Credential,
): string {
  if (code === 0) return stdout
  if (code === 127) throw gitMissing(stderr)
  const why = withoutSecrets(stderr.trim(), credential).slice(0, 800)
  const at = withoutSecrets(url, credential)
  if (/stale info|fetch first|non-fast-forward|cannot lock ref/.test(why))
    throw new ToolFailure(
      'branch_moved',
      `the branch was moved at ${at} meanwhile`,
      'Nothing was overwritten. Try again.',
    )
  if (/Authentication failed|could not read Username|HTTP Basic: Access denied|\b40[13]\b/.test(why))
    throw new ToolFailure(
      'push_refused',
      `${at} refuses: ${why}`,
      'Whoever runs Stint must give it the right to push there.',
    )
  if (/rejected|denied|declined/.test(why)) throw new ToolFailure('push_refused', `${at} refuses the push: ${why}`)
  if (/not our ref|unadvertised|no such remote ref/i.test(why))
    throw new ToolFailure('base_gone', `${at} has lost the commit that the work began with: ${why}`)
  if (/^(error: inflate|fatal: (pack|bad|object|fsck|invalid)|error in object)/m.test(why))
    throw new ToolFailure('pack_damaged', `git does not take the commits: ${why}`)
  throw new PushBroken(`git cannot push to ${at}: ${why}`)
}

/** It may work the next time. */
export class PushBroken extends Error {}
