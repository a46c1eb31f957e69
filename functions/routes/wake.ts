/**
 * Where a queue that delivers over HTTP brings wake-ups. Its signature stands in for a key: these routes come before
 * the checks of who asks. They answer when the stint has ended, so that a wake-up whose process dies comes again.
 */
import { z } from '@hono/zod-openapi'
import { type Context, Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { STINT_HTTP_MS_MAX, WAKE_LATER_MS } from '../core/limits.ts'
import { GIVEN_UP_PATH, readWake, SWEEP_PATH, WAKE_PATH } from '../core/wake.ts'
import type { Vars, WakeDoor } from './context.ts'
import { problem } from './problem.ts'

const BODY_BYTES_MAX = 1024 * 1024
/** Rests before the second, third and last delivery: the free plan of QStash retries three times. */
const RESTS_S = [10, 60, 600]
/** What QStash sends of a message that it gave up; both bodies are base64. */
const GivenUp = z.object({ status: z.number().optional(), body: z.string().optional(), sourceBody: z.string() })

export function wakeRoutes(door: WakeDoor): Hono<Vars> {
  const app = new Hono<Vars>()
  const tooLarge = (c: Context) => problem(c, 'too_large', { detail: `A body may have ${BODY_BYTES_MAX} bytes.` })
  const signed = (path: string, perform: (c: Context, body: string) => Promise<Response>) =>
    app.post(path, bodyLimit({ maxSize: BODY_BYTES_MAX, onError: tooLarge }), async (c) => {
      const body = await c.req.text()
      const refused = door.verify(c.req.header('upstash-signature'), path, body)
      return refused ? problem(c, 'unauthorized', { detail: refused }) : perform(c, body)
    })

  signed(WAKE_PATH, async (c, body) => {
    const wake = readWake(body)
    if (!wake) return dropped(c, door)
    try {
      const delivered = await door.work.handle(wake, door.clock.now() + STINT_HTTP_MS_MAX)
      return delivered === 'done'
        ? c.body(null, 204)
        : again(c, WAKE_LATER_MS / 1000, 'The store does not know it yet.')
    } catch (error) {
      door.log('error', 'a stint broke off', { ...wake, error: (error as Error).message })
      const retried = Number(c.req.header('upstash-retried') ?? 0)
      return again(c, RESTS_S[retried] ?? 600, (error as Error).message)
    }
  })

  signed(GIVEN_UP_PATH, async (c, body) => {
    const given = GivenUp.safeParse(readJson(body))
    const wake = given.success ? readWake(decode(given.data.sourceBody)) : undefined
    if (!given.success || !wake) return dropped(c, door)
    await door.work.bury(wake, reason(given.data))
    return c.body(null, 204)
  })

  signed(SWEEP_PATH, async (c) => c.json({ woken: (await door.sweep()).length }))
  return app
}

/** Answered as done: sent again it would be no wake-up either. */
function dropped(c: Context, { log }: WakeDoor): Response {
  log('error', 'a message that is no wake-up was dropped', { messageId: c.req.header('upstash-message-id') })
  return c.body(null, 204)
}

const again = (c: Context, seconds: number, detail: string): Response =>
  problem(c, 'try_again', { detail }, { 'retry-after': String(seconds) })

const decode = (base64: string): string => Buffer.from(base64, 'base64').toString()

function reason({ status, body = '' }: z.infer<typeof GivenUp>): string {
  const answer = readJson(decode(body)) as { detail?: unknown } | undefined
  return typeof answer?.detail === 'string' ? answer.detail : `the server answered ${status ?? 'nothing'}`
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
