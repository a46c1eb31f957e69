/** POST /execute: a request becomes a run, and is answered at once, when it has ended, or as a stream. */
import { createRoute, z } from '@hono/zod-openapi'
import { hasEnded } from '../core/inbox.ts'
import { RUN_COST_USD_MAX, RUN_SECONDS_MAX, RUN_TURNS_MAX, TASK_BYTES_MAX, WAIT_SECONDS_MAX } from '../core/limits.ts'
import { ApprovalMode, RunStatus } from '../core/types.ts'
import { hashOf } from '../engine/agent.ts'
import { isScripted } from '../model/catalogue.ts'
import { BranchName } from '../tools/publishing.ts'
import { mayAdmin, needs } from './auth.ts'
import { type Caller, type Face, failures, json, makeRouter } from './context.ts'
import { streamEvents, wantsStream } from './events.ts'
import { Problem, problem } from './problem.ts'
import { checkRepo } from './repo.ts'
import { Links, linksOf, RepoInput, RunView, runView, shorterThan } from './views.ts'

export const ExecuteBody = z
  .strictObject({
    task: z
      .string()
      .trim()
      .min(1, 'is empty; say what is to be done')
      .refine(
        shorterThan(TASK_BYTES_MAX),
        `is longer than ${TASK_BYTES_MAX} bytes; put long material into a file of the repo`,
      ),
    sessionId: z.string().optional(),
    repo: RepoInput.optional(),
    approval: ApprovalMode.optional(),
    limits: z
      .strictObject({
        turns: z.int().min(1).max(RUN_TURNS_MAX).optional(),
        costUsd: z.number().positive().max(RUN_COST_USD_MAX).optional(),
        seconds: z.number().positive().max(RUN_SECONDS_MAX).optional(),
      })
      .optional(),
    model: z.string().min(1).max(200).optional(),
    deliver: z
      .strictObject({ branch: BranchName.optional(), pullRequest: z.enum(['none', 'draft', 'ready']).optional() })
      .optional(),
    callbackUrl: z.url().optional(),
  })
  .openapi('Execute')

export const Accepted = z.object({ runId: z.string(), sessionId: z.string(), status: RunStatus, links: Links })

/** @throws Problem when nobody here may, or can, use the model. */
export function checkModel(model: string, caller: Caller, face: Face): void {
  if (isScripted(model) && face.keys.length > 0 && !mayAdmin(caller))
    throw new Problem('forbidden', { detail: 'The scripted model needs the scope admin.' })
  if (!isScripted(model) && !face.modelConfigured)
    throw new Problem('model_not_configured', {
      detail: 'Set GROQ_API_KEY (or GROQ_BASE_URL for another server), or ask for model "scripted".',
    })
}

export function executeRoutes(face: Face) {
  const app = makeRouter()
  const { agent } = face
  const { store } = agent.ports
  /** Idempotency keys whose first request is being answered right now. */
  const inFlight = new Set<string>()

  const execute = createRoute({
    method: 'post',
    path: '/execute',
    summary: 'Ask for a run',
    middleware: [needs('run')] as const,
    request: {
      headers: z.object({ 'idempotency-key': z.string().min(1).max(255).optional(), prefer: z.string().optional() }),
      body: { content: { 'application/json': { schema: ExecuteBody } }, required: true },
    },
    responses: {
      200: json(
        RunView,
        'The finished run, when `Prefer: wait=N` saw it end (an event stream, when that was asked for)',
      ),
      202: json(Accepted, 'Admitted'),
      ...failures,
    },
  })
  app.openapi(execute, async (c) => {
    const body = c.req.valid('json')
    const { task, sessionId, approval, limits } = body
    const caller = c.get('caller')
    const model = body.model ?? 'auto'
    checkModel(model, caller, face)
    const { callbackUrl } = body
    const { callbacks } = agent.ports
    const refused =
      callbackUrl && (callbacks ? callbacks.refuse(callbackUrl) : 'needs STINT_WEBHOOK_SECRET, which is not set here')
    if (refused)
      return problem(c, 'callback_refused', {
        detail: `callbackUrl ${refused}.`,
        errors: [{ field: 'callbackUrl', message: refused }],
      }) as never

    const given = c.req.valid('header')['idempotency-key']
    const key = given === undefined ? undefined : `${caller.id} ${given}`
    if (key !== undefined && inFlight.has(key))
      return problem(c, 'idempotency_in_progress', {
        detail: 'A request with this Idempotency-Key is being answered.',
      }) as never
    if (key !== undefined) inFlight.add(key)
    try {
      const repo = await checkRepo(body.repo, face)
      const admitted = await agent.execute(
        { task, sessionId, repo, approval, limits, model, callbackUrl, by: caller.id, deliver: body.deliver },
        key === undefined ? undefined : { key, hash: hashOf(body) },
      )
      if (!admitted.ok)
        return problem(c, admitted.code, {
          detail: admitted.message,
          ...(admitted.code === 'deliver_refused' ? { errors: [{ field: 'deliver', message: 'not available' }] } : {}),
          ...(admitted.runId ? { runId: admitted.runId } : {}),
        }) as never
      const { run } = admitted
      c.header('location', `/runs/${run.runId}`)
      if (wantsStream(c)) return streamEvents(c, face, run.runId, 0) as never
      const waitS = Math.min(
        Number(/(?:^|[,;\s])wait=(\d+)/.exec(c.req.valid('header').prefer ?? '')?.[1] ?? 0),
        WAIT_SECONDS_MAX,
      )
      const settled =
        waitS > 0 ? await agent.settled(run.runId, waitS * 1000, c.req.raw.signal) : await store.run(run.runId)
      if (waitS > 0) c.header('preference-applied', `wait=${waitS}`)
      if (waitS > 0 && settled && hasEnded(settled)) return c.json(runView(settled), 200)
      return c.json(
        {
          runId: run.runId,
          sessionId: run.sessionId,
          status: settled?.status ?? run.status,
          links: linksOf(run.runId),
        },
        202,
      )
    } finally {
      if (key !== undefined) inFlight.delete(key)
    }
  })
  return app
}
