/** Whole servers with an archive: runs go there when they have ended, and stay readable when Redis has let go of them. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { Redis } from 'ioredis'
import type { Json } from '../functions/scripted/protocol.ts'
import { cuttable, ownSchema, postgresMissing, psql } from './support/postgres.ts'
import { ownPrefix, REDIS_URL, redisMissing } from './support/redis.ts'
import { ask, call, makeRepo, scripted, settled, startStint, tempFolder, until } from './support/world.ts'

const missing = redisMissing ?? postgresMissing
const skip = missing ? { skip: missing } : {}

type Run = Json & { runId: string; sessionId: string; status: string; step: number }

async function writing(t: TestContext) {
  return scripted(t, ({ messages }) => {
    const name =
      /name it (\w+)/.exec(JSON.stringify(messages.findLast((message) => message.role === 'user')))?.[1] ?? 'a'
    return messages.at(-1)?.role === 'user'
      ? call('write_file', { path: `${name}.txt`, content: `${name}\n`.repeat(9) })
      : { text: `Wrote ${name}.` }
  })
}

/** What of runs and sessions has a time to live lives no longer. */
async function expire(prefix: string): Promise<number> {
  const redis = new Redis(REDIS_URL)
  let count = 0
  for (const key of await redis.keys(`${prefix}*`))
    if (/^(run|session|layers|remembered):/.test(key.slice(prefix.length)) && (await redis.pttl(key)) > 0) {
      await redis.del(key)
      count++
    }
  redis.disconnect()
  return count
}

const archivedIn = (url: string, runId: string) =>
  until(`run ${runId} in the archive`, async () => {
    const rows = await psql("SELECT run_id FROM stint_runs WHERE run->>'archive' = 'done'", url).catch(() => [])
    return rows.some((row) => row.run_id === runId)
  })

test('a run on Redis and Postgres reads the same before and after Redis let go of it', skip, async (t) => {
  const model = await writing(t)
  const [prefix, url, home] = [ownPrefix(t), await ownSchema(t), tempFolder(t, 'stint-home-')]
  const env = { GROQ_BASE_URL: model.url, REDIS_URL, STINT_REDIS_PREFIX: prefix, DATABASE_URL: url, STINT_HOME: home }
  let stint = await startStint(t, env)
  const ready = await ask<{ checks: Record<string, { ok: boolean; detail: string }> }>('GET', `${stint.url}/ready`)
  assert.match(ready.body.checks.longTerm?.detail ?? '', /^Postgres at /)

  const repo = { url: makeRepo(t) }
  const { runId, sessionId } = (await ask<Run>('POST', `${stint.url}/execute`, { task: 'name it a', repo })).body
  await settled(stint.url, runId)
  assert.equal((await ask('POST', `${stint.url}/runs/${runId}/feedback`, { score: 1 })).status, 200)
  await archivedIn(url, runId)
  const look = async () => {
    const at = async (path: string, headers = {}) => (await ask<Json>('GET', stint.url + path, undefined, headers)).body
    return {
      run: await at(`/runs/${runId}`),
      messages: await at(`/runs/${runId}/messages`),
      page: await at(`/runs/${runId}/messages?limit=2&cursor=1`),
      events: await at(`/runs/${runId}/events?after=0`),
      stream: await at(`/runs/${runId}/events`, { accept: 'text/event-stream' }),
      diff: await at(`/runs/${runId}/diff`),
      session: await at(`/session/${sessionId}`),
      list: await at('/runs'),
    }
  }
  await until(
    'its end in Redis',
    async () => ((await ask<Run>('GET', `${stint.url}/runs/${runId}`)).body.step as number) > 4,
  )
  const before = await look()
  assert.match(String(before.diff), /\+a/)
  assert.ok((await expire(prefix)) >= 7)
  assert.deepEqual(await look(), before)

  await t.test('also for another process, with no workspace at hand', async () => {
    await stint.kill()
    stint = await startStint(t, { ...env, STINT_HOME: home })
    assert.deepEqual(await look(), before)
  })
  await t.test('a run that has ended is told so', async () => {
    const late = await ask<{ code: string }>('POST', `${stint.url}/runs/${runId}/messages`, { text: 'more' })
    assert.deepEqual([late.status, late.body.code], [409, 'run_ended'])
    assert.equal((await ask('POST', `${stint.url}/runs/${runId}/feedback`, { score: -1 })).status, 200)
    assert.equal((await ask<{ feedback: Json }>('GET', `${stint.url}/runs/${runId}`)).body.feedback.score, -1)
  })
  await t.test('a fork goes on from the archive', async () => {
    const forked = await ask<Run>('POST', `${stint.url}/runs/${runId}/fork`, { step: 3, task: 'Now name it c.' })
    assert.equal(forked.status, 202)
    const fork = await settled(stint.url, forked.body.runId)
    assert.equal(fork.answer, 'Wrote c.')
    const { body: diff } = await ask<string>('GET', `${stint.url}/runs/${forked.body.runId}/diff`)
    assert.match(diff, /a\.txt/)
    assert.match(diff, /c\.txt/)
  })
  await t.test('the session goes on where it stood', async () => {
    const second = await ask<Run>('POST', `${stint.url}/execute`, { task: 'Now name it b.', sessionId })
    assert.equal(second.status, 202, JSON.stringify(second.body))
    const run = await settled(stint.url, second.body.runId)
    assert.equal(run.answer, 'Wrote b.')
    assert.match(JSON.stringify(model.requests.at(-1)), /name it a/, 'it is told of the first')
    await archivedIn(url, run.runId)
    const { body: listed } = await ask<{ output: string }>('POST', `${stint.url}/tool/execute`, {
      tool: 'list_files',
      input: {},
      sessionId,
    })
    assert.match(listed.output, /a\.txt/)
    assert.match(listed.output, /b\.txt/)
  })
  await t.test('DELETE removes it everywhere', async () => {
    await until(
      'the session at rest',
      async () => (await ask('DELETE', `${stint.url}/session/${sessionId}`)).status === 204,
    )
    assert.equal((await ask('GET', `${stint.url}/runs/${runId}`)).status, 404)
    assert.equal((await ask('GET', `${stint.url}/session/${sessionId}`)).status, 404)
    assert.equal((await ask('DELETE', `${stint.url}/session/${sessionId}`)).status, 404)
    const [left] = await psql(`SELECT count(*)::int AS n FROM stint_messages WHERE session_id = '${sessionId}'`, url)
    assert.equal(left?.n, 0)
  })
})

