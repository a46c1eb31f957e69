/** The files of a commit as git keeps them: which there are, and what is in them, without a checkout. */
import { type GitOptions, mustGit } from '../workspace/git.ts'
import { isIndexed } from './select.ts'

const BATCH_BYTES = 8 * 1024 * 1024
/** So many small blobs are read at once, that the reader can rest between. */
const BATCH_FILES = 500

export type Blob = { id: string; size: number }

/** By path: the files worth indexing in the tree of `ref`. Links and submodules are left out. */
export async function treeOf(options: GitOptions, ref: string): Promise<Map<string, Blob>> {
  const listed = await mustGit(['ls-tree', '-r', '-l', '-z', ref], options)
  const files = new Map<string, Blob>()
  for (const line of listed.split('\0')) {
    // `mode blob id size<tab>path`; by hand, for a tree of a hundred thousand lines is read at every change.
    const tab = line.indexOf('\t')
    if (tab < 0 || line.startsWith('120000') || line.slice(7, 11) !== 'blob') continue
    const path = line.slice(tab + 1)
    const idEnd = line.indexOf(' ', 12)
    const size = Number(line.slice(idEnd, tab))
    if (isIndexed(path, size) && !path.includes('\ufffd')) files.set(path, { id: line.slice(12, idEnd), size })
  }
  return files
}

/** The content of blobs, in the order asked for; batch by batch, so that little is held at once. */
export async function* blobsOf(
  options: GitOptions,
  blobs: readonly Blob[],
): AsyncGenerator<{ id: string; bytes: Buffer }> {
  for (let at = 0; at < blobs.length; ) {
    const batch: Blob[] = []
    for (let bytes = 0; at < blobs.length && batch.length < BATCH_FILES && bytes < BATCH_BYTES; at++) {
      const blob = blobs[at] as Blob
      batch.push(blob)
      bytes += blob.size
    }
    const stdin = `${batch.map(({ id }) => id).join('\n')}\n`
    const out = Buffer.from(await mustGit(['cat-file', '--batch'], { ...options, stdin, bytes: true }), 'latin1')
    let place = 0
    for (const { id } of batch) {
      const head = out.indexOf(10, place)
      const size = Number(/ blob (\d+)$/.exec(out.subarray(place, head).toString('latin1'))?.[1] ?? -1)
      if (size < 0) {
        // A blob that is not here (a partial clone) has a line and no content.
        place = head + 1
        continue
      }
      yield { id, bytes: out.subarray(head + 1, head + 1 + size) }
      place = head + 1 + size + 1
    }
  }
}
