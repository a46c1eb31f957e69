/** The HTTP face: what stands before every route, the routes, and how errors leave. It knows the engine, not its parts. */
import type { OpenAPIHono } from '@hono/zod-openapi'
import { bodyLimit } from 'hono/body-limit'
import { cors } from 'hono/cors'
import { HTTPException } from 'hono/http-exception'
import { methodNotAllowed } from 'hono/method-not-allowed'
import { REQUEST_BODY_BYTES_MAX } from '../core/limits.ts'
import { analyticsRoutes } from './analytics.ts'
import { admitCaller, identify } from './auth.ts'
import { codeRoutes } from './code.ts'
import { type Face, makeRouter, type Vars } from './context.ts'
import { executeRoutes } from './execute.ts'
import { memoryRoutes } from './memory.ts'
import { preferenceRoutes } from './preferences.ts'
import { codeOf, Problem, problem } from './problem.ts'
import { limitRate } from './rate.ts'
import { runRoutes } from './runs.ts'
import { sendRoutes } from './send.ts'
import { sessionRoutes } from './session.ts'
import { systemRoutes } from './system.ts'
import { toolRoutes } from './tools.ts'
import { wakeRoutes } from './wake.ts'

const WITH_BODY = new Set(['POST', 'PUT', 'PATCH'])

export function createApp(face: Face): OpenAPIHono<Vars> {
  const app = makeRouter()
  const { clock, ids } = face.agent.ports

  app.use(async (c, next) => {
    const given = c.req.header('x-request-id')
    const requestId = given && /^[\w.-]{1,100}$/.test(given) ? given : ids.next('req')
    c.set('requestId', requestId)
    const started = clock.now()
    await next()
    c.res.headers.set('x-request-id', requestId)
    c.res.headers.set('x-content-type-options', 'nosniff')
    face.log('debug', 'request', {
      requestId,
      method: c.req.method,
      path: c.req.path,
      status: c.res.status,
      ms: clock.now() - started,
    })
  })
  // Before who asks is checked: these carry the queue's signature and no key.
  if (face.wakes) app.route('/', wakeRoutes(face.wakes))
  if (face.corsOrigins.length > 0)
    app.use(
      cors({
        origin: face.corsOrigins,
        exposeHeaders: ['location', 'ratelimit', 'ratelimit-policy', 'retry-after', 'x-request-id'],
      }),
    )
  app.use(identify(face))
  app.use(limitRate(face, () => clock.now()))
  app.use(admitCaller(face))
  app.use(async (c, next) => {
    const sends = Number(c.req.header('content-length') ?? 0) > 0 || c.req.header('transfer-encoding') !== undefined
    const hasBody = WITH_BODY.has(c.req.method) && sends
    if (hasBody && !/^application\/json\s*(;|$)/i.test(c.req.header('content-type') ?? ''))
      return problem(c, 'unsupported_media_type', { detail: 'Send Content-Type: application/json.' })
    return next()
  })
  app.use(
    bodyLimit({
      maxSize: REQUEST_BODY_BYTES_MAX,
      onError: (c) => problem(c, 'too_large', { detail: `A body may have ${REQUEST_BODY_BYTES_MAX} bytes.` }),
    }),
  )

  app.use(
    methodNotAllowed({
      app,
      onMethodNotAllowed: (c, methods) =>
        problem(
          c,
          'method_not_allowed',
          { detail: `${c.req.path} takes ${methods.join(', ')}.` },
          { allow: methods.join(', ') },
        ),
    }),
  )

  app.onError((error, c) => {
    if (error instanceof Problem) return problem(c, error.code, error.extra)
    if (error instanceof HTTPException && error.status === 400)
      return problem(c, 'invalid_json', { detail: error.message })
    const { code, detail } = codeOf(error)
    face.log('error', 'request failed', {
      requestId: c.get('requestId'),
      path: c.req.path,
      error: error.message,
      stack: error.stack,
    })
    return problem(c, code, { detail })
  })
  app.notFound((c) =>
    problem(c, 'not_found', { detail: `There is no ${c.req.method} ${c.req.path}; /docs lists what there is.` }),
  )

  const { health, pages } = systemRoutes(face, () => app)
  const routes = [
    executeRoutes,
    runRoutes,
    sendRoutes,
    sessionRoutes,
    toolRoutes,
    codeRoutes,
    memoryRoutes,
    analyticsRoutes,
    preferenceRoutes,
    () => pages,
  ]
  for (const make of face.api ? routes : []) app.route('/', make(face))
  app.route('/', health)
  return app
}
