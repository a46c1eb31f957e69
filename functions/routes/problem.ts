/** Errors as people and programs get them: RFC 9457 problem details with a `code`. The one place that knows statuses. */
import type { Context } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'

const STATUS: Record<string, [status: ContentfulStatusCode, title: string]> = {
  invalid_json: [400, 'The body is not valid JSON'],
  unauthorized: [401, 'A valid API key is needed'],
  forbidden: [403, 'The API key lacks a scope'],
  origin_refused: [403, 'The request comes from elsewhere'],
  not_found: [404, 'There is nothing here'],
  run_not_found: [404, 'There is no such run'],
  session_not_found: [404, 'There is no such session'],
  fact_not_found: [404, 'There is no such fact'],
  preference_not_found: [404, 'There is no such preference'],
  method_not_allowed: [405, 'This method is not offered here'],
  idempotency_in_progress: [409, 'The same request is being worked on'],
  session_busy: [409, 'The session is busy'],
  run_ended: [409, 'The run has ended'],
  not_waiting: [409, 'The run does not wait for this'],
  decided: [409, 'The call was decided already'],
  too_large: [413, 'The body is too large'],
  unsupported_media_type: [415, 'The body must be JSON'],
  idempotency_mismatch: [422, 'The Idempotency-Key belongs to another request'],
  rate_limited: [429, 'Too many requests'],
  internal: [500, 'Something went wrong here'],
  model_not_configured: [503, 'No model is configured'],
  sandbox_unavailable: [503, 'The sandbox is not available'],
  try_again: [503, 'This did not work now and may work later'],
  store_unavailable: [503, 'The store is not available'],
  storage_full: [507, 'The disk is full'],
}

/** What does not fit; the answer lists each field with what is wrong. */
const DEFAULT: [ContentfulStatusCode, string] = [422, 'The request cannot be taken as it is']

export type Extra = {
  detail?: string
  hint?: string
  errors?: { field: string; message: string }[]
  [key: string]: unknown
}

export function problem(c: Context, code: string, extra: Extra = {}, headers: Record<string, string> = {}): Response {
  const [status, title] = STATUS[code] ?? DEFAULT
  const requestId = c.get('requestId') as string | undefined
  const body = { type: 'about:blank', title, status, code, ...extra, instance: c.req.path, requestId }
  return c.body(JSON.stringify(body), status, { 'content-type': 'application/problem+json', ...headers })
}

/** Thrown where an answer cannot be returned; `app.onError` maps it. */
export class Problem extends Error {
  readonly code: string
  readonly extra: Extra
  constructor(code: string, extra: Extra = {}) {
    super(extra.detail ?? code)
    this.name = 'Problem'
    this.code = code
    this.extra = extra
  }
}

/** What an unexpected error means to the caller; its own text stays here. */
export function codeOf(error: unknown): { code: string; detail: string } {
  const { code, errcode, message = '' } = error as { code?: string; errcode?: number; message?: string }
  if (code === 'ENOSPC' || code === 'EDQUOT' || errcode === 13 || /database or disk is full/.test(message))
    return { code: 'storage_full', detail: 'The disk of STINT_HOME is full; free some space and try again.' }
  if (code === 'ERR_SQLITE_ERROR' || code === 'store_unavailable')
    return { code: 'store_unavailable', detail: 'The store could not be used; try again.' }
  return { code: 'internal', detail: 'The request was not carried out. The log has the cause under this requestId.' }
}
