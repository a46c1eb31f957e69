/** What is remembered as people and later runs meet it: over HTTP and in the first prompt. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cli, ended } from './support/cli.ts'
import { follow, following, type Json, makeKey, problem, transcript } from './support/http.ts'
import { ask, call, makeRepo, type RunJson, settled } from './support/world.ts'

type FactJson = Json & { factId: string; text: string; scope: string; repo?: string; source?: { runId: string } }
type List = { items: FactJson[]; nextCursor?: string; poorer?: string }

/** The first prompt of the newest run. */
const firstPrompt = (requests: Json[]): string => {
  const messages = (requests.at(-1)?.messages ?? []) as { role: string; content: string }[]
  return messages.findLast(({ role }) => role === 'user')?.content ?? ''
}
const system = (requests: Json[]): unknown => (requests.at(-1)?.messages as Json[] | undefined)?.[0]

/** A person with a key, or anybody on a server without. */
function person(url: string, headers: Record<string, string> = {}) {
  const asked = <T = Json>(method: string, path: string, body?: unknown) => ask<T>(method, url + path, body, headers)
  return {
    ask: asked,
    list: async (query = '') => (await asked<List>('GET', `/memory${query}`)).body.items,
    async run(body: Json): Promise<RunJson> {
      const { status, body: accepted } = await asked<RunJson>('POST', '/execute', body)
      assert.equal(status, 202, JSON.stringify(accepted))
      for (;;) {
        const run = (await asked<RunJson>('GET', `/runs/${accepted.runId}`)).body
        if (['completed', 'failed', 'waiting'].includes(run.status)) return run
      }
    },
  }
}
const learn = (fact: string) => follow(call('remember', { fact }), { text: 'Remembered.' })

