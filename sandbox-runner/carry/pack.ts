/** What a workspace has to push: its last commit, and in one pack what the repo it was cloned from lacks for it. */
import { ToolFailure } from '../define.ts'
import { PACK_BYTES_MAX } from '../limits.ts'
import type { PackReply } from '../protocol.ts'
import { git, mustGit } from '../workspace/git.ts'
import { BASE_REF } from '../workspace/source.ts'
import type { Workspace } from '../workspace/workspace.ts'

type Packed = Extract<PackReply, { ok: true }>

/** @throws ToolFailure `not_git`, `nothing_to_push`, `not_carried`, `pack_too_large`. */
export async function packOf(workspace: Workspace): Promise<Packed> {
  const options = { cwd: workspace.tree, view: workspace.beside('git') }
  const head = await git(['rev-parse', '--verify', '-q', 'HEAD^{commit}'], options)
  if (head.code !== 0)
    throw new ToolFailure('nothing_to_push', head.stderr.trim() || 'there is no commit', 'Commit first (git_commit).')
  const base = await git(['rev-parse', '--verify', '-q', `${BASE_REF}^{commit}`], options)
  if (base.code !== 0)
    throw new ToolFailure(
      'not_carried',
      'this workspace was not cloned from an address, so there is nowhere to push to',
      'Leave the changes where they are: the person takes them as a diff or a branch.',
    )
  const [commit, from] = [head.stdout.trim(), base.stdout.trim()]
  const between = await mustGit(['rev-list', '--boundary', commit, `^${from}`], options)
  const lines = between.split('\n').filter(Boolean)
  const boundary = lines.filter((line) => line.startsWith('-')).map((line) => line.slice(1))
  const commits = lines.length - boundary.length
  if (commits === 0)
    throw new ToolFailure('nothing_to_push', 'there is no commit that the repo lacks', 'Commit first (git_commit).')
  const how = ['--revs', '--thin', '--stdout', '--delta-base-offset', '-q']
  const pack = await mustGit(['pack-objects', ...how], { ...options, bytes: true, stdin: `${commit}\n^${from}\n` })
  if (pack.length > PACK_BYTES_MAX)
    throw new ToolFailure(
      'pack_too_large',
      `the commits have ${pack.length} bytes (at most ${PACK_BYTES_MAX})`,
      'Commit no large files: take them out of the commits, or ignore them.',
    )
  const status = await mustGit(['status', '--porcelain=v1', '--ignore-submodules=all'], options)
  const uncommitted = status.split('\n').filter(Boolean).length
  return { ok: true, commit, commits, boundary, uncommitted, pack: Buffer.from(pack, 'latin1').toString('base64') }
}
