/** `stint run` in a pipe: what it prints, what it leaves in the repository, how it ends. */
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Turn } from '../functions/scripted/server.ts'
import { callIn, cli, ended, fingerprint, runIn } from './support/cli.ts'
import { call, git, makeRepo, scripted, write } from './support/world.ts'

const FILES = { 'a.txt': 'one\ntwo\n', 'b.txt': 'bee\n', 'src/c.txt': 'sea\n' }
const WORK: Turn[] = [
  call('update_plan', { items: [{ text: 'Change a.txt', status: 'active' }] }),
  call('edit_file', { path: 'a.txt', oldText: 'two', newText: '2' }),
  call('write_file', { path: 'new file.txt', content: 'new\n' }),
  call('run_command', { command: 'echo ran >> log.txt' }),
  { text: 'I changed a.txt.' },
]
const RESULT = ['a.txt', 'log.txt', 'new file.txt']

type T = Parameters<typeof cli>[0]
/** With a STINT_HOME that is there already, so that commands may be started side by side. */
async function world(t: T, turns: Turn[] = WORK) {
  const model = await scripted(t, turns)
  const stint = cli(t, { GROQ_BASE_URL: model.url, GROQ_API_KEY: 'gsk_hidden' })
  ended(await stint(['runs']), 0)
  return { model, stint, repo: makeRepo(t, FILES) }
}
const auto = (repo: string, ...more: string[]) => ['run', 'Change a.txt', '--repo', repo, '--approval', 'auto', ...more]
const changed = (repo: string): string[] =>
  git(repo, '-c', 'core.quotePath=false', 'status', '--porcelain', '-z')
    .split('\0')
    .filter(Boolean)
    .map((line) => line.slice(line.indexOf(' ', 1) + 1).trim())
    .sort()

test('a run shows its plan, its calls, the diff and the cost, and changes nothing in the repository', async (t) => {
  const { stint, repo } = await world(t)
  write(repo, { 'b.txt': 'changed, not committed\n', 'untracked.txt': 'x\n' })
  const before = fingerprint(repo)
  const { out, err } = ended(await stint(auto(repo)), 0)
  assert.deepEqual(fingerprint(repo), before, 'not a byte is changed')
  assert.equal(err, '')
  for (const part of [/plan\n.*Change a\.txt/, /edit_file a\.txt/, /run_command echo ran/, /^-two$/m, /^\+2$/m])
    assert.match(out, part)
  for (const part of ['I changed a.txt.', 'done · 5 turns', '3 files', 'cost ', runIn(out)])
    assert.ok(out.includes(part), `${part} is in ${out}`)
  assert.ok(!out.includes('\u001b'), 'a pipe gets no colours and no cursor moves')
  assert.ok(!out.includes('gsk_hidden'))
})

test('the current directory is the default, also from within a folder of the repository', async (t) => {
  const { stint, repo } = await world(t, [call('read_file', { path: 'src/c.txt' }), { text: 'Read.' }])
  const { out } = ended(await stint(['run', 'Read', 'c.txt'], { cwd: join(repo, 'src') }), 0)
  assert.match(out, /✓ read_file src\/c\.txt/)
})

test('--ref takes what was committed there, otherwise the files as they stand', async (t) => {
  const { stint, repo } = await world(t, [call('read_file', { path: 'a.txt' }), { text: 'Read.' }])
  git(repo, 'tag', 'first')
  write(repo, { 'a.txt': 'second\n' })
  git(repo, 'commit', '-qam', 'second')
  write(repo, { 'a.txt': 'as it stands\n' })
  const read = async (...more: string[]) => {
    const { out } = ended(await stint(auto(repo, ...more)), 0)
    const shown = ended(await stint(['show', runIn(out), '--json']), 0).out
    const { messages } = JSON.parse(shown) as { messages: { role: string; content: string }[] }
    return messages.find(({ role }) => role === 'tool')?.content ?? ''
  }
  const [stands, main, first] = await Promise.all([read(), read('--ref', 'main'), read('--ref', 'first')])
  assert.match(stands, /as it stands/)
  assert.match(main, /second/)
  assert.match(first, /one\n.*two/)
  ended(await stint(auto(repo, '--ref', 'nowhere')), 2)
})

