/** What goes wrong under a run: two servers in one home, a sandbox or a server that is ended, a repo that vanishes, watchers that leave. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { Json } from '../functions/scripted/protocol.ts'
import type { Turn } from '../functions/scripted/server.ts'
import {
  answersIn,
  ask,
  call,
  makeRepo,
  type RunJson,
  type Stint,
  scripted,
  settled,
  startStint,
  tempFolder,
  until,
} from './support/world.ts'

type Event = { seq: number; type: string; data: Json }

const show = async (url: string, runId: string) => (await ask<RunJson>('GET', `${url}/runs/${runId}`)).body
const start = async (url: string, repo: string, task = 'Do it', more: Json = {}) =>
  (await ask<{ runId: string }>('POST', `${url}/execute`, { task, repo: { url: repo }, approval: 'auto', ...more }))
    .body.runId
const diffOf = async (url: string, runId: string) => (await ask<string>('GET', `${url}/runs/${runId}/diff`)).body ?? ''
async function eventsOf(url: string, runId: string): Promise<Event[]> {
  const events: Event[] = []
  for (let cursor: string | undefined = '0'; cursor !== undefined; ) {
    const { body }: { body: { items: Event[]; nextCursor?: string } } = await ask(
      'GET',
      `${url}/runs/${runId}/events?after=${cursor}`,
    )
    events.push(...body.items)
    cursor = body.nextCursor
  }
  assert.deepEqual(
    events.map(({ seq }) => seq),
    events.map((_, i) => i + 1),
  )
  return events
}
const processes = (): { pid: number; parent: number; args: string }[] =>
  execFileSync('ps', ['-Ao', 'pid=,ppid=,args='], { encoding: 'utf8' })
    .split('\n')
    .flatMap((line) => {
      const [, pid, parent, args] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? []
      return args ? [{ pid: Number(pid), parent: Number(parent), args }] : []
    })
const sandboxOf = ({ child }: Stint): number =>
  processes().find(({ parent, args }) => parent === child.pid && /sandbox-runner/.test(args))?.pid ??
  assert.fail('no sandbox')
/** A command that leaves a mark outside the workspace when it begins, waits, and writes in the workspace. */
const marked = (marks: string, seconds: number): Turn =>
  call('run_command', {
    command: `echo began >> ${marks}; echo begin >> log.txt; sleep ${seconds}; echo end >> log.txt`,
  })

