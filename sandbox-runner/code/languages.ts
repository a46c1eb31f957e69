/**
 * What a path tells of a file: its language, whether it is a test, documentation or configuration, and whether it is
 * worth reading at all. Pure: nothing here opens a file.
 */

export type Family = 'script' | 'python' | 'go' | 'rust' | 'java' | 'c' | 'ruby' | 'php' | 'swift' | 'shell' | 'text'
/** `name` is what people write in `language:`; `family` chooses how definitions are found. */
export type Language = { name: string; family: Family; code: boolean }

const BY_NAME: Record<string, [family: Family, extensions: string]> = {
  typescript: ['script', 'ts tsx mts cts'],
  javascript: ['script', 'js jsx mjs cjs'],
  vue: ['script', 'vue svelte astro'],
  python: ['python', 'py pyi pyx'],
  go: ['go', 'go'],
  rust: ['rust', 'rs'],
  java: ['java', 'java'],
  kotlin: ['java', 'kt kts'],
  scala: ['java', 'scala sc'],
  csharp: ['java', 'cs'],
  groovy: ['java', 'groovy gradle'],
  dart: ['java', 'dart'],
  c: ['c', 'c h'],
  cpp: ['c', 'cc cpp cxx hpp hh hxx inl ipp cu m mm'],
  ruby: ['ruby', 'rb rake gemspec'],
  elixir: ['ruby', 'ex exs'],
  crystal: ['ruby', 'cr'],
  php: ['php', 'php'],
  swift: ['swift', 'swift'],
  zig: ['rust', 'zig'],
  shell: ['shell', 'sh bash zsh fish ps1'],
  lua: ['shell', 'lua'],
  perl: ['shell', 'pl pm'],
  sql: ['text', 'sql'],
  css: ['text', 'css scss sass less'],
  haskell: ['text', 'hs'],
  ocaml: ['text', 'ml mli'],
  clojure: ['text', 'clj cljs cljc'],
  erlang: ['text', 'erl hrl'],
  r: ['text', 'r'],
  julia: ['text', 'jl'],
  proto: ['text', 'proto graphql gql thrift'],
}
const PLAIN: Record<string, string> = {
  markdown: 'md mdx markdown rst adoc txt',
  html: 'html htm ejs hbs erb haml slim liquid jinja tmpl',
  config: 'json yaml yml toml ini cfg conf xml properties env tf hcl nix cmake mk gyp gypi am ac in',
}

const LANGUAGES = new Map<string, Language>()
for (const [name, [family, extensions]] of Object.entries(BY_NAME))
  for (const extension of extensions.split(' ')) LANGUAGES.set(extension, { name, family, code: true })
for (const [name, extensions] of Object.entries(PLAIN))
  for (const extension of extensions.split(' ')) LANGUAGES.set(extension, { name, family: 'text', code: false })

const NAMED: Record<string, Language> = {
  makefile: { name: 'make', family: 'text', code: false },
  dockerfile: { name: 'docker', family: 'text', code: false },
  rakefile: { name: 'ruby', family: 'ruby', code: true },
  gemfile: { name: 'ruby', family: 'ruby', code: false },
  jenkinsfile: { name: 'groovy', family: 'java', code: false },
}

const baseOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1)

/** Undefined: no text that is worth indexing. */
export function languageOf(path: string): Language | undefined {
  const base = baseOf(path).toLowerCase()
  const dot = base.lastIndexOf('.')
  return (dot > 0 ? LANGUAGES.get(base.slice(dot + 1)) : undefined) ?? NAMED[base]
}

/** Brought from elsewhere, made by a program, or a list of versions: people do not look there for code. */
const VENDORED =
  /(?:^|\/)(?:node_modules|bower_components|vendor|vendored|third[_-]?party|dist|\.git|\.hg|\.svn|__pycache__|\.venv|venv|site-packages|\.next|\.nuxt|coverage|Pods|\.yarn|\.stint)\//i
const MACHINE_MADE =
  /(?:\.min\.(?:js|css)|\.bundle\.js|\.map|\.snap|\.lock|-lock\.(?:json|yaml)|\.pb\.(?:go|cc|h)|_pb2(?:_grpc)?\.pyi?|\.g\.dart|\.designer\.cs)$|(?:^|\/)(?:go\.sum|npm-shrinkwrap\.json|composer\.lock)$/i

export const isVendored = (path: string): boolean => VENDORED.test(path) || MACHINE_MADE.test(path)

const TEST =
  /(?:^|\/)(?:tests?|__tests__|specs?|testing|testdata|test-[\w-]+|[\w-]+-tests?|fixtures?|e2e|playground|benchmarks?|bench|examples?|testsuite|androidTest|jvmTest|commonTest)\/|(?:^|\/)(?:tests?|test_[^/]*|[^/]*[._-](?:test|tests|spec|bench|benchmark)|[^/]*(?:Test|Tests|Spec|IT))\.\w+$/

export const isTest = (path: string): boolean => TEST.test(path)
