/**
 * The token that opens a runner to one request: made from a secret that both sides have, good for one run and its
 * workspace, and for a few minutes. It travels instead of the secret; whoever gets hold of one reaches no other run.
 *
 *     v1.<what it is good for, JSON in base64url>.<HMAC-SHA256 of all before it>
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { z } from 'zod'
import type { Request } from './protocol.ts'

const Claims = z.object({
  run: z.string().optional(),
  workspace: z.string().optional(),
  /** Unix time in seconds. */
  exp: z.number(),
})
export type Claims = z.infer<typeof Claims>

export const TOKEN_SECONDS = 300
/** By so much the clocks of both sides may differ. */
const SKEW_SECONDS = 60

const signed = (secret: string, text: string): Buffer => createHmac('sha256', secret).update(text).digest()

export function signToken(secret: string, claims: Claims): string {
  const text = `v1.${Buffer.from(JSON.stringify(claims)).toString('base64url')}`
  return `${text}.${signed(secret, text).toString('base64url')}`
}

/** What the token is good for, or why it is not. The signature is looked at before anything in it. */
export function readToken(secret: string, token: string, nowMs: number): Claims | 'wrong' | 'expired' {
  const end = token.lastIndexOf('.')
  const given = Buffer.from(token.slice(end + 1), 'base64url')
  const expected = signed(secret, token.slice(0, Math.max(end, 0)))
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return 'wrong'
  const claims = Claims.parse(JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()))
  if (nowMs / 1000 > claims.exp + SKEW_SECONDS) return 'expired'
  return claims
}

/** What a request is about; a token must have been made for it. */
export type Subject = { runId?: string | undefined; workspace?: { id: string } | undefined }

export const subjectOf = (request: Request): Subject => ({
  runId: 'runId' in request ? request.runId : undefined,
  workspace: 'workspace' in request ? request.workspace : undefined,
})

export const claimsOf = ({ runId, workspace }: Subject, nowMs: number): Claims => ({
  ...(runId === undefined ? {} : { run: runId }),
  ...(workspace === undefined ? {} : { workspace: workspace.id }),
  exp: Math.ceil(nowMs / 1000) + TOKEN_SECONDS,
})

export const permits = ({ run, workspace }: Claims, request: Subject): boolean =>
  run === request.runId && workspace === request.workspace?.id
