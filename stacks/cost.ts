/**
 * What a stage costs at AWS's list prices (us-east-1, arm64, without free allowances): idle, and for a thousand runs. Pure.
 * The model's own price is not in it; `GET /runs/{id}` tells that of each run.
 */
import type { Plan } from './plan.ts'

/** US dollars. */
const PRICE = {
  lambdaGbSecond: 0.0000133334,
  lambdaRequest: 0.2 / 1e6,
  /** Beyond the 512 MB that are free. */
  diskGbSecond: 0.0000000309,
  /** For each environment that is made for one tenant, by its memory. */
  tenantGb: 0.000167,
  sqsRequest: 0.4 / 1e6,
  restRequest: 3.5 / 1e6,
  scheduled: 1 / 1e6,
  s3Put: 0.005 / 1000,
  s3Get: 0.0004 / 1000,
  s3GbMonth: 0.023,
  logGb: 0.5,
  alarmMonth: 0.1,
  dashboardMonth: 3,
  imageGbMonth: 0.1,
}
/** Free each month, for good: of what is paid when idle, all else lies within it too. */
const FREE = { alarms: 10, sqsRequests: 1e6 }
const MONTH_S = 30 * 24 * 3600

/** A run as they are, give or take. */
export const TYPICAL_RUN = {
  turns: 20,
  modelSeconds: 60,
  toolCalls: 30,
  toolSeconds: 120,
  cloneSeconds: 10,
  stints: 3,
  requests: 20,
  watchedSeconds: 180,
  storedMb: 5,
  logKb: 100,
}

export type Line = { what: string; usd: number }
/** `idleFreeUsd`: where the account's standing allowances are not used up by others. */
export type Estimate = {
  idle: Line[]
  idleUsd: number
  idleFreeUsd: number
  thousandRuns: Line[]
  thousandRunsUsd: number
}

const gb = (memoryMb: number) => memoryMb / 1024
const sumOf = (lines: Line[]) => lines.reduce((sum, { usd }) => sum + usd, 0)

export function estimate(plan: Plan, alarms: number): Estimate {
  const run = TYPICAL_RUN
  const disk = ({ diskMb }: { diskMb: number }) => gb(diskMb - 512) * PRICE.diskGbSecond
  const box = (size: { memoryMb: number; diskMb: number }) => gb(size.memoryMb) * PRICE.lambdaGbSecond + disk(size)
  const looks = MONTH_S / 60
  // Lambda asks both queues all the time, with five askers that wait 20 seconds each.
  const asked = 2 * 5 * (MONTH_S / 20)
  const image = 0.5 * PRICE.imageGbMonth
  const idleFreeUsd =
    image +
    Math.max(0, alarms - FREE.alarms) * PRICE.alarmMonth +
    Math.max(0, asked - FREE.sqsRequests) * PRICE.sqsRequest
  const idle: Line[] = [
    { what: `${alarms} alarms`, usd: alarms * PRICE.alarmMonth },
    { what: 'the dashboard', usd: PRICE.dashboardMonth },
    {
      what: 'a look each minute',
      usd: looks * (PRICE.scheduled + PRICE.lambdaRequest + 0.3 * gb(plan.timer.memoryMb) * PRICE.lambdaGbSecond),
    },
    { what: 'two queues that are asked', usd: asked * PRICE.sqsRequest },
    { what: 'the image of the sandbox', usd: image },
  ]
  const each: Line[] = [
    { what: 'worker', usd: (run.modelSeconds + run.toolSeconds) * gb(plan.worker.memoryMb) * PRICE.lambdaGbSecond },
    { what: 'sandbox', usd: run.toolSeconds * box(plan.sandbox) + gb(plan.sandbox.memoryMb) * PRICE.tenantGb },
    { what: 'carrier', usd: run.cloneSeconds * box(plan.carrier) },
    {
      what: 'API, and one who watches',
      usd: run.requests * PRICE.restRequest + run.watchedSeconds * gb(plan.api.memoryMb) * PRICE.lambdaGbSecond,
    },
    {
      what: 'messages, objects, logs',
      usd:
        run.stints * 3 * PRICE.sqsRequest +
        (run.stints + run.toolCalls + run.requests) * PRICE.lambdaRequest +
        run.toolCalls * PRICE.s3Put +
        run.stints * 10 * PRICE.s3Get +
        (run.storedMb / 1024) * PRICE.s3GbMonth +
        (run.logKb / 1024 / 1024) * PRICE.logGb,
    },
  ]
  const thousandRuns = each.map(({ what, usd }) => ({ what, usd: usd * 1000 }))
  return { idle, idleUsd: sumOf(idle), idleFreeUsd, thousandRuns, thousandRunsUsd: sumOf(thousandRuns) }
}