// Mostly waiting: a few side by side.
describe('a run that meets trouble', { concurrency: 3 }, () => {
  test('two servers in one STINT_HOME: each carries its runs, both see all, none is advanced twice', async (t) => {
    const turns: Turn[] = [
      ...Array.from({ length: 4 }, (_, i) => call('write_file', { path: `${i}.txt`, content: 'x\n' })),
      { text: 'Done.' },
    ]
    const model = await scripted(t, turns, { latencyMs: 20 })
    const env = { STINT_HOME: tempFolder(t), GROQ_BASE_URL: model.url }
    const repo = makeRepo(t)
    const servers = await Promise.all([startStint(t, env), startStint(t, env)])
    const ids = await Promise.all(
      Array.from({ length: 10 }, (_, i) => start(servers[i % 2]?.url ?? '', repo, `task ${i}`)),
    )
    for (const [i, runId] of ids.entries()) {
      const run = await settled(servers[(i + 1) % 2]?.url ?? '', runId)
      assert.deepEqual([run.status, run.turns, run.diffStat.files], ['completed', 5, 4], 'as the other server sees it')
      const events = await eventsOf(servers[0].url, runId)
      assert.equal(events.filter(({ type }) => type === 'tool.completed').length, 4)
    }
    assert.equal(model.requests.length, ids.length * turns.length, 'the model was asked once for each turn')
    assert.deepEqual(model.refused, [])
    await servers[0].kill('SIGKILL')
    assert.equal((await settled(servers[1].url, await start(servers[1].url, repo))).status, 'completed')
  })

  test('a sandbox that is killed in the middle of a command: the run still ends right', async (t) => {
    const marks = join(tempFolder(t), 'marks')
    const model = await scripted(t, [
      call('write_file', { path: 'a.txt', content: 'a\n' }),
      marked(marks, 1),
      { text: 'Done.' },
    ])
    const server = await startStint(t, { GROQ_BASE_URL: model.url })
    const runId = await start(server.url, makeRepo(t))
    await until('the command', () => existsSync(marks))
    const sandbox = sandboxOf(server)
    process.kill(sandbox, 'SIGKILL')
    const run = await settled(server.url, runId)
    assert.equal(run.status, 'completed', run.answer)
    const diff = await diffOf(server.url, runId)
    assert.match(diff, /log\.txt\n@@ -0,0 \+1,2 @@\n\+begin\n\+end\n/, `not as if it had run once:\n${diff}`)
    await eventsOf(server.url, runId)
    assert.notEqual(sandboxOf(server), sandbox)
    const again = await settled(server.url, await start(server.url, makeRepo(t)))
    assert.equal(again.status, 'completed')
  })

  test('a sandbox that is killed again and again ends the run as sandbox_error, and the server stays', async (t) => {
    const marks = join(tempFolder(t), 'marks')
    const model = await scripted(t, ({ messages }) => {
      if (/after all/.test(JSON.stringify(messages))) return { text: 'Done.' }
      return answersIn(messages) === 0 ? marked(marks, 5) : { text: 'Done.' }
    })
    const server = await startStint(t, { GROQ_BASE_URL: model.url })
    const runId = await start(server.url, makeRepo(t))
    const began = () => (existsSync(marks) ? readFileSync(marks, 'utf8').split('\n').length - 1 : 0)
    for (let times = 1; times <= 4; times++) {
      await until(`try ${times}`, () => began() === times)
      process.kill(sandboxOf(server), 'SIGKILL')
    }
    const run = await settled(server.url, runId)
    assert.deepEqual([run.status, run.stopReason], ['failed', 'sandbox_error'], run.answer)
    assert.match(run.answer ?? '', /workspace could not be used/)
    assert.doesNotMatch(run.answer ?? '', /\n\s+at |node_modules/)
    assert.equal((await settled(server.url, await start(server.url, makeRepo(t), 'after all'))).status, 'completed')
    await t.test('and the commands of the killed ones are not left running', async () => {
      await until('them to be gone', () => !processes().some(({ args }) => args.includes(marks)), 2000)
    })
  })

  test('SIGTERM in the middle of a run: the server leaves in order and the run goes on after the restart', async (t) => {
    const marks = join(tempFolder(t), 'marks')
    const model = await scripted(t, [
      call('write_file', { path: 'a.txt', content: 'a\n' }),
      marked(marks, 1.5),
      call('run_command', { command: 'echo last >> log.txt' }),
      { text: 'Done.' },
    ])
    const env = { STINT_HOME: tempFolder(t), GROQ_BASE_URL: model.url }
    const first = await startStint(t, env)
    const [runId, watched] = [await start(first.url, makeRepo(t)), new AbortController()]
    const stream = fetch(`${first.url}/runs/${runId}/events`, {
      headers: { accept: 'text/event-stream' },
      signal: watched.signal,
    })
    const cut = stream.then((response) => response.text()).catch(() => 'cut')
    await until('the command', () => existsSync(marks))
    const asked = Date.now()
    await first.kill('SIGTERM')
    assert.equal(first.child.exitCode, 0)
    assert.ok(Date.now() - asked < 9000, `it took ${Date.now() - asked} ms`)
    await cut
    const second = await startStint(t, env)
    const run = await settled(second.url, runId)
    assert.equal(run.status, 'completed', run.answer)
    assert.match(await diffOf(second.url, runId), /log\.txt\n@@ -0,0 \+1,3 @@\n\+begin\n\+end\n\+last\n/)
    assert.equal(readFileSync(marks, 'utf8'), 'began\n', 'a command that could finish is not run twice')
    const tools = (await eventsOf(second.url, runId)).filter(({ type }) => type === 'tool.completed')
    assert.equal(tools.length, 3)
    assert.doesNotMatch(first.output() + second.output(), /\n\s+at /)
  })

  test('a repo that is removed or changed in the middle of a run does not matter to it', async (t) => {
    const turns = [
      call('run_command', { command: 'sleep 0.5' }),
      call('edit_file', { path: 'a.txt', oldText: 'one', newText: '1' }),
      call('git_diff'),
      { text: 'Done.' },
    ]
    const model = await scripted(t, turns)
    const server = await startStint(t, { GROQ_BASE_URL: model.url })
    const repo = makeRepo(t, { 'a.txt': 'one\n' })
    const runId = await start(server.url, repo)
    await until('the first turn', async () => (await show(server.url, runId)).turns >= 1)
    renameSync(repo, `${repo}-away`)
    rmSync(`${repo}-away`, { recursive: true })
    const run = await settled(server.url, runId)
    assert.equal(run.status, 'completed', run.answer)
    assert.match(await diffOf(server.url, runId), /-one\n\+1\n/)
    const { status, body } = await ask('POST', `${server.url}/execute`, { task: 'again', repo: { url: repo } })
    assert.deepEqual([status, body.code], [422, 'repo_not_found'])
  })

  test('forty turns while twenty watchers come and go: each sees every event once', async (t) => {
    const turns: Turn[] = [
      ...Array.from({ length: 39 }, (_, i) =>
        i % 3 === 0 ? call('write_file', { path: `${i}.txt`, content: 'x\n' }) : call('list_files'),
      ),
      { text: 'Forty turns are done.' },
    ]
    const model = await scripted(t, turns, { latencyMs: 40 })
    const server = await startStint(t, { GROQ_BASE_URL: model.url })
    const runId = await start(server.url, makeRepo(t))
    const watch = async (i: number): Promise<number[]> => {
      const seen: number[] = []
      const deadline = Date.now() + 30_000
      while (Date.now() < deadline) {
        const leave = new AbortController()
        const headers = { accept: 'text/event-stream', 'last-event-id': String(seen.at(-1) ?? 0) }
        const response = await fetch(`${server.url}/runs/${runId}/events`, { headers, signal: leave.signal })
        const reader = (response.body ?? assert.fail()).pipeThrough(new TextDecoderStream()).getReader()
        let [text, taken] = ['', 0]
        try {
          // Some stay to the end, others leave after a few events, in the middle of one, and come back.
          for (let part = await reader.read(); !part.done; part = await reader.read()) {
            text += part.value
            for (let end = text.indexOf('\n\n'); end !== -1; end = text.indexOf('\n\n'), taken++) {
              const id = /^id: (\d+)$/m.exec(text.slice(0, end))?.[1]
              if (id) seen.push(Number(id))
              if (/^event: run\.completed$/m.test(text.slice(0, end))) return seen
              text = text.slice(end + 2)
            }
            if (i % 4 !== 0 && taken > i) break
          }
        } finally {
          leave.abort()
          await reader.cancel().catch(() => {})
        }
      }
      return seen
    }
    const seen = await Promise.all(Array.from({ length: 20 }, (_, i) => watch(i)))
    const run = await settled(server.url, runId)
    assert.deepEqual([run.status, run.turns], ['completed', 40])
    const all = (await eventsOf(server.url, runId)).map(({ seq }) => seq)
    for (const [i, numbers] of seen.entries()) assert.deepEqual(numbers, all, `watcher ${i}`)
    assert.equal(model.requests.length, 40)
    assert.equal((await ask('GET', `${server.url}/health`)).status, 200)
    assert.doesNotMatch(server.output(), /"level"|\n\s+at /, 'nothing is complained of')
  })
})
