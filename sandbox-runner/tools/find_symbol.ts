import { z } from 'zod'
import { type Defined, defineTool, type Hands, type SymbolHit } from '../define.ts'
import { CODE_INDEX_MS_MAX, SYMBOL_USES_MAX, SYMBOLS_MAX } from '../limits.ts'

type Found = { path: string; line: number; end: number; name: string; kind: string; signature: string; inside?: string }

export const findSymbol = defineTool({
  name: 'find_symbol',
  category: 'code analysis',
  description: 'Where a function, class, type or constant is defined, and where it is used.',
  input: z.object({
    name: z.string().min(1).max(200),
    kind: z.string().min(1).max(40).optional(),
    path: z.string().min(1).optional(),
  }),
  risk: 'read',
  changes: false,
  repeat: 'safe',
  timeoutMs: CODE_INDEX_MS_MAX + 20_000,
  async run({ name, kind, path }, hands) {
    const wanted = { name, limit: SYMBOLS_MAX, ...(kind ? { kind } : {}), ...(path ? { path } : {}) }
    const hits = await hands.symbols(wanted)
    const found: Found[] = []
    for (const hit of hits) found.push(await sharpened(hit, hands))
    if (found.length === 0)
      return {
        output: `Nothing here defines ${name}${kind ? ` as ${kind}` : ''}. Use search_text for where the text stands.`,
        data: { definitions: [], uses: [] },
      }
    // A class is asked for, and the finder knew only that it is some type.
    const exact = kind ? found.filter((one) => one.kind === kind) : []
    const definitions = exact.length > 0 ? exact : found
    const uses = await usesOf(definitions, hands)
    const loosely = hits.some((hit) => hit.loosely) ? [`Nothing is called ${name}; these are near it:`] : []
    const places = uses.map((use) => `  ${use.path}:${use.line}: ${use.text.trim()}`)
    const used =
      places.length === 0
        ? ['Used nowhere else.']
        : [`Used in${uses.length >= SYMBOL_USES_MAX ? ', among others' : ''}:`, ...places]
    return { output: [...loosely, ...definitions.map(row), ...used].join('\n'), data: { definitions, uses } }
  },
})

const row = ({ path, line, end, kind, signature, inside }: Found): string =>
  `${path}:${line}${end > line ? `-${end}` : ''} ${kind}${inside ? ` in ${inside}` : ''}: ${signature}`

/** The definition as the file's own syntax has it; the index may only know its line. */
async function sharpened({ path, line, name, kind }: SymbolHit, hands: Hands): Promise<Found> {
  const near = ({ line: other }: Defined) => Math.abs(other - line)
  try {
    const { definitions } = await hands.syntax(path)
    const [best] = definitions.filter((one) => one.name === name && near(one) <= 3).sort((a, b) => near(a) - near(b))
    if (best) {
      const { line: at, end, kind: exact, signature, inside } = best
      return { path, line: at, end, name, kind: exact, signature, ...(inside ? { inside } : {}) }
    }
  } catch {
    // A file that cannot be read whole is still where the name is defined.
  }
  return { path, line, end: line, name, kind, signature: name }
}

async function usesOf(definitions: readonly Found[], hands: Hands) {
  const [first] = definitions
  if (!first || !/^\w+$/.test(first.name)) return []
  const own = new Set(definitions.map(({ path, line }) => `${path}:${line}`))
  const { hits } = await hands.search({ pattern: `\\b${first.name}\\b`, limit: SYMBOL_USES_MAX + own.size })
  return hits.filter(({ path, line }) => !own.has(`${path}:${line}`)).slice(0, SYMBOL_USES_MAX)
}
