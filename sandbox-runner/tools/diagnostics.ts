import { z } from 'zod'
import { defineTool, type Hands, type Problem, ToolFailure } from '../define.ts'
import { COMMAND_SECONDS_MAX, DIAGNOSTIC_FILES_MAX, DIAGNOSTICS_MAX } from '../limits.ts'
import { type Place, problemsIn } from '../text/linting.ts'

export const diagnostics = defineTool({
  name: 'diagnostics',
  category: 'code analysis',
  description: "Problems in files: syntax, and what the repo's own linters and type checkers say.",
  input: z.object({ paths: z.array(z.string()).max(100).optional() }),
  risk: 'execute',
  changes: true,
  repeat: 'from_snapshot',
  timeoutMs: COMMAND_SECONDS_MAX * 1000,
  async run({ paths = [] }, hands) {
    const files = paths.length > 0 ? await filesOf(paths, hands) : await changedFiles(hands)
    const problems: Place[] = []
    for (const path of files.slice(0, DIAGNOSTIC_FILES_MAX))
      for (const problem of await syntaxOf(path, hands)) problems.push({ path, ...problem })
    const asked = new Set(files)
    const ran: string[] = []
    const notes: string[] = []
    const until = performance.now() + COMMAND_SECONDS_MAX * 1000 - 5000
    for (const { name, line, files: its } of await hands.linters()) {
      const mine = paths.length > 0 ? files.filter((path) => its.test(path)) : []
      if (paths.length > 0 && mine.length === 0) continue
      const left = until - performance.now()
      if (left < 1000) {
        notes.push(`[${name} was not run: no time left]`)
        continue
      }
      const { exitCode, ended, output } = await hands.shell(line(mine), { timeoutMs: left })
      const said = problemsIn(output, name).filter(({ path }) => paths.length === 0 || asked.has(path))
      if (ended) notes.push(`[${name} was ended: ${ended}]`)
      else if (
        exitCode === 127 ||
        (/not found|could not determine executable|No module named/i.test(output.slice(0, 600)) && said.length === 0)
      )
        notes.push(`[${name} is set up here, but not installed]`)
      else {
        ran.push(name)
        if (said.length === 0 && exitCode !== 0 && paths.length === 0)
          notes.push(`[${name} failed: ${output.trim().slice(0, 500)}]`)
      }
      problems.push(...said)
    }
    const where = `${files.length} ${paths.length > 0 ? '' : 'changed '}file${files.length === 1 ? '' : 's'} by syntax${ran.length > 0 ? `; ${ran.join(', ')}` : ''}`
    const skipped =
      files.length > DIAGNOSTIC_FILES_MAX ? [`[only the first ${DIAGNOSTIC_FILES_MAX} files were parsed]`] : []
    const shown = problems
      .slice(0, DIAGNOSTICS_MAX)
      .map(({ path, line, column, text, source }) => `${path}:${line}:${column}: ${text} (${source})`)
    const more = problems.length > shown.length ? [`[${problems.length - shown.length} more]`] : []
    const head =
      problems.length === 0
        ? `No problems (${where}).`
        : `${problems.length} problem${problems.length === 1 ? '' : 's'} (${where}):`
    return {
      output: [head, ...shown, ...more, ...skipped, ...notes].join('\n'),
      data: { problems: problems.slice(0, DIAGNOSTICS_MAX), ran },
      truncated: more.length > 0,
    }
  },
})

/** @throws ToolFailure for a path that is not there. */
async function filesOf(paths: readonly string[], hands: Hands): Promise<string[]> {
  const all = new Set<string>()
  for (const path of paths) for (const file of await hands.files(path)) all.add(file)
  return [...all].sort()
}

async function changedFiles(hands: Hands): Promise<string[]> {
  const { code, stdout } = await hands.git(['status', '--porcelain=v1', '-z', '--untracked-files=all', '--no-renames'])
  const changed = code === 0 ? stdout.split('\0').flatMap((line) => (line.length > 3 ? [line.slice(3)] : [])) : []
  const there = new Set(await hands.files())
  return changed.filter((path) => there.has(path)).sort()
}

async function syntaxOf(path: string, hands: Hands): Promise<Problem[]> {
  try {
    return (await hands.syntax(path)).problems ?? []
  } catch (error) {
    // Pictures, secrets and huge files have no syntax to be wrong.
    if (error instanceof ToolFailure) return []
    throw error
  }
}
