/**
 * What runs learnt: listed, searched, written, changed and deleted by people. Everybody sees their own and what is shared;
 * sharing, and changing what is shared, needs the scope admin.
 */
import { createRoute, z } from '@hono/zod-openapi'
import { orgOf, ownScope, placeOf, repoScope, userScope } from '../core/facts.ts'
import { FACT_CHARS_MAX, PAGE_ITEMS_DEFAULT, PAGE_ITEMS_MAX, RECALL_FACTS_MAX } from '../core/limits.ts'
import { Fact } from '../core/records.ts'
import type { Memory } from '../ports.ts'
import { mayAdmin, needs } from './auth.ts'
import { type Caller, type Face, failures, json, makeRouter } from './context.ts'
import { Problem, problem } from './problem.ts'

const time = z.iso.datetime()
const iso = (ms: number): string => new Date(ms).toISOString()

export const Shared = z.enum(['user', 'repo', 'org', 'all'])
export const FactView = z
  .object({
    factId: z.string(),
    kind: Fact.shape.kind,
    text: z.string(),
    scope: Shared.openapi({
      description: 'Who is told of it: its user alone, or all who work on the repo, or for the organisation, or all.',
    }),
    repo: z.string().optional().openapi({ description: 'Only runs on this repo are told of it.' }),
    org: z.string().optional(),
    confidence: z.number(),
    by: z.string().optional().openapi({ description: 'Who wrote it; absent: a run learnt it.' }),
    source: z.object({ runId: z.string(), sessionId: z.string().optional() }).optional(),
    createdAt: time,
    updatedAt: time,
    expiresAt: time.optional(),
  })
  .openapi('Fact')

export function factView(fact: Fact): z.infer<typeof FactView> {
  const { id, kind, text, scope, confidence, by, runId, sessionId, createdAt, updatedAt, expiresAt } = fact
  const [, within] = / in (.+)$/s.exec(scope) ?? []
  const repo = scope.startsWith('repo:') ? scope.slice('repo:'.length) : scope.startsWith('user:') ? within : undefined
  return {
    factId: id,
    ...{ kind, text, confidence },
    scope: Shared.catch('all').parse(scope.split(':')[0]),
    ...(repo ? { repo } : {}),
    ...(scope.startsWith('org:') ? { org: scope.slice('org:'.length) } : {}),
    ...(by ? { by } : {}),
    ...(runId ? { source: { runId, ...(sessionId ? { sessionId } : {}) } } : {}),
    createdAt: iso(createdAt),
    updatedAt: iso(updatedAt),
    ...(expiresAt === undefined ? {} : { expiresAt: iso(expiresAt) }),
  }
}

const Text = z.string().trim().min(3).max(FACT_CHARS_MAX)
const FactId = z.object({ factId: z.string().openapi({ param: { name: 'factId', in: 'path' } }) })

