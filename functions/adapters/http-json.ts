/**
 * One JSON request to a service that may be slow, busy or down: every try has a time of its own, and what may help is tried
 * again. Only for requests that may be sent twice. Errors name the service and what it said, never what was sent.
 */
import type { Clock } from '../ports.ts'

const TRIES = 3
const PAUSE_MS_FIRST = 200
/** A server that asks for a longer pause is not waited for. */
const PAUSE_MS_MAX = 3000
const SAID_CHARS_MAX = 300

export type JsonService = {
  /** For people: "Chroma at localhost:8000". */
  where: string
  headers: Record<string, string>
  /** Of one try. */
  msMax: number
  clock: Pick<Clock, 'sleep'>
}

/** What a service answered that is no success. */
export class ServiceError extends Error {
  readonly status: number
  constructor(message: string, status: number) {
    super(message)
    this.name = 'ServiceError'
    this.status = status
  }
}

/** @throws ServiceError; its status is 0 where no answer came. */
export async function askJson(
  { where, headers, msMax, clock }: JsonService,
  url: string,
  { method = 'POST', body }: { method?: string; body?: unknown } = {},
): Promise<unknown> {
  for (let tried = 1, pauseMs = PAUSE_MS_FIRST; ; tried++, pauseMs *= 2) {
    try {
      const response = await fetch(url, {
        method,
        headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        redirect: 'error',
        signal: AbortSignal.timeout(msMax),
      })
      const text = await response.text()
      if (response.ok) return text === '' ? undefined : JSON.parse(text)
      const after = Number(response.headers.get('retry-after') ?? 0) * 1000
      if (Number.isFinite(after)) pauseMs = Math.max(pauseMs, after)
      throw new ServiceError(`${where} answered ${response.status}: ${saidIn(text)}`, response.status)
    } catch (error) {
      const told = error instanceof ServiceError ? error : new ServiceError(`${where} ${whyOf(error as Error)}`, 0)
      const helps = told.status === 0 || told.status === 429 || told.status >= 500
      if (!helps || tried >= TRIES || pauseMs > PAUSE_MS_MAX) throw told
      await clock.sleep(pauseMs)
    }
  }
}

function saidIn(text: string): string {
  try {
    const { message, error } = JSON.parse(text) as { message?: unknown; error?: unknown }
    const inner = typeof error === 'object' && error !== null ? (error as { message?: unknown }).message : error
    const said = message ?? inner
    if (typeof said === 'string') return said.slice(0, SAID_CHARS_MAX)
  } catch {
    // No JSON: a proxy's page, say.
  }
  return 'no reason was given'
}

const whyOf = ({ name, cause }: Error): string =>
  name === 'TimeoutError'
    ? 'did not answer in time'
    : name === 'SyntaxError'
      ? 'answered something that is no JSON'
      : `cannot be reached${cause instanceof Error && 'code' in cause ? `: ${String(cause.code)}` : ''}`
