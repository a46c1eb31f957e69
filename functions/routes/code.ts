/** Code search: the files of a repo, or of a session's workspace, by what they are about; and the index it needs. */
import { createRoute, z } from '@hono/zod-openapi'
import { CODE_QUERY_CHARS_MAX, CODE_RESULTS_MAX, WAIT_SECONDS_MAX } from '../core/limits.ts'
import type { CodePlace } from '../engine/code.ts'
import type { CodeReply } from '../ports.ts'
import { needs } from './auth.ts'
import { type Face, failures, json, makeRouter } from './context.ts'
import { Problem } from './problem.ts'
import { checkRepo } from './repo.ts'
import { RepoInput } from './views.ts'

const Place = { repo: RepoInput.optional(), sessionId: z.string().optional() }
const SearchBody = z
  .strictObject({
    ...Place,
    query: z.string().trim().min(1, 'is empty; say what is looked for').max(CODE_QUERY_CHARS_MAX),
    limit: z.int().min(1).max(CODE_RESULTS_MAX).default(10),
    path: z.string().min(1).max(500).optional().openapi({ description: 'A folder, a file, or a pattern of paths.' }),
    language: z.string().min(1).max(40).optional().openapi({ example: 'typescript' }),
    mode: z.enum(['ranked', 'exact', 'regex']).default('ranked').openapi({
      description: 'ranked: by what the query is about. exact, regex: every line with the text, or that matches.',
    }),
    rewrite: z.boolean().default(false).openapi({
      description: 'The fast model adds words that the code may hold. Costs a call; without a model nothing is added.',
    }),
  })
  .openapi('CodeSearch')
const IndexBody = z.strictObject(Place).openapi('CodeIndex')
const Results = z
  .object({
    results: z.array(
      z.object({
        path: z.string(),
        startLine: z.int(),
        endLine: z.int(),
        symbol: z.string().optional(),
        snippet: z.string(),
        score: z.number(),
        why: z.string(),
      }),
    ),
    added: z.array(z.string()).optional().openapi({ description: 'Words of the fast model that were looked for too.' }),
  })
  .openapi('CodeResults')
const Indexed = z
  .object({
    commit: z.string().optional(),
    files: z.int(),
    chunks: z.int(),
    ms: z.number(),
    left: z.int().optional().openapi({ description: 'Files beyond what one index holds; they are not searched.' }),
  })
  .openapi('CodeIndexed')
const Indexing = z
  .object({ status: z.literal('indexing'), done: z.int(), total: z.int(), links: z.object({ self: z.string() }) })
  .openapi('CodeIndexing')

type Pending = Extract<CodeReply, { state: 'pending' }>
type Ready = Extract<CodeReply, { state: 'ready' }>

