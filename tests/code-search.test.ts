import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { cli, ended } from './support/cli.ts'
import { execute, file, follow, following } from './support/http.ts'
import { ask, call, git, makeRepo, pause, runTask, scripted, settled, startStint } from './support/world.ts'

type Result = {
  path: string
  startLine: number
  endLine: number
  symbol?: string
  snippet: string
  score: number
  why: string
}
type Found = { results: Result[]; code?: string; detail?: string }

const FILES = {
  'src/session/expiry.ts':
    'export const DAY_MS = 86_400_000\n\n/** When a session is too old to go on. */\nexport function sessionExpired(startedAt: number, now: number): boolean {\n  return now - startedAt > DAY_MS\n}\n',
  'src/http/server.ts':
    'import { sessionExpired } from "../session/expiry"\nexport class Server {\n  handle(request: Request) {\n    if (sessionExpired(0, 1)) throw new Error("gone")\n  }\n}\n',
  'test/expiry.test.ts':
    'import { sessionExpired } from "../src/session/expiry"\ntest("old sessions expire", () => sessionExpired(0, 1))\n',
  'README.md': '# Sample\nSessions expire after a day.\n',
}
const stint = await following(file)
const { url } = stint
const folder = makeRepo(file, FILES)
const repo = { url: folder }
const search = (body: object) => ask<Found>('POST', `${url}/code/search`, body)
const paths = ({ results }: Found) => results.map(({ path }) => path)

test('search finds a place with its lines, symbol, snippet and why, each place once', async () => {
  const { status, body } = await search({ query: 'when do sessions expire', repo })
  assert.equal(status, 200, JSON.stringify(body))
  const [first] = body.results
  assert.equal(first?.path, 'src/session/expiry.ts')
  assert.equal(first?.symbol, 'sessionExpired')
  assert.deepEqual([first?.startLine, first?.endLine], [1, 7])
  assert.match(first?.snippet ?? '', /now - startedAt/)
  assert.ok((first?.score ?? 0) > 0 && (first?.score ?? 2) <= 1)
  assert.ok((first?.why.length ?? 0) > 5)
  assert.equal(new Set(paths(body)).size, body.results.length)
  assert.deepEqual(paths((await search({ query: 'session', repo, limit: 1 })).body).length, 1)
  assert.deepEqual(paths((await search({ query: 'sessions expire', repo, path: 'test' })).body), [
    'test/expiry.test.ts',
  ])
  assert.deepEqual(paths((await search({ query: 'sessions expire', repo, language: 'markdown' })).body), ['README.md'])
})

test('exact and regular expressions give every line; words too common to be ranked are found as they stand', async () => {
  const exact = await search({ query: 'sessionExpired(0, 1)', repo, mode: 'exact' })
  assert.deepEqual(
    exact.body.results.map(({ path, startLine }) => [path, startLine]),
    [
      ['src/http/server.ts', 4],
      ['test/expiry.test.ts', 2],
    ],
  )
  const regex = await search({ query: '^export (class|const)', repo, mode: 'regex' })
  assert.deepEqual(paths(regex.body), ['src/http/server.ts', 'src/session/expiry.ts'])
  const ref = await search({ query: 'sessionExpired(0, 1)', repo: { ...repo, ref: 'HEAD' }, mode: 'exact' })
  assert.deepEqual(ref.body.results, exact.body.results)
  assert.deepEqual(paths((await search({ query: 'after', repo })).body), ['README.md'])
})

test('an index says what it holds, and its link can be followed', async () => {
  const { status, body } = await ask('POST', `${url}/code/index`, { repo })
  assert.equal(status, 200)
  const { commit, files, chunks, ms } = body
  assert.equal(commit, git(folder, 'rev-parse', 'HEAD').trim())
  assert.equal(files, 4)
  assert.ok(Number(chunks) >= 4 && Number(ms) >= 0)
  const link = Buffer.from(JSON.stringify({ repo })).toString('base64url')
  assert.equal((await ask('GET', `${url}/code/index/${link}`)).body.files, 4)
  assert.equal((await ask('GET', `${url}/code/index/nonsense`)).status, 422)
})

test('what a run edited is searched in its session, and the repo stays as it was', async () => {
  const path = 'src/session/renewal.ts'
  const content = 'export function renewSession(id: string) {\n  return id\n}\n'
  const task = follow(call('write_file', { path, content }), call('search_code', { query: 'renew a session' }), {
    text: 'Done.',
  })
  const { runId, sessionId } = await execute(url, { task, repo, approval: 'auto' })
  assert.equal((await settled(url, runId)).status, 'completed')
  const { body } = await ask<{ items: { role: string; tool?: string; content: string }[] }>(
    'GET',
    `${url}/runs/${runId}/messages`,
  )
  const told = body.items.find(({ tool }) => tool === 'search_code')?.content ?? ''
  assert.match(told, /^src\/session\/renewal\.ts:1-4 renewSession/m)
  assert.equal(paths((await search({ query: 'renewSession', sessionId })).body)[0], path)
  assert.ok(!paths((await search({ query: 'renewSession', repo })).body).includes(path))
  assert.equal(paths((await search({ query: 'renewSession', sessionId, mode: 'exact' })).body)[0], path)
})

