/** The sandbox's image, as far as it can be checked without a container engine: its file, its steps, its start. */
import assert from 'node:assert/strict'
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { httpRunner } from '../functions/adapters/http-sandbox.ts'
import { sandboxOver } from '../functions/adapters/sandbox-client.ts'
import { systemClock } from '../functions/adapters/system.ts'
import { buildEntry } from '../scripts/build.ts'
import { SECRET } from './support/http-runner.ts'
import { ROOT, tempFolder, until } from './support/world.ts'

const at = (path: string): string => join(ROOT, 'sandbox-runner', path)
const install = at('image/install.sh')
const lines = (what: string): string[] => execFileSync('sh', [install, what], { encoding: 'utf8' }).trim().split('\n')

/** Instructions with their words, continuations joined, comments gone. */
function instructions(): [name: string, rest: string][] {
  const text = readFileSync(at('Dockerfile'), 'utf8')
    .replace(/^#.*\n/gm, '')
    .replace(/\\\n/g, ' ')
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const [, name = '', rest = ''] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? []
      assert.ok(name, `no instruction: ${line}`)
      return [name, rest]
    })
}

test('the Dockerfile keeps the rules of such files', () => {
  const all = instructions()
  const of = (name: string) => all.filter(([one]) => one === name).map(([, rest]) => rest)
  const known = ['ARG', 'FROM', 'COPY', 'RUN', 'ENV', 'WORKDIR', 'USER', 'EXPOSE', 'ENTRYPOINT']
  assert.deepEqual(
    all.filter(([name]) => !known.includes(name)),
    [],
  )
  assert.match(of('FROM').join(), /^\$\{BASE\}$/)
  assert.match(
    of('ARG')[0] ?? '',
    /^BASE=docker\.io\/library\/node:\d+\.\d+\.\d+-[a-z]+-slim$/,
    'a version, not a moving tag',
  )
  assert.equal(of('ARG').length, 1, 'no secret is a build argument')
  assert.match(of('USER').at(-1) ?? '', /^[1-9]\d*:[1-9]\d*$/, 'not root, and by number, which Kubernetes can check')
  assert.match(of('WORKDIR')[0] ?? '', /^\//)
  for (const command of of('ENTRYPOINT')) assert.doesNotThrow(() => JSON.parse(command), 'no shell takes its signals')
  for (const [name, rest] of all)
    assert.doesNotMatch(rest, /TOKEN=|SECRET=|PASSWORD=|KEY=|sudo|curl .*\|/, `${name} ${rest}`)
  const order = all.map(([name, rest]) => `${name} ${rest}`)
  assert.ok(
    order.findIndex((line) => /install\.sh install/.test(line)) < order.findIndex((line) => /dist\//.test(line)),
  )
})

test('what the image copies is there after a build, and nothing else gets near it', () => {
  const ignore = readFileSync(join(ROOT, '.dockerignore'), 'utf8').split('\n')
  const allowed = ignore.filter((line) => line.startsWith('!')).map((line) => line.slice(1))
  assert.ok(ignore.includes('*'))
  for (const [name, rest] of instructions()) {
    if (name !== 'COPY') continue
    const [from = ''] = rest.split(' ')
    assert.ok(
      allowed.some((path) => from === path || from.startsWith(`${path}/`)),
      `${from} is ignored`,
    )
    if (!from.startsWith('dist/')) assert.ok(existsSync(join(ROOT, from)), from)
  }
})

test('the scripts are valid, and name packages and programs', () => {
  for (const script of [install, at('image/entry.sh')]) execFileSync('sh', ['-n', script])
  const packages = lines('packages')
  for (const name of ['git', 'ripgrep', 'python3', 'golang-go', 'gcc', 'make', 'bubblewrap'])
    assert.ok(packages.includes(name), name)
  assert.equal(new Set(packages).size, packages.length)
  assert.ok(lines('programs').includes('rg'))
  assert.equal(spawnSync('sh', [install]).status, 2)
})

test('check tells each program of this machine, and which is missing', (t) => {
  const checked = spawnSync('sh', [install, 'check'], { encoding: 'utf8' })
  for (const name of lines('programs'))
    assert.match(checked.stdout, new RegExp(`^${name.replaceAll('+', '\\+')}: .`, 'm'))
  const bare = spawnSync('sh', [install, 'check'], { encoding: 'utf8', env: { PATH: tempFolder(t) } })
  assert.notEqual(bare.status, 0)
})

test('Debian has the packages', (t) => {
  const known = spawnSync('apt-cache', ['policy', 'git'], { encoding: 'utf8' })
  if (known.status !== 0 || !/Candidate: \d/.test(known.stdout)) return t.skip('no lists of Debian packages here')
  const shown = spawnSync('apt-cache', ['show', '--no-all-versions', ...lines('packages')], { encoding: 'utf8' })
  assert.equal(shown.status, 0, shown.stderr)
})

test('the start as a server: the bundle answers, and its secret is in no environment', async (t) => {
  const { folder } = await buildEntry('sandbox-runner', tempFolder(t))
  const env = { PATH: process.env.PATH, SANDBOX_TOKEN: SECRET, PORT: '0', HOST: '127.0.0.1', STINT_HOME: tempFolder(t) }
  const child = spawn(at('image/entry.sh'), [process.execPath, folder], {
    env: { ...env, STINT_ISOLATION: 'none', AWS_SECRET_ACCESS_KEY: 'planted' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.after(() => child.kill('SIGKILL'))
  let said = ''
  child.stdout.on('data', (part: Buffer) => (said += part))
  const port = await until('the server to listen', () => /listening on (\d+)/.exec(said)?.[1])
  const sandbox = sandboxOver(httpRunner({ url: `http://127.0.0.1:${port}`, secret: SECRET }, systemClock))
  const signal = AbortSignal.timeout(60_000)
  const asked = { runId: 'run_1', workspaceId: 'wsp_1', fence: 1, layers: async () => [], signal }
  const made = await sandbox.prepare(asked)
  assert.ok(made.ok)
  const input = { command: 'tr "\\0" "\\n" < /proc/$PPID/environ; cat /proc/$PPID/cmdline' }
  const calls = [{ callId: 'call_1', tool: 'run_command', input }]
  const done = await sandbox.perform({ ...asked, start: made.head, head: made.head, calls })
  const output = done.ok ? (done.results[0]?.output ?? '') : ''
  assert.match(output, /STINT_HOME=/)
  assert.doesNotMatch(output, new RegExp(`${SECRET}|planted`))
})
