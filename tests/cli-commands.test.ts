/** Everything but `stint run`: looking at runs, answering them, going on with them, and running against a server. */
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Turn } from '../functions/scripted/server.ts'
import { callIn, cli, ended, fingerprint, runIn, STINT } from './support/cli.ts'
import { call, git, makeRepo, scripted, startStint, tempFolder, until } from './support/world.ts'

const HELD: Turn[] = [
  call('write_file', { path: 'made.txt', content: 'made\n' }),
  call('run_command', { command: 'echo ran >> log.txt' }),
  { text: 'It is done.' },
]
type T = Parameters<typeof cli>[0]
async function world(t: T, turns: Turn[] = HELD, files: Record<string, string> = { 'a.txt': 'one\n' }) {
  const model = await scripted(t, turns)
  return { model, stint: cli(t, { GROQ_BASE_URL: model.url }), repo: makeRepo(t, files) }
}
type Event = { seq?: number; type: string; data: Record<string, unknown> }
const jsonLines = <R>(text: string): R[] =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as R)

test('a held call is approved from another terminal, and the run goes on there to its end', async (t) => {
  const { stint, repo } = await world(t)
  const waits = ended(await stint(['run', 'Do it', '--repo', repo]), 3).out
  const [run, held] = [runIn(waits), callIn(waits)]
  const watched = ended(await stint(['watch', run]), 3).out
  assert.match(watched, new RegExp(`write_file made\\.txt[\\s\\S]*stint approve ${run} ${held}`))
  assert.match(ended(await stint(['show', run]), 0).out, new RegExp(`waiting[\\s\\S]*stint approve ${run} ${held}`))
  ended(await stint(['approve', run, 'call_wrong']), 1)
  const { out } = ended(await stint(['approve', run, held]), 0)
  assert.match(out, /✓ run_command echo ran[\s\S]*It is done\.[\s\S]*2 files/)
  assert.doesNotMatch(out, /write_file/, 'what was shown before is not shown again')
  const again = await stint(['deny', run, held])
  assert.equal(again.code, 1)
  assert.match(again.err, /approved already|has ended/)
  const page = jsonLines<Event>(ended(await stint(['watch', run, '--json']), 0).out)
  assert.deepEqual(
    page.map(({ seq }) => seq),
    page.map((_, i) => i + 1),
  )
  assert.equal(page.filter(({ type }) => type === 'run.started').length, 1)
})

test('watch follows a run past an approval that was given already', async (t) => {
  const turns = [call('run_command', { command: 'touch a; sleep 1' }), { text: 'It is done.' }]
  const { stint, repo, model } = await world(t, turns)
  const server = await startStint(t, { GROQ_BASE_URL: model.url })
  const at = (...args: string[]) => stint([...args, '--server', server.url])
  const waits = ended(await at('run', 'Do it', '--repo', repo), 3).out
  ended(await at('approve', runIn(waits), callIn(waits)), 0)
  const during = ended(await at('watch', runIn(waits)), 0).out
  assert.match(during, /✓ run_command touch a; sleep 1[\s\S]*It is done\./)
  const after = jsonLines<Event>(ended(await at('watch', runIn(waits), '--json'), 0).out)
  assert.equal(after.at(-1)?.type, 'run.completed')
})

test('deny tells the model why, say answers a question, and each word reaches the model once', async (t) => {
  const { stint, repo, model } = await world(t, [
    call('run_command', { command: 'rm -rf build' }),
    call('ask_user', { question: 'Which colour?', choices: ['red', 'blue'], default: 'red' }),
    { text: 'It is done.' },
  ])
  const waits = ended(await stint(['run', 'Do it', '--repo', repo]), 3).out
  const asked = ended(await stint(['deny', runIn(waits), callIn(waits), '--reason', 'build is precious']), 3).out
  assert.match(asked, /refused this call: build is precious[\s\S]*Which colour\?[\s\S]*stint say run_/)
  const { out } = ended(await stint(['say', runIn(waits), 'green', 'please']), 0)
  assert.match(out, /It is done\./)
  const told = JSON.stringify(model.requests.at(-1)?.messages)
  assert.equal(told.split('green please').length, 2)
  assert.equal(told.split('build is precious').length, 2)
})

test('cancel ends a waiting run, says so, and is refused for one that has ended', async (t) => {
  const { stint, repo } = await world(t)
  const run = runIn(ended(await stint(['run', 'Do it', '--repo', repo]), 3).out)
  assert.match(ended(await stint(['cancel', run, '--reason', 'enough']), 0).out, new RegExp(`cancelled ${run}`))
  const shown = JSON.parse(ended(await stint(['show', run, '--json']), 0).out) as Record<string, string>
  assert.deepEqual([shown.status, shown.stopReason], ['cancelled', 'cancelled'])
  assert.match(shown.answer ?? '', /enough/)
  assert.match((await stint(['cancel', run])).err, /has ended/)
  assert.equal((await stint(['watch', run])).code, 3)
})

