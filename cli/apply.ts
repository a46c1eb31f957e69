/** Brings a run's result into the local repository: into the working tree, or onto a new branch. All of it or nothing. */
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { RunView } from './contract.ts'
import { UsageError } from './usage.ts'

export type Target = { top: string }

/** Before the run: is this a repository, and is the branch's name free? */
export async function checkTarget(path: string, branch: string | undefined): Promise<Target> {
  const { code, out, missing } = await git(path, ['rev-parse', '--show-toplevel'])
  if (missing) throw new UsageError('git is not installed; --apply and --branch need it')
  if (code !== 0) throw new UsageError(`${path} is not in a git repository`)
  const top = out.trim()
  if (branch !== undefined) {
    if ((await git(top, ['check-ref-format', '--branch', branch])).code !== 0)
      throw new UsageError(`"${branch}" is no name for a branch`)
    if ((await git(top, ['rev-parse', '--verify', '-q', `refs/heads/${branch}`])).code === 0)
      throw new UsageError(`the branch ${branch} exists already; give another name`)
    if ((await git(top, ['rev-parse', '--verify', '-q', 'HEAD'])).code !== 0)
      throw new UsageError('the repository has no commit yet; --branch needs one')
  }
  return { top }
}

export async function applyResult({ top }: Target, diff: string, runId: string): Promise<string> {
  if (diff === '') return 'Nothing to apply.'
  await refuseTouched(top, diff, runId)
  return withPatch(diff, async (patch) => {
    const { code, err } = await git(top, ['apply', '--binary', '--whitespace=nowarn', patch])
    if (code !== 0) throw new Error(`the result does not apply to ${top}: ${err.trim()}`)
    return `Applied to ${top}.`
  })
}

/** A commit on top of HEAD, made beside the working tree and the index. */
export async function branchResult({ top }: Target, diff: string, branch: string, run: RunView): Promise<string> {
  if (diff === '') return 'Nothing to commit; no branch was made.'
  await refuseTouched(top, diff, run.runId)
  const folder = await mkdtemp(join(tmpdir(), 'stint-index-'))
  try {
    const env = { GIT_INDEX_FILE: join(folder, 'index'), ...(await identity(top)) }
    const must = async (args: string[], input?: string): Promise<string> => {
      const { code, out, err } = await git(top, args, env, input)
      if (code !== 0) throw new Error(`git ${args[0]} failed: ${err.trim()}`)
      return out.trim()
    }
    await must(['read-tree', 'HEAD'])
    await withPatch(diff, (patch) => must(['apply', '--cached', '--binary', '--whitespace=nowarn', patch]))
    const tree = await must(['write-tree'])
    const subject = run.task.split('\n')[0]?.slice(0, 72) ?? 'Result of a run'
    const commit = await must(
      ['commit-tree', tree, '-p', 'HEAD', '-F', '-'],
      `${subject}\n\n${run.answer ?? ''}\n\nStint-Run: ${run.runId}\n`,
    )
    await must(['update-ref', `refs/heads/${branch}`, commit, ''])
    return `Committed to the new branch ${branch} (${commit.slice(0, 10)}).`
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** The person's own name where git knows one, else Stint's: a result that was paid for is not lost for want of a name. */
async function identity(top: string): Promise<Record<string, string>> {
  if ((await git(top, ['var', 'GIT_COMMITTER_IDENT'])).code === 0) return {}
  const [name, email] = ['Stint', 'stint@localhost']
  return { GIT_AUTHOR_NAME: name, GIT_AUTHOR_EMAIL: email, GIT_COMMITTER_NAME: name, GIT_COMMITTER_EMAIL: email }
}

/** The result starts from the files as they stood: one that has uncommitted changes now is not written over. */
async function refuseTouched(top: string, diff: string, runId: string): Promise<void> {
  if (/^Binary files .* differ$/m.test(diff))
    throw new Error(`the result has binary files too large for a patch; the run keeps them (${runId})`)
  const touched = await withPatch(diff, async (patch) => (await git(top, ['apply', '--numstat', '-z', patch])).out)
  const paths = touched
    .split('\0')
    .filter(Boolean)
    .map((line) => line.split('\t')[2] ?? '')
    .filter(Boolean)
  const { out } = await git(top, ['status', '--porcelain=v1', '-z', '--untracked-files=all', '--', ...paths])
  const dirty = out
    .split('\0')
    .filter(Boolean)
    .map((line) => line.slice(3))
  if (dirty.length > 0)
    throw new Error(
      `refused: ${dirty.slice(0, 5).join(', ')} ${dirty.length === 1 ? 'has' : 'have'} uncommitted changes; commit or stash them, then: stint diff ${runId} | git apply`,
    )
}

async function withPatch<T>(diff: string, use: (path: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'stint-patch-'))
  try {
    const path = join(folder, 'result.diff')
    await writeFile(path, diff)
    return await use(path)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function git(
  cwd: string,
  args: string[],
  env: Record<string, string> = {},
  input = '',
): Promise<{ code: number; out: string; err: string; missing: boolean }> {
  return new Promise((done) => {
    const child = execFile(
      'git',
      ['-C', cwd, ...args],
      { env: { ...process.env, ...env }, maxBuffer: 256 * 1024 * 1024 },
      (error, out, err) =>
        done({
          code: error ? (typeof error.code === 'number' ? error.code : 1) : 0,
          out,
          err,
          missing: error?.code === 'ENOENT',
        }),
    )
    child.stdin?.on('error', () => {})
    child.stdin?.end(input)
  })
}
