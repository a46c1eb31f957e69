/** What runs did and cost: counted from the records of the runs themselves, wherever they are kept. */
import { createRoute, z } from '@hono/zod-openapi'
import { Tally } from '../core/analytics.ts'
import { placeOf } from '../core/facts.ts'
import { ANALYTICS_DAYS_DEFAULT, ANALYTICS_RUNS_MAX, PAGE_ITEMS_MAX } from '../core/limits.ts'
import type { Run } from '../core/types.ts'
import { needs } from './auth.ts'
import { type Face, failures, json, makeRouter } from './context.ts'
import { problem } from './problem.ts'

const DAY_MS = 24 * 3600_000
const Group = z.object({
  runs: z.int(),
  completed: z.int(),
  failed: z.int(),
  cancelled: z.int(),
  successRate: z.number().optional().openapi({ description: 'Of those that have ended and were not cancelled.' }),
  costUsd: z.number(),
  inputTokens: z.int(),
  cachedTokens: z.int(),
  outputTokens: z.int(),
  cacheHitRate: z.number().optional(),
  turns: z.int(),
  seconds: z
    .object({ p50: z.number(), p90: z.number(), p99: z.number() })
    .optional()
    .openapi({ description: 'Of work, not of waiting.' }),
})
const AnalyticsView = z
  .object({
    from: z.iso.datetime(),
    to: z.iso.datetime(),
    total: Group,
    days: z.array(Group.extend({ day: z.string() })),
    repos: z.array(Group.extend({ repo: z.string() })),
    users: z.array(Group.extend({ user: z.string() })),
    models: z.array(Group.extend({ model: z.string() })),
    tools: z.array(
      z.object({
        tool: z.string(),
        calls: z.int(),
        failed: z.int(),
        errorRate: z.number(),
        seconds: z.number(),
      }),
    ),
    truncated: z.boolean().openapi({ description: `True: only the newest ${ANALYTICS_RUNS_MAX} runs are counted.` }),
  })
  .openapi('Analytics')

const time = z.iso.datetime({ offset: true }).or(z.iso.date()).optional()

export function analyticsRoutes(face: Face) {
  const app = makeRouter()
  const { store, clock, settings } = face.agent.ports
  const modelOf = ({ model, fallback }: Run): string => fallback ?? (model === 'auto' ? settings.models.strong : model)

  const show = createRoute({
    method: 'get',
    path: '/analytics',
    summary: 'Runs, success, cost, tokens, cache hits, tool errors and latency, by day, repo, user, model and tool',
    middleware: [needs('read')] as const,
    request: {
      query: z.object({
        from: time.openapi({ description: `A time or a day; default ${ANALYTICS_DAYS_DEFAULT} days ago.` }),
        to: time,
        repo: z.string().min(1).max(2000).optional(),
        user: z.string().min(1).max(200).optional(),
        model: z.string().min(1).max(200).optional(),
      }),
    },
    responses: { 200: json(AnalyticsView, 'The figures of runs that began in this time'), ...failures },
  })
  app.openapi(show, async (c) => {
    const { repo, user, model, ...given } = c.req.valid('query')
    const to = given.to === undefined ? clock.now() + 1 : Date.parse(given.to)
    const from = given.from === undefined ? to - ANALYTICS_DAYS_DEFAULT * DAY_MS : Date.parse(given.from)
    if (from >= to)
      return problem(c, 'invalid_request', {
        detail: 'from: must be before to',
        errors: [{ field: 'from', message: 'must be before to' }],
      }) as never
    const tally = new Tally()
    const wanted = (run: Run): boolean =>
      run.createdAt < to &&
      run.createdAt >= from &&
      (repo === undefined || (run.repo !== undefined && placeOf(run.repo.url) === placeOf(repo))) &&
      (user === undefined || (run.by ?? 'local') === user) &&
      (model === undefined || modelOf(run) === model)
    let [read, truncated] = [0, false]
    for (let cursor: string | undefined; ; ) {
      const page = await store.runs({ limit: PAGE_ITEMS_MAX, ...(cursor === undefined ? {} : { cursor }) })
      for (const run of page.items) if (wanted(run)) tally.add(run, modelOf(run))
      read += page.items.length
      cursor = page.nextCursor
      // Ids are in the order of time, but for what clocks of several machines differ by.
      const last = page.items.at(-1)
      if (cursor === undefined || (last && last.createdAt < from - DAY_MS)) break
      truncated = read >= ANALYTICS_RUNS_MAX
      if (truncated) break
    }
    const times = { from: new Date(from).toISOString(), to: new Date(to).toISOString() }
    return c.json({ ...times, ...tally.figures(), truncated }, 200)
  })

  return app
}