test('--apply brings the result into the working tree and leaves the rest alone', async (t) => {
  const { stint, repo } = await world(t)
  write(repo, { 'b.txt': 'changed, not committed\n' })
  const head = git(repo, 'rev-parse', 'HEAD')
  const { out } = ended(await stint(auto(repo, '--apply'), { cwd: join(repo, 'src') }), 0)
  assert.match(out, /Applied to /)
  assert.deepEqual(changed(repo), [...RESULT, 'b.txt'].sort())
  assert.equal(readFileSync(join(repo, 'a.txt'), 'utf8'), 'one\n2\n')
  assert.equal(readFileSync(join(repo, 'b.txt'), 'utf8'), 'changed, not committed\n')
  assert.equal(git(repo, 'rev-parse', 'HEAD'), head)
  assert.equal(git(repo, 'diff', '--cached', '--name-only'), '', 'nothing is staged')
})

test('--apply is refused when a touched file has uncommitted changes, and then nothing is written', async (t) => {
  const { stint, repo } = await world(t)
  write(repo, { 'a.txt': 'one\ntwo\nthree, not committed\n' })
  const before = fingerprint(repo)
  const { out, err } = ended(await stint(auto(repo, '--apply')), 1)
  assert.match(err, /refused: a\.txt has uncommitted changes/)
  assert.match(out, new RegExp(`run +${runIn(out)}`), 'the result is kept')
  assert.deepEqual(fingerprint(repo), before)
})

test('--branch commits the result beside what is checked out', async (t) => {
  const { stint, repo } = await world(t)
  write(repo, { 'b.txt': 'changed, not committed\n' })
  const head = git(repo, 'rev-parse', 'HEAD')
  const { out } = ended(await stint(auto(repo, '--branch', 'feature/two')), 0)
  assert.match(out, /feature\/two/)
  assert.equal(git(repo, 'rev-parse', 'feature/two^'), head)
  assert.deepEqual(
    git(repo, '-c', 'core.quotePath=false', 'diff', '--name-only', `${head}..feature/two`).split('\n'),
    RESULT,
  )
  assert.match(git(repo, 'log', '-1', '--format=%B', 'feature/two'), new RegExp(`Change a.txt[\\s\\S]*${runIn(out)}`))
  assert.deepEqual([git(repo, 'rev-parse', 'HEAD'), git(repo, 'branch', '--show-current')], [head, 'main'])
  assert.deepEqual(changed(repo), ['b.txt'])
  const { err } = ended(await stint(auto(repo, '--branch', 'feature/two')), 2)
  assert.match(err, /exists already/, 'it is said before the run begins')
  ended(await stint(auto(repo, '--branch', 'no..name')), 2)
})

test('--branch works where git knows no name and address of the user, or says so before the run', async (t) => {
  const { stint, repo, model } = await world(t)
  const nobody = Object.fromEntries(
    Object.keys(stint.env).flatMap((name) => (/^GIT_[AC]/.test(name) ? [[name, undefined]] : [])),
  )
  const done = await stint(auto(repo, '--branch', 'mine'), { env: nobody })
  if (done.code !== 0) assert.equal(model.requests.length, 0, `the run was paid for, then lost:\n${done.err}`)
  else assert.match(git(repo, 'branch', '--list', 'mine'), /mine/)
})

test('--apply and --branch together do both, or are refused', async (t) => {
  const { stint, repo } = await world(t)
  const done = await stint(auto(repo, '--apply', '--branch', 'both'))
  if (done.code !== 2)
    assert.match(git(repo, 'branch', '--list', 'both'), /both/, `it printed:\n${done.out}${done.err}`)
})

test('--json prints one event a line, numbered without gaps, and nothing else', async (t) => {
  const { stint, repo } = await world(t)
  const { out, err } = ended(await stint(auto(repo, '--json', '--apply')), 0)
  const events = out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { seq?: number; type: string; runId: string })
  const numbered = events.filter(({ type }) => type !== 'message.delta').map(({ seq }) => seq)
  assert.deepEqual(
    numbered,
    numbered.map((_, i) => i + 1),
  )
  assert.ok(events.every(({ type, seq }) => type !== 'message.delta' || seq === undefined))
  assert.equal(events.at(0)?.type, 'run.started')
  assert.equal(events.at(-1)?.type, 'run.completed')
  assert.equal(new Set(events.map(({ runId }) => runId)).size, 1)
  assert.equal(err, '')
})

test('--quiet prints nothing but the answer', async (t) => {
  const { stint, repo } = await world(t)
  assert.equal(ended(await stint(auto(repo, '--quiet')), 0).out, 'I changed a.txt.\n')
  assert.equal(ended(await stint(auto(repo, '--quiet', '--apply')), 0).out, 'I changed a.txt.\n')
})

