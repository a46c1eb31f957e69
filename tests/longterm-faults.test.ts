/** Long-term memory when the world is not as it should be: cut connections, killed processes, wrong addresses. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { neon } from '../functions/adapters/neon.ts'
import { postgres } from '../functions/adapters/postgres.ts'
import { isNeon } from '../functions/adapters/sql/address.ts'
import { sqliteLongTerm } from '../functions/adapters/sqlite-longterm.ts'
import type { Message } from '../functions/core/types.ts'
import type { LongTerm } from '../functions/ports.ts'
import { endedRun } from './contract/longterm.ts'
import { cuttable, neonBridge, ownSchema, postgresMissing, psql } from './support/postgres.ts'
import { ROOT, tempFolder } from './support/world.ts'

const skip = postgresMissing ? { skip: postgresMissing } : {}
const clock = { now: () => Date.now(), sleep: (ms: number) => new Promise<void>((done) => setTimeout(done, ms)) }
const transcript = (messages: number): Message[] =>
  Array.from({ length: messages }, (_, i) => ({ role: 'user', content: `${i} ${'x'.repeat(9000)}`, from: 'person' }))

/** Nothing lost, nothing double: the run is there whole or not at all, and whole after the next try. */
async function whole(memory: LongTerm, ended: ReturnType<typeof endedRun>): Promise<boolean> {
  const { runId, sessionId, workspaceId } = ended.run
  const run = await memory.archive.run(runId)
  const [messages, events] = [await memory.archive.messages(runId, 0), await memory.archive.events(runId, 0)]
  if (!run) {
    assert.deepEqual([messages, events], [[], []])
    return false
  }
  assert.deepEqual(messages, ended.messages)
  assert.deepEqual(events, ended.events)
  assert.deepEqual(await memory.archive.layers(workspaceId), ended.layers)
  assert.equal((await memory.archive.runs({ sessionId, limit: 9 })).items.length, 1)
  return true
}

test(
  'postgres: a connection that drops in the middle of archiving loses nothing and doubles nothing',
  skip,
  async (t) => {
    const way = await cuttable(t)
    const url = await ownSchema(t)
    const through = new URL(way.url)
    through.search = new URL(url).search
    const [memory, direct] = [postgres(through.href, clock), postgres(url, clock)]
    t.after(() => Promise.all([memory.close(), direct.close()]))
    await memory.check()
    for (const bytes of [300, 2_000, 100_000, 900_000, 2_500_000, 3_300_000]) {
      const ended = endedRun({}, transcript(700))
      way.cut(bytes)
      const first = await memory.archive.keep(ended).catch((error: Error) => error.message)
      const there = await whole(direct, ended)
      assert.ok(there || first !== 'kept')
      assert.equal(await memory.archive.keep(ended), 'kept')
      assert.ok(await whole(direct, ended))
    }
    assert.equal(way.cuts(), 6)
    way.down()
    await assert.rejects(
      memory.archive.keep(endedRun()),
      /^Error: Postgres at 127\.0\.0\.1:\d+\/test cannot be reached: /,
    )
  },
)

test('neon: an answer that got lost is asked for again, and nothing is done twice', skip, async (t) => {
  const url = await ownSchema(t)
  const bridge = await neonBridge(t)
  const memory = neon({ url, endpoint: bridge.endpoint }, clock)
  await memory.check()
  for (let lost = 0; lost < 4; lost++) {
    const ended = endedRun({}, transcript(500))
    bridge.requests.length = 0
    const kept = memory.archive.keep(ended)
    while (bridge.requests.length <= lost) await clock.sleep(1)
    bridge.deaf = 1
    assert.equal(await kept, 'kept')
    assert.ok(await whole(memory, ended))
  }
  bridge.deaf = 99
  await assert.rejects(memory.check(), /^Error: Neon at 127\.0\.0\.1:5432\/test cannot be reached: /)
})

test('several archive one run at once over a server that ends their connections', skip, async (t) => {
  const url = await ownSchema(t)
  const all = Array.from({ length: 3 }, () => postgres(`${url}&application_name=stint-cut`, clock))
  t.after(() => Promise.all(all.map((memory) => memory.close())))
  const ended = endedRun({}, transcript(900))
  await all[0]?.check()
  const tries = all.map((memory) => memory.archive.keep(ended).catch((error: Error) => error))
  for (let i = 0; i < 10; i++) {
    await clock.sleep(20)
    await psql(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'stint-cut' AND query LIKE '%stint_messages%'",
    )
  }
  await Promise.all(tries)
  const [memory] = all as [LongTerm]
  await whole(memory, ended)
  assert.equal(await memory.archive.keep(ended), 'kept')
  assert.ok(await whole(memory, ended))
  const [left] = await psql('SELECT count(*)::int AS n FROM stint_removed', url)
  assert.equal(left?.n, 0, 'no mark of work under way is left')
})

