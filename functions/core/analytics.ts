/**
 * What runs did and cost, in figures: by day, repo, person, model and tool. Pure: it counts the records it is given, one
 * after the other, and keeps no record.
 */
import type { Message, Run } from './types.ts'

export type Group = {
  runs: number
  completed: number
  failed: number
  cancelled: number
  /** Completed of those that have ended and were not cancelled; undefined: there are none. */
  successRate?: number
  costUsd: number
  inputTokens: number
  cachedTokens: number
  outputTokens: number
  /** Of the input; undefined: there was none. */
  cacheHitRate?: number
  turns: number
  /** Of work, not of waiting; of runs that have ended. */
  seconds?: { p50: number; p90: number; p99: number }
}
export type Analytics = {
  total: Group
  days: (Group & { day: string })[]
  repos: (Group & { repo: string })[]
  users: (Group & { user: string })[]
  models: (Group & { model: string })[]
  tools: { tool: string; calls: number; failed: number; errorRate: number; seconds: number }[]
}

/** Of a run with one more step's messages. */
export function toolsAfter(tools: Run['tools'], messages: Message[]): Run['tools'] {
  const results = messages.flatMap((message) => (message.role === 'tool' ? [message.result] : []))
  if (results.length === 0) return tools
  const counted = { ...tools }
  for (const { tool, ok, durationMs } of results) {
    const [calls, failed, ms] = counted[tool] ?? [0, 0, 0]
    counted[tool] = [calls + 1, failed + (ok ? 0 : 1), ms + Math.max(0, Math.round(durationMs))]
  }
  return counted
}

/** Takes runs one by one; `modelOf` names the model that a run really used. */
export class Tally {
  readonly #total = new Counter()
  readonly #groups = { days: new Map(), repos: new Map(), users: new Map(), models: new Map() } as Record<
    'days' | 'repos' | 'users' | 'models',
    Map<string, Counter>
  >
  readonly #tools = new Map<string, [number, number, number]>()

  add(run: Run, model: string): void {
    for (const [tool, [calls, failed, ms]] of Object.entries(run.tools ?? {})) {
      const [a, b, c] = this.#tools.get(tool) ?? [0, 0, 0]
      this.#tools.set(tool, [a + calls, b + failed, c + ms])
    }
    // A single tool call is no run of the agent.
    if (run.kind !== 'agent') return
    this.#total.add(run)
    const keys = {
      days: new Date(run.createdAt).toISOString().slice(0, 10),
      repos: run.repo?.url ?? '',
      users: run.by ?? 'local',
      models: model,
    }
    for (const name of ['days', 'repos', 'users', 'models'] as const) {
      const groups = this.#groups[name]
      const known = groups.get(keys[name]) ?? new Counter()
      known.add(run)
      groups.set(keys[name], known)
    }
  }

  figures(): Analytics {
    const listed = (name: 'days' | 'repos' | 'users' | 'models') =>
      [...this.#groups[name]].map(([key, counter]) => ({ key, ...counter.figures() }))
    const dearest = (a: Group, b: Group) => b.costUsd - a.costUsd || b.runs - a.runs
    return {
      total: this.#total.figures(),
      days: listed('days')
        .map(({ key: day, ...figures }) => ({ day, ...figures }))
        .sort((a, b) => (a.day < b.day ? -1 : 1)),
      repos: listed('repos')
        .map(({ key: repo, ...figures }) => ({ repo, ...figures }))
        .sort(dearest),
      users: listed('users')
        .map(({ key: user, ...figures }) => ({ user, ...figures }))
        .sort(dearest),
      models: listed('models')
        .map(({ key: model, ...figures }) => ({ model, ...figures }))
        .sort(dearest),
      tools: [...this.#tools]
        .map(([tool, [calls, failed, ms]]) => ({ tool, calls, failed, errorRate: failed / calls, seconds: ms / 1000 }))
        .sort((a, b) => b.calls - a.calls),
    }
  }
}

class Counter {
  #sums = {
    runs: 0,
    completed: 0,
    failed: 0,
    cancelled: 0,
    costUsd: 0,
    inputTokens: 0,
    cachedTokens: 0,
    outputTokens: 0,
    turns: 0,
  }
  readonly #seconds: number[] = []

  add({ status, usage, turns, workedMs }: Run): void {
    const sums = this.#sums
    sums.runs++
    sums.turns += turns
    for (const name of ['costUsd', 'inputTokens', 'cachedTokens', 'outputTokens'] as const) sums[name] += usage[name]
    if (status !== 'completed' && status !== 'failed' && status !== 'cancelled') return
    sums[status]++
    this.#seconds.push(workedMs / 1000)
  }

  figures(): Group {
    const { completed, failed, inputTokens, cachedTokens } = this.#sums
    const sorted = this.#seconds.toSorted((a, b) => a - b)
    return {
      ...this.#sums,
      ...(completed + failed > 0 ? { successRate: completed / (completed + failed) } : {}),
      ...(inputTokens > 0 ? { cacheHitRate: cachedTokens / inputTokens } : {}),
      ...(sorted.length > 0 ? { seconds: { p50: at(sorted, 0.5), p90: at(sorted, 0.9), p99: at(sorted, 0.99) } } : {}),
    }
  }
}

/** The value that so large a share of all is not above. */
const at = (sorted: number[], share: number): number => sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0
