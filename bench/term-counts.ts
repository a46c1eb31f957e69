/** What counting words gives: the files in which the words of a query stand most often, as `rg -c` would tell. */
import type { CodeIndex } from '../sandbox-runner/code/index.ts'
import { readQuery } from '../sandbox-runner/code/query.ts'

/** Files by how many of the words they have, then by how often. */
export function termCounts(index: CodeIndex, text: string): string[] {
  const counts = new Map<number, { words: number; times: number }>()
  for (const term of readQuery(text).terms.keys()) {
    const here = new Map<number, number>()
    index.scan(term, (file, _chunk, packed) => here.set(file, (here.get(file) ?? 0) + (packed & 63)))
    for (const [file, times] of here) {
      const held = counts.get(file) ?? { words: 0, times: 0 }
      counts.set(file, { words: held.words + 1, times: held.times + times })
    }
  }
  return [...counts]
    .sort(([, a], [, b]) => b.words - a.words || b.times - a.times)
    .slice(0, 200)
    .map(([file]) => index.pathOf(file))
}
