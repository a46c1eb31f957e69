/** What people do to a run: a word, a decision, a cancel, read by the next step; a fork of it, a word on how it was. */
import { createRoute, z } from '@hono/zod-openapi'
import { SAY_BYTES_MAX, TASK_BYTES_MAX } from '../core/limits.ts'
import type { Sent } from '../engine/agent.ts'
import { needs } from './auth.ts'
import { type Face, failures, json, makeRouter } from './context.ts'
import { Accepted, checkModel } from './execute.ts'
import { problem } from './problem.ts'
import { linksOf, RunId, shorterThan } from './views.ts'

const Done = z.object({ ok: z.literal(true) })

export function sendRoutes(face: Face) {
  const app = makeRouter()
  const { agent } = face

  const say = createRoute({
    method: 'post',
    path: '/runs/{runId}/messages',
    summary: 'Say something to a run under way, or answer its question',
    middleware: [needs('run')] as const,
    request: {
      params: RunId,
      body: {
        content: {
          'application/json': {
            schema: z.strictObject({
              text: z
                .string()
                .trim()
                .min(1, 'is empty')
                .refine(shorterThan(SAY_BYTES_MAX), `is longer than ${SAY_BYTES_MAX} bytes`),
            }),
          },
        },
        required: true,
      },
    },
    responses: { 202: json(Done, 'Taken; the next step reads it'), ...failures },
  })
  app.openapi(say, async (c) => answer(c, await agent.say(c.req.valid('param').runId, c.req.valid('json').text)))

  const decide = createRoute({
    method: 'post',
    path: '/runs/{runId}/decisions',
    summary: 'Approve or refuse the call a run waits with',
    middleware: [needs('approve')] as const,
    request: {
      params: RunId,
      body: {
        content: {
          'application/json': {
            schema: z.strictObject({
              callId: z.string(),
              approved: z.boolean(),
              reason: z.string().max(2000).optional(),
              remember: z.enum(['call', 'run', 'session', 'repo']).default('call'),
            }),
          },
        },
        required: true,
      },
    },
    responses: { 202: json(Done, 'Taken'), ...failures },
  })
  app.openapi(decide, async (c) => {
    const decision = { ...c.req.valid('json'), by: c.get('caller').id }
    const sent = await agent.decide(c.req.valid('param').runId, decision)
    // Two clicks that agree are one decision.
    return answer(
      c,
      !sent.ok && sent.code === 'decided' && 'approved' in sent && sent.approved === decision.approved
        ? { ok: true }
        : sent,
    )
  })

  const cancel = createRoute({
    method: 'post',
    path: '/runs/{runId}/cancel',
    summary: 'End a run, its running command included',
    middleware: [needs('run')] as const,
    request: {
      params: RunId,
      body: {
        content: { 'application/json': { schema: z.strictObject({ reason: z.string().max(2000).optional() }) } },
        required: false,
      },
    },
    responses: { 202: json(Done, 'Taken'), ...failures },
  })
  app.openapi(cancel, async (c) => {
    const { reason } = (c.req.valid('json') as { reason?: string } | undefined) ?? {}
    return answer(c, await agent.cancel(c.req.valid('param').runId, reason))
  })

  const fork = createRoute({
    method: 'post',
    path: '/runs/{runId}/fork',
    summary: 'Begin a second run from a step of this one; this one stays as it is',
    middleware: [needs('run')] as const,
    request: {
      params: RunId,
      body: {
        content: {
          'application/json': {
            schema: z.strictObject({
              step: z.int().min(0),
              task: z
                .string()
                .trim()
                .min(1, 'is empty')
                .refine(shorterThan(TASK_BYTES_MAX), `is longer than ${TASK_BYTES_MAX} bytes`)
                .optional(),
              model: z.string().min(1).max(200).optional(),
            }),
          },
        },
        required: true,
      },
    },
    responses: { 202: json(Accepted, 'Admitted'), ...failures },
  })
  app.openapi(fork, async (c) => {
    const { runId } = c.req.valid('param')
    const request = c.req.valid('json')
    const from = await agent.ports.store.run(runId)
    if (from) checkModel(request.model ?? from.model, c.get('caller'), face)
    const admitted = await agent.fork({ runId, ...request, by: c.get('caller').id })
    if (!admitted.ok) return answer(c, admitted)
    const { run } = admitted
    c.header('location', `/runs/${run.runId}`)
    return c.json({ runId: run.runId, sessionId: run.sessionId, status: run.status, links: linksOf(run.runId) }, 202)
  })

  const feedback = createRoute({
    method: 'post',
    path: '/runs/{runId}/feedback',
    summary: 'Say how a run was; the last word counts',
    middleware: [needs('run')] as const,
    request: {
      params: RunId,
      body: {
        content: {
          'application/json': {
            schema: z.strictObject({
              score: z.union([z.literal(-1), z.literal(1)]),
              comment: z.string().trim().max(4000).optional(),
            }),
          },
        },
        required: true,
      },
    },
    responses: { 200: json(Done, 'Kept'), ...failures },
  })
  app.openapi(feedback, async (c) => {
    const { runId } = c.req.valid('param')
    if (await agent.rate(runId, c.req.valid('json'))) return c.json({ ok: true as const }, 200)
    return problem(c, 'run_not_found', { detail: `There is no run ${runId}.` }) as never
  })

  return app
}

function answer(c: Parameters<typeof problem>[0], sent: Sent): never {
  if (sent.ok) return c.json({ ok: true }, 202) as never
  const { code, message } = sent
  return problem(c, code, { detail: message }) as never
}
