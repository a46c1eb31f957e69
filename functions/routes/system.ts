/** What the server says of itself: alive, ready, its interface, and a page to read it. */
import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { type Face, failures, json, makeRouter, type Vars } from './context.ts'
import { problem } from './problem.ts'

/** Own files only: no script or style from elsewhere, nothing inline. */
const CONTENT_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

/** `pages` are the interface's own description and the console; a worker has only `health`. */
export function systemRoutes(face: Face, whole: () => OpenAPIHono<Vars>) {
  const app = makeRouter()
  const pages = makeRouter()

  const health = createRoute({
    method: 'get',
    path: '/health',
    summary: 'Is the process alive?',
    responses: { 200: json(z.object({ status: z.literal('ok'), version: z.string() }), 'Yes'), ...failures },
  })
  app.openapi(health, (c) => c.json({ status: 'ok' as const, version: face.version }, 200))

  const Checks = z.object({
    ready: z.boolean(),
    checks: z.record(z.string(), z.object({ ok: z.boolean(), detail: z.string() })),
  })
  const ready = createRoute({
    method: 'get',
    path: '/ready',
    summary: 'Does every needed service answer?',
    responses: { 200: json(Checks, 'Yes'), 503: json(Checks, 'No; the checks tell which does not') },
  })
  app.openapi(ready, async (c) => {
    const checks = await face.checks()
    const all = Object.values(checks).every((check) => check.ok)
    return c.json({ ready: all, checks }, all ? 200 : 503)
  })

  pages.get('/openapi.json', (c) =>
    c.json(
      whole().getOpenAPI31Document({
        openapi: '3.1.0',
        info: {
          title: 'Stint',
          version: face.version,
          description: 'A coding agent that works in short stints. Errors are RFC 9457 problem details with a `code`.',
        },
        ...(face.keys.length > 0 ? { security: [{ key: [] }] } : {}),
      }),
    ),
  )
  for (const path of ['/', '/docs', '/console.js', '/docs.js', '/console.css'])
    pages.get(path, (c) => {
      const page = face.page(path)
      if (!page) return problem(c, 'not_found')
      return c.body(page.body, 200, {
        'content-type': page.type,
        'content-security-policy': CONTENT_POLICY,
        'cache-control': 'no-cache',
        'referrer-policy': 'no-referrer',
        'x-frame-options': 'DENY',
      })
    })
  return { health: app, pages }
}
