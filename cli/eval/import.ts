/**
 * Folders of tasks from what others publish. What a check needs beyond the repository (its packages, its toolchain) is
 * the sandbox's: an import makes no environment.
 *
 * - swe-bench: rows of JSON lines `{instance_id, repo, base_commit, problem_statement, test_patch, FAIL_TO_PASS,
 *   PASS_TO_PASS}` (github.com/SWE-bench/SWE-bench, docs/guides/datasets.md).
 * - polyglot: a checkout of Exercism-style exercises, `LANGUAGE/exercises/practice/NAME` with `.meta/config.json`
 *   naming solution, test and example files (github.com/Aider-AI/polyglot-benchmark).
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { UsageError } from '../usage.ts'
import type { TaskFile } from './tasks.ts'

type Imported = { made: number; left: string[] }

export function importTasks(spec: string, dir: string, check: string | undefined): Imported {
  const [, kind, path] = /^(swe-bench|polyglot):(.+)$/s.exec(spec) ?? []
  if (!kind || !path) throw new UsageError('--import takes swe-bench:ROWS.jsonl or polyglot:FOLDER')
  if (!existsSync(path)) throw new UsageError(`there is no ${path}`)
  return kind === 'swe-bench' ? sweBench(path, dir, check) : polyglot(path, dir, check)
}

const ids = z.union([
  z.array(z.string()),
  // Published files have the lists as JSON in a string.
  z.string().transform((text, context): string[] => {
    try {
      return z.array(z.string()).parse(JSON.parse(text))
    } catch {
      context.addIssue({ code: 'custom', message: 'is no list of names' })
      return z.NEVER
    }
  }),
])
const SweRow = z.object({
  instance_id: z.string().regex(/^[\w.-]{1,200}$/),
  repo: z.string().regex(/^[\w.-]+\/[\w.-]+$/),
  base_commit: z.string().regex(/^[0-9a-f]{7,40}$/),
  problem_statement: z.string().min(1),
  test_patch: z.string(),
  FAIL_TO_PASS: ids,
  PASS_TO_PASS: ids,
})

function sweBench(file: string, dir: string, check = 'python -m pytest -q {tests}'): Imported {
  const left: string[] = []
  let made = 0
  for (const [i, line] of readFileSync(file, 'utf8').split('\n').entries()) {
    if (line.trim() === '') continue
    const row = SweRow.safeParse(jsonOf(line))
    if (!row.success) {
      const [issue] = row.error.issues
      left.push(`line ${i + 1}: ${issue?.path.join('.') || 'the line'}: ${issue?.message}`)
      continue
    }
    const { instance_id: name, repo, base_commit: ref, problem_statement: task, test_patch: patch } = row.data
    const tests = [...row.data.FAIL_TO_PASS, ...row.data.PASS_TO_PASS].map(quoted).join(' ')
    writeTask(join(dir, name), {
      task,
      language: 'python',
      repo: { url: `https://github.com/${repo}`, ref },
      check: check.replaceAll('{tests}', tests),
      checkSeconds: 600,
      needs: [],
    })
    if (patch !== '') writeFileSync(join(dir, name, 'check.patch'), patch)
    made++
  }
  return { made, left }
}

const CHECKS: Record<string, { check: string; needs: string[] }> = {
  python: { check: 'python3 -m pytest -q {tests}', needs: ['python3'] },
  javascript: { check: 'npm install --silent && npm test', needs: ['npm'] },
  go: { check: 'go test ./...', needs: ['go'] },
  rust: { check: 'cargo test -- --include-ignored', needs: ['cargo'] },
  java: { check: './gradlew test', needs: ['java'] },
  cpp: { check: 'cmake -B build -DEXERCISM_RUN_ALL_TESTS=1 && cmake --build build', needs: ['cmake', 'c++'] },
}
const Meta = z.object({
  files: z.object({
    solution: z.array(z.string()).min(1),
    test: z.array(z.string()).min(1),
    example: z.array(z.string()).default([]),
  }),
})

function polyglot(folder: string, dir: string, check: string | undefined): Imported {
  const left: string[] = []
  let made = 0
  for (const language of folders(folder))
    for (const exercise of folders(join(folder, language, 'exercises', 'practice'))) {
      const place = join(folder, language, 'exercises', 'practice', exercise)
      const how = CHECKS[language]
      const meta = Meta.safeParse(jsonOf(textOf(join(place, '.meta', 'config.json'))))
      if (!meta.success || (!how && !check)) {
        left.push(
          `${language}/${exercise}: ${how || check ? '.meta/config.json names no files' : 'no check is known for its language; give one by --check'}`,
        )
        continue
      }
      const { solution, test, example } = meta.data.files
      const target = join(dir, `${language}-${exercise}`)
      const said = ['instructions.md', 'instructions.append.md'].map((name) => textOf(join(place, '.docs', name)))
      const tests = test.map(quoted).join(' ')
      writeTask(target, {
        task: `${said.filter(Boolean).join('\n').trim()}\n\nWrite the solution in ${solution.join(', ')}. Keep the names that are there: tests you don't see call them.`,
        language,
        check: (check ?? how?.check ?? '').replaceAll('{tests}', tests),
        checkSeconds: 300,
        needs: check ? [] : (how?.needs ?? []),
      })
      for (const path of filesBelow(place)) {
        if (/^\.(meta|docs)\//.test(path)) continue
        copy(join(place, path), join(target, test.includes(path) ? 'check' : 'repo', path))
      }
      // The example that is listed first is that of the file that is listed first.
      for (const [i, path] of example.entries()) {
        const answers = solution[i]
        if (answers && existsSync(join(place, path))) copy(join(place, path), join(target, 'solution', answers))
      }
      made++
    }
  return { made, left }
}

function writeTask(folder: string, task: z.infer<typeof TaskFile>): void {
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'task.json'), `${JSON.stringify(task, null, 2)}\n`)
}

function copy(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true })
  writeFileSync(to, readFileSync(from), { mode: statSync(from).mode })
}

const folders = (place: string): string[] =>
  existsSync(place)
    ? readdirSync(place, { withFileTypes: true })
        .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
        .map((entry) => entry.name)
        .sort()
    : []
const filesBelow = (place: string): string[] =>
  readdirSync(place, { recursive: true })
    .map(String)
    .filter((path) => statSync(join(place, path)).isFile())
const textOf = (file: string): string => (existsSync(file) ? readFileSync(file, 'utf8') : '')
const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
