/** Starts that cannot work: each says why in one clear line, ends with 1, and harms nothing. */
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { STINT } from './support/cli.ts'
import {
  ask,
  call,
  makeRepo,
  type RunJson,
  runTask,
  scripted,
  settled,
  startStint,
  tempFolder,
  until,
} from './support/world.ts'

type T = Parameters<typeof tempFolder>[0]

/** A server that is expected to give up: what it printed and its exit code. */
function failedStart(
  t: T,
  env: Record<string, string>,
): Promise<{ code: number | null; lines: string[]; out: string }> {
  const child = spawn(process.execPath, [STINT, 'serve'], {
    env: { PATH: process.env.PATH ?? '', HOME: tempFolder(t), PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.after(() => child.kill('SIGKILL'))
  let [out, err] = ['', '']
  child.stdout.on('data', (part: Buffer) => {
    out += part
    if (out.includes('listening')) child.kill('SIGKILL')
  })
  child.stderr.on('data', (part: Buffer) => (err += part))
  return new Promise((resolve) =>
    child.once('close', (code) => resolve({ code, out, lines: err.split('\n').filter((line) => line !== '') })),
  )
}
const children = (pid: number | undefined): string[] =>
  execFileSync('ps', ['-Ao', 'pid=,ppid=,args='], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line.trim().split(/\s+/)[1] === String(pid))

test('a port that is taken', async (t) => {
  const first = await startStint(t)
  const PORT = new URL(first.url).port
  const { code, lines, out } = await failedStart(t, { PORT, STINT_HOME: tempFolder(t) })
  assert.deepEqual([code, out, lines.length], [1, '', 1], lines.join('\n'))
  assert.match(lines[0] ?? '', new RegExp(`port ${PORT} is taken.*PORT`))
  assert.equal((await ask('GET', `${first.url}/health`)).status, 200)
})

test('values of the environment that cannot be used', { concurrency: 2 }, async (t) => {
  const wrong: [env: Record<string, string>, says: RegExp][] = [
    [{ PORT: 'abc' }, /PORT is no number/],
    [{ PORT: '80.5' }, /PORT must be whole/],
    [{ PORT: '70000' }, /PORT (?!is no number)/],
    [{ PORT: '-1' }, /PORT (?!is no number)/],
    [{ HOST: '0.0.0.0' }, /HOST .*STINT_API_KEY_HASHES/],
    [{ LOG_LEVEL: 'loud' }, /LOG_LEVEL .*debug.*silent/],
    [{ GROQ_BASE_URL: 'api.groq.com' }, /GROQ_BASE_URL/],
    [{ GROQ_BASE_URL: 'http://me:hunter2@127.0.0.1:1' }, /GROQ_BASE_URL/],
    [{ STINT_RATE_PER_MINUTE: '0' }, /STINT_RATE_PER_MINUTE must be more than 0/],
    [{ STINT_MAX_COST_RUN_USD: '-2' }, /STINT_MAX_COST_RUN_USD must be more than 0/],
    [{ STINT_API_KEY_HASHES: 'me:run:notahash' }, /STINT_API_KEY_HASHES .*id:scopes:sha256/],
    [{ STINT_API_KEY_HASHES: `me:fly:${'0'.repeat(64)}` }, /STINT_API_KEY_HASHES .*fly/],
    [{ STINT_REPO_ROOTS: 'repos' }, /STINT_REPO_ROOTS .*absolute/],
    [{ STINT_CORS_ORIGINS: 'example.com' }, /STINT_CORS_ORIGINS/],
  ]
  const tests = wrong.map(([env, says]) =>
    t.test(`${Object.entries(env).flat().join('=').slice(0, 50)} is named in one line`, async (t) => {
      const { out, lines } = await failedStart(t, { STINT_HOME: join(tempFolder(t), 'home'), ...env })
      assert.equal(out, '', 'it does not start')
      assert.equal(lines.length, 1, lines.join('\n'))
      assert.match(lines[0] ?? '', says)
      assert.doesNotMatch(lines[0] ?? '', /hunter2|notahash/, 'a value is not repeated')
    }),
  )
  tests.push(
    t.test('several are named at once, and the exit code is 1', async (t) => {
      const { code, lines } = await failedStart(t, { PORT: 'x', LOG_LEVEL: 'x', STINT_HOME: tempFolder(t) })
      assert.equal(lines.length, 2, lines.join('\n'))
      assert.equal(code, 1)
    }),
  )
  await Promise.all(tests)
})

test('a database that cannot be read', { concurrency: true }, async (t) => {
  const refuses = (name: string, make: (path: string) => void, says: RegExp) =>
    t.test(name, async (t) => {
      const STINT_HOME = tempFolder(t)
      const path = join(STINT_HOME, 'stint.db')
      make(path)
      const before = readFileSync(path)
      const { code, lines, out } = await failedStart(t, { STINT_HOME })
      assert.deepEqual([code, out, lines.length], [1, '', 1], lines.join('\n'))
      assert.match(lines[0] ?? '', says)
      assert.match(lines[0] ?? '', /stint\.db/, 'the file is named')
      assert.deepEqual(readFileSync(path), before, 'it is left as it was')
    })
  await Promise.all([
    refuses(
      'garbage',
      (path) => writeFileSync(path, 'this is no database\n'.repeat(500)),
      /not a database|cannot be read/,
    ),
    refuses(
      'a newer schema',
      (path) => {
        const database = new DatabaseSync(path)
        database.exec('CREATE TABLE later (x); PRAGMA user_version = 999')
        database.close()
      },
      /newer Stint.*999.*update/,
    ),
  ])
})

test('damage in the middle of the database is told as such, and the server stays up', async (t) => {
  const model = await scripted(t, [{ text: 'Done.' }])
  const home = tempFolder(t)
  const env = { STINT_HOME: home, GROQ_BASE_URL: model.url }
  const first = await startStint(t, env)
  await runTask(first.url, { task: 'x '.repeat(20_000), repo: { url: makeRepo(t) } })
  await first.kill()
  const path = join(home, 'stint.db')
  const bytes = readFileSync(path)
  bytes.fill(0x55, 4096 * 2)
  writeFileSync(path, bytes)
  const again = await startStint(t, env)
  const { status, body } = await ask('GET', `${again.url}/runs`)
  assert.equal(status, 503, JSON.stringify(body))
  assert.equal(body.code, 'store_unavailable')
  assert.equal((await ask('GET', `${again.url}/ready`)).status, 503)
  assert.equal((await ask('GET', `${again.url}/health`)).status, 200)
})

function smallDisk(t: T): string | undefined {
  const folder = join(tempFolder(t), 'disk')
  mkdirSync(folder)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', folder], { stdio: 'ignore' })
    return folder
  } catch {
    return undefined
  }
}

test('a disk that is full: refused with a reason, and well again once there is room', async (t) => {
  const clean: (() => void)[] = []
  t.after(() => {
    for (const work of clean) work()
  })
  const disk = smallDisk(t)
  if (!disk) return t.skip('needs the right to mount a small disk')
  clean.push(() => execFileSync('umount', ['-l', disk]))
  const model = await scripted(t, [
    call('write_file', { path: 'made.txt', content: 'made\n' }),
    call('run_command', { command: 'sleep 1; echo ran >> log.txt' }),
    { text: 'Done.' },
  ])
  const repo = makeRepo(t)
  const server = await startStint(t, { STINT_HOME: join(disk, 'home'), GROQ_BASE_URL: model.url })
  const task = (text: string) => ({ task: text, repo: { url: repo }, approval: 'auto' })
  const underWay = (await ask<{ runId: string }>('POST', `${server.url}/execute`, task('under way'))).body.runId
  const show = async () => (await ask<RunJson>('GET', `${server.url}/runs/${underWay}`)).body
  await until('its command', async () => (await show()).turns === 2)
  const ballast = join(disk, 'ballast')
  writeUntilFull(ballast)
  const refused = await ask('POST', `${server.url}/execute`, task(`long ${'x'.repeat(50_000)}`))
  assert.deepEqual([refused.status, refused.body.code], [507, 'storage_full'], JSON.stringify(refused.body))
  const late = await failedStart(t, { STINT_HOME: join(disk, 'other') })
  assert.deepEqual([late.code, late.lines.length], [1, 1], late.lines.join('\n'))
  assert.match(late.lines[0] ?? '', /full|space/)
  await until('the run to meet the full disk', () => /full|ENOSPC/.test(server.output()))
  assert.match((await show()).status, /running|failed/)
  rmSync(ballast)
  const run = await settled(server.url, underWay)
  assert.equal(run.status, 'completed', `a run under way goes on: ${run.answer}`)
  const { body: diff } = await ask<string>('GET', `${server.url}/runs/${underWay}/diff`)
  assert.match(diff, /log\.txt\n@@ -0,0 \+1 @@\n\+ran\n/)
  assert.equal((await runTask(server.url, task('and again'))).status, 'completed')
  assert.equal(server.child.exitCode, null)
})

function writeUntilFull(path: string): void {
  for (let size = 1 << 20; size >= 1; size = Math.floor(size / 4))
    try {
      for (;;) writeFileSync(path, Buffer.alloc(size), { flag: 'a' })
    } catch {
      // A smaller piece may still fit.
    }
}

test('a start that fails leaves no process behind', async (t) => {
  const first = await startStint(t)
  const child = spawn(process.execPath, [STINT, 'serve'], {
    env: {
      PATH: process.env.PATH ?? '',
      HOME: tempFolder(t),
      STINT_HOME: tempFolder(t),
      PORT: new URL(first.url).port,
    },
    stdio: 'ignore',
  })
  const own = await until('its sandbox', () => children(child.pid)[0] ?? (child.exitCode !== null && 'none'))
  await until('it to end', () => child.exitCode !== null)
  const pid = Number(own.trim().split(/\s+/)[0])
  await until('its sandbox to end', () => {
    try {
      return Number.isNaN(pid) || !process.kill(pid, 0)
    } catch {
      return true
    }
  })
})