test('runs lists newest first, by status and as JSON', async (t) => {
  const { stint, repo } = await world(t)
  assert.match(ended(await stint(['runs']), 0).out, /No runs yet/)
  const first = runIn(ended(await stint(['run', 'The first task', '--repo', repo]), 3).out)
  const second = runIn(ended(await stint(['run', 'The second task', '--repo', repo, '--approval', 'auto']), 0).out)
  const lines = ended(await stint(['runs']), 0)
    .out.trimEnd()
    .split('\n')
  assert.deepEqual(lines.map(runIn), [second, first])
  assert.match(lines[0] ?? '', /completed .*\$0\.\d+ .*The second task/)
  const waiting = jsonLines<{ runId: string }>(ended(await stint(['runs', '--status', 'waiting', '--json']), 0).out)
  assert.deepEqual(
    waiting.map(({ runId }) => runId),
    [first],
  )
  assert.equal(ended(await stint(['runs', '--status', 'failed', '--json']), 0).out.trim(), '', 'no line for no run')
  assert.equal(
    ended(await stint(['runs', '--limit', '1']), 0)
      .out.trimEnd()
      .split('\n').length,
    1,
  )
})

test('diff gives a patch that git apply takes, whatever was changed', async (t) => {
  const odd =
    "printf '\\0\\1\\2' > bin.dat; printf 'no end' > noend.txt; : > empty.txt; chmod +x tool.sh; rm gone.txt; mv old.txt 'new name.txt'; printf 'a\\r\\nb\\r\\n' > crlf.txt; echo é > 'ünï.txt'; ln -s a.txt link; mkdir -p d/e; echo deep > d/e/f"
  const files = { 'a.txt': 'one\ntwo\n', 'tool.sh': 'echo\n', 'gone.txt': 'x\n', 'old.txt': 'o\n', 'crlf.txt': 'a\r\n' }
  const { stint, repo } = await world(t, [call('run_command', { command: odd }), { text: 'Done.' }], files)
  const twin = join(tempFolder(t), 'twin')
  const { out } = ended(await stint(['run', 'Odd', '--repo', repo, '--approval', 'auto', '--apply']), 0)
  const patch = ended(await stint(['diff', runIn(out)]), 0).out
  git(repo, 'clone', '-q', repo, twin)
  execFileSync('git', ['-C', twin, 'apply', '--whitespace=nowarn'], { input: patch })
  const bytes = (folder: string) =>
    Object.fromEntries(
      Object.entries(fingerprint(folder)).flatMap(([path, hash]) =>
        path.includes('/.git') ? [] : [[path.slice(folder.length), hash]],
      ),
    )
  assert.deepEqual(bytes(twin), bytes(repo), 'applied by hand or by --apply, the result is the same')
  assert.match(execFileSync('find', [twin, '-name', 'tool.sh', '-perm', '-u+x'], { encoding: 'utf8' }), /tool\.sh/)
  assert.equal(readFileSync(join(twin, 'noend.txt'), 'utf8'), 'no end')
})

test('a run whose process was killed goes on with watch, and nothing is done twice', async (t) => {
  const slow = call('run_command', { command: 'echo once >> log.txt; sleep 0.5' })
  const { stint, repo } = await world(t, [slow, slow, slow, { text: 'It is done.' }])
  const running = stint.start(['run', 'Do it', '--repo', repo, '--approval', 'auto'])
  await until('the first command', () => /✓ run_command/.test(running.so_far().out))
  running.child.kill('SIGKILL')
  const run = runIn((await running.done).out)
  assert.match(ended(await stint(['runs']), 0).out, /running/)
  assert.match(ended(await stint(['watch', run]), 0).out, /It is done\./)
  assert.match(ended(await stint(['diff', run]), 0).out, /@@ -0,0 \+1,3 @@\n\+once\n\+once\n\+once\n$/)
})

