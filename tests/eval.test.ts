/** `stint eval` as a person uses it: the bundled tasks, one's own, others', interrupted and compared. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { compare, figures, passAtK } from '../cli/eval/figures.ts'
import type { Row } from '../cli/eval/results.ts'
import { patchOf } from '../cli/eval/script.ts'
import { costOf } from '../functions/model/catalogue.ts'
import { cli, ended } from './support/cli.ts'
import { call, ROOT, scripted, tempFolder, until, write } from './support/world.ts'

const BUNDLED = join(ROOT, 'examples/eval')
const TASK = { task: 'Make it say two.', check: 'grep -q two a.txt' }
const tasksIn = (t: Parameters<typeof tempFolder>[0], files: Record<string, string>): string => {
  const folder = tempFolder(t)
  write(folder, files)
  return folder
}
const rowsIn = (stint: ReturnType<typeof cli>, name: string): Row[] =>
  readFileSync(join(stint.env.STINT_HOME ?? '', 'eval', name, 'results.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Row)

test('eval: the thirty tasks pass by their solutions; killed in the middle it goes on, and nothing is made twice', async (t) => {
  const stint = cli(t)
  const args = ['eval', BUNDLED, '--model', 'scripted', '--jobs', '2', '--name', 'plumbing', '--json']
  const first = stint.start(args)
  await until('some rows', () => first.so_far().out.split('\n').length > 6, 120_000)
  first.child.kill('SIGKILL')
  await first.done
  const before = rowsIn(stint, 'plumbing')
  assert.ok(before.length >= 5 && before.length < 30)
  const { out, err } = ended(await stint(args), 0)
  const rows = rowsIn(stint, 'plumbing')
  const left = new Set(err.match(/(?<=left out: )\S+/g) ?? [])
  if (process.env.STINT_TEST_REQUIRE === 'all') assert.deepEqual([...left], [])
  assert.equal(rows.length, 30 - left.size)
  assert.equal(new Set(rows.map(({ task }) => task)).size, rows.length)
  assert.equal(new Set(rows.map(({ runId }) => runId)).size, rows.length)
  assert.equal(out.trimEnd().split('\n').length, rows.length - before.length, 'what was known is not made again')
  for (const row of rows) {
    assert.deepEqual([row.task, row.passed, row.stopReason], [row.task, true, 'done'], row.check)
    assert.equal(row.toolErrors, 0, row.task)
  }
  assert.ok(new Set(rows.map(({ language }) => language)).size >= (left.size === 0 ? 5 : 1))
  // By the token counts of the solutions, at the strong model's prices.
  const costs = rows.map((row) => costOf('openai/gpt-oss-120b', row)).sort((a, b) => a - b)
  assert.ok((costs[costs.length >> 1] ?? 1) <= 0.01, `the median is $${costs[costs.length >> 1]}`)
  assert.equal(existsSync(join(stint.env.STINT_HOME ?? '', 'stint.db')), false, "a person's own state is not touched")
})

test('eval: a task that is not solved is a row that says so; more attempts; a second name to compare with', async (t) => {
  let answers = 0
  const model = await scripted(t, ({ messages }) => {
    const asked = messages.filter(({ role }) => role === 'tool').length > 0
    if (asked) return { text: 'done' }
    // Every second attempt is right.
    return call('write_file', { path: 'a.txt', content: answers++ % 2 === 0 ? 'two\n' : 'three\n' })
  })
  const stint = cli(t, { GROQ_BASE_URL: model.url })
  const folder = tasksIn(t, { 'x/task.json': JSON.stringify(TASK), 'x/repo/a.txt': 'one\n' })
  const args = ['eval', folder, '--model', 'openai/gpt-oss-120b']
  const { out } = ended(await stint([...args, '--attempts', '2', '--name', 'a']), 0)
  assert.match(out, /✓ x [\s\S]*✗ x attempt 2/)
  assert.match(out, /all +1 +2 +50 % @1 100 % @2/)
  assert.deepEqual(
    rowsIn(stint, 'a').map(({ passed, turns, toolCalls }) => [passed, turns, toolCalls]),
    [
      [true, 2, 1],
      [false, 2, 1],
    ],
  )
  assert.ok(rowsIn(stint, 'a').every(({ costUsd, inputTokens }) => costUsd > 0 && inputTokens > 0))
  ended(await stint([...args, '--name', 'b']), 0)
  const compared = ended(await stint(['eval', '--compare', 'a,b']), 0).out
  assert.match(compared, /On 1 tasks that both have: b passes \+50\.0 points/)
  assert.match(ended(await stint(['eval', '--compare', 'a,c']), 2).err, /no evaluation named "c"/)
  assert.match(
    ended(await stint(['eval', folder, '--model', 'scripted', '--name', 'a']), 2).err,
    /this name is taken .*gpt-oss-120b/,
  )
})

test('eval: a budget ends it, and the same command with more goes on', async (t) => {
  const model = await scripted(t, [{ text: 'I did nothing.' }])
  const stint = cli(t, { GROQ_BASE_URL: model.url })
  const task = JSON.stringify(TASK)
  const folder = tasksIn(
    t,
    Object.fromEntries(
      ['x', 'y', 'z'].flatMap((n) => [
        [`${n}/task.json`, task],
        [`${n}/repo/a.txt`, 'one\n'],
      ]),
    ),
  )
  const args = ['eval', folder, '--model', 'openai/gpt-oss-120b', '--name', 'a']
  const poor = ended(await stint([...args, '--budget', '0.0000001']), 3)
  assert.match(poor.err, /1 of 3 attempts are done \(the budget is spent\); the same command goes on/)
  ended(await stint([...args, '--budget', '5']), 0)
  assert.deepEqual(
    rowsIn(stint, 'a').map(({ task: name, passed }) => [name, passed]),
    [
      ['x', false],
      ['y', false],
      ['z', false],
    ],
  )
})

test('eval: --verify finds a check that cannot fail, and a solution that is none', async (t) => {
  const stint = cli(t)
  const folder = tasksIn(t, {
    'always/task.json': JSON.stringify({ ...TASK, check: 'true' }),
    'always/repo/a.txt': 'one\n',
    'good/task.json': JSON.stringify(TASK),
    'good/repo/a.txt': 'one\n',
    'good/solution/a.txt': 'two\n',
    'wrong/task.json': JSON.stringify(TASK),
    'wrong/repo/a.txt': 'one\n',
    'wrong/solution/a.txt': 'three\n',
    'away/task.json': JSON.stringify({ ...TASK, needs: ['no-such-program'] }),
    'away/repo/a.txt': 'one\n',
  })
  const { out, err } = ended(await stint(['eval', folder, '--verify']), 1)
  assert.match(
    out,
    /✗ always the check passes before anything was done\n✓ good\n✗ wrong the check fails on the solution/,
  )
  assert.match(out, /1 of 3 tasks hold/)
  assert.match(err, /left out: away needs no-such-program/)
})

test('eval: mistakes are named by file and field', async (t) => {
  const stint = cli(t)
  const folder = tasksIn(t, { 'x/task.json': '{"task": "do", "check": 5}', 'x/repo/a.txt': '', 'y/task.json': '{' })
  const says = async (args: string[], message: RegExp) =>
    assert.match(ended(await stint(['eval', ...args]), 2).err, message)
  await says([], /name one folder of tasks/)
  await says([join(folder, 'none')], /there is no folder/)
  await says([join(folder, 'x')], /holds no task: a task is a folder with a task\.json/)
  await says([folder, '--only', 'nope'], /no task in .* has "nope" in its name/)
  await says([folder, '--only', 'x'], /x[/\\]task\.json: check: /)
  await says([folder, '--only', 'y'], /y[/\\]task\.json is no JSON/)
  await says([folder, '--only', 'x', '--attempts', '0'], /task\.json: check|--attempts takes a whole number/)
  await says([folder, '--import', 'mine:x'], /--import takes swe-bench:ROWS\.jsonl or polyglot:FOLDER/)
  await says(['--compare', 'a'], /--compare takes two names/)
  write(folder, {
    'z/task.json': JSON.stringify({ ...TASK, repo: { url: 'https://example.org/r' } }),
    'z/repo/a.txt': '',
  })
  await says([folder, '--only', 'z'], /either a folder repo\/ or a field repo/)
})

test('eval: rows of SWE-bench and Exercism-style exercises become tasks', async (t) => {
  const stint = cli(t)
  const folder = tempFolder(t)
  const row = {
    instance_id: 'psf__requests-1',
    repo: 'psf/requests',
    base_commit: 'a'.repeat(40),
    problem_statement: 'It breaks.',
    test_patch: 'diff --git a/t b/t\n',
    FAIL_TO_PASS: '["tests/test_a.py::test_it"]',
    PASS_TO_PASS: ["tests/it's.py"],
  }
  write(folder, {
    'rows.jsonl': `${JSON.stringify(row)}\n\n{"instance_id": "x"}\n`,
    'exercises/python/exercises/practice/two/.meta/config.json': JSON.stringify({
      files: { solution: ['two.py'], test: ['two_test.py'], example: ['.meta/example.py'] },
    }),
    'exercises/python/exercises/practice/two/.meta/example.py': 'def two():\n    return 2\n',
    'exercises/python/exercises/practice/two/.docs/instructions.md': '# Two\nReturn two.\n',
    'exercises/python/exercises/practice/two/two.py': 'def two():\n    pass\n',
    'exercises/python/exercises/practice/two/two_test.py':
      'import unittest\nfrom two import two\nclass T(unittest.TestCase):\n    def test(self):\n        self.assertEqual(two(), 2)\n',
    'exercises/cobol/exercises/practice/two/.meta/config.json': '{}',
  })
  const swe = join(folder, 'swe')
  const imported = ended(await stint(['eval', swe, '--import', `swe-bench:${join(folder, 'rows.jsonl')}`]), 0)
  assert.match(imported.out, /1 tasks in/)
  assert.match(imported.err, /left out: line 3: repo: /)
  const task = JSON.parse(readFileSync(join(swe, 'psf__requests-1/task.json'), 'utf8'))
  assert.deepEqual(task.repo, { url: 'https://github.com/psf/requests', ref: 'a'.repeat(40) })
  assert.equal(task.check, `python -m pytest -q 'tests/test_a.py::test_it' 'tests/it'\\''s.py'`)
  assert.equal(readFileSync(join(swe, 'psf__requests-1/check.patch'), 'utf8'), row.test_patch)

  const poly = join(folder, 'poly')
  const from = `polyglot:${join(folder, 'exercises')}`
  assert.match(
    ended(await stint(['eval', poly, '--import', from, '--check', 'python3 -m unittest -q two_test']), 0).err,
    /left out: cobol\/two/,
  )
  assert.match(ended(await stint(['eval', poly, '--verify']), 0).out, /✓ python-two\n1 of 1 tasks hold/)
})

const row = (task: string, attempt: number, passed: boolean, costUsd = 0.01): Row => ({
  task,
  attempt,
  passed,
  costUsd,
  model: 'm',
  runId: `run_${task}${attempt}`,
  status: 'completed',
  check: '',
  turns: 3,
  toolCalls: 4,
  toolErrors: 1,
  inputTokens: 100,
  cachedTokens: 50,
  outputTokens: 5,
  seconds: 1,
  diffLines: 1,
  at: '',
})

test('eval: figures', () => {
  assert.equal(passAtK(4, 0, 2), 0)
  assert.equal(passAtK(4, 4, 1), 1)
  assert.ok(Math.abs(passAtK(4, 1, 2) - 0.5) < 1e-12)
  assert.ok(Math.abs(passAtK(10, 3, 5) - (1 - 21 / 252)) < 1e-12, '1 - C(7,5)/C(10,5)')
  const rows = Array.from({ length: 40 }, (_, i) => row(`t${i}`, 1, i % 4 !== 0))
  const { passAt, interval, prefixReuse, toolErrorRate } = figures(rows)
  assert.deepEqual([passAt, prefixReuse, toolErrorRate], [[{ k: 1, value: 0.75 }], 0.5, 0.25])
  assert.ok(interval[0] > 0.55 && interval[0] < 0.7 && interval[1] > 0.8 && interval[1] < 0.95, String(interval))
  assert.deepEqual(figures(rows), figures(rows), 'the same rows, the same figures')
  const better = rows.map((one, i) => row(one.task, 1, i % 20 !== 0, 0.02))
  const found = compare(rows, better)
  assert.ok(Math.abs(found.passDifference - 0.2) < 1e-12 && found.passInterval[0] > 0)
  assert.equal(found.costRatio.toFixed(6), '2.000000')
  assert.deepEqual([found.onlyFirst, found.onlySecond.length], [[], 8])
  const same = compare(rows, rows)
  assert.deepEqual([same.passDifference, same.passInterval], [0, [0, 0]])
})

test('eval: a solution as a patch keeps what both versions have around the change', () => {
  const before = new Map([['a', '1\n2\n3\n4\n5\n6\n7\n8\n9\n']])
  assert.equal(
    patchOf(before, [
      { path: 'a', content: '1\n2\n3\n4\nfive\n6\n7\n8\n9\n' },
      { path: 'b', content: 'x\n' },
    ]),
    '*** Begin Patch\n*** Update File: a\n@@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n*** Add File: b\n+x\n*** End Patch',
  )
})