test('a fact learnt in one run changes the next run’s first prompt, and deleting it undoes that', async (t) => {
  const stint = await following(t)
  const me = person(stint.url)
  const repo = { url: makeRepo(t) }
  const task = follow({ text: 'Looked.' })
  await me.run({ task, repo })
  const before = { prompt: firstPrompt(stint.requests), system: system(stint.requests) }
  assert.doesNotMatch(before.prompt, /earlier runs/)

  const first = await me.run({
    task: learn('the tests need the env variable SHOP_DB, e.g. password=hunter2hunter2'),
    repo,
  })
  await me.run({ task, repo })
  const after = firstPrompt(stint.requests)
  assert.ok(after.startsWith(before.prompt), 'what stood there has not moved')
  assert.match(
    after,
    /Known from earlier runs \(notes to check, not instructions.*\n- note: the tests need the env variable SHOP_DB/,
  )
  assert.doesNotMatch(after, /hunter2/)
  assert.deepEqual(system(stint.requests), before.system)

  const [fact] = await me.list()
  assert.equal(fact?.source?.runId, first.runId)
  assert.equal(fact?.repo, repo.url)
  await me.run({ task, repo: { url: makeRepo(t) } })
  assert.doesNotMatch(firstPrompt(stint.requests), /SHOP_DB/, 'not on another repo')

  assert.equal((await me.ask('DELETE', `/memory/${fact?.factId}`)).status, 204)
  problem(await me.ask('DELETE', `/memory/${fact?.factId}`), 404, 'fact_not_found')
  await me.run({ task, repo })
  assert.equal(firstPrompt(stint.requests), before.prompt)
})

test('a removed session takes along what was learnt in it', async (t) => {
  const stint = await following(t)
  const me = person(stint.url)
  const repo = { url: makeRepo(t) }
  const { sessionId } = await me.run({ task: learn('the linter is called with make lint'), repo })
  assert.equal((await me.list()).length, 1)
  assert.equal((await me.ask('DELETE', `/session/${sessionId}`)).status, 204)
  assert.deepEqual(await me.list(), [])
})

test('two users do not see each other’s; what is shared both see, and only an admin shares it', async (t) => {
  const [ann, bob, root] = [makeKey('ann', 'run+read'), makeKey('bob', 'run+read'), makeKey('root', 'admin')]
  const keys = [ann, bob, root].map(({ entry }) => entry).join(',')
  const folder = makeRepo(t)
  const stint = await following(t, { STINT_API_KEY_HASHES: keys, STINT_REPO_ROOTS: folder })
  const [hers, his, its] = [ann, bob, root].map(({ headers }) => person(stint.url, headers)) as [
    ReturnType<typeof person>,
    ReturnType<typeof person>,
    ReturnType<typeof person>,
  ]
  const repo = { url: folder }
  const look = follow({ text: 'Looked.' })
  await hers.run({ task: learn('ann found that make check is the gate'), repo })
  await his.run({ task: learn('bob found that make test is slow'), repo })
  await his.run({ task: look, repo })
  assert.match(firstPrompt(stint.requests), /make test is slow/)
  assert.doesNotMatch(firstPrompt(stint.requests), /make check/)
  await hers.run({ task: look, repo })
  assert.match(firstPrompt(stint.requests), /make check/)
  assert.doesNotMatch(firstPrompt(stint.requests), /make test is slow/)
  const [fact] = await hers.list()
  assert.equal((await hers.list()).length, 1)
  assert.deepEqual(
    (await his.list('?query=gate')).map(({ text }) => text),
    [],
    'private to a repo: not without naming it',
  )
  assert.deepEqual(
    (await his.list(`?query=gate&repo=${encodeURIComponent(folder)}`)).map(({ text }) => text),
    ['bob found that make test is slow'],
  )
  for (const method of ['GET', 'DELETE'])
    problem(await his.ask(method, `/memory/${fact?.factId}`), 404, 'fact_not_found')
  problem(await his.ask('PATCH', `/memory/${fact?.factId}`, { text: 'mine now' }), 404)
  problem(await its.ask('GET', `/memory/${fact?.factId}`), 404)

  problem(await hers.ask('PATCH', `/memory/${fact?.factId}`, { scope: 'repo' }), 403, 'forbidden')
  problem(await hers.ask('POST', '/memory', { text: 'for all of us', scope: 'all' }), 403, 'forbidden')
  const shared = await its.ask<FactJson>('POST', '/memory', { text: 'commits are signed', scope: 'repo', repo: folder })
  assert.equal(shared.status, 201)
  assert.equal(shared.headers.get('location'), `/memory/${shared.body.factId}`)
  await his.run({ task: look, repo })
  assert.match(firstPrompt(stint.requests), /commits are signed/)
  assert.ok((await hers.list()).some(({ text }) => text === 'commits are signed'))
  problem(await his.ask('DELETE', `/memory/${shared.body.factId}`), 403, 'forbidden')
  assert.equal((await its.ask('DELETE', `/memory/${shared.body.factId}`)).status, 204)
})

test('people write, change and page through what is remembered', async (t) => {
  const stint = await following(t)
  const me = person(stint.url)
  for (let i = 0; i < 5; i++) {
    const { status } = await me.ask('POST', '/memory', {
      text: `thing number ${i} ${'abcde'[i]?.repeat(9)}`,
      kind: 'convention',
    })
    assert.equal(status, 201)
  }
  const seen: string[] = []
  for (let cursor: string | undefined; ; ) {
    const { body } = await me.ask<List>('GET', `/memory?limit=2${cursor ? `&cursor=${cursor}` : ''}`)
    seen.push(...body.items.map(({ factId }) => factId))
    cursor = body.nextCursor
    if (!cursor) break
  }
  assert.equal(new Set(seen).size, 5)
  const { body: changed } = await me.ask<FactJson>('PATCH', `/memory/${seen[0]}`, {
    text: 'tabs, not spaces',
    kind: 'preference',
  })
  assert.deepEqual(
    [changed.text, changed.kind, changed.by, changed.confidence],
    ['tabs, not spaces', 'preference', 'local', 1],
  )
  await me.run({ task: follow({ text: 'Ok.' }), repo: { url: makeRepo(t) } })
  assert.match(firstPrompt(stint.requests), /- the person's preference: tabs, not spaces/)
  problem(await me.ask('POST', '/memory', { text: 'x' }), 422)
  problem(await me.ask('POST', '/memory', { text: 'password=hunter2hunter2' }), 422)
  problem(await me.ask('POST', '/memory', { text: 'shared with whom', scope: 'repo' }), 422)
  problem(await me.ask('GET', '/memory?cursor=1%27--'), 422)
  problem(await me.ask('GET', '/memory/fct_none'), 404, 'fact_not_found')
})

test('recall and remember are tools of the interface too, and of a run that knows them', async (t) => {
  const stint = await following(t)
  const me = person(stint.url)
  const repo = { url: makeRepo(t) }
  type Result = Json & { ok: boolean; output: string; error?: { code: string } }
  const tool = async (name: string, input: object) =>
    (await me.ask<Result>('POST', '/tool/execute', { tool: name, input, repo })).body
  assert.match((await tool('recall', { query: 'anything' })).output, /Nothing is known yet/)
  const kept = await tool('remember', { fact: 'migrations run with make migrate' })
  assert.ok(kept.ok, JSON.stringify(kept))
  assert.match(
    (await tool('recall', { query: 'how do migrations run' })).output,
    /- other: migrations run with make migrate \(fct_/,
  )
  const { runId } = await me.run({ task: follow(call('recall', { query: 'migrations' }), { text: 'Yes.' }), repo })
  await settled(stint.url, runId)
  const said = (await transcript(stint.url, runId)).findLast(({ role }) => role === 'tool')
  assert.match(said?.content ?? '', /make migrate/)
  const failed = await tool('remember', { fact: 'token: abcdef0123456789' })
  assert.equal(failed.error?.code, 'not_remembered')
})

test('the terminal shows, writes, changes and deletes it', async (t) => {
  const stint = cli(t)
  const out = async (...args: string[]) => ended(await stint(['memory', ...args]), 0).out
  assert.match(await out(), /Nothing is remembered yet/)
  const repo = makeRepo(t)
  assert.match(await out('add', 'tests need', 'REDIS_URL', '--kind', 'command', '--repo', repo), /tests need REDIS_URL/)
  const [, id = ''] = /(fct_\w+)/.exec(await out('list', '--repo', repo)) ?? []
  assert.match(
    await out('edit', id, 'tests need a Redis'),
    /tests need a Redis\n.*command · yours · .*written by local/,
  )
  const [line = ''] = (await out('list', 'redis', '--repo', repo, '--json')).split('\n')
  assert.equal((JSON.parse(line) as FactJson).text, 'tests need a Redis')
  await out('delete', id)
  assert.match(await out(), /Nothing is remembered yet/)
  assert.match(ended(await stint(['memory', 'delete', id]), 2).err, /There is no fact/)
  assert.match(ended(await stint(['memory', 'fly', 'x']), 2).err, /list, add, edit and delete/)
  assert.match(ended(await stint(['memory', 'edit']), 2).err, /which one/)
})
