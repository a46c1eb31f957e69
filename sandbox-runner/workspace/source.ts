/**
 * Makes a workspace's files from a repo. A local folder is copied as it stands, committed and uncommitted, ignored
 * files left out, and the original is only read; an address is cloned. Either way the copy is a small repo of its own:
 * some history, no remote, no hooks, no configuration of the original.
 */
import {
  constants,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, isAbsolute, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ToolFailure } from '../define.ts'
import { CLONE_DEPTH, CLONE_MS_MAX, WORKSPACE_FILE_BYTES_MAX, WORKSPACE_FILES_MAX } from '../limits.ts'
import { git } from './git.ts'

export type Source = { url: string; ref?: string | undefined; subdir?: string | undefined }
export type Made = { name: string; branch?: string; commit?: string }

/** Fills `tree`, which is empty. `scratch` is a folder on the same disk. @throws ToolFailure with the repo's fault. */
export async function makeTree(tree: string, scratch: string, source: Source | undefined): Promise<Made> {
  rmSync(scratch, { recursive: true, force: true })
  rmSync(tree, { recursive: true, force: true })
  mkdirSync(tree, { recursive: true })
  try {
    const path = source ? localPath(source.url) : undefined
    if (!source) await emptyRepo(tree)
    else if (path !== undefined) await copyLocal(tree, scratch, path, source.ref)
    else await clone(tree, source)
    return { name: source ? nameOf(source.url) : 'workspace', ...(await headOf(tree)) }
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

/** The path a repo's `url` means on this machine, or undefined when it is an address. */
export function localPath(url: string): string | undefined {
  if (url.startsWith('file://')) return fileURLToPath(url)
  return isAbsolute(url) ? url : undefined
}

/** Where a local repo is: its top folder, and the part of `path` below it. @throws ToolFailure `repo_not_found`, `repo_not_git`, `ref_not_found`. */
export async function locate(path: string, ref?: string, subdir?: string): Promise<{ top: string; subdir?: string }> {
  if (!existsSync(path)) throw new ToolFailure('repo_not_found', `there is no folder ${path}`, 'Check repo.url.')
  const { code, stdout, stderr } = await git(['rev-parse', '--show-toplevel', '--show-prefix'], {
    cwd: realpathSync(path),
  })
  if (code === 127) throw new ToolFailure('git_missing', `git cannot be started: ${stderr.trim()}`, 'Install git.')
  if (code !== 0)
    throw new ToolFailure(
      'repo_not_git',
      `${path} is not in a git repository`,
      'Run "git init" there first; Stint works on a copy of a repository.',
    )
  const [top = '', prefix = ''] = stdout.split('\n')
  if (
    ref !== undefined &&
    (await git(['rev-parse', '--verify', '-q', '--end-of-options', `${ref}^{commit}`], { cwd: top })).code !== 0
  )
    throw new ToolFailure('ref_not_found', `${ref} is not a branch, tag or commit of ${path}`, 'Check repo.ref.')
  const below = subdir ?? prefix.replace(/\/$/, '')
  if (subdir !== undefined && !existsSync(join(top, subdir)))
    throw new ToolFailure('subdir_not_found', `${path} has no folder ${subdir}`, 'Check repo.subdir.')
  return { top, ...(below ? { subdir: below } : {}) }
}

async function copyLocal(tree: string, scratch: string, path: string, ref: string | undefined): Promise<void> {
  const { top } = await locate(path, ref)
  const born = (await git(['rev-parse', '--verify', '-q', `${ref ?? 'HEAD'}^{commit}`], { cwd: top })).stdout.trim()
  if (ref !== undefined) {
    await historyOf(top, scratch, born)
    renameSync(join(scratch, '.git'), join(tree, '.git'))
    await must(['checkout', '-q', '-f', ref === born ? born : await branchOf(top, ref), '--'], tree)
    return
  }
  // The history is fetched while the files are copied.
  const history = born === '' ? undefined : historyOf(top, scratch, undefined)
  try {
    await copyFiles(top, tree, '')
  } finally {
    await history
  }
  if (!history) return emptyRepo(tree)
  renameSync(join(scratch, '.git'), join(tree, '.git'))
  await must(['read-tree', 'HEAD'], tree)
}

/** A bare-bones `.git` under `scratch` with the last commits of a local repo. */
async function historyOf(top: string, scratch: string, commit: string | undefined): Promise<void> {
  const args = [
    'clone',
    '-q',
    '--no-checkout',
    '--depth',
    String(CLONE_DEPTH),
    '--no-tags',
    '--no-local',
    '--template=',
  ]
  const answer = await git(
    [...args, ...(commit ? ['--no-single-branch'] : ['--single-branch']), `file://${top}`, scratch],
    { cwd: '/', protocols: 'file', timeoutMs: CLONE_MS_MAX },
  )
  if (answer.code !== 0) throw cloneFailed(top, answer.stderr)
  if (commit && (await git(['cat-file', '-e', commit], { cwd: scratch })).code !== 0)
    await must(
      [
        'fetch',
        '-q',
        '--depth',
        String(CLONE_DEPTH),
        '--upload-pack',
        'git -c uploadpack.allowAnySHA1InWant=true upload-pack',
        `file://${top}`,
        commit,
      ],
      scratch,
      'file',
    )
  settleConfig(join(scratch, '.git'))
}

/** The files that belong to the repo, as they stand. Folders that are repos of their own are copied as plain files. */
async function copyFiles(top: string, tree: string, under: string): Promise<void> {
  const listed = await git(['ls-files', '-z', '--cached', '--others', '--exclude-standard', '--deduplicate'], {
    cwd: top,
  })
  if (listed.code !== 0) throw new ToolFailure('repo_not_git', `git could not list the files: ${listed.stderr.trim()}`)
  const names = listed.stdout.split('\0').filter(Boolean)
  if (names.length > WORKSPACE_FILES_MAX)
    throw new ToolFailure(
      'workspace_too_large',
      `the repository has ${names.length} files (at most ${WORKSPACE_FILES_MAX})`,
    )
  const made = new Set<string>()
  for (const name of names) {
    const from = join(top, name)
    const stat = lstatSync(from, { throwIfNoEntry: false })
    const to = join(tree, under, name)
    if (stat && !made.has(dirname(to))) {
      mkdirSync(dirname(to), { recursive: true })
      made.add(dirname(to))
    }
    if (stat?.isFile()) {
      if (stat.size > WORKSPACE_FILE_BYTES_MAX)
        throw new ToolFailure(
          'workspace_too_large',
          `${name} has ${stat.size} bytes (at most ${WORKSPACE_FILE_BYTES_MAX})`,
          'Ignore it in .gitignore.',
        )
      copyFileSync(from, to, constants.COPYFILE_FICLONE)
    } else if (stat?.isSymbolicLink()) symlinkSync(readlinkSync(from, { encoding: 'buffer' }), to)
    else if (stat?.isDirectory()) await copyFiles(from, tree, join(under, name))
  }
}

async function clone(tree: string, { url, ref }: Source): Promise<void> {
  const protocols = 'https:ssh:http'
  const args = ['clone', '-q', '--depth', String(CLONE_DEPTH), '--no-tags', '--no-recurse-submodules', '--template=']
  const isCommit = ref !== undefined && /^[0-9a-f]{7,64}$/.test(ref)
  const named = ref !== undefined && !isCommit ? ['--branch', ref] : []
  rmSync(tree, { recursive: true })
  const answer = await git([...args, '--single-branch', ...named, '--', url, tree], {
    cwd: '/',
    protocols,
    timeoutMs: CLONE_MS_MAX,
  })
  if (answer.code !== 0) throw cloneFailed(url, answer.stderr)
  if (isCommit) {
    const fetched = await git(['fetch', '-q', '--depth', String(CLONE_DEPTH), 'origin', ref], {
      cwd: tree,
      protocols,
      timeoutMs: CLONE_MS_MAX,
    })
    if (fetched.code !== 0)
      throw new ToolFailure(
        'ref_not_found',
        `commit ${ref} cannot be fetched from ${withoutSecrets(url)}`,
        'Check repo.ref; give the full id of a commit that a branch contains.',
      )
    await must(['checkout', '-q', 'FETCH_HEAD', '--'], tree)
  }
  settleConfig(join(tree, '.git'))
}

async function emptyRepo(tree: string): Promise<void> {
  await must(['init', '-q', '--template=', '.'], tree)
  settleConfig(join(tree, '.git'))
}

/** Leaves of the copy's configuration what git itself needs; a look at one file must not cost a look at all. */
function settleConfig(folder: string): void {
  const config = readFileSync(join(folder, 'config'), 'utf8')
  const kept = config.split(/^(?=\[)/m).filter((section) => /^\[(core|extensions)\]/.test(section))
  writeFileSync(
    join(folder, 'config'),
    `${kept.join('')}[core]\n\tcheckStat = minimal\n\ttrustctime = false\n[gc]\n\tauto = 0\n`,
  )
  mkdirSync(join(folder, 'info'), { recursive: true })
  writeFileSync(join(folder, 'info', 'exclude'), '/.stint/output/\n')
  for (const name of readdirSync(folder))
    if (name === 'hooks' || name === 'FETCH_HEAD') rmSync(join(folder, name), { recursive: true })
}

async function headOf(tree: string): Promise<{ branch?: string; commit?: string }> {
  const [branch, commit] = await Promise.all([
    git(['symbolic-ref', '--short', '-q', 'HEAD'], { cwd: tree }),
    git(['rev-parse', '--verify', '-q', 'HEAD'], { cwd: tree }),
  ])
  return {
    ...(branch.code === 0 ? { branch: branch.stdout.trim() } : {}),
    ...(commit.code === 0 ? { commit: commit.stdout.trim() } : {}),
  }
}

/** A branch name where `ref` is one, else what it resolves to. */
async function branchOf(top: string, ref: string): Promise<string> {
  const branch = await git(['rev-parse', '--verify', '-q', `refs/heads/${ref}`], { cwd: top })
  return branch.code === 0
    ? branch.stdout.trim()
    : (await git(['rev-parse', `${ref}^{commit}`], { cwd: top })).stdout.trim()
}

async function must(args: string[], cwd: string, protocols?: string): Promise<void> {
  const { code, stderr } = await git(args, { cwd, ...(protocols ? { protocols } : {}), timeoutMs: CLONE_MS_MAX })
  if (code !== 0) throw new ToolFailure('git_failed', `git ${args[0]} failed: ${stderr.trim().slice(0, 500)}`)
}

function cloneFailed(url: string, stderr: string): ToolFailure {
  const why = withoutSecrets(stderr.trim()).slice(0, 500)
  if (/Remote branch .* not found/i.test(stderr)) return new ToolFailure('ref_not_found', why, 'Check repo.ref.')
  if (/not found|does not exist|Could not read from remote|Authentication failed|could not read Username/i.test(stderr))
    return new ToolFailure(
      'repo_not_found',
      `${withoutSecrets(url)} cannot be cloned: ${why}`,
      'Check repo.url, and that it may be read from here.',
    )
  return new ToolFailure('clone_failed', `${withoutSecrets(url)} cannot be cloned: ${why}`)
}

const withoutSecrets = (text: string): string => text.replace(/(\w+:\/\/)[^/\s@]+@/g, '$1')
const nameOf = (url: string): string => basename(url.replace(/\/+$/, '')).replace(/\.git$/, '') || 'workspace'
