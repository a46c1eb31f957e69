/**
 * Lambda, fed by a timer: finds the runs that somebody must look at and sends a wake-up for each; and once an hour
 * removes what is kept no longer.
 */
import type { Context } from 'aws-lambda'
import { type Backend, backendHere } from './backend.ts'

/** Left for the last round of sends. */
const TAIL_MS = 10_000

export const sweepHandler =
  (open: () => Promise<Backend>) =>
  async (_event: unknown, context: Pick<Context, 'getRemainingTimeInMillis'>): Promise<{ woken: number }> => {
    const { agent, log, tidy } = await open()
    let woken = 0
    for (let round = 1; round > 0 && context.getRemainingTimeInMillis() > TAIL_MS; ) {
      round = (await agent.sweep()).length
      woken += round
    }
    if (woken > 0) log('info', 'runs were due', { woken })
    await tidy()
    return { woken }
  }

export const handler = sweepHandler(backendHere)
