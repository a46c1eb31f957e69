import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { running } from './support/runner-process.ts'
import { type Box, box, good, nextCallId } from './support/sandbox.ts'
import { tempFolder, until, write } from './support/world.ts'

const pids = (b: Box, name: string): number[] => b.text(name).trim().split('\n').map(Number)

test('a command gives its output, both streams in order, and how it ended', async (t) => {
  const b = await box(t, { 'sub/a': 'a\n' })
  assert.equal((await b.run('echo 1; echo 2 >&2; echo 3')).output, '1\n2\n3')
  assert.equal((await b.run('true')).output, '[no output]')
  assert.equal((await b.run('cat; pwd', { cwd: 'sub' })).output, join(b.tree, 'sub'), 'there is no input')
  const endings: [string, string, RegExp][] = [
    ['echo no; exit 3', 'exit_code', /^no\n\[exit code 3\]$/],
    ['no-such-program', 'command_not_found', /no-such-program.*\n\[exit code 127\]$/s],
    ['./sub/a', 'not_executable', /\[exit code 126\]$/],
    ['kill -9 $$', 'killed', /ended by SIGKILL/],
    ['echo "unclosed', 'exit_code', /unexpected EOF/],
  ]
  for (const [command, code, output] of endings) {
    const done = await b.run(command)
    assert.equal(done.error?.code, code, command)
    assert.match(done.output, output)
  }
  assert.equal((await b.run('true', { cwd: 'sub/a' })).error?.code, 'invalid_path')
  assert.equal((await b.run('true', { cwd: '..' })).error?.code, 'path_outside_workspace')
  assert.equal((await b.run('true', { timeoutSec: 0 })).error?.code, 'invalid_arguments')
})

test('output is text: colours, bars and bad bytes are cleaned, the last state of a line stays', async (t) => {
  const b = await box(t)
  assert.equal((await b.run("printf '\\033[31mred\\033[0m \\033]0;t\\007x\\n'")).output, 'red x')
  assert.equal((await b.run("printf '10%%\\r 50%%\\r100%%\\ndone\\n'")).output, '100%\ndone')
  assert.equal((await b.run("printf 'a\\r\\nb\\r\\n'")).output, 'a\nb')
  assert.equal((await b.run("printf 'caf\\xe9 \\0\\001!\\n'")).output, 'caf\ufffd !')
  assert.equal((await b.run("printf 'a\\r\\r\\nb\\n'")).output, 'a\nb', 'two returns before a line end')
  assert.equal((await b.run("printf 'downloaded 100%%\\r'")).output, 'downloaded 100%', 'a return at the very end')
})

test('a command sees a small environment of its own and nothing of the host', async (t) => {
  process.env.STINT_TEST_SECRET = 'do not show'
  t.after(() => delete process.env.STINT_TEST_SECRET)
  const b = await box(t)
  const { output } = await b.run('env')
  assert.doesNotMatch(output, /do not show|NODE_OPTIONS|node_modules\/\.bin/)
  assert.match(output, /^HOME=.*\/wsp_1\/home$/m)
  assert.match(output, /^CI=1$/m)
  assert.match((await b.run('touch "$HOME/x" "$TMPDIR/y" && git config user.name; ls')).output, /README/)
})

test('what a command did stays, also when it failed; a command that did nothing moves nothing', async (t) => {
  const b = await box(t, { a: 'a\n' })
  const failed = await b.run('echo b > a; mkdir -p x/y; exit 1')
  assert.deepEqual([failed.ok, failed.paths.sort()], [false, ['a', 'x/y']])
  const head = b.head
  assert.deepEqual((await b.run('cat a; touch -c a')).paths, [])
  assert.deepEqual(b.head, head)
})

