/**
 * Wake-ups as messages of QStash, which brings each by HTTP to a route of this server and signs it. Spoken to with fetch
 * and checked with node:crypto: the protocol is one request and one HMAC, and the vendor's own library takes its signing
 * keys from the environment as it likes (QSTASH_DEV=true makes it accept keys that everybody knows).
 */
import { createHash, createHmac, randomUUID, timingSafeEqual } from 'node:crypto'
import { z } from 'zod'
import { GIVEN_UP_PATH, WAKE_PATH, writeWake } from '../core/wake.ts'
import type { Clock, Queue } from '../ports.ts'

/** The free plan's bounds, so that every plan takes what is sent. */
const DELAY_MS_MAX = 7 * 24 * 3600_000
const RETRIES = 3
const REQUEST_MS_MAX = 5000
/** Tries of one send; QStash is asked at once again, with the same id, so that it takes the message once. */
const SEND_TRIES = 3
const SEND_PAUSE_MS = 200
/** How far the two clocks may be apart. */
const SKEW_S = 30

export type QstashOptions = {
  token: string
  url?: string | undefined
  /** How QStash reaches this server. */
  publicUrl: string
  currentKey: string
  nextKey: string
}
export type QstashQueue = Queue & {
  /** Why the request is not QStash's; undefined when it is. */
  verify(signature: string | undefined, path: string, body: string): string | undefined
  stop(): Promise<void>
}

export function qstashQueue(options: QstashOptions, clock: Clock): QstashQueue {
  const { token, url = 'https://qstash.upstash.io', currentKey, nextKey } = options
  const own = options.publicUrl.replace(/\/+$/, '')
  const publish = `${url.replace(/\/+$/, '')}/v2/publish/${own}${WAKE_PATH}`

  async function ask(
    headers: Record<string, string>,
    body: string,
  ): Promise<{ ok: boolean; again: boolean; why: string }> {
    try {
      const response = await fetch(publish, {
        method: 'POST',
        headers,
        body,
        signal: AbortSignal.timeout(REQUEST_MS_MAX),
      })
      const why = `${response.status}: ${(await response.text()).slice(0, 200)}`
      return { ok: response.ok, again: response.status >= 500 || response.status === 429, why }
    } catch (error) {
      const { cause, message } = error as Error & { cause?: { code?: string } }
      return { ok: false, again: true, why: cause?.code ?? message }
    }
  }

  return {
    async send(wake, delayMs) {
      // Beyond what may be sent, the store's own due time is relied on.
      if (delayMs > DELAY_MS_MAX) return
      const headers = {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        'upstash-delay': `${Math.max(0, Math.ceil(delayMs / 1000))}s`,
        'upstash-retries': String(RETRIES),
        'upstash-failure-callback': `${own}${GIVEN_UP_PATH}`,
        // Named by this one send and not by run and step: QStash drops what has an id it saw in the last ten minutes,
        // and the sweep sends a wake-up for the same step again because the first one was lost.
        'upstash-deduplication-id': `${wake.runId}-${wake.step ?? 'any'}-${randomUUID()}`,
      }
      for (let tries = 1; ; tries++) {
        const answer = await ask(headers, writeWake(wake))
        if (answer.ok) return
        if (!answer.again || tries === SEND_TRIES) throw new Error(`QStash refused a wake-up: ${answer.why}`)
        await clock.sleep(SEND_PAUSE_MS * tries)
      }
    },
    verify(signature, path, body) {
      if (!signature) return 'Upstash-Signature is missing'
      const claims = claimsOf(signature, [currentKey, nextKey])
      if (!claims) return 'the signature is not of a key known here'
      const now = clock.now() / 1000
      if (claims.iss !== 'Upstash') return 'the issuer is not Upstash'
      if (claims.sub !== `${own}${path}`) return 'it was signed for another address; is STINT_PUBLIC_URL right?'
      if (claims.exp + SKEW_S < now) return 'it has expired'
      if (claims.nbf - SKEW_S > now) return 'it is not valid yet'
      const hash = createHash('sha256').update(body).digest('base64url')
      return claims.body.replace(/=+$/, '') === hash ? undefined : 'the body is not the one that was signed'
    },
    async stop() {},
  }
}

const Header = z.object({ alg: z.literal('HS256') })
const Claims = z.object({ iss: z.string(), sub: z.string(), exp: z.number(), nbf: z.number(), body: z.string() })

/** What a token says, if one of the keys has signed it: the next one too, so that keys can be rolled. */
function claimsOf(token: string, keys: string[]): z.infer<typeof Claims> | undefined {
  const [header = '', payload = '', signature = '', ...more] = token.split('.')
  const given = Buffer.from(signature, 'base64url')
  const signed = keys.some((key) => {
    const due = createHmac('sha256', key).update(`${header}.${payload}`).digest()
    return given.length === due.length && timingSafeEqual(given, due)
  })
  if (!signed || more.length > 0) return undefined
  try {
    const [head, claims] = [header, payload].map((part) => JSON.parse(Buffer.from(part, 'base64url').toString()))
    return Header.safeParse(head).success ? Claims.safeParse(claims).data : undefined
  } catch {
    return undefined
  }
}
