/**
 * Parsers for source text, made of the grammars that come with `@vscode/tree-sitter-wasm`. The runtime and each grammar
 * are loaded when a file first asks for them: a runner that parses nothing pays nothing.
 *
 * Guarantees: never rejects. There is no tree where there is no grammar, where the package is left out of a bundle, and
 * where a file is too large or takes too long; whoever asks falls back to what can be told line by line.
 */
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { languageOf } from '../code/languages.ts'
import { SYNTAX_BYTES_MAX, SYNTAX_MS_MAX } from '../limits.ts'

/** What is used of the package, which declares its types under another package's name. Rows and columns begin at 0. */
export type Node = {
  readonly type: string
  readonly text: string
  readonly startIndex: number
  readonly endIndex: number
  readonly startPosition: { row: number; column: number }
  readonly endPosition: { row: number; column: number }
  readonly isError: boolean
  readonly isMissing: boolean
  readonly hasError: boolean
  readonly parent: Node | null
  readonly children: (Node | null)[]
  readonly namedChildren: (Node | null)[]
  childForFieldName(name: string): Node | null
}
type Tree = { readonly rootNode: Node; delete(): void }
type Grammar = object
type Parser = {
  setLanguage(grammar: Grammar): void
  parse(text: string, old: null, options: { progressCallback: () => boolean }): Tree | null
  reset(): void
}
type Runtime = {
  Parser: { new (): Parser; init(): Promise<void> }
  Language: { load(path: string): Promise<Grammar> }
}

export type GrammarName = 'typescript' | 'tsx' | 'javascript' | 'python' | 'go' | 'rust' | 'java' | 'cpp' | 'ruby'

const PACKAGE = '@vscode/tree-sitter-wasm'
const BY_LANGUAGE: Record<string, GrammarName> = {
  typescript: 'typescript',
  javascript: 'javascript',
  python: 'python',
  go: 'go',
  rust: 'rust',
  java: 'java',
  // There is no grammar of C alone; see `asCpp`.
  c: 'cpp',
  cpp: 'cpp',
  ruby: 'ruby',
}

export function grammarOf(path: string): GrammarName | undefined {
  const ending = path.slice(path.lastIndexOf('.') + 1).toLowerCase()
  if (ending === 'tsx') return 'tsx'
  // Cython, Objective-C and CUDA are near enough to be searched as their kin, and too far to be parsed as them.
  if (/^(?:pyx|mm?|cu|ipp)$/.test(ending)) return undefined
  const name = languageOf(path)?.name ?? ''
  return Object.hasOwn(BY_LANGUAGE, name) ? BY_LANGUAGE[name] : undefined
}

/** What `look` makes of the file's tree, which is gone afterwards; undefined where there is none. */
export async function withTree<T>(
  path: string,
  text: string,
  look: (root: Node, grammar: GrammarName) => T,
): Promise<T | undefined> {
  const grammar = grammarOf(path)
  if (!grammar || text.length > SYNTAX_BYTES_MAX) return undefined
  const parser = await parserOf(grammar)
  if (!parser) return undefined
  const until = performance.now() + SYNTAX_MS_MAX
  let tree: Tree | null = null
  try {
    const readable = grammar === 'cpp' ? asCpp(path, text) : text
    tree = parser.parse(readable, null, { progressCallback: () => performance.now() > until })
    return tree ? look(tree.rootNode, grammar) : undefined
  } catch {
    return undefined
  } finally {
    if (tree) tree.delete()
    else parser.reset()
  }
}

const parsers = new Map<GrammarName, Promise<Parser | undefined>>()
let runtime: Promise<{ Parser: Runtime['Parser']; Language: Runtime['Language']; folder: string }> | undefined

function parserOf(name: GrammarName): Promise<Parser | undefined> {
  const known = parsers.get(name)
  if (known) return known
  const made = makeParser(name).catch(() => undefined)
  parsers.set(name, made)
  return made
}

async function makeParser(name: GrammarName): Promise<Parser> {
  runtime ??= loadRuntime()
  const { Parser, Language, folder } = await runtime
  const parser = new Parser()
  parser.setLanguage(await Language.load(join(folder, `tree-sitter-${name}.wasm`)))
  return parser
}

async function loadRuntime() {
  const require = createRequire(import.meta.url)
  const { Parser, Language } = require(PACKAGE) as Runtime
  await Parser.init()
  return { Parser, Language, folder: dirname(require.resolve(PACKAGE)) }
}

const CPP_ONLY =
  /\b(?:class|new|delete|this|template|private|public|protected|virtual|operator|namespace|try|catch|throw|using|typename|friend|and|or|not|xor|export|mutable|explicit)\b/g
const SAYS_CPP = /^\s*(?:class\s+\w+[^;]*$|namespace\b|template\s*<|(?:public|private|protected)\s*:|using\s+\w)/m

/** C in which the words that C++ alone reserves are spelled as plain names of the same length. */
function asCpp(path: string, text: string): string {
  const isC = /\.c$/i.test(path) || (/\.h$/i.test(path) && !SAYS_CPP.test(text))
  return isC ? text.replace(CPP_ONLY, (word) => `${word.slice(0, -1)}_`) : text
}
