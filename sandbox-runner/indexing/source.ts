/**
 * Where the files to be indexed come from: a local repo at a commit, the same with what lies uncommitted in its folder,
 * or a workspace. Nothing is checked out and nothing of the repo is changed.
 */
import { createHash } from 'node:crypto'
import { lstatSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { TEXT_BYTES_MAX } from '../code/analyse.ts'
import type { Commit } from '../code/history.ts'
import { ToolFailure } from '../define.ts'
import { type GitOptions, git } from '../workspace/git.ts'
import { contentHash } from '../workspace/layer.ts'
import { commitsOf } from './commits.ts'
import { type Blob, blobsOf, treeOf } from './objects.ts'
import { isIndexed } from './select.ts'

/** `hash` identifies the content: git's name of the blob, or the workspace's hash. */
export type Item = { hash: string; size: number }
export type Content = { path: string; hash: string; bytes: Uint8Array }

export type Source = {
  /** Names the stored segment; the same for all that come from one repo. */
  base: string
  /** Changes whenever the files may have changed; cheap to ask. */
  stamp(): Promise<string>
  /** The stamp is known at once: nothing that was said before is taken for true without it. */
  exact?: boolean
  /** The commit it stands on; undefined where there is none. */
  commit?: string | undefined
  list(): Promise<Map<string, Item>>
  read(wanted: ReadonlyMap<string, Item>): AsyncIterable<Content>
  /** Every other hash by which this content may be known. */
  aliases(bytes: Uint8Array): string[]
  /** The texts of some of its files, by path. */
  texts(paths: readonly string[], options: GitOptions): Promise<Map<string, string>>
  /** Newest first; `since` is where a stored history begins. */
  commits(since?: string): Promise<Commit[]>
  /** True when the commit it stands on comes after `earlier`. */
  follows(earlier: string): Promise<boolean>
}

/** Git's name for a content. */
export const blobName = (bytes: Uint8Array): string =>
  createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex')

/** A local repo. Without `ref` what lies in its folder counts, committed or not, but for what is ignored. */
export function repoSource(options: GitOptions & { cwd: string }, base: string, ref: string | undefined): Source {
  let loose = new Map<string, Content | undefined>()
  const source: Source = {
    base,
    async stamp() {
      // Side by side: in a large folder the second takes longer than all the rest of a query.
      const [{ code, stdout }, changed] = await Promise.all([
        git(['rev-parse', '--verify', '-q', '--end-of-options', `${ref ?? 'HEAD'}^{commit}`], options),
        ref === undefined ? changedPaths(options) : [],
      ])
      source.commit = code === 0 ? stdout.trim() : undefined
      if (ref !== undefined && source.commit === undefined)
        throw new ToolFailure('ref_not_found', `${ref} is not a branch, tag or commit`, 'Check repo.ref.')
      loose = looseFiles(options.cwd, changed)
      return [source.commit, ...[...loose].map(([path, content]) => `${path} ${content?.hash}`)].join('\n')
    },
    async list() {
      const files = source.commit === undefined ? new Map<string, Blob>() : await treeOf(options, source.commit)
      const items = new Map<string, Item>([...files].map(([path, { id, size }]) => [path, { hash: id, size }]))
      for (const [path, content] of loose)
        if (content) items.set(path, { hash: content.hash, size: content.bytes.length })
        else items.delete(path)
      return items
    },
    async *read(wanted) {
      const byBlob = new Map<string, string>()
      for (const [path, { hash }] of wanted) {
        const content = loose.get(path)
        if (content) yield content
        else byBlob.set(hash, path)
      }
      const blobs = [...byBlob].map(([id, path]) => ({ id, size: wanted.get(path)?.size ?? 0 }))
      for await (const { id, bytes } of blobsOf(options, blobs)) yield { path: byBlob.get(id) ?? '', hash: id, bytes }
    },
    aliases: (bytes) => [contentHash(bytes)],
    texts: async (paths) => (ref === undefined ? textsIn(options.cwd, paths) : textsAt(options, source.commit, paths)),
    async commits(since) {
      return source.commit === undefined ? [] : commitsOf(options, source.commit, since)
    },
    follows: async (earlier) => source.commit !== undefined && isAfter(options, earlier, source.commit),
  }
  return source
}

/** Paths whose file differs from HEAD, or is not in it and not ignored. */
async function changedPaths(options: GitOptions): Promise<string[]> {
  const how = ['--porcelain=v1', '-z', '--untracked-files=all', '--no-renames', '--ignore-submodules']
  const { code, stdout } = await git(['status', ...how], { ...options, timeoutMs: 120_000 })
  return code === 0 ? stdout.split('\0').flatMap((line) => (line.length > 3 ? [line.slice(3)] : [])) : []
}

/** By path: what lies there now; undefined where nothing does that is indexed. */
function looseFiles(root: string, paths: readonly string[]): Map<string, Content | undefined> {
  const found = new Map<string, Content | undefined>()
  for (const path of paths) {
    const bytes = plainFile(root, path)
    found.set(path, bytes && { path, hash: blobName(bytes), bytes })
  }
  return found
}

/** The bytes of a file that is worth indexing. Links are not followed. */
export function plainFile(root: string, path: string): Buffer | undefined {
  try {
    const stat = lstatSync(join(root, path))
    if (!stat.isFile() || stat.size > TEXT_BYTES_MAX || !isIndexed(path, stat.size)) return undefined
    return readFileSync(join(root, path))
  } catch {
    return undefined
  }
}

/** A workspace as its runner knows it: `files` are those that belong to the repo. */
export type WorkspaceFiles = { root: string; stamp: string; files: [path: string, hash: string, size: number][] }

/** `own`: git in the workspace. `origin`: git in the local repo it was made from, at the commit it was made from. */
export function workspaceSource(
  base: string,
  { root, stamp, files }: WorkspaceFiles,
  own: GitOptions,
  origin: { options: GitOptions; commit: string } | undefined,
  commit: string | undefined,
): Source {
  return {
    base,
    stamp: async () => stamp,
    exact: true,
    commit: origin?.commit ?? commit,
    list: async () =>
      new Map(files.flatMap(([path, hash, size]) => (isIndexed(path, size) ? [[path, { hash, size }] as const] : []))),
    async *read(wanted) {
      for (const [path, { hash }] of wanted) {
        const bytes = plainFile(root, path)
        // What is no longer the file that was listed is another snapshot's.
        if (bytes && contentHash(bytes) === hash) yield { path, hash, bytes }
      }
    },
    aliases: (bytes) => [blobName(bytes)],
    texts: async (paths) => textsIn(root, paths),
    commits: async (since) =>
      origin ? commitsOf(origin.options, origin.commit, since) : commitsOf(own, 'HEAD', since),
    follows: async (earlier) => origin !== undefined && isAfter(origin.options, earlier, origin.commit),
  }
}

const isAfter = async (options: GitOptions, earlier: string, later: string): Promise<boolean> =>
  (await git(['merge-base', '--is-ancestor', earlier, later], options)).code === 0

function textsIn(root: string, paths: readonly string[]): Map<string, string> {
  return new Map(
    paths.flatMap((path) => {
      const bytes = plainFile(root, path)
      return bytes ? [[path, bytes.toString()] as const] : []
    }),
  )
}

/** One question to git for all of them; a path that cannot be asked for has no text. */
async function textsAt(
  options: GitOptions,
  commit: string | undefined,
  paths: readonly string[],
): Promise<Map<string, string>> {
  const asked = commit === undefined ? [] : paths.filter((path) => !path.includes('\n'))
  const found = new Map<string, string>()
  const named = asked.map((path) => ({ id: `${commit}:${path}`, size: 0 }))
  for await (const { id, bytes } of blobsOf(options, named))
    found.set(id.slice((commit?.length ?? 0) + 1), bytes.toString())
  return found
}
