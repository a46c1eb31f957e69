/** What a command that is held in sees of its machine: none of thirty planted secrets, though it knows where each is. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, openSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo, Server } from 'node:net'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { bubblewrap } from '../sandbox-runner/exec/bubblewrap.ts'
import { profile } from '../sandbox-runner/exec/seatbelt.ts'
import { HELD, isolationMissing } from './support/isolation.ts'
import { runnerProcess } from './support/runner-process.ts'
import { Box, box, good } from './support/sandbox.ts'
import { makeRepo, tempFolder } from './support/world.ts'

const skip = isolationMissing ? { skip: isolationMissing } : {}

/** A secret and the command of somebody who knows where it is. */
type Planted = { where: string; secret: string; look: string }

const VARIABLES = ['GROQ_API_KEY', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN', 'GITHUB_TOKEN', 'DATABASE_URL']
const IN_HOME = [
  ...['.ssh/id_ed25519', '.aws/credentials', '.npmrc', '.netrc', '.git-credentials', '.config/gh/hosts.yml'],
  ...['.docker/config.json', '.kube/config', '.bash_history', '.local/share/keyrings/login', '.cargo/credentials.toml'],
]
const IN_STINT = ['stint.db', 'objects/layer', 'workspaces/wsp_other/tree/file', 'workspaces/wsp_1/beside']

/** A runner on a machine full of secrets, and a workspace in it. */
async function amongSecrets(t: TestContext, isolation: 'auto' | 'none') {
  const machine = tempFolder(t, 'stint-machine-')
  const home = join(machine, 'home')
  const planted: Planted[] = []
  const plant = (where: string, look: (secret: string) => string): string => {
    const secret = `planted-${planted.length}-${Math.random().toString(36).slice(2)}`
    planted.push({ where, secret, look: look(secret) })
    return secret
  }
  const file = (path: string): string => {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(
      path,
      plant(path, () => `cat '${path}'`),
    )
    return path
  }
  const env: Record<string, string | undefined> = { PATH: `${home}/.cargo/bin:${process.env.PATH}`, HOME: home }
  for (const name of VARIABLES) env[name] = plant(`$${name}`, () => `echo "$${name}"; cat /proc/$PPID/environ`)
  mkdirSync(join(home, '.cargo/bin'), { recursive: true })
  for (const name of IN_HOME) file(join(home, name))
  for (const name of IN_STINT) file(join(machine, 'stint', name))
  file(join(machine, 'elsewhere/file'))
  const open = join(machine, 'elsewhere/open')
  writeFileSync(
    open,
    plant('descriptor', () => 'timeout 5 cat <&3; timeout 5 cat "/proc/$PPID/fd/3"'),
  )
  const descriptor = openSync(open, 'r')
  const argument = plant('the arguments of a process', () => 'cat /proc/*/cmdline | tr "\\0" "\\n" | grep ^planted')
  const sleeper = spawn('sleep', ['300'], { argv0: argument, stdio: 'ignore' })
  t.after(() => sleeper.kill('SIGKILL'))
  const socket = join(machine, 'socket')
  await serve(
    t,
    plant('a socket', () => `curl -s --unix-socket ${socket} http://x/`),
    socket,
  )
  const abstract = `stint-test-${process.pid}-${Math.random()}`
  await serve(
    t,
    plant('a socket without a file', () => `curl -s --abstract-unix-socket ${abstract} http://x/`),
    `\0${abstract}`,
  )
  const { port } = await serve(
    t,
    plant('a server on loopback', () => `cat "$PORT_FILE"`),
  )
  const last = planted.at(-1) as Planted
  last.look = `exec 9<>/dev/tcp/127.0.0.1/${port}; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&9; cat <&9`
  const shared = file(`/dev/shm/stint-test-${process.pid}-${planted.length}`)
  const temporary = file(`/var/tmp/stint-test-${process.pid}-${planted.length}`)
  t.after(() => spawnSync('rm', ['-f', shared, temporary]))
  const places = { home: join(machine, 'stint/workspaces'), objects: join(machine, 'stint/objects') }
  const b = new Box(places.home, places.objects)
  const runner = await runnerProcess(t, places, { isolation, env, descriptors: [descriptor], ms: 120_000 })
  b.door = runner
  good(await b.prepare({ url: makeRepo(t, { a: 'a\n' }) }))
  // What was planted beside the workspace before it was made is there still, and a link of the repo leads to it.
  symlinkSync(join(home, '.npmrc'), join(b.tree, 'link'))
  plant('through a link of the workspace', () => 'cat link')
  ;(planted.at(-1) as Planted).secret = planted.find(({ where }) => where.endsWith('.npmrc'))?.secret ?? ''
  const token = plant("the runner's own socket", () => '')
  ;(planted.at(-1) as Planted).look =
    `curl -s --unix-socket ${runner.socket} http://x/ | grep -q unauthorized && echo ${token.slice(0, 9)}'${token.slice(9)}'`
  return { b, planted, runner }
}

async function serve(t: TestContext, secret: string, path?: string): Promise<AddressInfo> {
  const server = createServer((_request, response) => response.end(secret))
  await new Promise<void>((resolve) => {
    if (path === undefined) server.listen(0, '127.0.0.1', resolve)
    else server.listen(path, resolve)
  })
  t.after(() => (server as Server).close())
  return server.address() as AddressInfo
}

const hunt = (planted: Planted[]): string => planted.map(({ look }) => `( ${look} ) </dev/null 2>/dev/null`).join('\n')

test('a command that is held in finds none of thirty planted secrets', skip, async (t) => {
  const { b, planted } = await amongSecrets(t, 'auto')
  assert.ok(planted.length >= 30, `${planted.length} secrets`)
  const found = await b.run(`${hunt(planted)}\ngrep -rsa planted- / --exclude-dir=usr --exclude-dir=proc; echo end`)
  assert.equal(found.error, undefined, found.output)
  assert.match(found.output, /end$/)
  assert.deepEqual(
    planted.filter(({ secret }) => found.output.includes(secret)).map(({ where }) => where),
    [],
  )
})

test('the same command finds them where nothing holds it in', async (t) => {
  const { b, planted } = await amongSecrets(t, 'none')
  const found = await b.run(hunt(planted))
  const missed = planted.filter(({ secret }) => !found.output.includes(secret)).map(({ where }) => where)
  // Descriptors are closed everywhere, an environment is one's own; the rest is there for whoever looks.
  assert.deepEqual(missed, [], found.output)
})

test('there is no network and no way to the metadata of a cloud; loopback is the command’s own', skip, async (t) => {
  const b = await box(t, undefined, HELD)
  for (const address of ['169.254.169.254/80', '127.0.0.1/9001', '1.1.1.1/53', '127.0.0.1/6379', '127.0.0.1/5432']) {
    const { output } = await b.run(`timeout 5 bash -c 'exec 3<>/dev/tcp/${address} && echo reached'`)
    assert.doesNotMatch(output, /reached/, address)
  }
  const own = `node -e "const s=require('http').createServer((q,r)=>r.end('own')).listen(0,()=>require('http').get({port:s.address().port},r=>r.pipe(process.stdout).on('close',()=>0)||r.on('end',()=>s.close())))"`
  assert.match((await b.run(own)).output, /own/)
  const clone = await b.run('git ls-remote https://github.com/a/b')
  assert.match(clone.error?.message ?? '', /commands have no network here/)
})

test('only the workspace, its home and a private /tmp can be written to', skip, async (t) => {
  const b = await box(t, { 'src/a': 'a\n' }, HELD)
  const outside = join(dirname(b.tree), 'outside')
  const places = ['/x', '/etc/x', '/usr/x', '/dev/x', '/proc/x', '/var/x', '/run/x', '/root/x', '/home/x', outside]
  const { output } = await b.run(`for p in ${places.join(' ')}; do touch $p 2>/dev/null && echo "wrote $p"; done; true`)
  // Folders above the workspace that only lead to it are the sandbox's own when they are under its /tmp.
  assert.doesNotMatch(output.replaceAll(`wrote ${outside}`, ''), /wrote/)
  assert.ok(!existsSync(outside))
  const done = await b.run(
    'echo b > src/b; chmod +x src/b; mkdir -p e; echo c > "$HOME/c"; echo d > /tmp/d; cat /tmp/d',
  )
  assert.deepEqual([done.output, done.paths.sort()], ['d', ['e', 'src/b']])
  assert.equal((await b.run('cat "$HOME/c"; ls /tmp | grep -c "^d$"')).output.split('\n')[0], 'c')
  assert.ok(!existsSync('/tmp/d'))
})

test('no privilege is left, and no namespace, device or terminal to get one by', skip, async (t) => {
  const b = await box(t, undefined, HELD)
  const status = (await b.run('grep -E "^(Cap(Eff|Prm|Bnd)|NoNewPrivs)" /proc/self/status')).output
  assert.equal(status.match(/^Cap\w+:\t0+$/gm)?.length, 3, status)
  assert.match(status, /NoNewPrivs:\t1/)
  const tries = ['mount -t tmpfs x /mnt', 'mknod "$HOME/k" c 1 1', 'chroot / true', 'kill -0 $PPID && kill -9 1; false']
  for (const line of tries) assert.equal((await b.run(line)).ok, false, line)
  assert.ok(Number((await b.run('ls -d /proc/[0-9]* | wc -l')).output) <= 5, 'it sees only its own processes')
})

test("the machine's tools work held in: git, node, a compiler, scripts of the repo", skip, async (t) => {
  const files = { 'package.json': '{"scripts":{"test":"node t.js"}}', 't.js': 'console.log(process.execPath)\n' }
  const b = await box(t, files, HELD)
  const { output } = await b.run(
    'npm test --silent; git log --oneline | wc -l; bash -lc "echo login"; ls -d /proc/self',
  )
  assert.match(output, /\nlogin\n/)
  assert.match(output, /^1$/m)
  assert.doesNotMatch(output, /node_modules/, "a repo's node is the machine's own")
  assert.equal((await b.run('exit 7')).error?.message, 'exit code 7')
})

test('a descriptor that the runner was given is closed in commands', async (t) => {
  const folder = tempFolder(t)
  writeFileSync(join(folder, 'open'), 'planted')
  chmodSync(join(folder, 'open'), 0o600)
  const b = new Box(join(folder, 'home'), join(folder, 'objects'))
  b.door = await runnerProcess(t, b, { descriptors: [openSync(join(folder, 'open'), 'r')] })
  good(await b.prepare())
  assert.equal((await b.run('ls /dev/fd | wc -l')).output, '4', 'three and the one that lists them')
})

test('the lines for bubblewrap and Seatbelt name what may be written and nothing above it', () => {
  const places = { tree: '/h/w/tree', home: '/h/w/home', temp: '/h/w/tmp' }
  const line = bubblewrap({ program: 'bwrap', more: [], folders: ['/h/.cargo/bin'] }, ['true'], places, places.tree)
  const bound = line.flatMap((word, i) => (word === '--bind' ? [line[i + 1]] : []))
  assert.deepEqual(bound, ['/h/w/tmp', '/h/w/home', '/h/w/tree'])
  for (const option of ['--unshare-all', '--unshare-user', '--die-with-parent', '--new-session', '--cap-drop'])
    assert.ok(line.includes(option), option)
  const text = profile(['/h/.cargo/bin'], ['/h/w/"tree"'])
  assert.match(text, /^\(deny default\)$/m)
  assert.match(text, /^\(allow file-read\* file-write\* \(subpath "\/h\/w\/\\"tree\\""\)\)$/m)
  assert.doesNotMatch(text, /network/)
  assert.equal(text.split('(').length, text.split(')').length)
})
