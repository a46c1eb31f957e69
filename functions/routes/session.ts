/** Sessions: a conversation with its workspace, seen whole or removed whole. */
import { createRoute, z } from '@hono/zod-openapi'
import { PAGE_ITEMS_MAX } from '../core/limits.ts'
import { needs } from './auth.ts'
import { type Face, failures, json, makeRouter } from './context.ts'
import { problem } from './problem.ts'
import { messageView, runView, SessionView, sessionView } from './views.ts'

const SessionId = z.object({ sessionId: z.string().openapi({ param: { name: 'sessionId', in: 'path' } }) })

export function sessionRoutes(face: Face) {
  const app = makeRouter()
  const { store } = face.agent.ports

  const show = createRoute({
    method: 'get',
    path: '/session/{sessionId}',
    summary: 'A session with its runs and messages',
    middleware: [needs('read')] as const,
    request: { params: SessionId },
    responses: { 200: json(SessionView, 'The session'), ...failures },
  })
  app.openapi(show, async (c) => {
    const { sessionId } = c.req.valid('param')
    const session = await store.session(sessionId)
    if (!session)
      return problem(c, 'session_not_found', { detail: `There is no session ${c.req.param('sessionId')}.` }) as never
    const { items } = await store.runs({ sessionId, limit: PAGE_ITEMS_MAX })
    const runs = await Promise.all(
      items.map(async (run) => ({
        ...runView(run),
        messages: (await store.messages(run.runId, 0)).map((message, i) => messageView(message, i + 1)),
      })),
    )
    return c.json(sessionView(session, runs.reverse()), 200)
  })

  const remove = createRoute({
    method: 'delete',
    path: '/session/{sessionId}',
    summary: 'Remove a session and all that is stored of it',
    middleware: [needs('run')] as const,
    request: { params: SessionId },
    responses: { 204: { description: 'Removed' }, ...failures },
  })
  app.openapi(remove, async (c) => {
    const done = await face.agent.forget(c.req.valid('param').sessionId)
    if (done === 'gone')
      return problem(c, 'session_not_found', { detail: `There is no session ${c.req.param('sessionId')}.` }) as never
    if (done === 'busy')
      return problem(c, 'session_busy', { detail: 'A run of this session is under way; cancel it first.' }) as never
    return c.body(null, 204)
  })

  return app
}