test(
  'while the archive cannot be reached runs end as ever, keep everything, and are archived later',
  skip,
  async (t) => {
    const model = await writing(t)
    const [prefix, own] = [ownPrefix(t), await ownSchema(t)]
    const way = await cuttable(t)
    const url = new URL(way.url)
    url.search = new URL(own).search
    way.down()
    const stint = await startStint(t, {
      GROQ_BASE_URL: model.url,
      REDIS_URL,
      STINT_REDIS_PREFIX: prefix,
      DATABASE_URL: url.href,
    })
    const { runId } = (
      await ask<Run>('POST', `${stint.url}/execute`, { task: 'name it a', repo: { url: makeRepo(t) } })
    ).body
    assert.equal((await settled(stint.url, runId)).status, 'completed')
    const ready = await ask<{ checks: Record<string, { ok: boolean; detail: string }> }>('GET', `${stint.url}/ready`)
    assert.equal(ready.status, 503)
    assert.match(ready.body.checks.longTerm?.detail ?? '', /^Postgres at 127\.0\.0\.1:\d+\/test cannot be reached/)
    assert.equal(await expire(prefix), 0, 'nothing has a time to live')
    way.up()
    await archivedIn(own, runId)
    await until('its time to live', async () => (await expire(prefix)) > 0)
    assert.equal((await ask<Run>('GET', `${stint.url}/runs/${runId}`)).body.status, 'completed')
  },
)

test('kill -9 while runs are archived: each is there once, whole', skip, async (t) => {
  const model = await writing(t)
  const [prefix, url, home] = [ownPrefix(t), await ownSchema(t), tempFolder(t, 'stint-home-')]
  const env = { GROQ_BASE_URL: model.url, REDIS_URL, STINT_REDIS_PREFIX: prefix, DATABASE_URL: url, STINT_HOME: home }
  const ids: string[] = []
  let stint = await startStint(t, env)
  for (let round = 0; round < 3; round++) {
    const repo = { url: makeRepo(t) }
    for (let i = 0; i < 4; i++)
      ids.push((await ask<Run>('POST', `${stint.url}/execute`, { task: 'name it a', repo })).body.runId)
    const last = ids.at(-1) ?? ''
    await until('an end', async () => (await ask<Run>('GET', `${stint.url}/runs/${last}`)).body.status === 'completed')
    await stint.kill('SIGKILL')
    stint = await startStint(t, env)
  }
  for (const runId of ids) await archivedIn(url, runId)
  const transcripts = await psql(
    'SELECT r.run_id, count(*)::int AS n FROM stint_runs r JOIN stint_messages m ON m.run_id = r.run_id GROUP BY r.run_id',
    url,
  )
  assert.deepEqual(transcripts.map((row) => row.run_id).sort(), [...ids].sort())
  for (const { run_id: runId, n } of transcripts)
    assert.equal(n, (await ask<{ items: unknown[] }>('GET', `${stint.url}/runs/${runId}/messages`)).body.items.length)
})

test('the embedded store keeps its runs, and archives them too where there is a database', skip, async (t) => {
  const model = await writing(t)
  const url = await ownSchema(t)
  const stint = await startStint(t, { GROQ_BASE_URL: model.url, DATABASE_URL: url })
  const { runId, sessionId } = (
    await ask<Run>('POST', `${stint.url}/execute`, { task: 'name it a', repo: { url: makeRepo(t) } })
  ).body
  await settled(stint.url, runId)
  await archivedIn(url, runId)
  const { body } = await ask<{ items: Run[] }>('GET', `${stint.url}/runs`)
  assert.deepEqual(
    body.items.map((run) => run.runId),
    [runId],
    'listed once',
  )
  assert.equal((await ask('DELETE', `${stint.url}/session/${sessionId}`)).status, 204)
  assert.deepEqual(await psql('SELECT run_id FROM stint_runs', url), [])
})
