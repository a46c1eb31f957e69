/** How a repo's tests are run, and what their output says. Pure: it reads through what it is given. */
import type { TestCommand } from '../define.ts'

export type RepoConfig = { testCommand?: string; setupCommand?: string }

/** The test command of a repo by the files it has; its own `.stint/config.json` comes first. */
export function detectTests(
  has: (path: string) => boolean,
  text: (path: string) => string | undefined,
  config: RepoConfig,
): TestCommand | undefined {
  if (config.testCommand) return testCommand(config.testCommand, { path: quote })
  const script = testScript(text('package.json'))
  if (script) return npmTests(script, has)
  if (has('go.mod'))
    return testCommand('go test', {
      all: './...',
      path: (path) => quote(`./${path.endsWith('.go') ? folderOf(path) : path}`),
      filter: (name) => `-run ${quote(name)}`,
    })
  if (has('Cargo.toml')) return testCommand('cargo test', { filter: quote })
  if (
    has('pytest.ini') ||
    has('conftest.py') ||
    has('tests/conftest.py') ||
    /pytest/.test(text('pyproject.toml') ?? '') ||
    /\[(tool:)?pytest\]/.test((text('setup.cfg') ?? '') + (text('tox.ini') ?? ''))
  )
    return pytest
  if (has('manage.py')) return testCommand('python manage.py test', { path: quote })
  if (has('pom.xml')) return testCommand('mvn -q test', { filter: (name) => `-Dtest=${quote(name)}` })
  if (has('build.gradle') || has('build.gradle.kts'))
    return testCommand(`${has('gradlew') ? './gradlew' : 'gradle'} test`, {
      filter: (name) => `--tests ${quote(name)}`,
    })
  if (has('.rspec') || has('spec/spec_helper.rb'))
    return testCommand('bundle exec rspec', { path: quote, filter: (name) => `-e ${quote(name)}` })
  if (/^test\s*:/m.test(text('Makefile') ?? '')) return testCommand('make test', {})
  if (has('pyproject.toml') || has('setup.py') || has('requirements.txt'))
    return has('tests') || has('test') ? pytest : undefined
  return undefined
}

type Words = Pick<TestCommand, 'path' | 'filter'>

/** `all` is the word for every path, where the runner needs one; `more` is put between the command and its words. */
function testCommand(runner: string, { all, more, ...words }: Words & { all?: string; more?: string }): TestCommand {
  const line = (...parts: (string | undefined)[]) => parts.filter((part) => part !== undefined).join(' ')
  return {
    command: line(runner, all),
    ...words,
    only: ({ path = all, filter }) => line(runner, more, filter, path),
  }
}

function npmTests(script: string, has: (path: string) => boolean): TestCommand {
  const managers: Record<string, string> = {
    'pnpm-lock.yaml': 'pnpm',
    'yarn.lock': 'yarn',
    'bun.lock': 'bun run',
    'bun.lockb': 'bun run',
  }
  const manager = managers[Object.keys(managers).find(has) ?? ''] ?? 'npm'
  const flag = nameFlag(script)
  return testCommand(`${manager} test`, {
    ...(manager === 'npm' || manager === 'bun run' ? { more: '--' } : {}),
    path: quote,
    ...(flag ? { filter: (name: string) => flag + quote(name) } : {}),
  })
}

/** True for a command line that runs tests: such a run is remembered as evidence. */
export const looksLikeTests = (command: string): boolean =>
  /(^|[;&|(]\s*|\b(?:npx|bunx|pnpm|yarn|bundle exec|poetry run|uv run|python3? -m)\s+)(?:[A-Z_]+=\S+\s+)*(?:(?:npm|pnpm|yarn|bun)(?: run)? (?:test|t)\b|npm t\b|node (?:\S+ )*--test\b|vitest\b|jest\b|mocha\b|ava\b|tap\b|pytest\b|unittest\b|go test\b|cargo (?:test|nextest)\b|(?:\.\/)?(?:mvnw?|gradlew?)\b.*\btest\b|rspec\b|make (?:test|check)\b|ctest\b|phpunit\b|dotnet test\b|deno test\b|python3? manage\.py test\b)/.test(
    command,
  )

/** One line on how a test run ended, from the summary its runner printed; falls back to the exit code. */
export function summarize(output: string, exitCode: number | null): { passed: boolean; summary: string } {
  const passed = exitCode === 0
  for (const read of SUMMARIES) {
    const summary = read(output)
    if (summary) return { passed, summary }
  }
  return { passed, summary: passed ? 'passed' : `failed (exit code ${exitCode ?? 'none'})` }
}

const SUMMARIES: ((output: string) => string | undefined)[] = [
  // node --test
  (output) => {
    const [pass, fail] = [/^(?:# |ℹ )pass (\d+)$/m.exec(output)?.[1], /^(?:# |ℹ )fail (\d+)$/m.exec(output)?.[1]]
    return pass && fail ? `${pass} passed, ${fail} failed` : undefined
  },
  // vitest and jest
  (output) => /^\s*Tests:?\s+(.*(?:passed|failed).*)$/m.exec(output)?.[1]?.trim(),
  // mocha
  (output) => {
    const pass = /^\s*(\d+) passing\b/m.exec(output)?.[1]
    return pass ? `${pass} passed, ${/^\s*(\d+) failing\b/m.exec(output)?.[1] ?? 0} failed` : undefined
  },
  // pytest
  (output) =>
    /^=*\s*((?:\d+ (?:passed|failed|errors?|skipped|xfailed|xpassed|warnings?|deselected)(?:, )?)+)(?: in [\d.]+s.*)?\s*=*$/m
      .exec(output)?.[1]
      ?.trim(),
  // unittest
  (output) => {
    const ran = /^Ran (\d+) tests? in /m.exec(output)?.[1]
    return ran ? `${ran} run, ${/^(OK|FAILED).*$/m.exec(output)?.[0] ?? ''}`.trim() : undefined
  },
  // cargo test
  (output) => {
    const all = [...output.matchAll(/^test result: \w+\. (\d+) passed; (\d+) failed/gm)]
    if (all.length === 0) return undefined
    const sum = (at: number) => all.reduce((total, match) => total + Number(match[at]), 0)
    return `${sum(1)} passed, ${sum(2)} failed`
  },
  // go test
  (output) => {
    const [ok, failed] = [
      output.match(/^ok\s+\S+/gm)?.length ?? 0,
      output.match(/^(FAIL\s+\S+|--- FAIL)/gm)?.length ?? 0,
    ]
    return ok + failed > 0 ? `${ok} packages ok, ${failed} failures` : undefined
  },
]

function testScript(text: string | undefined): string | undefined {
  try {
    const script: unknown = JSON.parse(text ?? 'null')?.scripts?.test
    return typeof script === 'string' && !/no test specified/.test(script) ? script : undefined
  } catch {
    return undefined
  }
}

/** How the runner behind an npm script is asked for tests by name. */
function nameFlag(script: string): string | undefined {
  if (/\bnode\b.*--test\b/.test(script)) return '--test-name-pattern='
  if (/\b(vitest|jest)\b/.test(script)) return '-t '
  if (/\bmocha\b/.test(script)) return '-g '
  return undefined
}

const pytest = testCommand('python -m pytest -q', { path: quote, filter: (name) => `-k ${quote(name)}` })

const folderOf = (path: string): string => (path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : '.')

/** One word of a shell line, whatever is in it. */
export function quote(word: string): string {
  return /^[\w./:@=+,-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}
