/** A second run from the middle of a first, and what people say of runs. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Json } from '../functions/scripted/protocol.ts'
import { answersIn, ask, call, makeRepo, scripted, settled, startStint } from './support/world.ts'

type Run = Json & { runId: string; sessionId: string; status: string; step: number; forkedFrom?: Json; feedback?: Json }
type Message = { role: string; content: string; from?: string; tool?: string }

test('a fork goes on from what was said and done up to a step; the first run stays as it was', async (t) => {
  const model = await scripted(t, ({ messages }) => {
    const other = JSON.stringify(messages).includes('name it c')
    const turns = [
      call('write_file', { path: 'a.txt', content: 'a\n' }),
      call('write_file', { path: other ? 'c.txt' : 'b.txt', content: 'second\n' }),
      { text: other ? 'Wrote a and c.' : 'Wrote a and b.' },
    ]
    return turns[Math.min(answersIn(messages), 2)] ?? { text: '?' }
  })
  const { url } = await startStint(t, { GROQ_BASE_URL: model.url })
  const made = await ask<Run>('POST', `${url}/execute`, { task: 'Write two.', repo: { url: makeRepo(t) } })
  const { runId } = made.body
  const first = (await settled(url, runId)) as unknown as Run
  assert.equal(first.status, 'completed')
  const transcript = async (id: string) =>
    (await ask<{ items: Message[] }>('GET', `${url}/runs/${id}/messages`)).body.items
  const diff = async (id: string) => (await ask<string>('GET', `${url}/runs/${id}/diff`)).body
  const before = [await transcript(runId), await diff(runId)]

  // Step 1 prepares, 2 asks, 3 writes a.txt, 4 asks, 5 writes b.txt, 6 answers.
  const forked = await ask<Run>('POST', `${url}/runs/${runId}/fork`, { step: 3, task: 'Now name it c.' })
  assert.equal(forked.status, 202)
  assert.equal(forked.headers.get('location'), `/runs/${forked.body.runId}`)
  assert.notEqual(forked.body.sessionId, made.body.sessionId)
  const second = (await settled(url, forked.body.runId)) as unknown as Run
  assert.equal(second.answer, 'Wrote a and c.')
  assert.deepEqual(second.forkedFrom, { runId, step: 3 })
  const theirs = await diff(forked.body.runId)
  assert.match(theirs, /a\.txt/, 'the diff counts from where the first run began')
  assert.match(theirs, /c\.txt/)
  assert.doesNotMatch(theirs, /b\.txt/)
  const messages = await transcript(forked.body.runId)
  assert.deepEqual(
    messages.slice(0, 4).map(({ content }) => content),
    (before[0] as Message[]).slice(0, 4).map(({ content }) => content),
  )
  assert.deepEqual([messages[4]?.role, messages[4]?.content], ['user', 'Now name it c.'])
  assert.deepEqual([await transcript(runId), await diff(runId)], before, 'the first run is as it was')
  assert.deepEqual(model.refused, [], 'the model server takes what is sent')

  await t.test('from every step there is, with another model too', async () => {
    for (let step = 0; step <= first.step; step++) {
      const other = await ask<Run>('POST', `${url}/runs/${runId}/fork`, { step })
      const run = (await settled(url, other.body.runId)) as unknown as Run
      assert.deepEqual([run.status, run.answer], ['completed', 'Wrote a and b.'], `from step ${step}`)
      assert.equal(await diff(other.body.runId), before[1], `from step ${step}`)
    }
    const scriptedRun = await ask<Run>('POST', `${url}/runs/${runId}/fork`, { step: 3, model: 'scripted' })
    assert.equal(((await settled(url, scriptedRun.body.runId)) as unknown as Run).model, 'scripted')
    assert.deepEqual(model.refused, [])
  })

  await t.test('what cannot be forked says why', async () => {
    const none = await ask<{ code: string; detail: string }>('POST', `${url}/runs/${runId}/fork`, { step: 99 })
    assert.deepEqual([none.status, none.body.code], [422, 'step_not_found'])
    assert.match(none.body.detail, /steps 0 to 6/)
    assert.equal((await ask('POST', `${url}/runs/run_none/fork`, { step: 0 })).status, 404)
    assert.equal((await ask('POST', `${url}/runs/${runId}/fork`, { step: -1 })).status, 422)
    assert.equal((await ask('POST', `${url}/runs/${runId}/fork`, {})).status, 422)
  })

  await t.test('and it outlives the session it came from', async () => {
    assert.equal((await ask('DELETE', `${url}/session/${made.body.sessionId}`)).status, 204)
    assert.equal(await diff(forked.body.runId), theirs)
  })
})

test('feedback is kept with the run, and the last word counts', async (t) => {
  const model = await scripted(t, [{ text: 'Fine.' }])
  const { url } = await startStint(t, { GROQ_BASE_URL: model.url })
  const { runId } = (await ask<Run>('POST', `${url}/execute`, { task: 'x' })).body
  await settled(url, runId)
  const send = (body: Json) => ask<{ code: string }>('POST', `${url}/runs/${runId}/feedback`, body)
  assert.equal((await send({ score: -1, comment: 'no' })).status, 200)
  assert.equal((await send({ score: 1 })).status, 200)
  const { feedback } = (await ask<Run>('GET', `${url}/runs/${runId}`)).body
  assert.equal(feedback?.score, 1)
  assert.equal(feedback?.comment, undefined)
  assert.match(String(feedback?.at), /^\d{4}-/)
  assert.equal((await send({ score: 5 })).status, 422)
  assert.equal((await ask('POST', `${url}/runs/run_none/feedback`, { score: 1 })).status, 404)
})
