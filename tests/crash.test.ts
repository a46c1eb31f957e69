import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import type { Json } from '../functions/scripted/protocol.ts'
import type { Turn } from '../functions/scripted/server.ts'
import {
  answersIn,
  ask,
  call,
  makeRepo,
  type Stint,
  scripted,
  settled,
  startStint,
  tempFolder,
  until,
} from './support/world.ts'

const FILES = { 'a.txt': 'one\ntwo\n', 'b.txt': 'bee\n', '.gitignore': 'ignored/\n' }

/** 39 calls of every kind; each command also leaves a mark outside the workspace, where no snapshot can undo it. */
function turnsWith(marks: string): Turn[] {
  const mark = (n: number, ms = 120) =>
    call('run_command', { command: `echo ${n} >> ${marks}; sleep 0.${ms}; echo step ${n} >> log.txt` })
  const turns: Turn[] = [call('list_files'), call('read_file', { path: 'a.txt' })]
  for (let n = 0; turns.length < 39; n++) {
    const kinds = [
      mark(n),
      call('edit_file', {
        path: 'a.txt',
        oldText: n === 0 ? 'two\n' : `two${'.'.repeat(n)}\n`,
        newText: `two${'.'.repeat(n + 1)}\n`,
      }),
      call('write_file', { path: `made/${n}.txt`, content: `file ${n}\n` }),
      call('read_file', { path: `made/${n}.txt` }),
      call('search_text', { pattern: 'step', path: '.' }),
      { calls: [call('read_file', { path: 'b.txt' }).calls?.[0] ?? never(), call('list_files').calls?.[0] ?? never()] },
    ]
    turns.push(...kinds)
  }
  turns.length = 39
  return [...turns, { text: 'All forty turns are done.' }]
}

/** How many answers of the one run in this home are committed. */
function answersStored(home: string): number {
  const database = new DatabaseSync(join(home, 'stint.db'), { readOnly: true })
  const { n } = database
    .prepare(`SELECT count(*) AS n FROM messages WHERE message LIKE '{"role":"assistant"%'`)
    .get() as {
    n: number
  }
  database.close()
  return n
}

type Message = Json & { role: string }

/** The transcript without what may differ between two runs: ids and durations. */
async function transcript(url: string, runId: string): Promise<Message[]> {
  const { body } = await ask<{ items: Message[] }>('GET', `${url}/runs/${runId}/messages`)
  return body.items.map(({ callId: _, durationMs: _ms, calls, data, ...rest }) => ({
    ...rest,
    ...(Array.isArray(calls) ? { calls: calls.map(({ callId: _id, ...made }: Json) => made) } : {}),
    ...(data && typeof data === 'object' ? { data: { ...data, durationMs: 0 } } : {}),
  })) as Message[]
}

const body = (repo: string): Json => ({ task: 'Walk through.', repo: { url: repo }, approval: 'auto' })

test('killed at ten moments and started again: same diff, same transcript, nothing paid or done twice', async (t) => {
  const marks = join(tempFolder(t), 'marks')
  const turns = turnsWith(marks)
  const repo = makeRepo(t, FILES)

  const calm = await scripted(t, turns)
  const undisturbed = await startStint(t, { GROQ_BASE_URL: calm.url, GROQ_API_KEY: 'k' })
  const first = await ask<{ runId: string }>('POST', `${undisturbed.url}/execute`, body(repo))
  assert.equal((await settled(undisturbed.url, first.body.runId)).status, 'completed')
  const expected = {
    transcript: await transcript(undisturbed.url, first.body.runId),
    diff: (await ask<string>('GET', `${undisturbed.url}/runs/${first.body.runId}/diff`)).body,
  }
  const expectedMarks = readFileSync(marks, 'utf8')

  // Even places: killed while the model is asked. Odd ones: a moment later, while its call is being performed.
  const killAt = new Map([
    [1, 0],
    [5, 0],
    [9, 0],
    [14, 60],
    [17, 0],
    [20, 25],
    [26, 180],
    [29, 0],
    [32, 90],
    [38, 10],
  ])
  const paid = new Map<number, number>()
  /** Answers that were not committed when the server died: whichever was in flight then may be paid once more. */
  const inFlight = new Set<number>()
  let stint: Stint
  let kills = 0
  const env = { GROQ_BASE_URL: '', GROQ_API_KEY: 'k', STINT_HOME: tempFolder(t, 'stint-home-') }
  const die = async () => {
    await stint.kill('SIGKILL')
    inFlight.add(answersStored(env.STINT_HOME))
    kills++
  }
  const server = await scripted(t, turns, {
    async intercept(request, response) {
      const place = answersIn(request.messages as Json[])
      const delay = killAt.get(place)
      if (delay === 0) {
        killAt.delete(place)
        await die()
        response.destroy()
        return true
      }
      paid.set(place, (paid.get(place) ?? 0) + 1)
      if (delay !== undefined) {
        killAt.delete(place)
        response.once('finish', () => setTimeout(() => void die(), delay))
      }
      return false
    },
  })
  Object.assign(env, { GROQ_BASE_URL: server.url })
  const again = join(tempFolder(t), 'marks')
  const ownTurns = turnsWith(again)
  turns.splice(0, turns.length, ...ownTurns)
  stint = await startStint(t, env)
  const { runId } = (await ask<{ runId: string }>('POST', `${stint.url}/execute`, body(repo))).body
  for (;;) {
    const run = await until(
      'an end or a kill',
      async () => {
        if (stint.child.signalCode) return { status: 'killed' }
        const answer = await ask<Json & { status: string }>('GET', `${stint.url}/runs/${runId}`).catch(() => undefined)
        return answer && ['completed', 'failed', 'cancelled'].includes(answer.body.status) && answer.body
      },
      60_000,
    )
    if (run.status !== 'killed') {
      assert.equal(run.status, 'completed')
      break
    }
    const requestsBefore = server.requests.length + kills
    stint = await startStint(t, env)
    const restarted = Date.now()
    await until(
      'the run to go on',
      async () =>
        server.requests.length + kills > requestsBefore ||
        stint.child.signalCode ||
        (await ask<Json>('GET', `${stint.url}/runs/${runId}`).catch(() => undefined))?.body.status === 'completed',
      10_000,
    )
    assert.ok(Date.now() - restarted < 2000, `it went on ${Date.now() - restarted} ms after the start`)
  }
  assert.equal(kills, 10)
  // A request that was in flight is asked a second time, and more of it is cached then: what it cost may differ.
  const normal = (messages: Message[]) =>
    JSON.parse(
      JSON.stringify(messages)
        .replaceAll(again, marks)
        .replaceAll(/"(cachedTokens|costUsd)":[\d.e-]+/g, '"$1":0'),
    ) as Message[]
  assert.deepEqual(normal(await transcript(stint.url, runId)), normal(expected.transcript))
  assert.equal((await ask<string>('GET', `${stint.url}/runs/${runId}/diff`)).body, expected.diff)
  assert.equal(readFileSync(again, 'utf8'), expectedMarks, 'every effect happened once, in order')
  for (const [place, times] of paid)
    assert.ok(times <= (inFlight.has(place) ? 2 : 1), `answer ${place} was paid ${times} times`)
  assert.deepEqual(server.refused, [])
  const { items } = (await ask<{ items: { seq: number }[] }>('GET', `${stint.url}/runs/${runId}/events?after=0`)).body
  assert.deepEqual(
    items.map((event) => event.seq),
    items.map((_, i) => i + 1),
    'events are numbered without gaps',
  )
})

