/** A run that goes round in circles is told so, then another model is asked, then it ends as stuck. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Json } from '../functions/scripted/protocol.ts'
import { answersIn, call, makeRepo, runTask, scripted, startStint } from './support/world.ts'

test('runs that go round in circles', async (t) => {
  const model = await scripted(t, ({ messages }) => {
    const place = answersIn(messages)
    const task = /loop:(\w+)/.exec(JSON.stringify(messages))?.[1]
    const told = /You have made the same/.test(JSON.stringify(messages))
    switch (task) {
      case 'same':
        return call('read_file', { path: 'README.md' })
      case 'cycle':
        return place % 2 === 0 ? call('read_file', { path: 'README.md' }) : call('read_file', { path: 'missing.txt' })
      case 'listens':
        return told ? { text: 'I stop.' } : call('read_file', { path: 'README.md' })
      case 'refused':
        return call('read_file', { offset: 3 })
      case 'polls':
        return place < 10 ? call('run_command', { command: 'sleep 0.01; echo not yet' }) : { text: 'I waited.' }
      case 'works':
        return place < 12 ? call('run_command', { command: 'echo x >> log.txt; wc -l log.txt' }) : { text: 'I worked.' }
      default:
        return { text: 'What?' }
    }
  })
  const { url } = await startStint(t, { GROQ_BASE_URL: model.url, GROQ_API_KEY: 'k' })
  const repo = makeRepo(t)
  const run = (name: string) => runTask(url, { task: `Fix it. loop:${name}`, repo: { url: repo }, approval: 'auto' })
  const asked = (name: string) =>
    model.requests.filter((request) => JSON.stringify(request.messages).includes(`loop:${name}`))
  const notes = (name: string) =>
    ((asked(name).at(-1)?.messages ?? []) as Json[]).filter(({ content }) => /You have made/.test(String(content)))

  await t.test('the same call with the same result', async () => {
    const { status, stopReason, answer, turns } = await run('same')
    assert.deepEqual([status, stopReason, turns], ['failed', 'stuck', 7])
    assert.match(answer ?? '', /the same call 7 times in a row/)
    assert.deepEqual(notes('same').length, 2)
    const models = asked('same').map(({ model }) => model)
    assert.deepEqual(
      [models[2], models[4], models[5]],
      ['openai/gpt-oss-120b', 'openai/gpt-oss-120b', 'openai/gpt-oss-20b'],
    )
  })
  await t.test('a cycle of two calls', async () => {
    const { stopReason, turns, answer } = await run('cycle')
    assert.deepEqual([stopReason, turns], ['stuck', 10])
    assert.match(answer ?? '', /the same 2 calls 5 times/)
  })
  await t.test('a call that is refused again and again', async () =>
    assert.equal((await run('refused')).stopReason, 'stuck'),
  )
  await t.test('who listens goes on', async () => assert.equal((await run('listens')).answer, 'I stop.'))
  await t.test('waiting is no circle', async () => assert.equal((await run('polls')).answer, 'I waited.'))
  await t.test('a call whose result changes is none', async () =>
    assert.equal((await run('works')).answer, 'I worked.'),
  )
})
