/**
 * The sandbox-runner behind an address: each request carries a token of its own, made from SANDBOX_TOKEN for that run
 * and workspace alone, and asks again where the work takes longer than a connection should stand.
 */
import type { Request } from '../../sandbox-runner/protocol.ts'
import { claimsOf, signToken, subjectOf } from '../../sandbox-runner/token.ts'
import type { Clock } from '../ports.ts'
import type { Transport } from './sandbox-client.ts'

/** So long one connection waits for an answer: less than balancers and gateways allow. */
export const HTTP_WAIT_MS = 25_000
/** Beside that: for a cold start, and for the way of a large answer. */
const HTTP_MS_MORE = 60_000

export function httpRunner({ url, secret }: { url: string; secret: string }, clock: Clock): Transport {
  return {
    waitMs: HTTP_WAIT_MS,
    async send(request: Request, { timeoutMs = HTTP_WAIT_MS } = {}) {
      const token = signToken(secret, claimsOf(subjectOf(request), clock.now()))
      const response = await fetch(url, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify(request),
        redirect: 'error',
        signal: AbortSignal.timeout(timeoutMs + HTTP_MS_MORE),
      })
      const text = await response.text()
      try {
        return JSON.parse(text) as unknown
      } catch {
        throw new Error(`the sandbox at ${new URL(url).host} answered ${response.status} and no JSON`)
      }
    },
    async close() {},
  }
}
