/**
 * What every queue must do: wake at least once, not before its time, go on when a worker fails, bring back what came to
 * nothing, and give it up in the end.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Delivered, Queue, Wake } from '../../functions/ports.ts'
import { pause, until } from '../support/world.ts'

export type Context = { after(done: () => unknown): void }
export type TestWork = { handle(wake: Wake): Promise<Delivered>; bury(wake: Wake, why: string): Promise<void> }
/** `fast`: rests are shortened; what comes in vain is given up after a few deliveries. */
export type QueueMaker = (t: Context, work: TestWork, fast: boolean) => Promise<Queue>

export function queueContract(name: string, make: QueueMaker, skip?: string): void {
  const check = (what: string, body: (t: Context) => Promise<void>) =>
    test(`${name}: ${what}`, skip ? { skip } : {}, body)
  const start = (t: Context, handle: (wake: Wake) => Promise<Delivered | undefined>, fast = true) => {
    const buried: { wake: Wake; why: string }[] = []
    const work: TestWork = {
      handle: async (wake) => (await handle(wake)) ?? 'done',
      bury: async (wake, why) => void buried.push({ wake, why }),
    }
    return make(t, work, fast).then((queue) => ({ queue, buried }))
  }

  check('every wake-up arrives', async (t) => {
    const seen = new Set<string>()
    const { queue } = await start(t, async ({ runId }) => void seen.add(runId))
    const ids = Array.from({ length: 50 }, (_, i) => `run_${i}`)
    await Promise.all(ids.map((runId) => queue.send({ runId, step: 0 }, 0)))
    await until('all wake-ups', () => ids.every((id) => seen.has(id)))
  })

  check('a wake-up arrives as it was sent, with its step or without', async (t) => {
    const seen: Wake[] = []
    const { queue } = await start(t, async (wake) => void seen.push(wake))
    await queue.send({ runId: 'run_a', step: 7 }, 0)
    await queue.send({ runId: 'run_b' }, 0)
    await until('both', () => seen.length >= 2)
    assert.deepEqual(
      seen.find(({ runId }) => runId === 'run_a'),
      { runId: 'run_a', step: 7 },
    )
    assert.deepEqual(
      seen.find(({ runId }) => runId === 'run_b'),
      { runId: 'run_b' },
    )
  })

  check('a delayed one does not come early', async (t) => {
    let at = 0
    const { queue } = await start(
      t,
      async () => {
        at = performance.now()
        return undefined
      },
      false,
    )
    const sent = performance.now()
    await queue.send({ runId: 'run_late', step: 0 }, 300)
    await until('the wake-up', () => at > 0)
    assert.ok(at - sent >= 290, `${at - sent} ms`)
  })

  check('a wake-up sent again for the same step arrives again', async (t) => {
    let count = 0
    const { queue } = await start(t, async () => void count++)
    for (let sent = 1; sent <= 3; sent++) {
      await queue.send({ runId: 'run_1', step: 4 }, 0)
      await until(`wake-up ${sent}`, () => count >= sent)
    }
  })

  check('a worker that throws stops nobody', async (t) => {
    const seen: string[] = []
    const { queue } = await start(t, async ({ runId }) => {
      seen.push(runId)
      if (runId === 'run_bad') throw new Error('boom')
      return undefined
    })
    await queue.send({ runId: 'run_bad', step: 0 }, 0)
    await queue.send({ runId: 'run_good', step: 0 }, 0)
    await until('the good one', () => seen.includes('run_good'))
  })

  check('what came to nothing comes again', async (t) => {
    let count = 0
    const { queue, buried } = await start(t, async () => {
      if (++count < 3) throw new Error('not now')
      return undefined
    })
    await queue.send({ runId: 'run_1', step: 0 }, 0)
    await until('the third delivery', () => count === 3)
    await pause(100)
    assert.deepEqual([count, buried.length], [3, 0])
  })

  check('what always comes to nothing is given up, with its step and a reason', async (t) => {
    let count = 0
    const { queue, buried } = await start(t, async () => {
      count++
      throw new Error('never')
    })
    await queue.send({ runId: 'run_1', step: 5 }, 0)
    const { wake, why } = await until('the burial', () => buried[0])
    assert.deepEqual(wake, { runId: 'run_1', step: 5 })
    assert.ok(why.length > 0)
    await pause(200)
    assert.ok(count >= 3 && count <= 8, `${count} deliveries`)
    assert.equal(buried.length, 1)
  })

  check('one that is too early comes again later', async (t) => {
    let count = 0
    const { queue, buried } = await start(t, async () => (++count < 3 ? 'later' : 'done'))
    await queue.send({ runId: 'run_1', step: 9 }, 0)
    await until('the third delivery', () => count === 3)
    await pause(100)
    assert.deepEqual([count, buried.length], [3, 0])
  })

  check('a wake-up that comes while its run is under way is not lost', async (t) => {
    let count = 0
    let release = () => {}
    const { queue } = await start(t, async () => {
      count++
      if (count === 1)
        await new Promise<void>((resolve) => {
          release = resolve
        })
      return undefined
    })
    await queue.send({ runId: 'run_1', step: 0 }, 0)
    await until('the first', () => count === 1)
    await queue.send({ runId: 'run_1', step: 1 }, 0)
    await pause(50)
    release()
    await until('the second', () => count >= 2)
  })
}