/** Archives run after run in a process of its own, which is killed in the middle; says each that is done. */
async function killed(t: TestContext, opens: string, imports: string): Promise<string[]> {
  const code = `${imports}
import { endedRun } from ${JSON.stringify(join(ROOT, 'tests/contract/longterm.ts'))}
const clock = { now: () => Date.now(), sleep: (ms) => new Promise((done) => setTimeout(done, ms)) }
const memory = ${opens}
await memory.check()
for (let i = 0; ; i++) {
  const messages = Array.from({ length: 200 }, (_, n) => ({ role: 'user', content: n + 'x'.repeat(9000), from: 'person' }))
  const ended = endedRun({ runId: 'run_killed' + String(i).padStart(4, '0') + process.pid }, messages)
  process.stdout.write('begun ' + ended.run.runId + '\\n')
  await memory.archive.keep(ended)
  process.stdout.write('kept ' + ended.run.runId + '\\n')
}`
  const child = spawn(process.execPath, ['--input-type=module', '--disable-warning=ExperimentalWarning', '-e', code], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.after(() => child.kill('SIGKILL'))
  let output = ''
  await new Promise<void>((resolve) => {
    child.stdout.on('data', (part: Buffer) => {
      output += part
      if (/begun run_killed0004/.test(output)) setTimeout(() => child.kill('SIGKILL'), 15)
    })
    child.once('exit', () => resolve())
  })
  return output.trim().split('\n')
}

const killCases: [string, (t: TestContext) => Promise<{ opens: string; imports: string; memory: LongTerm }>, object][] =
  [
    [
      'sqlite',
      async (t) => {
        const path = join(tempFolder(t), 'longterm.db')
        const from = join(ROOT, 'functions/adapters/sqlite-longterm.ts')
        return {
          imports: `import { sqliteLongTerm } from ${JSON.stringify(from)}`,
          opens: `sqliteLongTerm(${JSON.stringify(path)}, clock)`,
          memory: sqliteLongTerm(path, clock),
        }
      },
      {},
    ],
    [
      'postgres',
      async (t) => {
        const url = await ownSchema(t)
        const from = join(ROOT, 'functions/adapters/postgres.ts')
        return {
          imports: `import { postgres } from ${JSON.stringify(from)}`,
          opens: `postgres(${JSON.stringify(url)}, clock)`,
          memory: postgres(url, clock),
        }
      },
      skip,
    ],
  ]
for (const [name, make, options] of killCases)
  test(
    `${name}: kill -9 while archiving: what was answered is there, what was not is there whole or not at all`,
    options,
    async (t) => {
      const { opens, imports, memory } = await make(t)
      t.after(() => memory.close())
      for (let round = 0; round < 3; round++) {
        const lines = await killed(t, opens, imports)
        const ids = (word: string) =>
          lines.filter((line) => line.startsWith(`${word} `)).map((line) => line.split(' ')[1] ?? '')
        assert.ok(ids('kept').length >= 3)
        for (const runId of ids('kept')) assert.equal((await memory.archive.messages(runId, 0)).length, 200)
        for (const runId of ids('begun')) {
          const [run, messages] = [await memory.archive.run(runId), await memory.archive.messages(runId, 0)]
          assert.equal(messages.length, run ? 200 : 0)
        }
      }
    },
  )

test('a wrong address is one clear line without the password', skip, async () => {
  const closing: LongTerm[] = []
  const opened = (memory: LongTerm) => {
    closing.push(memory)
    return memory
  }
  for (const [url, says] of [
    ['postgres://me:hunter2@127.0.0.1:1/db', /^Postgres at 127\.0\.0\.1:1\/db cannot be reached: ECONNREFUSED$/],
    [
      'postgres://me:hunter2@nowhere.invalid/db',
      /^Postgres at nowhere\.invalid\/db cannot be reached: (ENOTFOUND|EAI_AGAIN)$/,
    ],
    [
      'postgres://root@127.0.0.1:5432/no_such_db',
      /^Postgres at 127\.0\.0\.1:5432\/no_such_db: database "no_such_db" does not exist \(SQLSTATE 3D000\)$/,
    ],
    [
      'postgres://no_such_user:hunter2@127.0.0.1:5432/test',
      /^Postgres at 127\.0\.0\.1:5432\/test: .*no_such_user.* \(SQLSTATE 28000\)$/,
    ],
  ] as const)
    await assert.rejects(opened(postgres(url, clock)).check(), (error: Error) => {
      assert.match(error.message, says)
      assert.doesNotMatch(String(error.stack), /hunter2/)
      return true
    })
  assert.throws(() => postgres('not an address', clock), /DATABASE_URL must be like postgres:/)
  const dead = opened(
    neon({ url: 'postgres://me:hunter2@ep-x.neon.tech/db', endpoint: 'http://127.0.0.1:1/sql' }, clock),
  )
  await assert.rejects(dead.check(), /^Error: Neon at ep-x\.neon\.tech\/db cannot be reached: /)
  await Promise.all(closing.map((memory) => memory.close()))
})

test('which driver an address asks for', () => {
  assert.ok(isNeon('postgres://u:p@ep-cool-name-123456-pooler.us-east-2.aws.neon.tech/db?sslmode=require'))
  for (const url of [
    'postgres://localhost/db',
    'postgres://neon.tech.example.com/db',
    'postgres://u:neon.tech@db/x',
    'x',
  ])
    assert.ok(!isNeon(url), url)
})
