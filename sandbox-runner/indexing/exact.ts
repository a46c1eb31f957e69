/**
 * Code search for a text or a regular expression as it stands: of the files of a folder, of a commit, or of a workspace.
 * In a folder ripgrep, where it is there, finds the files that can have a match; the lines are always found here, so that
 * the answer is the same without it.
 */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { byPlainCode, type Pattern, readPattern, search, walkByRipgrep } from '../search/search.ts'
import { git } from '../workspace/git.ts'
import { isSecretPath } from '../workspace/paths.ts'
import type { Repo } from '../workspace/repo.ts'
import { blobsOf, treeOf } from './objects.ts'
import { type Answered, type CodeResult, inPaths, type Search } from './work.ts'

export type CodeMode = 'ranked' | 'exact' | 'regex'
export type CodeAsked = Search & { mode: CodeMode }

const EXACT_MS_MAX = 25_000
/** Files that are tracked and ignored at once; more of them are looked through in another way. */
const IGNORED_MAX = 500

/** `files`: in one or more lists, each searched as soon as it is known. Or `texts`, where the files lie nowhere. */
export type Searched = {
  root: string
  files: () => Promise<string[]>[]
  texts?: (paths: string[]) => AsyncIterable<[path: string, text: string]>
  /** The only files in which a match can be, sorted; undefined: it cannot be told sooner than by looking. */
  holding?: (pattern: Pattern) => Promise<string[] | undefined>
}

export async function filesOf(repo: Repo, view: string, ref: string | undefined): Promise<Searched> {
  const options = { cwd: repo.top, repo, view, timeoutMs: 120_000 }
  if (ref === undefined) {
    const listed = async (...which: string[]) => {
      const { stdout } = await git(['ls-files', '-z', ...which], options)
      const files = stdout.split('\0').filter((path) => path !== '' && !isSecretPath(path))
      return [...new Set(files)]
    }
    // What git knows is told at once; for the rest it looks through every folder.
    return {
      root: repo.top,
      // Asked for when they are needed: most searches need neither list.
      files: () => [listed('--cached'), listed('--others', '--exclude-standard')],
      holding: (pattern) => holding(repo.top, pattern, listed),
    }
  }
  const tree = await treeOf(options, ref)
  async function* texts(paths: string[]): AsyncIterable<[string, string]> {
    const blobs = paths.flatMap((path) => {
      const blob = tree.get(path)
      return blob ? [{ ...blob, path }] : []
    })
    let at = 0
    for await (const { bytes } of blobsOf(options, blobs)) yield [blobs[at++]?.path ?? '', bytes.toString()]
  }
  return { root: repo.top, files: () => [Promise.resolve([...tree.keys()].sort())], texts }
}

/**
 * Ripgrep walks the folder by the same ignore rules while git tells what else belongs to the repo: files that it tracks
 * although they are ignored. What lies in a repo of its own within this one does not.
 */
async function holding(
  top: string,
  pattern: Pattern,
  listed: (...which: string[]) => Promise<string[]>,
): Promise<string[] | undefined> {
  const walked = walkByRipgrep({ root: top, pattern, timeoutMs: EXACT_MS_MAX })
  if (!walked) return undefined
  const [found, ignored] = await Promise.all([walked, listed('--cached', '--ignored', '--exclude-standard')])
  if (!found || ignored.length > IGNORED_MAX) return undefined
  const own = new Map<string, boolean>()
  const isOwn = (folder: string): boolean => {
    if (folder === '.') return true
    const before = own.get(folder)
    if (before !== undefined) return before
    const answer = !existsSync(join(top, folder, '.git')) && isOwn(dirname(folder))
    own.set(folder, answer)
    return answer
  }
  const mine = found.filter((path) => isOwn(dirname(path)) && !isSecretPath(path))
  return [...new Set([...mine, ...ignored])].sort()
}

/** Lines that have the text, or match the expression; in path order, each a result. */
export async function exactly({ root, files, texts, holding }: Searched, asked: CodeAsked): Promise<Answered> {
  const began = performance.now()
  const { query, limit, mode } = asked
  const within = inPaths(asked)
  const pattern = readPattern(mode === 'exact' ? escaped(query) : query)
  const held = await holding?.(pattern)
  const lists = held ? [Promise.resolve(held)] : files()
  const found = await Promise.all(
    lists.map(async (listed) => {
      const wanted = (await listed).filter(within)
      const here = { root, files: wanted, pattern, limit, timeoutMs: EXACT_MS_MAX }
      if (texts) return linesIn(texts(wanted), new RegExp(pattern.source, pattern.flags), limit)
      return held ? byPlainCode(here) : search(here)
    }),
  )
  // In the order of paths, and of lines within a file: each list is in it already.
  const hits = found.flat().sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : a.line - b.line))
  const results = hits.slice(0, limit).map(
    ({ path, line, text }): CodeResult => ({
      path,
      startLine: line,
      endLine: line,
      snippet: text,
      score: 1,
      why: mode === 'regex' ? 'the line matches' : 'the text stands here',
    }),
  )
  const ms = Math.round(performance.now() - began)
  const looked = (await Promise.all(lists)).flat().length
  return { kind: 'ready', results, indexed: { files: looked, chunks: 0, left: 0, ms } }
}

async function linesIn(texts: AsyncIterable<[string, string]>, pattern: RegExp, limit: number) {
  const hits: { path: string; line: number; text: string }[] = []
  for await (const [path, text] of texts)
    for (const [at, line] of text.split(/\r?\n/).entries()) {
      if (!pattern.test(line)) continue
      hits.push({ path, line: at + 1, text: line.slice(0, 240) })
      if (hits.length >= limit) return hits
    }
  return hits
}

export const escaped = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
