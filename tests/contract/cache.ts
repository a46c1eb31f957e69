/** What every cache must do, and ShortTermMemory on it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AgentContext } from '../../functions/core/context.ts'
import { ShortTermMemory } from '../../functions/memory/short-term.ts'
import type { Cache, ModelAnswer } from '../../functions/ports.ts'

export type CacheMaker = (t: { after(done: () => unknown): void }) => Promise<{
  cache: Cache
  /** Lets so much time pass. */
  pass(ms: number): Promise<void>
}>

const request = (part: Partial<AgentContext> = {}): AgentContext => ({
  model: 'm',
  messages: [{ role: 'user', content: 'hello "\u0000" wörd' }],
  tools: [{ name: 't', description: 'd', parameters: { type: 'object' } }],
  maxTokens: 100,
  ...part,
})
const answer = (content: string, part: Partial<ModelAnswer> = {}): ModelAnswer => ({
  ok: true,
  model: 'm',
  content,
  calls: [{ id: 'c', name: 't', arguments: '{"b":1,"a":"\\u0000"}' }],
  truncated: false,
  usage: { inputTokens: 1, cachedTokens: 0, outputTokens: 2 },
  ...part,
})

export function cacheContract(name: string, make: CacheMaker, skip?: string): void {
  const check = (what: string, body: (made: Awaited<ReturnType<CacheMaker>>) => Promise<void>) =>
    test(`${name}: ${what}`, skip ? { skip } : {}, async (t) => body(await make(t)))

  check(
    'a value comes back as it was, until its time is over or another is put in its place',
    async ({ cache, pass }) => {
      const values = [
        'text',
        '',
        '007',
        '{"a": 1}',
        '[1,2]',
        '"quoted"',
        '=x',
        'null',
        'wörd \u0000 \u{1F600}',
        'x'.repeat(300_000),
      ]
      for (const [i, value] of values.entries()) {
        await cache.set(`k${i}`, value, { ttlMs: 60_000, group: 'g' })
        assert.equal(await cache.get(`k${i}`), value)
      }
      assert.equal(await cache.get('none'), undefined)
      await cache.set('k0', 'other', { ttlMs: 150, group: 'g' })
      assert.equal(await cache.get('k0'), 'other')
      await pass(200)
      assert.equal(await cache.get('k0'), undefined)
      assert.equal(await cache.get('k2'), '007')
    },
  )

  check('a group is removed whole, and no other', async ({ cache }) => {
    for (const group of ['a', 'b'])
      for (const key of ['1', '2']) await cache.set(group + key, key, { ttlMs: 60_000, group })
    await cache.deleteGroup('a')
    await cache.deleteGroup('none')
    assert.deepEqual(await Promise.all(['a1', 'a2', 'b1', 'b2'].map((key) => cache.get(key))), [
      undefined,
      undefined,
      '1',
      '2',
    ])
  })

  check('memory: what a session needs again is kept for it alone, and goes with it', async ({ cache }) => {
    const memory = new ShortTermMemory({ cache })
    await memory.keep('ses_1', 'map', { files: ['a', 'b'] })
    await memory.keep('ses_2', 'map', [1])
    assert.deepEqual(await memory.recall('ses_1', 'map'), { files: ['a', 'b'] })
    assert.equal(await memory.recall('ses_1', 'other'), undefined)
    await memory.keepAnswer(request(), answer('yes'), 'ses_1')
    await memory.forget('ses_1')
    assert.equal(await memory.recall('ses_1', 'map'), undefined)
    assert.equal(await memory.answerTo(request()), undefined, 'answers go with the session they were given in')
    assert.deepEqual(await memory.recall('ses_2', 'map'), [1])
  })

  check('memory: an answer is found for exactly the same request', async ({ cache }) => {
    const memory = new ShortTermMemory({ cache })
    await memory.keepAnswer(request(), answer('yes'), 'ses_1')
    assert.deepEqual(await memory.answerTo(request()), answer('yes'))
    const { model, messages, tools, maxTokens } = request()
    assert.deepEqual(await memory.answerTo({ maxTokens, tools, messages, model }), answer('yes'))
    for (const other of [
      request({ model: 'n' }),
      request({ maxTokens: 101 }),
      request({ effort: 'low' }),
      request({ tools: [] }),
      request({ messages: [{ role: 'user', content: 'hello' }] }),
    ])
      assert.equal(await memory.answerTo(other), undefined)
    await memory.keepAnswer(request({ model: 'cut' }), answer('ye', { truncated: true }), 'ses_1')
    assert.equal(await memory.answerTo(request({ model: 'cut' })), undefined)
  })

  check('memory: what is read through it is loaded once, and goes with its session', async ({ cache }) => {
    const memory = new ShortTermMemory({ cache })
    let loads = 0
    const load = async () => ({ sessionId: 'ses_1', loads: ++loads })
    const read = () => memory.through('run_1', load, ({ sessionId }) => sessionId)
    assert.deepEqual([await read(), await read()], [await read(), { sessionId: 'ses_1', loads: 1 }])
    assert.equal(await memory.through('none', async () => undefined, String), undefined)
    await assert.rejects(
      memory.through('fails', () => Promise.reject(new Error('cold is down')), String),
      /cold is down/,
    )
    await memory.forget('ses_1')
    assert.equal((await read())?.loads, 2)
  })

  check(
    'memory: what was read before a session was removed, and is kept after it, does not stay',
    async ({ cache }) => {
      const memory = new ShortTermMemory({ cache })
      let arrived = (): void => {}
      const slow = new Promise<string>((resolve) => {
        arrived = () => resolve('old')
      })
      const reading = memory.through(
        'run_1',
        () => slow,
        () => 'ses_1',
      )
      await memory.forget('ses_1')
      arrived()
      assert.equal(await reading, 'old')
      assert.equal(await memory.through('run_1', async () => undefined, String), undefined)
    },
  )

  check('memory: what is too large is not kept', async ({ cache }) => {
    const memory = new ShortTermMemory({ cache })
    await memory.keep('ses_1', 'large', 'x'.repeat(300_000))
    assert.equal(await memory.recall('ses_1', 'large'), undefined)
  })
}
