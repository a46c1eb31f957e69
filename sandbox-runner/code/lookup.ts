/**
 * Where a name is defined: exactly that name first; where nothing has it, names that are spelled alike, so that a guess
 * (`parse_config` for `parseConfig`) still leads somewhere. Pure.
 */
import type { CodeIndex } from './index.ts'

export type FoundSymbol = { path: string; line: number; name: string; kind: string; loosely: boolean }
export type WantedSymbol = {
  /** As it is written; of `Thing.part` and `thing::part` the last part counts. */
  name: string
  kind?: string | undefined
  limit: number
  accept?: ((path: string) => boolean) | undefined
}

/** What people call alike: the line-by-line finder knows the first word of each row, a parser the others. */
const KINDS = [
  'function method constructor macro',
  'type class interface enum struct union trait record annotation impl module namespace',
  'constant variable field property',
].map((row) => row.split(' '))
export const sameKind = (a: string, b: string): boolean =>
  a === b || KINDS.some((row) => row.includes(a) && row.includes(b))

export function findSymbols(index: CodeIndex, { name: given, kind, limit, accept }: WantedSymbol): FoundSymbol[] {
  const name =
    given
      .trim()
      .split(/::|[.#]|->/)
      .at(-1) ?? ''
  if (name === '') return []
  const plain = bare(name)
  const ways: ((other: string) => boolean)[] = [
    (other) => other === name,
    (other) => bare(other) === plain,
    (other) => plain.length > 3 && bare(other).includes(plain),
  ]
  for (const [loose, same] of ways.entries()) {
    const chunks = loose === 0 ? index.defining(name) : index.definingAny(same)
    const found = chunks.flatMap((chunk) => {
      const { path, symbols } = index.placeOf(chunk)
      if (accept && !accept(path)) return []
      return symbols
        .filter((symbol) => same(symbol.name) && (kind === undefined || sameKind(symbol.kind, kind)))
        .map((symbol) => ({ path, ...symbol, loosely: loose > 0 }))
    })
    if (found.length > 0) return ordered(index, found, kind).slice(0, limit)
  }
  return []
}

/** Files before tests, the kind that was asked for, near names before far ones, files near the top first. */
function ordered(index: CodeIndex, found: FoundSymbol[], kind: string | undefined): FoundSymbol[] {
  const unique = new Map(found.map((one) => [`${one.path} ${one.line} ${one.name}`, one]))
  const rank = ({ path, name, kind: own }: FoundSymbol) => {
    const file = index.numberOf(path)
    const test = file !== undefined && index.isTest(file) ? 1000 : 0
    return test + (kind !== undefined && own !== kind ? 100 : 0) + name.length + path.split('/').length
  }
  return [...unique.values()].sort(
    (a, b) => rank(a) - rank(b) || (a.path < b.path ? -1 : a.path > b.path ? 1 : a.line - b.line),
  )
}

const bare = (name: string): string => name.toLowerCase().replace(/[_\-$?!]/g, '')
