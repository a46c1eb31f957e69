/** A wake-up as it travels through a queue, and how patient queues are with one. */
import { z } from 'zod'
import { WAKE_RETRY_MS_FIRST, WAKE_RETRY_MS_MAX } from './limits.ts'

/** Where a queue that delivers over HTTP brings wake-ups, and those that it gave up; and where a timer asks for a sweep. */
export const WAKE_PATH = '/internal/wake'
export const GIVEN_UP_PATH = '/internal/given-up'
export const SWEEP_PATH = '/internal/sweep'

/** Nothing but names: what the run is, every worker reads from the store. */
const Body = z.object({ run: z.string().min(1).max(100), seq: z.int().min(0).optional() })

type Wake = { runId: string; step?: number }

export const wakeBody = ({ runId, step }: Wake): z.infer<typeof Body> => ({
  run: runId,
  ...(step === undefined ? {} : { seq: step }),
})
export const writeWake = (wake: Wake): string => JSON.stringify(wakeBody(wake))

/** Undefined for what is no wake-up: sent again, it would be none either. */
export function readWake(body: unknown): Wake | undefined {
  let given = body
  try {
    if (typeof body === 'string') given = JSON.parse(body)
  } catch {
    return undefined
  }
  const parsed = Body.safeParse(given)
  if (!parsed.success) return undefined
  const { run, seq } = parsed.data
  return { runId: run, ...(seq === undefined ? {} : { step: seq }) }
}

/** How long a wake-up rests that was tried so often in vain. */
export const retryDelayMs = (tries: number, firstMs = WAKE_RETRY_MS_FIRST): number =>
  Math.min(firstMs * 2 ** Math.max(0, tries - 1), WAKE_RETRY_MS_MAX)