export function codeRoutes(face: Face) {
  const app = makeRouter()
  const { agent } = face

  /** @throws Problem when neither or both are named, or the repo may not be. */
  async function placeOf({
    repo,
    sessionId,
  }: {
    repo?: z.infer<typeof RepoInput>
    sessionId?: string
  }): Promise<CodePlace> {
    if ((repo === undefined) === (sessionId === undefined))
      throw new Problem('invalid_request', { detail: 'Name either repo or sessionId: where the code is.' })
    if (sessionId !== undefined) return { sessionId }
    const checked = await checkRepo(repo, face)
    return { repo: checked as NonNullable<typeof checked> }
  }

  const search = createRoute({
    method: 'post',
    path: '/code/search',
    summary: 'Find code by what it is about',
    middleware: [needs('read')] as const,
    request: { body: { content: { 'application/json': { schema: SearchBody } }, required: true } },
    responses: {
      200: json(Results, 'Best first, one result per place'),
      202: json(Indexing, 'The index is not ready yet; the link tells when it is'),
      ...failures,
    },
  })
  app.openapi(search, async (c) => {
    const { repo, sessionId, query, limit, path, language, mode, rewrite } = c.req.valid('json')
    const place = await placeOf({ ...(repo ? { repo } : {}), ...(sessionId ? { sessionId } : {}) })
    const wanted = { query, limit, mode, ...(path ? { paths: [path] } : {}), ...(language ? { language } : {}) }
    const reply = await agent.searchCode({ place, search: wanted, rewrite, waitMs: WAIT_SECONDS_MAX * 1000 })
    const done = readyOf(reply)
    const { added } = reply
    if (done.state === 'ready') return c.json({ results: done.results, ...(added ? { added } : {}) }, 200)
    return c.json(indexing(done, place), 202, headersOf(place))
  })

  const index = createRoute({
    method: 'post',
    path: '/code/index',
    summary: 'Build or refresh the index of a repo or a session',
    middleware: [needs('run')] as const,
    request: { body: { content: { 'application/json': { schema: IndexBody } }, required: true } },
    responses: {
      200: json(Indexed, 'The index is up to date'),
      202: json(Indexing, 'It takes longer; the link tells when it is done'),
      ...failures,
    },
  })
  app.openapi(index, async (c) => {
    const { repo, sessionId } = c.req.valid('json')
    const place = await placeOf({ ...(repo ? { repo } : {}), ...(sessionId ? { sessionId } : {}) })
    const done = readyOf(await agent.searchCode({ place, waitMs: WAIT_SECONDS_MAX * 1000 }))
    if (done.state === 'ready') return c.json(indexed(done), 200)
    return c.json(indexing(done, place), 202, headersOf(place))
  })

  const look = createRoute({
    method: 'get',
    path: '/code/index/{place}',
    summary: 'How far an index is',
    middleware: [needs('read')] as const,
    request: { params: z.object({ place: z.string().openapi({ param: { name: 'place', in: 'path' } }) }) },
    responses: { 200: json(Indexed, 'The index is up to date'), 202: json(Indexing, 'Not yet'), ...failures },
  })
  app.openapi(look, async (c) => {
    const named = z.strictObject(Place).safeParse(fromLink(c.req.valid('param').place))
    if (!named.success) throw new Problem('invalid_request', { detail: 'This link was not made here.' })
    const { repo, sessionId } = named.data
    const place = await placeOf({ ...(repo ? { repo } : {}), ...(sessionId ? { sessionId } : {}) })
    const done = readyOf(await agent.searchCode({ place, waitMs: LOOK_MS }))
    if (done.state === 'ready') return c.json(indexed(done), 200)
    return c.json(indexing(done, place), 202, headersOf(place))
  })

  return app
}

/** A look waits as long as a small change takes to be read, so that it does not find the work always begun anew. */
const LOOK_MS = 1000

function readyOf(reply: CodeReply): Ready | Pending {
  if (reply.ok) return reply
  const { code, message, retry } = reply
  const known = { sandbox_unreachable: 'sandbox_unavailable', workspace_busy: 'session_busy' }[code]
  throw new Problem(known ?? (retry ? 'try_again' : code), { detail: message })
}

const indexed = ({ indexed: { commit, files, chunks, left, ms } }: Ready) => ({
  ...(commit ? { commit } : {}),
  files,
  chunks,
  ms: Math.round(ms),
  ...(left > 0 ? { left } : {}),
})

const indexing = ({ done, total }: Pending, place: CodePlace) => ({
  status: 'indexing' as const,
  done,
  total,
  links: { self: linkOf(place) },
})

/** The link is the place itself: nothing must be kept for it, and any server can follow it. */
const linkOf = (place: CodePlace): string => `/code/index/${Buffer.from(JSON.stringify(place)).toString('base64url')}`
const headersOf = (place: CodePlace) => ({ location: linkOf(place), 'retry-after': '2' })

function fromLink(text: string): unknown {
  try {
    return JSON.parse(Buffer.from(text, 'base64url').toString())
  } catch {
    return undefined
  }
}
