/** The HTTP face of a backend: what each entry that answers requests serves, whatever brings the requests. */
import type { OpenAPIHono } from '@hono/zod-openapi'
import type { Backend } from './backend.ts'
import { createApp } from './routes/app.ts'
import type { Vars } from './routes/context.ts'
import { VERSION } from './version.ts'

export type Part = {
  /** False: only /health and /ready, and the door of the queue. */
  api: boolean
  /** Wake-ups are worked on here. */
  works: boolean
}

export function faceOf(backend: Backend, { api, works }: Part): OpenAPIHono<Vars> {
  const { agent, env, wired, work, log } = backend
  const { ports, queue, where, longTerm, longTermWhere, modelConfigured, page } = wired
  const checkLongTerm = (detail: string) =>
    longTerm()
      .then((memory) => memory.check())
      .then(
        () => ({ ok: true, detail }),
        (error: Error) => ({ ok: false, detail: error.message }),
      )
  return createApp({
    agent,
    api,
    keys: env.STINT_API_KEY_HASHES ?? [],
    ratePerMinute: env.STINT_RATE_PER_MINUTE,
    repoRoots: env.STINT_REPO_ROOTS ?? [],
    repoHosts: env.STINT_REPO_HOSTS,
    corsOrigins: env.STINT_CORS_ORIGINS ?? [],
    modelConfigured,
    version: VERSION,
    page,
    ...(queue.verify && works
      ? { wakes: { verify: queue.verify, work, sweep: () => agent.sweep(), clock: ports.clock, log } }
      : {}),
    log,
    async checks() {
      const { ok, detail, ...held } = await ports.sandbox.health()
      // A read that is cheap, and no business of the archive.
      const store = await ports.store.remembered({ sessionId: 'none' }).then(
        () => ({ ok: true, detail: where }),
        (error: Error) => ({ ok: false, detail: error.message }),
      )
      const model = await checkModel(backend)
      const checks: Record<string, Check> = { store, sandbox: { ok, detail }, model }
      if ('isolation' in held) checks.isolation = { ok, detail: held.isolation }
      if (longTermWhere) checks.longTerm = await checkLongTerm(longTermWhere)
      return checks
    },
  })
}

type Check = { ok: boolean; detail: string }

/** A real call, because a key that is set may still be wrong. */
async function checkModel({ env, wired }: Backend): Promise<{ ok: boolean; detail: string }> {
  if (!wired.modelConfigured) return { ok: false, detail: 'no model is configured: set GROQ_API_KEY' }
  const server = env.GROQ_BASE_URL ?? 'Groq'
  const listed = await wired.ports.model.list(AbortSignal.timeout(5000))
  if (!listed.ok) return { ok: false, detail: `${server}: ${listed.message} (${listed.status || listed.code})` }
  const wanted = wired.ports.settings.models.strong
  return listed.ids.includes(wanted)
    ? { ok: true, detail: `${server}, ${wanted}` }
    : { ok: false, detail: `${server} does not offer ${wanted}; set STINT_MODEL_STRONG` }
}
