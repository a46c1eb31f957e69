/** The timer: every minute somebody looks at what is due, so that a lost wake-up costs a minute and no run. */
import { handler } from './handler.ts'
import { secretsOf } from './secrets.ts'
import { placesOf, type Shared } from './worker.ts'

export function timer(shared: Shared) {
  const { plan, store, queue, boxes } = shared
  const sweep = handler('timer', {
    entry: 'cron',
    size: plan.timer,
    plan,
    // It also removes sessions that are kept no longer, with their workspaces.
    rights: [...queue.send, ...boxes.askSandbox, ...store.remove],
    environment: { ...placesOf(shared), ...secretsOf('timer') },
  })
  // The next look is a minute away, so one that failed is not made up for.
  new sst.aws.CronV2('Sweep', { schedule: 'rate(1 minute)', function: sweep.arn, retries: 0 })
  return { sweep }
}
