/** Tools: what there is, and one call of one of them. */
import { createRoute, z } from '@hono/zod-openapi'
import { hasEnded } from '../core/inbox.ts'
import { WAIT_SECONDS_MAX } from '../core/limits.ts'
import { ApprovalMode, Risk, RunStatus, ToolError } from '../core/types.ts'
import { allTools, inputSchema } from '../tools/registry.ts'
import { needs } from './auth.ts'
import { type Face, failures, json, makeRouter } from './context.ts'
import { problem } from './problem.ts'
import { checkRepo } from './repo.ts'
import { Links, linksOf, RepoInput, runView } from './views.ts'

const ToolView = z
  .object({
    name: z.string(),
    category: z.string(),
    description: z.string(),
    inputSchema: z.record(z.string(), z.unknown()),
    risk: Risk,
    runs: z.enum(['sandbox', 'function']),
    repeat: z.enum(['safe', 'from_snapshot', 'never']),
  })
  .openapi('Tool')
const Result = z
  .object({
    runId: z.string(),
    sessionId: z.string(),
    callId: z.string(),
    ok: z.boolean(),
    output: z.string(),
    data: z.unknown().optional(),
    error: ToolError.optional(),
    risk: Risk,
    durationMs: z.number(),
    truncated: z.boolean(),
  })
  .openapi('ToolResult')
const Pending = z
  .object({
    runId: z.string(),
    sessionId: z.string(),
    callId: z.string().optional(),
    status: RunStatus,
    approval: z.record(z.string(), z.unknown()).optional(),
    links: Links,
  })
  .openapi('PendingTool')

export function toolRoutes(face: Face) {
  const app = makeRouter()
  const { agent } = face

  const list = createRoute({
    method: 'get',
    path: '/tools',
    summary: 'Every tool with its schema and risk',
    middleware: [needs('read')] as const,
    responses: { 200: json(z.object({ items: z.array(ToolView) }), 'The tools'), ...failures },
  })
  app.openapi(list, (c) =>
    c.json(
      {
        items: allTools().map(({ definition, runs }) => ({
          name: definition.name,
          category: definition.category,
          description: definition.description,
          inputSchema: inputSchema(definition),
          risk: definition.risk,
          runs,
          repeat: definition.repeat,
        })),
      },
      200,
    ),
  )

  const execute = createRoute({
    method: 'post',
    path: '/tool/execute',
    summary: 'Perform one tool call',
    middleware: [needs('run')] as const,
    request: {
      body: {
        content: {
          'application/json': {
            schema: z.strictObject({
              tool: z.string(),
              input: z.record(z.string(), z.unknown()).default({}),
              sessionId: z.string().optional(),
              repo: RepoInput.optional(),
              approval: ApprovalMode.optional(),
            }),
          },
        },
        required: true,
      },
    },
    responses: {
      200: json(Result, 'The result, failed ones included'),
      202: json(Pending, 'It waits for an approval, or is not done yet'),
      ...failures,
    },
  })
  app.openapi(execute, async (c) => {
    const { tool, input, sessionId, approval, ...rest } = c.req.valid('json')
    const repo = await checkRepo(rest.repo, face)
    const admitted = await agent.executeTool({ tool, input, sessionId, repo, approval, by: c.get('caller').id })
    if (!admitted.ok)
      return problem(c, admitted.code, {
        detail: admitted.message,
        ...(admitted.runId ? { runId: admitted.runId } : {}),
      }) as never
    const { runId, sessionId: session } = admitted.run
    c.header('location', `/runs/${runId}`)
    const run = (await agent.settled(runId, WAIT_SECONDS_MAX * 1000, c.req.raw.signal)) ?? admitted.run
    const last = hasEnded(run)
      ? (await agent.ports.store.messages(runId, 0)).findLast((message) => message.role === 'tool')
      : undefined
    if (last?.role === 'tool') {
      const { callId, ok, output, data, error, risk, durationMs, truncated } = last.result
      return c.json(
        {
          runId,
          sessionId: session,
          callId,
          ok,
          output,
          ...(data === undefined ? {} : { data }),
          ...(error ? { error } : {}),
          risk,
          durationMs,
          truncated,
        },
        200,
      )
    }
    if (hasEnded(run))
      return problem(c, 'sandbox_unavailable', { detail: run.answer ?? 'the call was not performed', runId }) as never
    const view = runView(run)
    return c.json(
      {
        runId,
        sessionId: session,
        ...(admitted.callId ? { callId: admitted.callId } : {}),
        status: run.status,
        ...(view.waitingFor ? { approval: view.waitingFor } : {}),
        links: linksOf(runId),
      },
      202,
    )
  })

  return app
}
