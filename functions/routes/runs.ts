/** Runs as they are seen: lists, one run, its events, transcript and diff. */
import { createRoute, z } from '@hono/zod-openapi'
import { PAGE_ITEMS_DEFAULT, PAGE_ITEMS_MAX } from '../core/limits.ts'
import { RunStatus } from '../core/types.ts'
import { needs } from './auth.ts'
import { type Face, failures, json, makeRouter } from './context.ts'
import { afterOf, streamEvents, wantsStream } from './events.ts'
import { problem } from './problem.ts'
import { EventView, eventView, MessageView, messageView, RunId, RunView, runView } from './views.ts'

const PageQuery = z.object({
  limit: z.coerce.number().int().min(1).max(PAGE_ITEMS_MAX).default(PAGE_ITEMS_DEFAULT),
  cursor: z
    .string()
    .regex(/^run_\w+$/, 'is no cursor of this list')
    .optional(),
})
const AfterQuery = z.object({
  cursor: z.coerce.number().int().min(0).optional(),
  after: z.coerce.number().int().min(0).optional(),
  limit: z.coerce.number().int().min(1).max(PAGE_ITEMS_MAX).default(PAGE_ITEMS_MAX),
})
export function runRoutes(face: Face) {
  const app = makeRouter()
  const { agent } = face
  const { store } = agent.ports

  const list = createRoute({
    method: 'get',
    path: '/runs',
    summary: 'Runs, newest first',
    middleware: [needs('read')] as const,
    request: { query: PageQuery.extend({ status: RunStatus.optional(), sessionId: z.string().optional() }) },
    responses: {
      200: json(z.object({ items: z.array(RunView), nextCursor: z.string().optional() }), 'A page'),
      ...failures,
    },
  })
  app.openapi(list, async (c) => {
    const { limit, cursor, status, sessionId } = c.req.valid('query')
    const page = await store.runs({
      limit,
      ...(cursor ? { cursor } : {}),
      ...(status ? { status } : {}),
      ...(sessionId ? { sessionId } : {}),
    })
    return c.json(
      { items: page.items.map((run) => runView(run)), ...(page.nextCursor ? { nextCursor: page.nextCursor } : {}) },
      200,
    )
  })

  const show = createRoute({
    method: 'get',
    path: '/runs/{runId}',
    summary: 'One run',
    middleware: [needs('read')] as const,
    request: { params: RunId },
    responses: { 200: json(RunView, 'The run'), ...failures },
  })
  app.openapi(show, async (c) => {
    const run = await store.run(c.req.valid('param').runId)
    return run
      ? c.json(runView(run, await store.feedback(run.runId)), 200)
      : (problem(c, 'run_not_found', { detail: `There is no run ${c.req.param('runId')}.` }) as never)
  })

  const events = createRoute({
    method: 'get',
    path: '/runs/{runId}/events',
    summary: 'The events of a run, as server-sent events or as a page',
    middleware: [needs('read')] as const,
    request: {
      params: RunId,
      query: AfterQuery,
      headers: z.object({
        'last-event-id': z.string().optional().openapi({ description: 'Goes on behind this event.' }),
      }),
    },
    responses: {
      200: {
        description: 'A stream, or a page for `Accept: application/json`',
        content: {
          'text/event-stream': { schema: z.string() },
          'application/json': { schema: z.object({ items: z.array(EventView), nextCursor: z.string().optional() }) },
        },
      },
      ...failures,
    },
  })
  app.openapi(events, async (c) => {
    const { runId } = c.req.valid('param')
    if (!(await store.run(runId)))
      return problem(c, 'run_not_found', { detail: `There is no run ${c.req.param('runId')}.` }) as never
    const after = afterOf(c)
    if (wantsStream(c) || !/json/.test(c.req.header('accept') ?? ''))
      return streamEvents(c, face, runId, after) as never
    const { limit } = c.req.valid('query')
    const items = await store.events(runId, after, limit + 1)
    const shown = items.slice(0, limit)
    return c.json(
      { items: shown.map(eventView), ...(items.length > limit ? { nextCursor: String(shown.at(-1)?.seq) } : {}) },
      200,
    )
  })

  const messages = createRoute({
    method: 'get',
    path: '/runs/{runId}/messages',
    summary: 'The transcript',
    middleware: [needs('read')] as const,
    request: {
      params: RunId,
      query: z.object({
        limit: z.coerce.number().int().min(1).max(PAGE_ITEMS_MAX).default(PAGE_ITEMS_MAX),
        cursor: z.coerce.number().int().min(0).default(0),
      }),
    },
    responses: {
      200: json(z.object({ items: z.array(MessageView), nextCursor: z.string().optional() }), 'A page, oldest first'),
      ...failures,
    },
  })
  app.openapi(messages, async (c) => {
    const { runId } = c.req.valid('param')
    const { limit, cursor } = c.req.valid('query')
    const run = await store.run(runId)
    if (!run) return problem(c, 'run_not_found', { detail: `There is no run ${c.req.param('runId')}.` }) as never
    const found = await store.messages(runId, cursor, limit)
    const last = cursor + found.length
    return c.json(
      {
        items: found.map((message, i) => messageView(message, cursor + 1 + i)),
        ...(last < run.messageSeq && found.length > 0 ? { nextCursor: String(last) } : {}),
      },
      200,
    )
  })

  const diff = createRoute({
    method: 'get',
    path: '/runs/{runId}/diff',
    summary: 'What changed in the workspace since the run began',
    middleware: [needs('read')] as const,
    request: { params: RunId },
    responses: {
      200: { description: 'A unified diff that git apply takes', content: { 'text/x-diff': { schema: z.string() } } },
      ...failures,
    },
  })
  app.openapi(diff, async (c) => {
    const made = await agent.diff(c.req.valid('param').runId)
    if (!made) return problem(c, 'run_not_found', { detail: `There is no run ${c.req.param('runId')}.` }) as never
    if (!made.ok) return problem(c, 'sandbox_unavailable', { detail: `${made.code}: ${made.message}` }) as never
    return c.body(made.diff, 200, { 'content-type': 'text/x-diff; charset=utf-8' }) as never
  })

  return app
}
