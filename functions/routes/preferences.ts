/**
 * What people want of every run: model, approval and costUsd where a request says nothing, and words for the agent. One's own
 * are anybody's to set; those of a repo, an organisation or all need the scope admin.
 */
import { createRoute, z } from '@hono/zod-openapi'
import { scopesOf } from '../core/facts.ts'
import { PREFERENCE_NAME, refusedValue } from '../core/preferences.ts'
import type { Preference } from '../core/records.ts'
import type { Memory } from '../ports.ts'
import { needs } from './auth.ts'
import { type Face, failures, json, makeRouter } from './context.ts'
import { placed, Shared } from './memory.ts'
import { Problem, problem } from './problem.ts'

const Value = z.union([z.string(), z.number()])
const PreferenceView = z
  .object({
    name: z.string(),
    value: Value,
    scope: Shared,
    repo: z.string().optional(),
    org: z.string().optional(),
    updatedAt: z.iso.datetime(),
  })
  .openapi('Preference')
const Preferred = z
  .object({ name: z.string(), value: Value, from: z.string().openapi({ description: 'Whose preference holds.' }) })
  .openapi('Preferred')

function view({ name, value, scope, updatedAt }: Preference): z.infer<typeof PreferenceView> {
  const [, within] = / in (.+)$/s.exec(scope) ?? []
  const repo = scope.startsWith('repo:') ? scope.slice('repo:'.length) : scope.startsWith('user:') ? within : undefined
  return {
    name,
    value: Value.catch('').parse(value),
    scope: Shared.catch('all').parse(scope.split(':')[0]),
    ...(repo ? { repo } : {}),
    ...(scope.startsWith('org:') ? { org: scope.slice('org:'.length) } : {}),
    updatedAt: new Date(updatedAt).toISOString(),
  }
}

const Name = z.object({
  name: z
    .string()
    .regex(PREFERENCE_NAME, 'must begin with a letter and hold at most 64 letters, digits, spaces, dots and dashes')
    .openapi({ param: { name: 'name', in: 'path' } }),
})
const Repo = z.string().min(1).max(2000).optional()

export function preferenceRoutes(face: Face) {
  const app = makeRouter()
  /** @throws Problem */
  const preferences = (): Memory['preferences'] => {
    const { memory } = face.agent.ports
    if (!memory) throw new Problem('not_found', { detail: 'Nothing is remembered here.' })
    return memory.preferences
  }

  const list = createRoute({
    method: 'get',
    path: '/preferences',
    summary: 'Your preferences and those shared with you, and which of them hold (for a repo)',
    middleware: [needs('read')] as const,
    request: { query: z.object({ repo: Repo }) },
    responses: {
      200: json(z.object({ items: z.array(PreferenceView), effective: z.array(Preferred) }), 'The preferences'),
      ...failures,
    },
  })
  app.openapi(list, async (c) => {
    const whose = { by: c.get('caller').id, repo: c.req.valid('query').repo }
    const items = await preferences().list(scopesOf(whose))
    return c.json({ items: items.map(view), effective: await preferences().effective(whose) }, 200)
  })

  const put = createRoute({
    method: 'put',
    path: '/preferences/{name}',
    summary: 'Set a preference: model, approval or costUsd, or any other in words for the agent',
    middleware: [needs('run')] as const,
    request: {
      params: Name,
      body: {
        content: {
          'application/json': {
            schema: z.strictObject({ value: Value, scope: Shared.default('user'), repo: Repo }),
          },
        },
        required: true,
      },
    },
    responses: { 200: json(PreferenceView, 'As it is now'), ...failures },
  })
  app.openapi(put, async (c) => {
    const { name } = c.req.valid('param')
    const { value, scope, repo } = c.req.valid('json')
    const caller = c.get('caller')
    const to = placed(scope, { by: caller.id, repo }, caller)
    const refused = refusedValue(name, value, scope !== 'user')
    if (refused)
      return problem(c, 'invalid_request', {
        detail: `value: ${refused}`,
        errors: [{ field: 'value', message: refused }],
      }) as never
    return c.json(view(await preferences().put({ scope: to, name, value })), 200)
  })

  const remove = createRoute({
    method: 'delete',
    path: '/preferences/{name}',
    summary: 'Remove a preference',
    middleware: [needs('run')] as const,
    request: { params: Name, query: z.object({ scope: Shared.default('user'), repo: Repo }) },
    responses: { 204: { description: 'Removed' }, ...failures },
  })
  app.openapi(remove, async (c) => {
    const { name } = c.req.valid('param')
    const { scope, repo } = c.req.valid('query')
    const caller = c.get('caller')
    const gone = await preferences().delete(placed(scope, { by: caller.id, repo }, caller), name)
    return gone
      ? c.body(null, 204)
      : (problem(c, 'preference_not_found', { detail: `There is no preference ${name} there.` }) as never)
  })

  return app
}