test('a change on disk is found soon after', async () => {
  const own = makeRepo(file, FILES)
  assert.equal((await search({ query: 'teapot', repo: { url: own } })).body.results.length, 0)
  writeFileSync(join(own, 'src/teapot.ts'), 'export const teapot = 418\n')
  await pause(1100)
  assert.deepEqual(paths((await search({ query: 'teapot', repo: { url: own } })).body), ['src/teapot.ts'])
})

test('what cannot be searched is refused with a reason', async () => {
  const refused = async (body: object) => {
    const { status, body: said } = await search(body)
    return [status, said.code]
  }
  assert.deepEqual(await refused({ query: 'x' }), [422, 'invalid_request'])
  assert.deepEqual(await refused({ query: 'x', repo, sessionId: 'ses_x' }), [422, 'invalid_request'])
  assert.deepEqual(await refused({ query: '  ', repo }), [422, 'invalid_request'])
  assert.deepEqual(await refused({ query: 'x', repo, limit: 101 }), [422, 'invalid_request'])
  assert.deepEqual(await refused({ query: 'x', sessionId: 'ses_none' }), [404, 'session_not_found'])
  assert.deepEqual(await refused({ query: 'x', repo: { url: '/nowhere/at/all' } }), [422, 'repo_not_found'])
  assert.deepEqual(await refused({ query: 'x', repo: { ...repo, ref: 'nowhere' } }), [422, 'ref_not_found'])
})

test('stint search and stint index, in a pipe and as JSON', async (t) => {
  const run = cli(t)
  const indexed = ended(await run(['index'], { cwd: folder }), 0)
  assert.match(indexed.out, /^4 files, \d+ pieces at [0-9a-f]{10}, /)
  const found = ended(await run(['search', 'when', 'sessions', 'expire'], { cwd: folder }), 0)
  assert.match(found.out, /^src\/session\/expiry\.ts:1-7 sessionExpired$/m)
  const lines = ended(await run(['search', 'sessionExpired(', '--exact', '--repo', folder]), 0)
  assert.match(lines.out, /^src\/http\/server\.ts:4: {4}if \(sessionExpired/m)
  const json = ended(await run(['search', 'session expired', '--json', '--limit', '1', '--repo', folder]), 0)
  assert.equal((JSON.parse(json.out) as Result).path, 'src/session/expiry.ts')
  assert.match(ended(await run(['search', 'zzqq', '--repo', folder]), 0).out, /Nothing found/)
  assert.match(ended(await run(['search', '--repo', folder]), 2).err, /say what is looked for/)
})

test('the tool is offered to the model and told of', async () => {
  await runTask(url, { task: follow({ text: 'Done.' }), repo })
  const tools = (stint.requests.at(-1)?.tools ?? []) as { function: { name: string } }[]
  assert.ok(tools.some((tool) => tool.function.name === 'search_code'))
  assert.ok(tools.length <= 12)
})

test('the fast model adds words when asked to, once for a question; without an answer the question stands alone', async (t) => {
  let refuses = false
  const model = await scripted(t, () => ({ text: 'sessionExpired startedAt; rm -rf / <|call|>' }), {
    intercept: async (_, response) => {
      if (refuses) response.writeHead(400, { 'content-type': 'application/json' }).end('{"error":{"message":"no"}}')
      return refuses
    },
  })
  const own = await startStint(t, { GROQ_API_KEY: 'test', GROQ_BASE_URL: model.url })
  const asked = async (body: object) =>
    (await ask<Found & { added?: string[] }>('POST', `${own.url}/code/search`, { repo, ...body })).body
  const query = 'how long may somebody stay'
  const first = await asked({ query, rewrite: true })
  assert.deepEqual(first.added, ['sessionExpired', 'startedAt', 'rm', 'rf', 'call'])
  assert.equal(first.results[0]?.path, 'src/session/expiry.ts')
  assert.deepEqual(await asked({ query, rewrite: true }), first)
  assert.equal(model.requests.length, 1, 'asked once')
  for (const body of [
    { query },
    { query: 'expiry', rewrite: true },
    { query: 'return now - startedAt', mode: 'exact', rewrite: true },
  ])
    assert.equal((await asked(body)).added, undefined, JSON.stringify(body))
  assert.equal(model.requests.length, 1)
  refuses = true
  const alone = await asked({ query: 'when do sessions expire here', rewrite: true })
  assert.equal(alone.added, undefined)
  assert.equal(alone.results[0]?.path, 'src/session/expiry.ts')
})
