/** What rows tell: pass@k, what it took, and whether one configuration is better than another. Pure. */
import type { Row } from './results.ts'

export type Figures = {
  tasks: number
  attempts: number
  /** Chance that at least one of k attempts passes, over all tasks. */
  passAt: { k: number; value: number }[]
  /** 95 % of pass@1, by resampling tasks. */
  interval: [number, number]
  costUsd: number
  costPerTaskMedian: number
  turnsMedian: number
  toolErrorRate: number
  prefixReuse: number
  secondsMedian: number
}

const RESAMPLES = 10_000

export function figures(rows: Row[]): Figures {
  const byTask = groups(rows)
  const attempts = Math.min(...byTask.map((own) => own.length))
  const sum = (of: (row: Row) => number) => rows.reduce((total, row) => total + of(row), 0)
  const ks = [...new Set([1, attempts])]
  return {
    tasks: byTask.length,
    attempts: rows.length,
    passAt: ks.map((k) => ({ k, value: mean(byTask.map((own) => passAtK(own.length, passes(own), k))) })),
    interval: resampled(byTask.map(rate)),
    costUsd: sum((row) => row.costUsd),
    costPerTaskMedian: median(byTask.map((own) => mean(own.map((row) => row.costUsd)))),
    turnsMedian: median(rows.map((row) => row.turns)),
    toolErrorRate: ratio(
      sum((row) => row.toolErrors),
      sum((row) => row.toolCalls),
    ),
    prefixReuse: ratio(
      sum((row) => row.cachedTokens),
      sum((row) => row.inputTokens),
    ),
    secondsMedian: median(rows.map((row) => row.seconds)),
  }
}

/**
 * The chance that k attempts drawn from n, of which c passed, hold one that passed: 1 - C(n-c, k) / C(n, k), without
 * the bias of 1 - (1 - c/n)^k. Source: Chen et al. 2021, arXiv 2107.03374, section 2.1.
 */
export function passAtK(n: number, c: number, k: number): number {
  if (n - c < k) return 1
  let none = 1
  for (let i = n - c + 1; i <= n; i++) none *= 1 - k / i
  return 1 - none
}

export type Comparison = {
  tasks: number
  /** pass@1 of the second minus that of the first, on the tasks that both have. */
  passDifference: number
  passInterval: [number, number]
  /** Cost of the second over the first's. */
  costRatio: number
  costInterval: [number, number]
  onlyFirst: string[]
  onlySecond: string[]
}

/** Pairs tasks by name: what differs between tasks then does not hide what differs between configurations. */
export function compare(first: Row[], second: Row[]): Comparison {
  const [a, b] = [first, second].map((rows) => Map.groupBy(rows, ({ task }) => task)) as [Groups, Groups]
  const both = [...a.keys()].filter((task) => b.has(task)).sort()
  const pairs = both.map((task) => [a.get(task) ?? [], b.get(task) ?? []] as const)
  const differences = pairs.map(([x, y]) => rate(y) - rate(x))
  const costs = pairs.map(([x, y]) => [mean(x.map((row) => row.costUsd)), mean(y.map((row) => row.costUsd))] as const)
  const costRatio = (of: readonly (readonly [number, number])[]) =>
    ratio(
      of.reduce((total, [, y]) => total + y, 0),
      of.reduce((total, [x]) => total + x, 0),
    )
  return {
    tasks: both.length,
    passDifference: mean(differences),
    passInterval: resampled(differences),
    costRatio: costRatio(costs),
    costInterval: spread(costs, costRatio),
    onlyFirst: both.filter((_, i) => (differences[i] ?? 0) < 0),
    onlySecond: both.filter((_, i) => (differences[i] ?? 0) > 0),
  }
}

const passes = (own: Row[]): number => own.filter(({ passed }) => passed).length
const rate = (own: Row[]): number => ratio(passes(own), own.length)
const ratio = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole)
const mean = (values: number[]): number =>
  ratio(
    values.reduce((total, value) => total + value, 0),
    values.length,
  )
const resampled = (values: number[]): [number, number] => spread(values, mean)

export function median(values: number[]): number {
  const sorted = [...values].sort((x, y) => x - y)
  const middle = sorted.length >> 1
  const [low = 0, high = 0] = [sorted[middle - 1], sorted[middle]]
  return sorted.length % 2 === 1 ? high : (low + high) / 2
}

type Groups = Map<string, Row[]>
const groups = (rows: Row[]): Row[][] => [...Map.groupBy(rows, ({ task }) => task).values()]

/**
 * The middle 95 % of `of` over resampled values (percentile bootstrap, Efron 1979). The draws are the same every time,
 * so that the same rows give the same interval.
 */
function spread<T>(values: T[], of: (values: T[]) => number): [number, number] {
  if (values.length === 0) return [0, 0]
  let state = 0x2545f491
  const draw = () => {
    // xorshift32: enough to pick rows by.
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return values[(state >>> 0) % values.length] as T
  }
  const seen = Array.from({ length: RESAMPLES }, () => of(values.map(draw))).sort((x, y) => x - y)
  return [seen[Math.floor(RESAMPLES * 0.025)] ?? 0, seen[Math.ceil(RESAMPLES * 0.975) - 1] ?? 0]
}
