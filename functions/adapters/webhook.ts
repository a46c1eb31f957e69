/**
 * Callbacks as signed webhooks (standardwebhooks.com): id, time and body under one HMAC. Only public addresses are
 * called: every address a name resolves to is checked, by the very look-up the connection uses, so that a name cannot
 * mean another machine a moment later. Redirects are not followed.
 */
import { createHmac } from 'node:crypto'
import { lookup } from 'node:dns'
import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { BlockList, isIP, type LookupFunction } from 'node:net'
import type { Callbacks } from '../ports.ts'

export type WebhookOptions = {
  /** `whsec_` and base64, or any text. */
  secret: string
  /** For a server that only this machine can reach: it may call this machine, without TLS too. */
  loopback: boolean
}

const ANSWER_MS_MAX = 10_000

export function webhooks({ secret, loopback }: WebhookOptions): Callbacks {
  const key = secret.startsWith('whsec_') ? Buffer.from(secret.slice('whsec_'.length), 'base64') : Buffer.from(secret)
  const sign = (id: string, seconds: number, body: string): string =>
    `v1,${createHmac('sha256', key).update(`${id}.${seconds}.${body}`).digest('base64')}`

  function refuse(text: string): string | undefined {
    if (!URL.canParse(text)) return 'is no address'
    const { protocol, hostname, username, password } = new URL(text)
    const host = hostname.replace(/^\[|\]$/g, '')
    if (username || password) return 'must not hold a name or password'
    const own = loopback && (host === 'localhost' || isLoopback(host))
    if (protocol !== 'https:' && !(own && protocol === 'http:')) return 'must begin with https://'
    if (isIP(host) && !own && !isPublic(host)) return 'must be a public address'
    if (/(^|\.)(localhost|local|internal|home\.arpa)\.?$/i.test(host) && !own) return 'must be a public address'
    return undefined
  }

  /** Resolves as the connection does, and refuses what is not public. */
  const guarded: LookupFunction = (hostname, options, callback) =>
    lookup(hostname, { ...options, all: true }, (error, found) => {
      const bad = error ?? found.find(({ address }) => !(isPublic(address) || (loopback && isLoopback(address))))
      if (bad) return callback(error ?? new NotPublic(`${hostname} is no public address`), '', 0)
      if (options.all) return (callback as unknown as (e: null, all: typeof found) => void)(null, found)
      callback(null, found[0]?.address ?? '', found[0]?.family ?? 4)
    })

  return {
    refuse,
    async send({ url, id, at, body, signal }) {
      const refused = refuse(url)
      if (refused) return { ok: false, again: false, detail: `callbackUrl ${refused}` }
      const seconds = Math.floor(at / 1000)
      const headers = {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
        'user-agent': 'Stint',
        'webhook-id': id,
        'webhook-timestamp': String(seconds),
        'webhook-signature': sign(id, seconds, body),
      }
      try {
        const status = await post(url, headers, body, guarded, signal)
        if (status >= 200 && status < 300) return { ok: true }
        // 410 is how a receiver says that it wants no more of these (standardwebhooks.com).
        const again = status === 408 || status === 409 || status === 425 || status === 429 || status >= 500
        return { ok: false, again, detail: `the receiver answered ${status}` }
      } catch (error) {
        const { message, code } = error as NodeJS.ErrnoException
        return { ok: false, again: !(error instanceof NotPublic), detail: code ?? message }
      }
    },
  }
}

class NotPublic extends Error {}

/** The status of the answer; its body is not read. */
function post(
  url: string,
  headers: object,
  body: string,
  guarded: LookupFunction,
  signal: AbortSignal,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const send = url.startsWith('https:') ? httpsRequest : httpRequest
    const sent = send(
      url,
      { method: 'POST', headers: { ...headers }, lookup: guarded, agent: false, signal, timeout: ANSWER_MS_MAX },
      (response) => {
        response.destroy()
        resolve(response.statusCode ?? 0)
      },
    )
    sent.on('timeout', () => sent.destroy(new Error(`no answer within ${ANSWER_MS_MAX / 1000} s`)))
    sent.on('error', reject)
    sent.end(body)
  })
}

/** Ranges that are not the public internet (IANA special-purpose registries). */
const SPECIAL = new BlockList()
for (const [net, bits] of [
  ...[
    ['0.0.0.0', 8],
    ['10.0.0.0', 8],
    ['100.64.0.0', 10],
    ['127.0.0.0', 8],
    ['169.254.0.0', 16],
    ['172.16.0.0', 12],
  ],
  ...[
    ['192.0.0.0', 24],
    ['192.0.2.0', 24],
    ['192.88.99.0', 24],
    ['192.168.0.0', 16],
    ['198.18.0.0', 15],
  ],
  ...[
    ['198.51.100.0', 24],
    ['203.0.113.0', 24],
    ['224.0.0.0', 4],
    ['240.0.0.0', 4],
  ],
] as [string, number][])
  SPECIAL.addSubnet(net, bits, 'ipv4')
// Only global unicast is public in IPv6; what tunnels or documents is taken out of it.
const UNICAST = new BlockList()
UNICAST.addSubnet('2000::', 3, 'ipv6')
for (const [net, bits] of [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as [string, number][])
  SPECIAL.addSubnet(net, bits, 'ipv6')

function isPublic(address: string): boolean {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  if (mapped) return isPublic(mapped)
  if (isIP(address) === 4) return !SPECIAL.check(address, 'ipv4')
  return isIP(address) === 6 && UNICAST.check(address, 'ipv6') && !SPECIAL.check(address, 'ipv6')
}

const isLoopback = (address: string): boolean => /^(127\.\d+\.\d+\.\d+|::1)$/.test(address)
