import assert from 'node:assert/strict'
import { test } from 'node:test'
import { calls40, makeRepo, scriptOf } from '../bench/scenario.ts'
import type { Json } from '../functions/scripted/protocol.ts'
import { ask, runTask, scripted, startStint, tempFolder } from './support/world.ts'

const FIRST_REQUEST_BYTES_MAX = 12_288

/** Share of each request's prompt, from the second on, that the request before began with. */
function reuse(requests: Json[]): number {
  let [same, all, previous] = [0, 0, '']
  for (const [i, { tools, messages }] of requests.entries()) {
    const prompt = JSON.stringify({ tools, messages })
    let at = 0
    while (at < prompt.length && prompt[at] === previous[at]) at++
    if (i > 0) {
      same += at
      all += prompt.length
    }
    previous = prompt
  }
  return same / all
}

test('forty turns against a strict server: completed, nothing refused, the prefix stays, the right diff', async (t) => {
  const repo = `${tempFolder(t)}/repo`
  makeRepo(repo)
  const server = await scripted(t, scriptOf(calls40()))
  const { url } = await startStint(t, { GROQ_BASE_URL: server.url, GROQ_API_KEY: 'k' })
  const run = await runTask(url, { task: 'The test fails; mend it.', repo: { url: repo }, approval: 'auto' })
  assert.equal(run.status, 'completed', run.answer)
  assert.equal(run.turns, 40)
  assert.equal(server.requests.length, 40)
  assert.deepEqual(server.refused, [])
  const [first] = server.requests
  assert.ok(
    Buffer.byteLength(JSON.stringify(first)) <= FIRST_REQUEST_BYTES_MAX,
    `${Buffer.byteLength(JSON.stringify(first))} bytes`,
  )
  assert.ok(reuse(server.requests) >= 0.95, `${reuse(server.requests)}`)
  const { body: diff } = await ask<string>('GET', `${url}/runs/${run.runId}/diff`)
  assert.deepEqual(
    [...diff.matchAll(/^[+-](?![+-]{2}).*$/gm)].map(([line]) => line),
    [
      '+# Notes',
      '+',
      '+The sum began at one.',
      '-export const value3_0 = 300',
      '+export const value3_0 = 301',
      '-export const value4_1 = 401',
      '+export const value4_1 = 402',
      '-  let total = 1',
      '+  let total = 0',
    ],
  )

  // A second run of the same server begins with the same tools and system prompt: even its first request finds a cache.
  await runTask(url, { task: 'Another task.', repo: { url: repo }, approval: 'auto' })
  const beginning = (request: Json | undefined) =>
    JSON.stringify([request?.tools, (request?.messages as Json[] | undefined)?.[0]])
  assert.equal(beginning(server.requests[40]), beginning(first))
})

test('a run in the same session sees what the last one was asked and answered, and its files', async (t) => {
  const repo = `${tempFolder(t)}/repo`
  makeRepo(repo)
  const server = await scripted(t, [
    { calls: [{ name: 'write_file', arguments: { path: 'new.txt', content: 'one\n' } }] },
    { text: 'Wrote it.' },
  ])
  const { url } = await startStint(t, { GROQ_BASE_URL: server.url, GROQ_API_KEY: 'k' })
  const first = await runTask(url, { task: 'Write new.txt.', repo: { url: repo }, approval: 'auto' })
  const second = await runTask(url, { task: 'Again.', sessionId: first.sessionId, approval: 'auto' })
  assert.equal(second.status, 'completed')
  const messages = (server.requests.at(-2)?.messages ?? []) as Json[]
  assert.deepEqual(
    messages.slice(1, 3).map((message) => message.content),
    ['Write new.txt.', 'Wrote it.'],
  )
  assert.equal(second.diffStat.files, 0, 'the second run wrote the same and changed nothing')
  const read = await ask('POST', `${url}/tool/execute`, {
    tool: 'read_file',
    input: { path: 'new.txt' },
    sessionId: first.sessionId,
  })
  assert.equal(read.body.output, 'one')
})
