/**
 * What wakes a person, in one table: alarms and dashboard are made of it, and each row has a runbook of the same name in
 * docs/operations/. Pure.
 */
import type { Plan } from './plan.ts'

export type Where = 'lambda' | 'queue' | 'api'
export type Alarm = {
  name: string
  title: string
  where: Where
  /** The function or queue; nothing for the API. */
  of?: string
  metric: string
  statistic: 'Sum' | 'Maximum' | 'Minimum'
  /** It is wrong when it is so much or more, or (`below`) less. */
  from?: number
  below?: number
  periodS: number
  /** For so many periods in a row. */
  periods: number
  /** No figure at all is as bad. */
  silenceIsBad?: boolean
}

const MINUTE_S = 60
const often = { statistic: 'Sum', periodS: 5 * MINUTE_S, periods: 1 } as const

export const alarmsFor = ({ worker }: Plan): Alarm[] => [
  {
    name: 'dead-letters',
    title: 'wake-ups given up and not buried',
    where: 'queue',
    of: 'dead',
    metric: 'ApproximateNumberOfMessagesVisible',
    statistic: 'Maximum',
    from: 1,
    periodS: 5 * MINUTE_S,
    periods: 1,
  },
  {
    name: 'queue-age',
    title: 'a wake-up is older than the longest stint',
    where: 'queue',
    of: 'wakes',
    metric: 'ApproximateAgeOfOldestMessage',
    statistic: 'Maximum',
    from: worker.visibilityS + 240,
    periodS: MINUTE_S,
    periods: 5,
  },
  {
    name: 'queue-backlog',
    title: 'wake-ups that nobody takes',
    where: 'queue',
    of: 'wakes',
    metric: 'ApproximateNumberOfMessagesVisible',
    statistic: 'Minimum',
    from: 1,
    periodS: 5 * MINUTE_S,
    periods: 3,
  },
  {
    name: 'worker-errors',
    title: 'stints that broke off',
    where: 'lambda',
    of: 'worker',
    metric: 'Errors',
    ...often,
    from: 5,
  },
  {
    name: 'worker-throttles',
    title: 'stints that were refused a place',
    where: 'lambda',
    of: 'worker',
    metric: 'Throttles',
    ...often,
    from: 20,
  },
  {
    name: 'worker-cut-off',
    title: 'a stint ran until Lambda ended it',
    where: 'lambda',
    of: 'worker',
    metric: 'Duration',
    statistic: 'Maximum',
    from: (worker.timeoutS - 1) * 1000,
    periodS: 5 * MINUTE_S,
    periods: 1,
  },
  {
    name: 'runaway',
    title: 'more stints in an hour than there should be',
    where: 'lambda',
    of: 'worker',
    metric: 'Invocations',
    statistic: 'Sum',
    from: worker.perHourMax,
    periodS: 60 * MINUTE_S,
    periods: 1,
  },
  {
    name: 'burial-errors',
    title: 'a wake-up that was given up is not buried',
    where: 'lambda',
    of: 'burial',
    metric: 'Errors',
    ...often,
    from: 1,
  },
  {
    name: 'timer-silent',
    title: 'nobody looks at what is due',
    where: 'lambda',
    of: 'timer',
    metric: 'Invocations',
    statistic: 'Sum',
    below: 1,
    periodS: 5 * MINUTE_S,
    periods: 1,
    silenceIsBad: true,
  },
  {
    name: 'timer-errors',
    title: 'the look at what is due fails',
    where: 'lambda',
    of: 'timer',
    metric: 'Errors',
    ...often,
    from: 3,
  },
  { name: 'api-errors', title: 'requests answered with 5xx', where: 'api', metric: '5XXError', ...often, from: 5 },
  {
    name: 'api-crashes',
    title: 'the function of the API broke off',
    where: 'lambda',
    of: 'api',
    metric: 'Errors',
    ...often,
    from: 5,
  },
  {
    name: 'api-throttles',
    title: 'requests that were refused a place',
    where: 'lambda',
    of: 'api',
    metric: 'Throttles',
    ...often,
    from: 5,
  },
  {
    name: 'sandbox-errors',
    title: 'calls that the sandbox broke off',
    where: 'lambda',
    of: 'sandbox',
    metric: 'Errors',
    ...often,
    from: 5,
  },
  {
    name: 'sandbox-throttles',
    title: 'runs that get no sandbox',
    where: 'lambda',
    of: 'sandbox',
    metric: 'Throttles',
    ...often,
    from: 20,
  },
  {
    name: 'carrier-errors',
    title: 'clones and pushes that broke off',
    where: 'lambda',
    of: 'carrier',
    metric: 'Errors',
    ...often,
    from: 5,
  },
]