const never = (): never => {
  throw new Error('unreachable')
}

test('server and sandbox-runner killed together in the middle of changes: the same diff and transcript', async (t) => {
  const turns: Turn[] = [
    call('write_file', { path: 'made/1.txt', content: 'one\n' }),
    call('run_command', { command: 'echo half > half.txt; sleep 0.4; rm half.txt; echo whole > whole.txt; cat a.txt' }),
    call('edit_file', { path: 'a.txt', oldText: 'one', newText: 'uno' }),
    call('run_command', {
      command: 'mkdir -p deep/er && echo x > deep/er/f && sleep 0.3 && mv deep/er/f deep/g && chmod +x deep/g',
    }),
    call('git_commit', { message: 'all of it' }),
    call('run_command', { command: 'git log --format=%s | head -2; ls' }),
    { text: 'Done.' },
  ]
  const repo = makeRepo(t, FILES)
  const calm = await scripted(t, turns)
  const undisturbed = await startStint(t, { GROQ_BASE_URL: calm.url, GROQ_API_KEY: 'k' })
  const first = (await ask<{ runId: string }>('POST', `${undisturbed.url}/execute`, body(repo))).body.runId
  assert.equal((await settled(undisturbed.url, first)).status, 'completed')

  const kill = new Map([
    [1, 200],
    [3, 150],
    [4, 8],
  ])
  let stint: Stint
  const server = await scripted(t, turns, {
    intercept(request, response) {
      const place = answersIn(request.messages as Json[])
      const delay = kill.get(place)
      if (delay !== undefined) {
        kill.delete(place)
        response.once('finish', () => setTimeout(() => killTree(stint), delay))
      }
      return false
    },
  })
  const env = { GROQ_BASE_URL: server.url, GROQ_API_KEY: 'k', STINT_HOME: tempFolder(t, 'stint-home-') }
  stint = await startStint(t, env)
  const { runId } = (await ask<{ runId: string }>('POST', `${stint.url}/execute`, body(repo))).body
  for (;;) {
    const ended = await until('an end or a kill', async () => {
      if (stint.child.signalCode) return 'killed'
      const answer = await ask<Json>('GET', `${stint.url}/runs/${runId}`).catch(() => undefined)
      return answer && ['completed', 'failed'].includes(String(answer.body.status))
        ? String(answer.body.status)
        : undefined
    })
    if (ended !== 'killed') {
      assert.equal(ended, 'completed')
      break
    }
    stint = await startStint(t, env)
  }
  assert.equal(kill.size, 0)
  const plain = (messages: Message[]) =>
    messages.map((message) => ({
      ...message,
      content: String(message.content).replace(/\b[0-9a-f]{7}\b/g, '<commit>'),
      data: undefined,
      // A request that was sent again finds all of itself cached.
      ...(message.usage ? { usage: { ...(message.usage as Json), cachedTokens: 0, costUsd: 0 } } : {}),
    }))
  assert.deepEqual(plain(await transcript(stint.url, runId)), plain(await transcript(undisturbed.url, first)))
  assert.equal(
    (await ask<string>('GET', `${stint.url}/runs/${runId}/diff`)).body,
    (await ask<string>('GET', `${undisturbed.url}/runs/${first}/diff`)).body,
  )
})

/** The server and everything it started, at once. */
function killTree({ child }: Stint): void {
  const children = execFileSync('ps', ['-o', 'pid=', '--ppid', String(child.pid)], { encoding: 'utf8' })
  for (const pid of [child.pid, ...children.split('\n').map(Number)]) if (pid) process.kill(pid, 'SIGKILL')
}
