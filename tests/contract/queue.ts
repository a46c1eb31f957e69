/** What every Queue must do: wake at least once, not before its time, and go on when a worker fails. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Queue, Wake } from '../../functions/ports.ts'
import { until } from '../support/world.ts'

export type QueueMaker = (
  t: { after(done: () => unknown): void },
  handle: (wake: Wake) => Promise<void>,
) => Promise<Queue>

export function queueContract(name: string, make: QueueMaker, skip?: string): void {
  const check = (what: string, body: (t: { after(done: () => unknown): void }) => Promise<void>) =>
    test(`${name}: ${what}`, skip ? { skip } : {}, body)

  check('every wake-up arrives', async (t) => {
    const seen = new Set<string>()
    const queue = await make(t, async ({ runId }) => void seen.add(runId))
    const ids = Array.from({ length: 50 }, (_, i) => `run_${i}`)
    await Promise.all(ids.map((runId) => queue.send({ runId, step: 0 }, 0)))
    await until('all wake-ups', () => ids.every((id) => seen.has(id)))
  })

  check('a delayed one does not come early', async (t) => {
    let at = 0
    const queue = await make(t, async () => {
      at = performance.now()
    })
    const sent = performance.now()
    await queue.send({ runId: 'run_late', step: 0 }, 300)
    await until('the wake-up', () => at > 0)
    assert.ok(at - sent >= 290, `${at - sent} ms`)
  })

  check('a worker that throws stops nobody', async (t) => {
    const seen: string[] = []
    const queue = await make(t, async ({ runId }) => {
      seen.push(runId)
      if (runId === 'run_bad') throw new Error('boom')
    })
    await queue.send({ runId: 'run_bad', step: 0 }, 0)
    await queue.send({ runId: 'run_good', step: 0 }, 0)
    await until('the good one', () => seen.includes('run_good'))
  })

  check('a wake-up that comes while its run is under way is not lost', async (t) => {
    let count = 0
    let release = () => {}
    const queue = await make(t, async () => {
      count++
      if (count === 1)
        await new Promise<void>((resolve) => {
          release = resolve
        })
    })
    await queue.send({ runId: 'run_1', step: 0 }, 0)
    await until('the first', () => count === 1)
    await queue.send({ runId: 'run_1', step: 1 }, 0)
    await new Promise((resolve) => setTimeout(resolve, 50))
    release()
    await until('the second', () => count >= 2)
  })
}