test('limits end a run with a note and exit code 3, a model that refuses with 1, and nothing is applied', async (t) => {
  const { stint, repo, model } = await world(t)
  const before = fingerprint(repo)
  const limited = async (pattern: RegExp, ...more: string[]) =>
    assert.match(ended(await stint(auto(repo, '--apply', ...more)), 3).out, pattern)
  await Promise.all([
    limited(/used its 2 turns[\s\S]*turns_limit/, '--max-turns', '2'),
    limited(/cost limit of \$0\.0006[\s\S]*cost_limit/, '--max-cost', '0.0006'),
  ])
  const { out } = ended(await stint(auto(repo, '--apply', '--model', 'gone/away')), 1)
  assert.match(out, /gone\/away[\s\S]*model_error/)
  assert.deepEqual(fingerprint(repo), before)
  ended(await stint(auto(repo, '--quiet', '--model', 'openai/gpt-oss-20b')), 0)
  assert.equal(model.requests.at(-1)?.model, 'openai/gpt-oss-20b')
})

test('without a terminal a run under ask is left waiting with exit code 3; deny goes on without the call', async (t) => {
  const { stint, repo } = await world(t)
  const { out } = ended(await stint(['run', 'Change a.txt', '--repo', repo]), 3)
  assert.match(out, new RegExp(`stint approve ${runIn(out)} ${callIn(out)}`))
  assert.match(out, /echo ran >> log\.txt/, 'it shows what it asks for')
  assert.match(ended(await stint(['runs']), 0).out, new RegExp(`${runIn(out)}\\s+waiting`))
  const denied = ended(await stint(['run', 'Change a.txt', '--repo', repo, '--approval', 'deny', '--branch', 'd']), 0)
  assert.match(denied.out, /✗ run_command/)
  assert.deepEqual(git(repo, 'diff', '--name-only', 'main..d').split('\n').length, 2, 'the command did not run')
})

test('text of a model or a repository never moves the cursor', async (t) => {
  const evil = '\u001b[2J\u001b]0;taken\u0007\u009b31m'
  const { stint, repo } = await world(t, [
    { text: `look ${evil}`, calls: [{ name: `tool${evil}`, arguments: {} }] },
    call('update_plan', { items: [{ text: `step ${evil}`, status: 'active' }] }),
    call('run_command', { command: 'printf "\\033[2J\\033]0;taken\\007"; exit 3' }),
    call('write_file', { path: 'evil.txt', content: `${evil}\n` }),
    { text: `Done ${evil}.` },
  ])
  const { out, err } = ended(await stint(auto(repo)), 0)
  const shown = ended(await stint(['show', runIn(out)]), 0).out
  const controls = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/
  for (const [what, text] of Object.entries({ run: out, stderr: err, show: shown }))
    assert.ok(!controls.test(text), `${what}: ${JSON.stringify(text.split('\n').find((line) => controls.test(line)))}`)
})

test('mistakes at the command line are said in one line, exit with 2, and begin no run', async (t) => {
  const { stint, repo, model } = await world(t)
  const empty = join(stint.home, '../empty')
  mkdirSync(empty)
  const mistakes: [args: string[], says: RegExp][] = [
    [['run'], /say what is to be done/],
    [['run', 'x', '--repo', '/nowhere'], /\/nowhere/],
    [['run', 'x', '--repo', 'https://example.com/x.git'], /example\.com/],
    [['run', 'x', '--approval', 'never'], /ask, auto, deny/],
    [['run', 'x', '--max-cost', 'much'], /--max-cost/],
    [['run', 'x', '--max-cost', '0'], /--max-cost/],
    [['run', 'x', '--max-turns', '0.5'], /turns/],
    [['run', 'x', '--max-turns', '99999'], /turns/],
    [['run', 'x', '--repo', empty, '--apply'], /not in a git repository/],
    [['run', 'x', '--repo', 'https://github.com/a/b', '--apply'], /local repository/],
  ]
  const at = (args: string[]) => stint(args.includes('--repo') || args.length < 2 ? args : [...args, '--repo', repo])
  const results = await inTwos(mistakes, ([args]) => at(args))
  for (const [i, [args, says]] of mistakes.entries()) {
    const { code, out, err } = results[i] ?? assert.fail()
    assert.equal(code, 2, `${args.join(' ')}: ${err}`)
    assert.equal(out, '')
    assert.match(err.split('\n')[0] ?? '', says)
    assert.match(err, /^stint: /)
  }
  assert.equal(model.requests.length, 0)
  assert.match(ended(await stint(['runs']), 0).out, /No runs yet/)
})

/** Two at a time, so that a small machine is not flooded. */
async function inTwos<A, B>(items: A[], work: (item: A) => Promise<B>): Promise<B[]> {
  const results: B[] = []
  const left = [...items.entries()]
  const worker = async () => {
    for (let next = left.shift(); next; next = left.shift()) results[next[0]] = await work(next[1])
  }
  await Promise.all([worker(), worker()])
  return results
}
