/** Which linters and type checkers a repo is set up for, and what their output says. Pure: it reads what it is given. */
import type { Linter, Problem } from '../define.ts'
import { quote } from './testing.ts'

export type Place = Problem & { path: string }

const SCRIPTS = /\.[cm]?[jt]sx?$/
const LINTED_PATHS_MAX = 200
/** Nothing is fetched to lint a repo: what is not installed there is not run. */
const npx = (command: string) => `npx --no-install ${command}`

/** `has`: a file or folder is there; `text`: of a file at the top. */
export function detectLinters(has: (path: string) => boolean, text: (path: string) => string | undefined): Linter[] {
  const says = (path: string, pattern: RegExp) => pattern.test(text(path) ?? '')
  const found: Linter[] = []
  const add = (name: string, files: RegExp, line: Linter['line']) => found.push({ name, files, line })
  const named = (paths: readonly string[], all: string) =>
    paths.length === 0 ? all : paths.slice(0, LINTED_PATHS_MAX).map(quote).join(' ')
  if (has('tsconfig.json')) add('tsc', SCRIPTS, () => npx('tsc --noEmit --pretty false'))
  if (has('biome.json') || has('biome.jsonc'))
    add('biome', SCRIPTS, (paths) => npx(`biome lint --reporter=github --max-diagnostics=200 ${named(paths, '.')}`))
  if (ESLINT.some(has) || says('package.json', /"eslintConfig"\s*:/))
    add('eslint', SCRIPTS, (paths) => npx(`eslint --no-color ${named(paths, '.')}`))
  const python = /\.pyi?$/
  if (has('ruff.toml') || has('.ruff.toml') || says('pyproject.toml', /^\[tool\.ruff\b/m))
    add('ruff', python, (paths) => `ruff check --no-cache --output-format=concise ${named(paths, '.')}`)
  else if (has('.flake8') || says('setup.cfg', /^\[flake8\]/m))
    add('flake8', python, (paths) => `flake8 ${named(paths, '.')}`)
  if (has('mypy.ini') || says('pyproject.toml', /^\[tool\.mypy\b/m) || says('setup.cfg', /^\[mypy\]/m))
    add(
      'mypy',
      python,
      (paths) => `mypy --no-error-summary --show-column-numbers --no-color-output ${named(paths, '.')}`,
    )
  if (has('go.mod')) add('go vet', /\.go$/, () => 'go vet ./...')
  if (has('Cargo.toml')) add('cargo check', /\.rs$/, () => 'cargo check --quiet --offline --message-format short')
  if (has('.rubocop.yml'))
    add('rubocop', /\.(?:rb|rake|gemspec)$/, (paths) => `rubocop --format emacs --no-color ${named(paths, '')}`.trim())
  return found
}

const ESLINT = [
  'eslint.config.js',
  'eslint.config.mjs',
  'eslint.config.cjs',
  'eslint.config.ts',
  '.eslintrc',
  '.eslintrc.js',
  '.eslintrc.cjs',
  '.eslintrc.json',
  '.eslintrc.yml',
  '.eslintrc.yaml',
]

const LINE_CHARS_MAX = 2000
const TEXT_CHARS_MAX = 300

/** The problems in what a linter printed; lines that name no place are passed over. */
export function problemsIn(output: string, source: string): Place[] {
  const found: Place[] = []
  // ESLint names the file once, above its lines.
  let heading = ''
  const add = (path: string, line: string, column: string | undefined, text: string) =>
    found.push({
      path: within(path),
      line: Number(line),
      column: Number(column ?? 1),
      source,
      text: text.trim().slice(0, TEXT_CHARS_MAX),
    })
  for (const row of output.split(/\r?\n/)) {
    if (row.length > LINE_CHARS_MAX) continue
    const tsc = /^(.+?)\((\d+),(\d+)\): (?:error|warning) (.*)$/.exec(row)
    const github = /^::(?:error|warning)\b.*?\bfile=([^,]+),line=(\d+)(?:.*?,col=(\d+))?.*?::(.*)$/.exec(row)
    const listed = /^ {2}(\d+):(\d+) +(?:error|warning) +(.*)$/.exec(row)
    const plain = /^(?:vet: )?([^\s:][^:]*?\.\w+):(\d+):(?:(\d+):)?\s*(\S.*)$/.exec(row)
    if (tsc) add(tsc[1] ?? '', tsc[2] ?? '', tsc[3], tsc[4] ?? '')
    else if (github) add(github[1] ?? '', github[2] ?? '', github[3], github[4] ?? '')
    else if (listed) add(heading, listed[1] ?? '', listed[2], (listed[3] ?? '').replace(/\s{2,}/g, ' '))
    else if (plain) {
      // Notes explain the error above them.
      if (!/^note:/.test(plain[4] ?? '')) add(plain[1] ?? '', plain[2] ?? '', plain[3], plain[4] ?? '')
    } else if (/^\S.*\.\w+$/.test(row)) heading = row.trim()
  }
  return found
}

/** Of an absolute path what is below the workspace, which is always a folder named `tree`. */
const within = (path: string): string => path.replace(/^\.\//, '').replace(/^\/.*?\/tree\//, '')