test('a long output keeps head and tail, and the hint to read the rest is true', async (t) => {
  const b = await box(t)
  const done = await b.run('seq 1 300000')
  assert.equal(done.truncated, true)
  assert.match(done.output, /^1\n2\n/)
  assert.match(done.output, /\n300000$/)
  assert.match(done.output, /1988895 bytes in all/)
  assert.ok(Buffer.byteLength(done.output) < 25_000)
  const hint = /read_file (\{.*?\}) shows the rest/.exec(done.output)?.[1]?.replace('LINE', '150000') ?? 'null'
  const rest = await b.use('read_file', JSON.parse(hint))
  assert.match(rest.output, /^150000\n150001\n/, `${hint}: ${rest.output.slice(0, 200)}`)
  assert.equal(await b.diff(), '', 'the kept output is no change of the repo')
  assert.doesNotMatch((await b.use('git_status', {})).output, /output/)
})

test('a long output of any bytes can be read by its hint; where it cannot be kept there is no hint', async (t) => {
  const b = await box(t)
  const bytes = "head -c 9000000 /dev/zero | tr '\\0' '\\377'; printf '\\0\\0\\033(B\\n'; printf 'x%.0s' $(seq 9000)"
  const done = await b.run(bytes)
  assert.ok(done.output.isWellFormed())
  const hint = /read_file (\{.*?\}) shows the rest/.exec(done.output)?.[1]?.replace('LINE', '1') ?? 'null'
  assert.equal((await b.use('read_file', JSON.parse(hint))).ok, true, hint)
  const none = await (await box(t, { '.stint': 'a file\n' })).run('seq 1 10000')
  assert.match(none.output, /48894 bytes in all …/)
})

test('1 GB of output: counted, head and tail shown, a bounded part kept and readable', async (t) => {
  const b = await box(t)
  const before = process.memoryUsage().rss
  const done = await b.run('yes 0123456789abcdefghijklmnopqrstuvwxyz | head -c 1000000000; echo; echo end')
  assert.deepEqual([done.ok, done.truncated], [true, true])
  assert.match(done.output, /10000000\d\d bytes in all, the first \d+ kept/)
  assert.match(done.output, /\nend$/)
  assert.ok(process.memoryUsage().rss - before < 400_000_000)
  const kept = (await b.run('ls .stint/output')).output.trim()
  const read = await b.use('read_file', { path: `.stint/output/${kept}`, offset: 5 })
  assert.equal(read.ok, true, read.output)
})