test('a reader that leaves early is no accident: no stack, and the run is kept and can go on', async (t) => {
  const { stint, repo } = await world(t, [
    ...Array.from({ length: 6 }, () => call('list_files')),
    { text: 'It is done.' },
  ])
  const shell = (line: string) =>
    new Promise<{ out: string; err: string }>((resolve) => {
      const child = spawn(
        'bash',
        ['-c', `set -o pipefail; stint() { '${process.execPath}' '${STINT}' "$@"; }; ${line}`],
        {
          env: stint.env,
          cwd: repo,
        },
      )
      const seen = { out: '', err: '' }
      child.stdout.on('data', (part: Buffer) => (seen.out += part))
      child.stderr.on('data', (part: Buffer) => (seen.err += part))
      child.once('close', () => resolve(seen))
    })
  const cut = await shell('stint run Do it | head -2; echo "exit=$?"')
  assert.equal(cut.err, '')
  const shown = ended(await stint(['watch', runIn(cut.out)]), 0).out
  assert.match(shown, /It is done\./)
  const listed = await shell(
    'stint runs | head -1; echo "exit=$?"; yes \'"ls"\' | head -5000 | stint policy check --stdin --json | head -1',
  )
  assert.deepEqual([listed.err, listed.out.split('\n').length], ['', 4])
  assert.match(listed.out, /exit=0/)
  await t.test('and its exit code does not say that the run is done', () => assert.doesNotMatch(cut.out, /exit=0/))
})

test('--server talks to a server that is running, with the same output, and to nothing else', async (t) => {
  const { stint, repo, model } = await world(t)
  const made = ended(
    await stint(['keys', 'create', '--offline', '--scopes', 'run,read,approve', '--id', 'mine']),
    0,
  ).out
  const key = /sk_stint_\S+/.exec(made)?.[0] ?? assert.fail(made)
  const hashes = /STINT_API_KEY_HASHES=(\S+)/.exec(made)?.[1] ?? assert.fail(made)
  const server = await startStint(t, {
    GROQ_BASE_URL: model.url,
    STINT_API_KEY_HASHES: hashes,
    STINT_REPO_ROOTS: join(repo, '..'),
  })
  const remote = { env: { STINT_API_KEY: key, GROQ_BASE_URL: undefined } }
  const at = (...args: string[]) => stint([...args, '--server', server.url], remote)
  const waits = ended(await at('run', 'Do it', '--repo', repo), 3).out
  assert.match(waits, /✓ write_file made\.txt[\s\S]*waits for an approval: run_command/)
  ended(await at('approve', runIn(waits), callIn(waits)), 0)
  await until('its end', async () => /completed/.test((await at('runs')).out))
  assert.match(ended(await at('show', runIn(waits)), 0).out, /✓ run_command[\s\S]*It is done\.[\s\S]*✓ done · 3 turns/)
  assert.match(ended(await at('diff', runIn(waits)), 0).out, /^\+made$/m)
  assert.match(ended(await at('tools'), 0).out, /run_command/)
  const quiet = ended(await at('run', 'Do it', '--repo', repo, '--approval', 'auto', '--quiet'), 0).out
  assert.equal(quiet, 'It is done.\n')
  for (const wrong of ['sk_stint_wrong', undefined]) {
    const refused = ended(await stint(['runs', '--server', server.url], { env: { STINT_API_KEY: wrong } }), 1)
    assert.match(refused.err, /^stint: .*unauthorized/s)
    assert.ok(!refused.err.includes('sk_stint_wrong'))
  }
  const away = ended(await stint(['runs', '--server', 'http://127.0.0.1:9']), 1)
  assert.match(away.err, /127\.0\.0\.1:9/)
  assert.match((await stint(['run', 'x', '--repo', repo, '--apply', '--server', server.url], remote)).err, /local/)
  await t.test('an address that is none is a mistake at the command line', async () => {
    const { code, err } = await stint(['runs', '--server', 'nonsense'])
    assert.deepEqual([code, /--server/.test(err)], [2, true], err)
  })
  await t.test('the scopes of the printed key hold', async () => {
    const model = ended(await at('run', 'x', '--repo', repo, '--model', 'scripted'), 1)
    assert.match(model.err, /admin/)
  })
})

test('a server stays when whoever read its output has left', async (t) => {
  const home = tempFolder(t)
  const env = { ...process.env, STINT_HOME: home, PORT: '0', LOG_LEVEL: 'silent' }
  const child = spawn(process.execPath, [STINT, 'serve'], { env, stdio: ['ignore', 'pipe', 'ignore'] })
  t.after(() => child.kill('SIGKILL'))
  const url = await new Promise<string>((resolve) => {
    let text = ''
    child.stdout.on('data', (part: Buffer) => {
      text += part
      const found = /listening on (http:\S+)/.exec(text)?.[1]
      if (!found) return
      child.stdout.destroy()
      resolve(found)
    })
  })
  await new Promise((resolve) => setTimeout(resolve, 500))
  assert.equal((await fetch(`${url}/health`)).status, 200)
})