export function memoryRoutes(face: Face) {
  const app = makeRouter()
  const { ids } = face.agent.ports
  /** @throws Problem */
  const memory = (): Memory => {
    const { memory: known } = face.agent.ports
    if (!known) throw new Problem('not_found', { detail: 'Nothing is remembered here.' })
    return known
  }

  /** One that this caller may see; for any other it is not there. @throws Problem */
  async function seen(factId: string, caller: Caller): Promise<Fact> {
    const fact = await memory().facts.get(factId)
    if (fact && (isOwn(fact, caller) || !fact.scope.startsWith('user:'))) return fact
    throw new Problem('fact_not_found', { detail: `There is no fact ${factId}.` })
  }
  async function own(factId: string, caller: Caller): Promise<Fact> {
    const fact = await seen(factId, caller)
    if (isOwn(fact, caller) || mayAdmin(caller)) return fact
    throw new Problem('forbidden', { detail: 'What is shared is changed with the scope admin.' })
  }

  const list = createRoute({
    method: 'get',
    path: '/memory',
    summary: 'What is remembered: your own and what is shared, newest first, or best first for a query',
    middleware: [needs('read')] as const,
    request: {
      query: z.object({
        query: z.string().min(1).max(2000).optional(),
        repo: z.string().min(1).max(2000).optional(),
        limit: z.coerce.number().int().min(1).max(PAGE_ITEMS_MAX).default(PAGE_ITEMS_DEFAULT),
        cursor: z
          .string()
          .regex(/^fct_\w+$/, 'is no cursor of this list')
          .optional(),
      }),
    },
    responses: {
      200: json(
        z.object({
          items: z.array(FactView),
          nextCursor: z.string().optional(),
          poorer: z.string().optional().openapi({ description: 'What did not answer: some facts may be missing.' }),
        }),
        'The facts',
      ),
      ...failures,
    },
  })
  app.openapi(list, async (c) => {
    const { query, repo, limit, cursor } = c.req.valid('query')
    const { id: by } = c.get('caller')
    if (query !== undefined) {
      const { facts, poorer } = await memory().recall({ by, repo }, query, Math.min(limit, RECALL_FACTS_MAX))
      return c.json({ items: facts.map(factView), ...(poorer ? { poorer } : {}) }, 200)
    }
    const org = repo && orgOf(repo)
    const { items, nextCursor } = await memory().facts.list({
      ...(repo
        ? { scopes: [ownScope({ by, repo }), repoScope(repo), ...(org ? [`org:${org}`] : [])] }
        : { scopes: ['all', userScope(by)], under: [`${userScope(by)} in `, 'repo:', 'org:'] }),
      limit,
      ...(cursor ? { cursor } : {}),
    })
    return c.json({ items: items.map(factView), ...(nextCursor ? { nextCursor } : {}) }, 200)
  })

  const show = createRoute({
    method: 'get',
    path: '/memory/{factId}',
    summary: 'One fact',
    middleware: [needs('read')] as const,
    request: { params: FactId },
    responses: { 200: json(FactView, 'The fact'), ...failures },
  })
  app.openapi(show, async (c) => c.json(factView(await seen(c.req.valid('param').factId, c.get('caller'))), 200))

  const add = createRoute({
    method: 'post',
    path: '/memory',
    summary: 'Write a fact for later runs',
    middleware: [needs('run')] as const,
    request: {
      body: {
        content: {
          'application/json': {
            schema: z.strictObject({
              text: Text,
              kind: Fact.shape.kind.default('other'),
              repo: z.string().min(1).max(2000).optional(),
              scope: Shared.default('user'),
            }),
          },
        },
        required: true,
      },
    },
    responses: { 201: json(FactView, 'Kept'), ...failures },
  })
  app.openapi(add, async (c) => {
    const { text, kind, repo, scope } = c.req.valid('json')
    const caller = c.get('caller')
    const to = placed(scope, { by: caller.id, repo }, caller)
    const kept = await memory().remember(to, { kind, text, confidence: 1 }, { id: ids.next('req'), by: caller.id })
    if (kept.what === 'dropped')
      return problem(c, 'invalid_request', {
        detail: kept.why,
        errors: [{ field: 'text', message: kept.why }],
      }) as never
    c.header('location', `/memory/${kept.fact.id}`)
    return c.json(factView(kept.fact), 201)
  })

  const change = createRoute({
    method: 'patch',
    path: '/memory/{factId}',
    summary: 'Change a fact, or who is told of it',
    middleware: [needs('run')] as const,
    request: {
      params: FactId,
      body: {
        content: {
          'application/json': {
            schema: z.strictObject({
              text: Text.optional(),
              kind: Fact.shape.kind.optional(),
              scope: Shared.optional(),
              confidence: z.number().min(0).max(1).optional(),
            }),
          },
        },
        required: true,
      },
    },
    responses: { 200: json(FactView, 'As it is now'), ...failures },
  })
  app.openapi(change, async (c) => {
    const caller = c.get('caller')
    const fact = await own(c.req.valid('param').factId, caller)
    const { text, kind, scope, confidence } = c.req.valid('json')
    const { repo } = factView(fact)
    const changed = await memory().facts.change(fact, {
      // What a person said stands until a person changes it.
      ...(text === undefined ? {} : { text, by: caller.id, confidence: 1, expiresAt: undefined }),
      ...(kind ? { kind } : {}),
      ...(confidence === undefined ? {} : { confidence }),
      ...(scope ? { scope: placed(scope, { by: caller.id, repo }, caller) } : {}),
    })
    return changed
      ? c.json(factView(changed), 200)
      : (problem(c, 'try_again', { detail: 'Somebody else changed it at this moment.' }) as never)
  })

  const remove = createRoute({
    method: 'delete',
    path: '/memory/{factId}',
    summary: 'Delete a fact: no later run is told of it',
    middleware: [needs('run')] as const,
    request: { params: FactId },
    responses: { 204: { description: 'Deleted' }, ...failures },
  })
  app.openapi(remove, async (c) => {
    await memory().facts.delete(await own(c.req.valid('param').factId, c.get('caller')))
    return c.body(null, 204)
  })

  return app
}

const isOwn = ({ scope }: Fact, { id }: Caller): boolean =>
  scope === userScope(id) || scope.startsWith(`${userScope(id)} in `)

/** @throws Problem */
export function placed(
  scope: z.infer<typeof Shared>,
  whose: { by: string; repo?: string | undefined },
  caller: Caller,
): string {
  if (scope === 'user') return ownScope(whose)
  if (!mayAdmin(caller)) throw new Problem('forbidden', { detail: 'Sharing a fact needs the scope admin.' })
  if (scope === 'all') return 'all'
  const { repo } = whose
  const place = repo && (scope === 'org' ? orgOf(repo) : placeOf(repo))
  if (!place)
    throw new Problem('invalid_request', {
      detail: repo
        ? `repo: ${repo} belongs to no organisation`
        : 'repo: is missing; it says whom the fact is shared with',
      errors: [{ field: 'repo', message: repo ? 'belongs to no organisation' : 'is missing' }],
    })
  return `${scope}:${place}`
}