test('a command that never ends is ended, with what it printed, also when it ignores the polite signal', async (t) => {
  const b = await box(t)
  for (const command of ['echo begun; sleep 1000', "trap '' TERM INT HUP; echo begun; while :; do sleep 0.1; done"]) {
    const started = Date.now()
    const done = await b.run(command, { timeoutSec: 1 })
    assert.equal(done.error?.code, 'timeout')
    assert.match(done.output, /^begun\n\[ended after 1\.\d s/)
    assert.ok(Date.now() - started < 6000)
    assert.match(done.error?.hint ?? '', /timeoutSec/)
  }
  assert.equal((await b.run('tail -f /dev/null | cat', { timeoutSec: 1 })).error?.code, 'timeout')
})

const SURVIVORS: Record<string, string> = {
  'in the background': 'sleep 300 & echo $! > pid',
  'with nohup': 'nohup sleep 300 >/dev/null 2>&1 & echo $! > pid',
  'with setsid': "setsid sh -c 'echo $$ > pid; exec sleep 300' & until [ -s pid ]; do sleep 0.02; done",
  'with disown': 'sleep 300 & echo $! > pid; disown -a',
  'by a double fork':
    '(setsid sh -c \'sh -c "echo \\$\\$ > pid; exec sleep 300" &\' &); until [ -s pid ]; do sleep 0.02; done',
  'with a bare environment':
    "env -i setsid sh -c 'echo $$ > pid; exec sleep 300' & until [ -s pid ]; do sleep 0.02; done",
  'with nothing left of where it came from':
    "env -i setsid setsid sh -c 'cd /; exec <&- >&- 2>&-; (echo $$ > '$PWD/pid'; exec sleep 300) &' & until [ -s pid ]; do sleep 0.02; done",
  'by many at once': 'for i in $(seq 60); do setsid sleep 300 & echo $! >> pid; done',
  'by a watcher that starts it anew':
    '(trap "" TERM; while :; do sleep 300 & echo $! >> pid; wait $!; done) & until [ -s pid ]; do sleep 0.02; done',
}
for (const [how, command] of Object.entries(SURVIVORS))
  test(`nothing outlives its command: ${how}`, { skip: process.platform !== 'linux' && 'needs /proc' }, async (t) => {
    const b = await box(t)
    const started = Date.now()
    const done = await b.run(command)
    const left = pids(b, 'pid').filter(running)
    for (const pid of left) process.kill(pid, 'SIGKILL')
    assert.equal(done.ok, true, done.output)
    assert.deepEqual(left, [])
    assert.ok(Date.now() - started < 8000)
  })

test('a call can be stopped from outside, and its children with it', async (t) => {
  const b = await box(t)
  const callId = nextCallId()
  const call = b.use('run_command', { command: 'sleep 300 & echo $! > pid; sleep 300' }, callId)
  await until('the command to start', () => existsSync(join(b.tree, 'pid')) && b.text('pid') !== '')
  await b.door.handle({ op: 'stop', callIds: [callId] })
  const done = await call
  assert.equal(done.error?.code, 'cancelled')
  assert.deepEqual(pids(b, 'pid').filter(running), [])
})

test('a call that is stopped while it waits its turn is not performed', async (t) => {
  const b = await box(t)
  const first = b.perform([{ callId: nextCallId(), tool: 'run_command', input: { command: 'sleep 0.5' } }])
  const callId = nextCallId()
  const second = b.perform([{ callId, tool: 'run_command', input: { command: 'touch performed' } }])
  await b.door.handle({ op: 'stop', callIds: [callId] })
  await first
  const reply = await second
  assert.equal(existsSync(join(b.tree, 'performed')), false, JSON.stringify(reply))
})

test('who lost the lease stops its own call, and not the same one under the next lease', async (t) => {
  const b = await box(t)
  const callId = nextCallId()
  const perform = () =>
    b.perform([
      { callId, tool: 'run_command', input: { command: 'touch began; until [ -e ../go ]; do sleep 0.05; done' } },
    ])
  const before = perform()
  await until('the command to start', () => existsSync(join(b.tree, 'began')))
  b.fence = 2
  const after = perform()
  await b.door.handle({ op: 'stop', callIds: [callId], fence: 1 })
  const stopped = good(await before)
  assert.equal(stopped.results[0]?.error?.code, 'cancelled')
  await until('it to start again', () => existsSync(join(b.tree, 'began')))
  await b.door.handle({ op: 'stop', callIds: [callId], fence: 1 })
  writeFileSync(join(b.tree, '..', 'go'), '')
  const done = good(await after)
  assert.equal(done.results[0]?.ok, true, JSON.stringify(done))
})

test('a command that removes the whole workspace leaves an empty one, and work goes on', async (t) => {
  const b = await box(t, { a: 'a\n' })
  const before = b.head
  assert.equal((await b.run('rm -rf "$PWD"; echo gone')).output, 'gone')
  assert.equal((await b.use('write_file', { path: 'new', content: 'n\n' })).ok, true)
  assert.equal((await b.run('ls -A')).output, 'new')
  b.head = before
  assert.equal((await b.use('read_file', { path: 'a' })).output, 'a')
})

test('a command that puts a link in the place of the workspace moves nothing elsewhere', async (t) => {
  const b = await box(t, { a: 'a\n' })
  const elsewhere = tempFolder(t)
  write(elsewhere, { mine: 'mine\n' })
  const before = b.head
  const done = await b.run(`cd / && rm -rf "$OLDPWD" && ln -s ${elsewhere} "$OLDPWD" && seq 1 10000`)
  assert.deepEqual([done.ok, done.paths.includes('mine')], [true, false], done.output.slice(-500))
  b.head = before
  assert.equal((await b.run('ls')).output, 'a')
  assert.deepEqual(readdirSync(elsewhere), ['mine'])
})

test('what no shell can be given is refused like other bad input', async (t) => {
  const b = await box(t)
  assert.equal((await b.run('echo a\0b')).error?.code, 'invalid_arguments')
  assert.equal((await b.run('x'.repeat(20_001))).error?.code, 'invalid_arguments')
})

test('a command that makes more than a workspace may hold fails, and work goes on', async (t) => {
  const b = await box(t, { a: 'a\n' })
  const done = await b.run('truncate -s 600M big; echo made')
  assert.equal(done.error?.code, 'workspace_too_large')
  assert.match(done.output, /big/)
  assert.equal((await b.run('ls')).output, 'a')
})

test('run_tests finds the command, asks for one file or name, and sums up', async (t) => {
  const suite =
    "import { test } from 'node:test'\ntest('good', () => {})\ntest('bad', () => { throw new Error('boom') })\n"
  const b = await box(t, { 'package.json': '{"scripts":{"test":"node --test"}}', 'a.test.mjs': suite })
  assert.equal(b.facts.testCommand, 'npm test')
  const red = await b.use('run_tests', {})
  assert.equal(red.error?.code, 'exit_code')
  assert.match(red.output, /^\$ npm test\n.*boom/s)
  assert.deepEqual((red.data as { tests: unknown }).tests, { passed: false, summary: '1 passed, 1 failed' })
  const green = await b.use('run_tests', { filter: 'good' })
  assert.equal(green.ok, true, green.output)
  assert.match(green.output, /^\$ npm test -- --test-name-pattern=good/)
  assert.match((await b.use('run_tests', { path: 'a.test.mjs' })).output, /^\$ npm test -- a\.test\.mjs/)
  assert.equal((await b.use('run_tests', { path: 'gone.mjs' })).error?.code, 'not_found')
  const both = await b.use('run_tests', { path: 'a.test.mjs', filter: 'good' })
  assert.match(
    both.output,
    /^\$ npm test -- --test-name-pattern=good a\.test\.mjs/,
    'a path beside a name is not dropped',
  )
  assert.deepEqual((both.data as { tests: unknown }).tests, { passed: true, summary: '1 passed, 0 failed' })
})

test('run_tests asks the repo first and says when nothing is known', async (t) => {
  const b = await box(t, {
    '.stint/config.json': '{"testCommand":"sh t.sh"}',
    't.sh': 'echo "ran $1"\n',
    'package.json': '{"scripts":{"test":"x"}}',
  })
  assert.match((await b.use('run_tests', {})).output, /^\$ sh t\.sh\nran$/m)
  assert.match((await b.use('run_tests', { path: 't.sh' })).output, /ran t\.sh/)
  assert.equal((await b.use('run_tests', { filter: 'x' })).error?.code, 'unsupported')
  const none = await box(t, { '.stint/config.json': 'not json', a: '' })
  assert.equal((await none.use('run_tests', {})).error?.code, 'no_test_command')
  const go = await box(t, { 'go.mod': 'module x\n' })
  assert.equal(go.facts.testCommand, 'go test ./...')
})

test('run_benchmark times several runs after one to warm up', async (t) => {
  const b = await box(t)
  const done = await b.use('run_benchmark', { command: 'echo x >> runs; sleep 0.02', runs: 3 })
  assert.match(done.output, /3 runs: median \d+(\.5)? ms, min \d+ ms, max \d+ ms/)
  assert.equal(readFileSync(join(b.tree, 'runs'), 'utf8'), 'x\n'.repeat(4))
  assert.equal((await b.use('run_benchmark', { command: 'exit 2' })).error?.code, 'exit_code')
})
