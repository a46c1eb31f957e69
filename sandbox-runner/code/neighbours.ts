/**
 * The second look: what the files that lead tell about their neighbours. A file is worth more when it changes together
 * with them, is the test of one of them, or stands in their folder.
 */
import type { History } from './history.ts'
import type { CodeIndex } from './index.ts'

export const SECOND = ['together', 'pair', 'pairTest', 'folder', 'lead'] as const
export type Second = Record<(typeof SECOND)[number], Float32Array>

const LEADERS = 12
/** How fast a leader's say falls with its distance from the first. */
const FALL = 0.7

/** `order`: the best files of the first look, best first, with their scores. */
export function secondLook(
  index: CodeIndex,
  history: History | undefined,
  order: readonly number[],
  scores: Float32Array,
): Second {
  const table = Object.fromEntries(SECOND.map((name) => [name, new Float32Array(index.fileCount)])) as Second
  const leaders = order.slice(0, LEADERS)
  const says = leaders.map((file) =>
    Math.exp(((scores[file] as number) - (scores[leaders[0] as number] as number)) * FALL),
  )
  const all = says.reduce((sum, say) => sum + say, 0)
  const folders = new Map<string, number>()
  const stems = new Map<string, { file: number; say: number }[]>()
  leaders.forEach((file, at) => {
    const say = (says[at] as number) / all
    const path = index.pathOf(file)
    table.lead[file] = say
    folders.set(folderOf(path), (folders.get(folderOf(path)) ?? 0) + say)
    const stem = stemOf(path)
    stems.set(stem, [...(stems.get(stem) ?? []), { file, say }])
    for (const [other, share] of history?.together(path) ?? []) {
      const found = index.numberOf(other)
      if (found !== undefined) table.together[found] = (table.together[found] as number) + share * say
    }
  })
  for (const file of order) {
    const path = index.pathOf(file)
    table.folder[file] = (folders.get(folderOf(path)) ?? 0) - (table.lead[file] as number)
    const twins = (stems.get(stemOf(path)) ?? []).filter((twin) => twin.file !== file).map(({ say }) => say)
    const row = index.isTest(file) ? table.pairTest : table.pair
    row[file] = Math.max(0, ...twins)
  }
  return table
}

const folderOf = (path: string): string => path.slice(0, path.lastIndexOf('/') + 1)

/** What a file is about by its name: `src/foo.ts`, `foo.test.ts` and `test_foo.py` are about the same. */
function stemOf(path: string): string {
  const base = path.slice(path.lastIndexOf('/') + 1).replace(/\.\w+$/, '')
  const stem = base.replace(/^tests?[_-]|(?:[._-](?:tests?|spec|bench|d))+$|(?:Tests?|Spec|IT)$/g, '')
  const short = plain(stem)
  return short.length > 2 && !/^(?:index|mod|main|lib|init)$/.test(short) ? short : plain(path.split('/').at(-2) ?? '')
}

const plain = (name: string): string => name.toLowerCase().replace(/[_-]/g, '')
